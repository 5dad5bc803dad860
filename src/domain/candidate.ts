import * as z from 'zod';
import {
  canonicalText,
  parseInSpace,
  primitiveSchema,
  readArchitecture,
  runLengthText,
  type StackSpace,
  stackSpaceSchema,
} from './architecture.ts';
import { CandidateError, TerminalError } from './errors.ts';
import { filesSchema, parseProgram, programInSpace, programSpaceSchema, programText, shortProgram } from './program.ts';

/** What is trained: layers in order, or source files. */
export const candidateSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('stack'), architecture: z.array(primitiveSchema).min(1) }),
  z.strictObject({ kind: z.literal('program'), files: filesSchema }),
]);
export type Candidate = z.infer<typeof candidateSchema>;

/** Parses a candidate of this space. @throws CandidateError with the problem. */
export function parseCandidate(text: string, space: Space): Candidate {
  return space.kind === 'stack'
    ? { kind: 'stack', architecture: [...parseInSpace(text, space)] }
    : { kind: 'program', files: { ...programInSpace(parseProgram(text), space) } };
}

/** Canonical text, by which the ledger identifies a candidate: equal candidates give equal bytes. */
export function candidateText(candidate: Candidate): string {
  return candidate.kind === 'stack' ? canonicalText(candidate.architecture) : programText(candidate.files);
}

/** The canonical form of a text of this space. @throws CandidateError */
export function canonicalCandidate(text: string, space: Space): string {
  return candidateText(parseCandidate(text, space));
}

/** The part of a candidate that enters its evaluation key. */
export function candidateIdentity(candidate: Candidate) {
  return candidate.kind === 'stack' ? { architecture: candidate.architecture } : { files: candidate.files };
}

const longestShort = 600;

/** Short form for people; a text that is not a candidate is cut. */
export function shortCandidate(text: string): string {
  try {
    if (text.startsWith('{')) return shortProgram(parseProgram(text));
    const short = runLengthText(readArchitecture(text));
    // A rejected text of plain words reads as layers too.
    return short.length > longestShort ? `${short.slice(0, longestShort)}...` : short;
  } catch (thrown) {
    if (!(thrown instanceof CandidateError)) throw thrown;
    return text.length > 60 ? `${text.slice(0, 57)}...` : text;
  }
}

/** A task's search space: arrange known layers (Compose), or write source files (Design). */
export const spaceSchema = z.discriminatedUnion('kind', [stackSpaceSchema, programSpaceSchema]);
export type Space = z.infer<typeof spaceSchema>;
export type SpaceKind = Space['kind'];

/** @throws TerminalError for another space: a mistake of the caller, not of a candidate. */
export function stackSpace(space: Space): StackSpace {
  if (space.kind !== 'stack') throw new TerminalError('space', 'expected a stack space, got a program space');
  return space;
}
