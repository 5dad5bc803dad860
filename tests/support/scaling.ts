import type { Rng } from '../../src/domain/rng.ts';
import type { ScalingPoint } from '../../src/statistics/scalingFit.ts';

/** L(N, D) = E + A / N^alpha + B / D^beta, from which tests make losses whose optimum is known. */
export interface TrueLaw {
  readonly E: number;
  readonly A: number;
  readonly B: number;
  readonly alpha: number;
  readonly beta: number;
}

/** The fit of Besiroglu et al. 2024 (arXiv 2404.10102) to the data of Hoffmann et al. 2022. */
export const usualLaw: TrueLaw = { E: 1.8172, A: 482.01, B: 2085.43, alpha: 0.3478, beta: 0.3658 };

export const lawLoss = ({ E, A, B, alpha, beta }: TrueLaw, parameters: number, tokens: number): number =>
  E + A / parameters ** alpha + B / tokens ** beta;

/** The best size and loss under C = 6 N D, from the closed form. */
export function lawMinimum(law: TrueLaw, flops: number): { readonly logParameters: number; readonly loss: number } {
  const { A, B, alpha, beta } = law;
  const parameters = (((alpha * A) / (beta * B)) * (flops / 6) ** beta) ** (1 / (alpha + beta));
  return { logParameters: Math.log10(parameters), loss: lawLoss(law, parameters, flops / (6 * parameters)) };
}

/** A draw of the standard normal distribution (Box & Muller 1958). */
export const normal = (rng: Rng): number =>
  Math.sqrt(-2 * Math.log(1 - rng.float())) * Math.cos(2 * Math.PI * rng.float());

export interface Design {
  readonly budgets: readonly number[];
  /** Sizes per budget, evenly in log10 N around the best size of the middle of the budgets. */
  readonly sizes: number;
  readonly seeds: number;
  /** Seeds of the middle size. */
  readonly middleSeeds: number;
  /** Decades on either side of the best size. */
  readonly spread: number;
  /** Standard deviation of a loss. With a ladder, half of its variance is common to the budgets of a run: branches of one trunk. */
  readonly noise: number;
  readonly rng?: Rng;
  /** One ladder of sizes for all budgets; by default sizes move with the optimum of each budget. */
  readonly ladder?: boolean;
}

export function lossesOf(law: TrueLaw, design: Design): ScalingPoint[] {
  const { budgets, sizes, seeds, middleSeeds, spread, noise, rng, ladder = false } = design;
  const middle = (sizes - 1) / 2;
  const shared = new Map<string, number>();
  const draw = () => (rng === undefined || noise === 0 ? 0 : normal(rng) * noise * Math.SQRT1_2);
  const centre = (budget: number) => lawMinimum(law, budget).logParameters;
  const all = budgets.reduce((sum, budget) => sum + centre(budget), 0) / budgets.length;
  return budgets.flatMap((budget) =>
    Array.from({ length: sizes }, (_, at) => {
      const parameters = 10 ** ((ladder ? all : centre(budget)) + (spread * (at - middle)) / Math.max(middle, 1));
      const count = at === Math.floor(middle) ? middleSeeds : seeds;
      return Array.from({ length: count }, (_, index): ScalingPoint => {
        const tokens = budget / (6 * parameters);
        const run = `${parameters} ${index}`;
        if (!shared.has(run)) shared.set(run, draw());
        const loss = lawLoss(law, parameters, tokens) + (shared.get(run) as number) + draw();
        return { parameters, budget, flops: budget, tokens, seed: index + 1, loss };
      });
    }).flat(),
  );
}
