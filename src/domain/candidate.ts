import * as z from 'zod';
import {
  canonicalText,
  parseArchitecture,
  parseInSpace,
  primitiveSchema,
  runLengthText,
  type StackSpace,
  stackSpaceSchema,
} from './architecture.ts';
import { CandidateError, TerminalError } from './errors.ts';
import { filesSchema, parseProgram, programInSpace, programSpaceSchema, programText, shortProgram } from './program.ts';

/** What is trained: layers in order, or the texts of source files. */
export const candidateSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('stack'), architecture: z.array(primitiveSchema).min(1) }),
  z.strictObject({ kind: z.literal('program'), files: filesSchema }),
]);
export type Candidate = z.infer<typeof candidateSchema>;

/** Reads a candidate of this space. @throws CandidateError saying what is wrong with it. */
export function parseCandidate(text: string, space: Space): Candidate {
  return space.kind === 'stack'
    ? { kind: 'stack', architecture: [...parseInSpace(text, space)] }
    : { kind: 'program', files: { ...programInSpace(parseProgram(text), space) } };
}

/** The canonical text, by which the ledger knows a candidate: equal candidates give equal bytes. */
export function candidateText(candidate: Candidate): string {
  return candidate.kind === 'stack' ? canonicalText(candidate.architecture) : programText(candidate.files);
}

/** The canonical form of a text of this space. @throws CandidateError */
export function canonicalCandidate(text: string, space: Space): string {
  return candidateText(parseCandidate(text, space));
}

/** What of a candidate enters the identity of its evaluation. */
export function candidateIdentity(candidate: Candidate) {
  return candidate.kind === 'stack' ? { architecture: candidate.architecture } : { files: candidate.files };
}

/** The form printed for people, of a candidate of any space; a text that is none is cut. */
export function shortCandidate(text: string): string {
  try {
    return text.startsWith('{') ? shortProgram(parseProgram(text)) : runLengthText(parseArchitecture(text));
  } catch (thrown) {
    if (!(thrown instanceof CandidateError)) throw thrown;
    return text.length > 60 ? `${text.slice(0, 57)}...` : text;
  }
}

/** What a task lets an agent do: arrange known layers (Compose), or write source files (Design). */
export const spaceSchema = z.discriminatedUnion('kind', [stackSpaceSchema, programSpaceSchema]);
export type Space = z.infer<typeof spaceSchema>;
export type SpaceKind = Space['kind'];

/** @throws TerminalError for any other space: a mistake of whoever asked, not of a candidate. */
export function stackSpace(space: Space): StackSpace {
  if (space.kind !== 'stack') throw new TerminalError('space', 'layers are asked for where a program is to be written');
  return space;
}
