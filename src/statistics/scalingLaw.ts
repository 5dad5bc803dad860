import { leastSquares, type ScalingPoint } from './scalingFit.ts';

/**
 * Approach 3 of Hoffmann et al. 2022 (arXiv 2203.15556): L(N, D) = E + A / N^alpha + B / D^beta, fitted to all trainings of one
 * architecture by Huber's loss (delta 0.001) of log L - log prediction. It uses every point, needs no grid, and serves as a
 * cross-check of the parabolas, which are biased where a grid is wide or off centre (arXiv 2603.22339).
 *
 * Start: for each (alpha, beta) of a grid, E, A and B enter linearly and are found by least squares without negative terms
 * (variable projection). From the best few, Levenberg-Marquardt on (log E, log A, log B, alpha, beta) with Huber's weights
 * renewed each step. N and D are divided by their geometric means, so that the terms are of the size of a loss.
 */
export interface ScalingLaw {
  readonly E: number;
  readonly A: number;
  readonly B: number;
  readonly alpha: number;
  readonly beta: number;
  readonly points: number;
  /** Root mean square of log L - log prediction. */
  readonly residual: number;
  /** a of N* ~ C^a for C = k N D: beta / (alpha + beta). */
  readonly sizeExponent: number;
  /** Median of C / (N D) over the points: FLOPs per parameter and token, about 6. */
  readonly flopsPerPair: number;
  loss(parameters: number, tokens: number): number;
  /** The least loss and its size under C = k N D. */
  optimum(flops: number): { readonly parameters: number; readonly loss: number };
}

export type LawResult = { readonly law: ScalingLaw } | { readonly law: null; readonly why: string };

const delta = 1e-3;
const grid = Array.from({ length: 15 }, (_, index) => 0.08 * (index + 1));
const starts = 3;
const mostSteps = 200;
/** Exponents beyond this, or terms below this share of the loss, are not determined by the points. */
const bounds = { exponent: [0.02, 2.5], share: 1e-4 } as const;

/** log E, log A, log B, alpha, beta, in scaled units. */
type Vector = [number, number, number, number, number];

interface Scaled {
  readonly n: readonly number[];
  readonly d: readonly number[];
  readonly logLoss: readonly number[];
}

const huber = (r: number): number => (Math.abs(r) <= delta ? (r * r) / 2 : delta * (Math.abs(r) - delta / 2));

function terms([e, a, b, alpha, beta]: Vector, n: number, d: number): [number, number, number] {
  return [Math.exp(e), Math.exp(a - alpha * n), Math.exp(b - beta * d)];
}

function objective(at: Vector, { n, d, logLoss }: Scaled): number {
  let sum = 0;
  for (let k = 0; k < logLoss.length; k++) {
    const [e, a, b] = terms(at, n[k] as number, d[k] as number);
    sum += huber(Math.log(e + a + b) - (logLoss[k] as number));
  }
  return Number.isFinite(sum) ? sum : Number.POSITIVE_INFINITY;
}

/** E, A, B of least squares with all three positive, or null. */
function startAt(alpha: number, beta: number, { n, d, logLoss }: Scaled): Vector | null {
  const design = n.map((each, k) => [1, Math.exp(-alpha * each), Math.exp(-beta * (d[k] as number))]);
  const found = leastSquares(design, logLoss.map(Math.exp));
  if (found === null) return null;
  // A term that least squares makes negative starts small instead: the refinement can still let it grow.
  const positive = found.map((each) => Math.log(Math.max(each, 0.02)));
  return [...(positive as [number, number, number]), alpha, beta];
}

function refine(start: Vector, data: Scaled): { at: Vector; value: number } {
  let at = start;
  let value = objective(at, data);
  let damping = 1e-3;
  for (let step = 0; step < mostSteps && damping < 1e12; step++) {
    const rows: number[][] = [];
    const right: number[] = [];
    const weights: number[] = [];
    for (let k = 0; k < data.logLoss.length; k++) {
      const [n, d] = [data.n[k] as number, data.d[k] as number];
      const [e, a, b] = terms(at, n, d);
      const sum = e + a + b;
      const residual = Math.log(sum) - (data.logLoss[k] as number);
      rows.push([e / sum, a / sum, b / sum, (-n * a) / sum, (-d * b) / sum]);
      right.push(-residual);
      weights.push(Math.min(1, delta / Math.max(Math.abs(residual), 1e-300)));
    }
    // Levenberg's damping as five more observations of zero.
    const scale = Math.sqrt(damping);
    for (let j = 0; j < 5; j++) {
      rows.push(Array.from({ length: 5 }, (_, column) => (column === j ? scale : 0)));
      right.push(0);
      weights.push(1);
    }
    const move = leastSquares(rows, right, weights);
    const next = move && (at.map((each, j) => each + (move[j] as number)) as Vector);
    const reached = next === null ? Number.POSITIVE_INFINITY : objective(next, data);
    if (next !== null && reached < value) {
      const gain = value - reached;
      [at, value] = [next, reached];
      damping = Math.max(damping / 5, 1e-12);
      if (gain < 1e-12 * value) break;
    } else damping *= 4;
  }
  return { at, value };
}

/**
 * Fits the law to the points of one architecture; refused where they cannot determine its five parameters.
 *
 * @param points all budgets and seeds; parameters by the convention of the caller.
 */
export function fitLaw(points: readonly ScalingPoint[]): LawResult {
  const distinct = (of: (point: ScalingPoint) => number) => new Set(points.map(of)).size;
  if (points.length < 6 || distinct(({ parameters }) => parameters) < 3 || distinct(({ tokens }) => tokens) < 3) {
    return { law: null, why: 'five parameters need at least six trainings of three sizes and three lengths' };
  }
  const log = (of: (point: ScalingPoint) => number) => points.map((point) => Math.log(of(point)));
  const middle = (values: readonly number[]) => values.reduce((sum, each) => sum + each, 0) / values.length;
  const [logN, logD] = [log(({ parameters }) => parameters), log(({ tokens }) => tokens)];
  const [n0, d0] = [middle(logN), middle(logD)];
  const data: Scaled = {
    n: logN.map((each) => each - n0),
    d: logD.map((each) => each - d0),
    logLoss: log(({ loss }) => loss),
  };
  const candidates = grid
    .flatMap((alpha) => grid.map((beta) => startAt(alpha, beta, data)))
    .filter((start) => start !== null)
    .map((start) => ({ start, value: objective(start, data) }))
    .sort((a, b) => a.value - b.value)
    .slice(0, starts);
  const fitted = candidates.map(({ start }) => refine(start, data)).sort((a, b) => a.value - b.value)[0];
  if (!fitted) return { law: null, why: 'no start of the fit is finite' };
  const [e, a, b, alpha, beta] = fitted.at;
  const shares = terms(fitted.at, 0, 0);
  const total = shares.reduce((sum, each) => sum + each, 0);
  const [low, high] = bounds.exponent;
  const outside = [alpha, beta].some((each) => !(each > low && each < high));
  if (outside || shares.some((each) => !(each > bounds.share * total))) {
    return { law: null, why: 'the trainings do not determine all five parameters: one ran to its bound' };
  }
  return { law: lawOf([Math.exp(e), a + alpha * n0, b + beta * d0], alpha, beta, points) };
}

function lawOf(
  [E, logA, logB]: readonly [number, number, number],
  alpha: number,
  beta: number,
  points: readonly ScalingPoint[],
): ScalingLaw {
  const loss = (parameters: number, tokens: number) =>
    E + Math.exp(logA - alpha * Math.log(parameters)) + Math.exp(logB - beta * Math.log(tokens));
  const ratios = points.map((point) => point.flops / (point.parameters * point.tokens)).sort((x, y) => x - y);
  const flopsPerPair = ratios[Math.floor(ratios.length / 2)] as number;
  const squares = points.reduce(
    (sum, point) => sum + Math.log(point.loss / loss(point.parameters, point.tokens)) ** 2,
    0,
  );
  return {
    E,
    A: Math.exp(logA),
    B: Math.exp(logB),
    alpha,
    beta,
    points: points.length,
    residual: Math.sqrt(squares / points.length),
    sizeExponent: beta / (alpha + beta),
    flopsPerPair,
    loss,
    optimum(flops) {
      // d/dN [A N^-alpha + B (k N / C)^beta] = 0.
      const logPairs = Math.log(flops / flopsPerPair);
      const logSize = (Math.log(alpha / beta) + logA - logB + beta * logPairs) / (alpha + beta);
      return { parameters: Math.exp(logSize), loss: loss(Math.exp(logSize), Math.exp(logPairs - logSize)) };
    },
  };
}
