/**
 * Moves labels apart that would overlap: keeps their order and every gap of at least `gap`, stays within [low, high] as
 * long as they fit at all, and moves each no further than its neighbours push it.
 *
 * @returns positions in the order of the wishes.
 */
export function spread(wishes: readonly number[], gap: number, low: number, high: number): number[] {
  const order = wishes.map((wish, index) => ({ wish, index })).sort((a, b) => a.wish - b.wish || a.index - b.index);
  const placed: number[] = [];
  for (const [rank, { wish }] of order.entries()) {
    placed.push(Math.max(wish, low, rank === 0 ? low : (placed[rank - 1] as number) + gap));
  }
  for (let rank = placed.length - 1; rank >= 0; rank--) {
    const ceiling = rank === placed.length - 1 ? high : (placed[rank + 1] as number) - gap;
    placed[rank] = Math.min(placed[rank] as number, ceiling);
  }
  const result = new Array<number>(wishes.length);
  for (const [rank, { index }] of order.entries()) result[index] = placed[rank] as number;
  return result;
}
