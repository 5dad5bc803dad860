import type { Space } from '../../domain/candidate.ts';
import { TerminalError } from '../../domain/errors.ts';
import type { Brief } from '../../domain/program.ts';
import type { CandidatePrompts } from './candidatePrompts.ts';
import { programPrompts } from './programs/prompts.ts';
import { stackPrompts } from './stackPrompts.ts';

/** What the questions of one agent have in common. */
export interface Subject {
  readonly task: string;
  readonly metric: string;
  readonly lowerIsBetter?: boolean | undefined;
  readonly space: Space;
  readonly brief?: Brief | undefined;
  readonly role: string;
}

/** @throws TerminalError for a space of programs without a brief. */
export function promptsFor({ space, brief, lowerIsBetter = false, ...topic }: Subject): CandidatePrompts {
  if (space.kind === 'stack') return stackPrompts({ ...topic, space });
  if (!brief) throw new TerminalError('brief', 'a program cannot be asked for without a brief');
  return programPrompts({ ...topic, space, brief, lowerIsBetter });
}
