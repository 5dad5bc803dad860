import type { OwnPrimitive } from '../../domain/architecture.ts';
import type { Space } from '../../domain/candidate.ts';
import { TerminalError } from '../../domain/errors.ts';
import type { Brief } from '../../domain/program.ts';
import type { Experiment } from '../../domain/search.ts';
import { programPrompts } from './programPrompts.ts';
import { stackPrompts } from './prompts.ts';
import type { CandidatePrompts } from './sections.ts';

/** What the questions of one agent share. */
export interface PromptDeps {
  readonly task: string;
  readonly metric: string;
  readonly lowerIsBetter?: boolean | undefined;
  readonly space: Space;
  readonly primitives?: readonly OwnPrimitive[] | undefined;
  readonly brief?: Brief | undefined;
  readonly experiment?: Experiment | undefined;
  readonly role: string;
}

/** @throws TerminalError for a program space without a brief, and for a scale plan, which has no agents. */
export function promptsFor({ space, brief, lowerIsBetter = false, ...shared }: PromptDeps): CandidatePrompts {
  if (space.kind === 'stack') return stackPrompts({ ...shared, space });
  if (space.kind === 'scale') throw new TerminalError('space', 'a scale plan has no agents');
  if (!brief) throw new TerminalError('brief', 'a program space needs a brief');
  return programPrompts({ ...shared, space, brief, lowerIsBetter });
}
