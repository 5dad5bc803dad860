import { ascending, group, mean } from 'd3-array';

/**
 * Compute-optimal sizes by isoFLOP parabolas: approach 2 of Hoffmann et al. 2022 (arXiv 2203.15556), read as the paper on
 * AIRA's architectures reads it.
 *
 * Per budget, a parabola of loss in log10 N; its vertex is the best loss and size that the budget allows. The frontier is a
 * straight line through the vertices: loss on log10 C. Refused, each with its reason: fewer than three sizes, a parabola
 * without a minimum, a minimum outside the sizes that were trained.
 */

/** One trained model at one budget. */
export interface ScalingPoint {
  /** Parameters, by whichever convention the caller fits. */
  readonly parameters: number;
  /** The budget in training FLOPs: points of equal value form one isoFLOP curve. */
  readonly budget: number;
  /** FLOPs that the training took; whole steps make it differ a little from the budget. */
  readonly flops: number;
  readonly tokens: number;
  readonly seed: number;
  /** Nats per token on validation text. */
  readonly loss: number;
}

/** Vertex of a parabola. */
export interface Minimum {
  readonly logParameters: number;
  readonly loss: number;
  /** log10 of the tokens that the budget buys at that size, between the measured sizes in proportion. */
  readonly logTokens: number;
  /** Coefficient of (log10 N)^2, in nats: how sharply the loss rises on either side. */
  readonly curvature: number;
}

/** The isoFLOP curve of one architecture at one budget. */
export interface IsoFlop {
  readonly budget: number;
  /** log10 of the FLOPs that the trainings took, on average. */
  readonly logFlops: number;
  readonly points: readonly ScalingPoint[];
  /** Distinct sizes, ascending. */
  readonly sizes: readonly number[];
  /** The parabola at log10 N; null where none could be fitted. */
  readonly curve: ((logParameters: number) => number) | null;
  /** Points minus three; 0 if the parabola runs through all of them whatever the noise. */
  readonly degrees: number;
  readonly minimum: Minimum | null;
  /** Why there is no minimum. */
  readonly refused: string | null;
}

/** What a fit to other losses at the same places needs; see `scalingBootstrap.ts`. */
export interface ParabolaPlan {
  readonly centre: number;
  readonly rows: readonly number[][];
  readonly leverage: readonly number[];
}

/** @returns null below three distinct sizes. */
export function parabolaPlan(points: readonly ScalingPoint[]): ParabolaPlan | null {
  const x = points.map(({ parameters }) => Math.log10(parameters));
  if (new Set(x).size < 3) return null;
  const centre = mean(x) as number;
  const found = projection(x.map((each) => [1, each - centre, (each - centre) ** 2]));
  return found && { centre, ...found };
}

/** Coefficients of 1, (x - centre), (x - centre)^2 for these losses. */
export function parabolaOf({ rows }: ParabolaPlan, losses: ArrayLike<number>): [number, number, number] {
  const found: [number, number, number] = [0, 0, 0];
  for (let j = 0; j < 3; j++) {
    const row = rows[j] as readonly number[];
    for (let k = 0; k < row.length; k++) found[j] = (found[j] as number) + (row[k] as number) * (losses[k] as number);
  }
  return found;
}

/** Vertex of c0 + c1 u + c2 u^2 with u = x - centre; null for c2 <= 0. */
export function vertexOf(
  [c0, c1, c2]: readonly [number, number, number],
  centre: number,
): { readonly logParameters: number; readonly loss: number } | null {
  if (!(c2 > 0)) return null;
  return { logParameters: centre - c1 / (2 * c2), loss: c0 - (c1 * c1) / (4 * c2) };
}

/** log10 D by log10 N: between measured sizes in proportion on logarithmic axes; beyond them, from the nearest two. */
export function tokensBySize(points: readonly ScalingPoint[]): (logParameters: number) => number {
  const measured = [...group(points, ({ parameters }) => parameters)]
    .map(([parameters, at]) => ({
      x: Math.log10(parameters),
      y: mean(at, ({ tokens }) => Math.log10(tokens)) as number,
    }))
    .sort((a, b) => a.x - b.x);
  return (logParameters) => {
    const above = measured.findIndex(({ x }) => x >= logParameters);
    const right = Math.min(measured.length - 1, Math.max(1, above < 0 ? measured.length - 1 : above));
    const [from, to] = [measured[right - 1], measured[right]] as [{ x: number; y: number }, { x: number; y: number }];
    return from.y + ((to.y - from.y) * (logParameters - from.x)) / (to.x - from.x);
  };
}

function isoFlop(budget: number, points: readonly ScalingPoint[]): IsoFlop {
  const sizes = [...new Set(points.map(({ parameters }) => parameters))].sort(ascending);
  const logFlops = Math.log10(mean(points, ({ flops }) => flops) as number);
  const base = { budget, logFlops, points, sizes, degrees: Math.max(0, points.length - 3) };
  const refuse = (refused: string, curve: IsoFlop['curve'] = null): IsoFlop => ({
    ...base,
    curve,
    minimum: null,
    refused,
  });
  const plan = parabolaPlan(points);
  if (plan === null) return refuse(`${sizes.length} distinct sizes; a parabola needs three`);
  const coefficients = parabolaOf(
    plan,
    points.map(({ loss }) => loss),
  );
  const [c0, c1, c2] = coefficients;
  const curve = (x: number) => c0 + c1 * (x - plan.centre) + c2 * (x - plan.centre) ** 2;
  const vertex = vertexOf(coefficients, plan.centre);
  if (vertex === null) return refuse('the parabola has no minimum: it bends downwards', curve);
  const [least, most] = [Math.log10(sizes[0] as number), Math.log10(sizes.at(-1) as number)];
  if (vertex.logParameters < least) return refuse('the minimum is below the smallest size', curve);
  if (vertex.logParameters > most) return refuse('the minimum is above the largest size', curve);
  const minimum = { ...vertex, curvature: c2, logTokens: tokensBySize(points)(vertex.logParameters) };
  return { ...base, curve, minimum, refused: null };
}

/** The isoFLOP curves of one architecture, in the order of their budgets. */
export function isoFlops(points: readonly ScalingPoint[]): IsoFlop[] {
  return [...group(points, ({ budget }) => budget)]
    .sort(([a], [b]) => a - b)
    .map(([budget, at]) =>
      isoFlop(
        budget,
        at.toSorted((a, b) => a.parameters - b.parameters || a.seed - b.seed),
      ),
    );
}

/** How the minima move with compute. */
export interface Frontier {
  /** Budgets with a minimum. */
  readonly budgets: number;
  /** Nats per decade of compute; negative where compute helps. */
  readonly slope: number;
  /** a of N* ~ C^a, and b of D* ~ C^b. */
  readonly sizeExponent: number;
  readonly tokenExponent: number;
  /** Loss of the line at log10 C. */
  at(logFlops: number): number;
}

/** Null below two budgets with a minimum. */
export function frontierOf(curves: readonly IsoFlop[]): Frontier | null {
  const found = curves.flatMap(({ logFlops, minimum }) => (minimum ? [{ logFlops, ...minimum }] : []));
  return frontierThrough(found);
}

/** The same for minima from elsewhere, such as a resample. */
export function frontierThrough(
  minima: readonly { readonly logFlops: number; readonly loss: number; logParameters: number; logTokens: number }[],
): Frontier | null {
  const x = minima.map(({ logFlops }) => logFlops);
  if (new Set(x).size < 2) return null;
  const line = (y: readonly number[]) => straightLine(x, y) as NonNullable<ReturnType<typeof straightLine>>;
  const loss = line(minima.map((each) => each.loss));
  return {
    budgets: minima.length,
    slope: loss.slope,
    sizeExponent: line(minima.map(({ logParameters }) => logParameters)).slope,
    tokenExponent: line(minima.map(({ logTokens }) => logTokens)).slope,
    at: loss.at,
  };
}

/**
 * Linear least squares for few columns: normal equations by elimination with pivoting. Columns should be of similar size and
 * centred, since squaring them squares their condition number.
 */

/** Rows of a design matrix, all of equal length. */
type Design = readonly (readonly number[])[];

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
