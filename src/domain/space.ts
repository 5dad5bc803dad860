import * as z from 'zod';
import { type StackSpace, stackSpaceSchema } from './architecture.ts';
import { TerminalError } from './errors.ts';
import { type ProgramSpace, programSpaceSchema } from './program.ts';

/** What a task lets an agent do: arrange known layers (Compose), or write source files (Design). */
export const spaceSchema = z.discriminatedUnion('kind', [stackSpaceSchema, programSpaceSchema]);
export type Space = z.infer<typeof spaceSchema>;
export type SpaceKind = Space['kind'];

/** @throws TerminalError for any other space: a mistake of whoever asked, not of a candidate. */
export function stackSpace(space: Space): StackSpace {
  if (space.kind !== 'stack') throw new TerminalError('space', 'layers are asked for where a program is to be written');
  return space;
}

/** @throws TerminalError for any other space. */
export function programSpace(space: Space): ProgramSpace {
  if (space.kind !== 'program') throw new TerminalError('space', 'a program is asked for where layers are arranged');
  return space;
}
