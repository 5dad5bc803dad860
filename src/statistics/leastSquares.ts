/**
 * Linear least squares for few columns: normal equations by elimination with pivoting. Columns should be of similar size and
 * centred, since squaring them squares their condition number.
 */

/** Rows of a design matrix, all of equal length. */
export type Design = readonly (readonly number[])[];

/** Below this share of the largest pivot a column counts as a combination of the others. */
const singular = 1e-12;

/** Solves a square system, or null where it is singular. Changes neither argument. */
export function solve(matrix: Design, right: readonly number[]): number[] | null {
  const n = right.length;
  const rows = matrix.map((row, index) => [...row, right[index] as number]);
  const largest = Math.max(...rows.flatMap((row) => row.slice(0, n).map(Math.abs)), 0);
  const at = (row: number, column: number) => (rows[row] as number[])[column] as number;
  for (let column = 0; column < n; column++) {
    let pivot = column;
    for (let row = column + 1; row < n; row++) if (Math.abs(at(row, column)) > Math.abs(at(pivot, column))) pivot = row;
    if (!(Math.abs(at(pivot, column)) > singular * largest)) return null;
    [rows[column], rows[pivot]] = [rows[pivot] as number[], rows[column] as number[]];
    for (let row = column + 1; row < n; row++) {
      const factor = at(row, column) / at(column, column);
      for (let k = column; k <= n; k++) (rows[row] as number[])[k] = at(row, k) - factor * at(column, k);
    }
  }
  const found = new Array<number>(n).fill(0);
  for (let row = n - 1; row >= 0; row--) {
    let rest = at(row, n);
    for (let k = row + 1; k < n; k++) rest -= at(row, k) * (found[k] as number);
    found[row] = rest / at(row, row);
  }
  return found;
}

/** X^T diag(weights) X, and the product with y on the right. */
function normal(design: Design, y: readonly number[], weights?: readonly number[]) {
  const width = design[0]?.length ?? 0;
  const squares = Array.from({ length: width }, () => new Array<number>(width).fill(0));
  const right = new Array<number>(width).fill(0);
  for (let k = 0; k < design.length; k++) {
    const row = design[k] as readonly number[];
    const weight = weights?.[k] ?? 1;
    for (let i = 0; i < width; i++) {
      const weighted = weight * (row[i] as number);
      const into = squares[i] as number[];
      for (let j = 0; j < width; j++) into[j] = (into[j] as number) + weighted * (row[j] as number);
      right[i] = (right[i] as number) + weighted * (y[k] ?? 0);
    }
  }
  return { squares, right };
}

/** Coefficients that minimise sum w (y - X b)^2; null where the columns are dependent. */
export function leastSquares(design: Design, y: readonly number[], weights?: readonly number[]): number[] | null {
  if (design.length < (design[0]?.length ?? 0)) return null;
  const { squares, right } = normal(design, y, weights);
  return solve(squares, right);
}

/**
 * The matrix P with b = P y, so that a fit to other values at the same places is one product, and the leverage of each place:
 * the residual of a fit to noise of variance s^2 has variance s^2 (1 - leverage). Null where the columns are dependent.
 */
export function projection(design: Design): { readonly rows: readonly number[][]; readonly leverage: number[] } | null {
  const { squares } = normal(design, []);
  const columns = design.map((row) => solve(squares, row));
  if (design.length === 0 || columns.some((column) => column === null)) return null;
  const known = columns as number[][];
  const width = design[0]?.length ?? 0;
  return {
    rows: Array.from({ length: width }, (_, j) => known.map((column) => column[j] as number)),
    leverage: design.map((row, k) => row.reduce((sum, x, j) => sum + x * ((known[k] as number[])[j] as number), 0)),
  };
}

/** A straight line; null below two distinct places. */
export function straightLine(
  x: readonly number[],
  y: readonly number[],
): { readonly slope: number; at(place: number): number } | null {
  let [centre, level] = [0, 0];
  for (let k = 0; k < x.length; k++) {
    centre += (x[k] as number) / x.length;
    level += (y[k] as number) / x.length;
  }
  let [squares, products] = [0, 0];
  for (let k = 0; k < x.length; k++) {
    squares += ((x[k] as number) - centre) ** 2;
    products += ((x[k] as number) - centre) * (y[k] as number);
  }
  if (!(squares > 0)) return null;
  const slope = products / squares;
  return { slope, at: (place) => level + slope * (place - centre) };
}
