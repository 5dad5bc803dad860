import type { Purpose } from '../../domain/agent.ts';
import type { Space } from '../../domain/candidate.ts';
import type { Effort } from '../../domain/model.ts';
import { bringsScripts, type MultiTurnSpec } from '../../domain/rehearsal.ts';

/**
 * How many output tokens a question needs: the size of its answer and room for the thought before it. The limit is also what
 * a call reserves and what it can waste, so it follows the operator. A truncated answer is requested again with twice the
 * room.
 */

/** Tokens of thinking by effort. Answers of current models at medium effort take 150 to 3000 tokens in all. */
const thinking: Readonly<Record<Effort | 'default', number>> = {
  low: 2000,
  default: 6000,
  medium: 6000,
  high: 12_000,
  xhigh: 24_000,
  max: 48_000,
};

/** Hypothesis, change and evidence of a proposal. */
export const reasonTokens = 800;
/** Lessons that `lessonTokens` suffice for. */
export const lessonsEach = 4;
export const lessonTokens = 1000;

/** A validation script, an argument of a tool. Where candidates are programs, the answer has room for one. */
const scriptTokens = 2000;

/** Tokens of tool calls beyond what the answer needs. */
export const callTokens = (operators: MultiTurnSpec | undefined, space: Space): number =>
  operators && space.kind === 'stack' && bringsScripts(operators, space) ? scriptTokens : 0;

const bytesPerToken = 3;
export const tokensOf = (bytes: number): number => Math.ceil(bytes / bytesPerToken);

/** Largest limit that an agent may set. */
const most = 200_000;

/** The output limit of a question. @param answer tokens of the answer itself. */
export function outputTokens(purpose: Purpose, answer: number, effort: Effort | undefined, room: number): number {
  const thought = thinking[effort ?? 'default'] / (purpose === 'analyze' ? 2 : 1);
  return Math.min(most, (answer + thought) * room);
}
