/**
 * Probability that |T| <= t for Student's t with a whole number of degrees of freedom: the finite trigonometric sums of
 * Abramowitz & Stegun, Handbook of Mathematical Functions, 26.7.3 (odd) and 26.7.4 (even).
 */
export function centralProbability(t: number, degrees: number): number {
  if (!Number.isInteger(degrees) || degrees < 1) throw new RangeError(`${degrees} are no degrees of freedom`);
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
  if (!(level > 0 && level < 1)) throw new RangeError(`${level} is no coverage between 0 and 1`);
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
