/** What a message may carry beside its frame, in bytes of JSON: below the bus's limit, with room for what is not a list. */
export const pieceBytes = 400_000;

/**
 * As many of `items` from `from` on as go into one message, at least one. Sizes are bytes on the wire, not characters.
 *
 * @param whole makes of an item what is sent; called for the items of the piece and the one after it.
 */
export function pieceOf<T, U>(items: readonly T[], from: number, whole: (item: T) => U): U[] {
  const piece: U[] = [];
  let room = pieceBytes;
  for (let at = from; at < items.length; at++) {
    const item = whole(items[at] as T);
    // A comma follows.
    room -= Buffer.byteLength(JSON.stringify(item)) + 1;
    if (room < 0 && piece.length > 0) break;
    piece.push(item);
  }
  return piece;
}
