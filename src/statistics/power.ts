export interface Question {
  /** Chance of a false alarm that is accepted. */
  readonly alpha: number;
  /** Chance of seeing a difference that is there. */
  readonly power: number;
}

/** Bound on degrees of freedom, where Student's t is within 0.3 % of the normal distribution. */
const mostDegrees = 1000;
/** Above this number of pairs a study is impractical. */
const mostPairs = 1_000_000;

/** Standard errors by which a true difference must exceed zero to be detected with this power in a two-sided paired t test. */
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
 * Pairs needed to detect a true difference of `difference` if paired differences have SD `sd`. Student's t approximation,
 * at least what the permutation test needs. Null if a million would not suffice.
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

/** The minimum detectable effect of this many pairs at this power. */
export function detectable(sd: number, pairs: number, question: Question): number {
  return (reach(pairs, question) * sd) / Math.sqrt(pairs);
}

/**
 * Probability that |T| <= t for Student's t with a whole number of degrees of freedom: the finite trigonometric sums of
 * Abramowitz & Stegun, Handbook of Mathematical Functions, 26.7.3 (odd) and 26.7.4 (even).
 */
export function centralProbability(t: number, degrees: number): number {
  if (!Number.isInteger(degrees) || degrees < 1)
    throw new RangeError(`${degrees} is not a number of degrees of freedom`);
  const angle = Math.atan(Math.abs(t) / Math.sqrt(degrees));
  const cosine = Math.cos(angle);
  const odd = degrees % 2 === 1;
  let term = odd ? cosine : 1;
  let sum = degrees === 1 ? 0 : term;
  for (let power = odd ? 3 : 2; power <= degrees - 2; power += 2) {
    term *= (cosine * cosine * (power - 1)) / power;
    sum += term;
  }
  return odd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
}

/**
 * How many standard errors reach on each side of an estimate to cover the truth with this probability.
 *
 * @param level coverage in (0, 1), such as 0.95.
 * @param degrees degrees of freedom of the standard error, a positive integer.
 */
export function criticalValue(level: number, degrees: number): number {
  if (!(level > 0 && level < 1)) throw new RangeError(`${level} is not a coverage between 0 and 1`);
  let low = 0;
  let high = 1;
  while (centralProbability(high, degrees) < level) high *= 2;
  // Sixty halvings exhaust the precision of a double.
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (centralProbability(middle, degrees) < level) low = middle;
    else high = middle;
  }
  return high;
}

/**
 * Holm's correction: p-values such that rejecting those up to alpha keeps the chance of any false rejection among all of
 * them at alpha, whatever their dependence. Holm 1979. In the order of `ps`.
 */
export function holm(ps: readonly number[]): number[] {
  const order = ps.map((p, index) => ({ p, index })).sort((a, b) => a.p - b.p);
  const adjusted = new Array<number>(ps.length);
  let least = 0;
  for (const [rank, { p, index }] of order.entries()) {
    least = Math.max(least, Math.min(1, p * (ps.length - rank)));
    adjusted[index] = least;
  }
  return adjusted;
}
