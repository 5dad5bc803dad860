/** For each position of a piece: the length of the longest proper beginning that ends there. */
function borders(piece: string): Int32Array {
  const table = new Int32Array(piece.length);
  let length = 0;
  for (let at = 1; at < piece.length; at++) {
    const unit = piece.charCodeAt(at);
    while (length > 0 && piece.charCodeAt(length) !== unit) length = table[length - 1] as number;
    if (piece.charCodeAt(length) === unit) length++;
    table[at] = length;
  }
  return table;
}

/**
 * Where a piece first stands in a text, -1 where it does not, and how often. Overlapping places count too: each could be
 * meant. Knuth, Morris and Pratt's search: time grows with the lengths alone, while `indexOf` may take their product.
 */
export function find(text: string, piece: string): { readonly first: number; readonly count: number } {
  if (piece === '' || piece.length > text.length) return { first: -1, count: 0 };
  const table = borders(piece);
  let [first, count, length] = [-1, 0, 0];
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    while (length > 0 && piece.charCodeAt(length) !== unit) length = table[length - 1] as number;
    if (piece.charCodeAt(length) === unit) length++;
    if (length < piece.length) continue;
    if (count === 0) first = at - piece.length + 1;
    count++;
    length = table[length - 1] as number;
  }
  return { first, count };
}
