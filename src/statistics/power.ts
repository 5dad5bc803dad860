import { criticalValue } from './student.ts';

export interface Question {
  /** Chance of a false alarm that is accepted. */
  readonly alpha: number;
  /** Chance of seeing a difference that is there. */
  readonly power: number;
}

/** Beyond so many degrees of freedom Student's t is taken as it is there: within 0.3 % of the normal distribution. */
const mostDegrees = 1000;
/** More pairs than this are no answer that anybody could act on. */
const mostPairs = 1_000_000;

/** Standard errors by which a true difference must exceed zero to be seen with that power in a two-sided paired t test. */
function reach(pairs: number, { alpha, power }: Question): number {
  const degrees = Math.min(mostDegrees, Math.max(1, pairs - 1));
  // The one-sided quantile at `power` is the two-sided one that covers 2 power - 1.
  return criticalValue(1 - alpha, degrees) + criticalValue(2 * power - 1, degrees);
}

/** A permutation test of so few pairs cannot reach alpha, whatever the difference: its least p is 2^(1 - n). */
export function fewestPairs(alpha: number): number {
  return Math.ceil(Math.log2(2 / alpha) - 1e-9);
}

/**
 * Pairs needed to tell a true difference of `difference` from none, when paired differences scatter by `sd`. Student's t
 * approximation, and never below what the permutation test needs. Null where no number up to a million would do.
 */
export function pairsNeeded(difference: number, sd: number, question: Question): number | null {
  const fewest = Math.max(2, fewestPairs(question.alpha));
  const enough = (pairs: number) => Math.abs(difference) * Math.sqrt(pairs) >= reach(pairs, question) * sd;
  if (!(Math.abs(difference) > 0) || !enough(mostPairs)) return null;
  let [low, high] = [fewest - 1, fewest];
  while (!enough(high)) [low, high] = [high, 2 * high];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (enough(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** The smallest true difference that so many pairs would show with that power. */
export function detectable(sd: number, pairs: number, question: Question): number {
  return (reach(pairs, question) * sd) / Math.sqrt(pairs);
}
