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
