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
import {
  isScaleText,
  parseScaleCandidate,
  scaleCandidateSchema,
  scaleSpaceSchema,
  scaleText,
  shortScale,
} from './scale.ts';

/** What is trained: layers in order, source files, or a model at scale with its recipe. */
export const candidateSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('stack'), architecture: z.array(primitiveSchema).min(1) }),
  z.strictObject({ kind: z.literal('program'), files: filesSchema }),
  z.strictObject({ kind: z.literal('scale'), ...scaleCandidateSchema.shape }),
]);
export type Candidate = z.infer<typeof candidateSchema>;

/** Parses a candidate of this space. @throws CandidateError with the problem. */
export function parseCandidate(text: string, space: Space): Candidate {
  switch (space.kind) {
    case 'stack':
      return { kind: 'stack', architecture: [...parseInSpace(text, space)] };
    case 'program':
      return { kind: 'program', files: { ...programInSpace(parseProgram(text), space) } };
    case 'scale':
      return { kind: 'scale', ...parseScaleCandidate(text) };
  }
}

/** Canonical text, by which the ledger identifies a candidate: equal candidates give equal bytes. */
export function candidateText(candidate: Candidate): string {
  switch (candidate.kind) {
    case 'stack':
      return canonicalText(candidate.architecture);
    case 'program':
      return programText(candidate.files);
    case 'scale':
      return scaleText(candidate);
  }
}

/** The canonical form of a text of this space. @throws CandidateError */
export function canonicalCandidate(text: string, space: Space): string {
  return candidateText(parseCandidate(text, space));
}

/** The part of a candidate that enters its evaluation key. */
export function candidateIdentity(candidate: Candidate) {
  switch (candidate.kind) {
    case 'stack':
      return { architecture: candidate.architecture };
    case 'program':
      return { files: candidate.files };
    case 'scale':
      return { model: candidate.model, recipe: candidate.recipe };
  }
}

const longestShort = 600;

/** Short form for people; a text that is not a candidate is cut. */
export function shortCandidate(text: string): string {
  try {
    if (isScaleText(text)) return shortScale(parseScaleCandidate(text));
    if (text.startsWith('{')) return shortProgram(parseProgram(text));
    const short = runLengthText(readArchitecture(text));
    // A rejected text of plain words reads as layers too.
    return short.length > longestShort ? `${short.slice(0, longestShort)}...` : short;
  } catch (thrown) {
    if (!(thrown instanceof CandidateError)) throw thrown;
    return text.length > 60 ? `${text.slice(0, 57)}...` : text;
  }
}

/** A search space: arrange known layers (Compose), write source files (Design), or none: the runs of a scale plan. */
export const spaceSchema = z.discriminatedUnion('kind', [stackSpaceSchema, programSpaceSchema, scaleSpaceSchema]);
export type Space = z.infer<typeof spaceSchema>;
export type SpaceKind = Space['kind'];

/** @throws TerminalError for another space: a mistake of the caller, not of a candidate. */
export function stackSpace(space: Space): StackSpace {
  if (space.kind !== 'stack') throw new TerminalError('space', `expected a stack space, got a ${space.kind} space`);
  return space;
}
