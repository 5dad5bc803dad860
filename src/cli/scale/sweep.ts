import { join } from 'node:path';
import { contentHash } from '../../domain/json.ts';
import { type SweepEvent, sweepJob, tokenData, trainerJob } from '../../evaluators/index.ts';
import { jsonLine } from '../../platform/index.ts';
import { dataNameOf, type ResolvedPlan, smallestRuns } from '../../scale/index.ts';
import { exitCodes } from '../fail.ts';

interface SweepPlace {
  readonly python: string;
  /** The data folder of the home, with the plan's data in it. */
  readonly data: string;
  readonly storage: string;
  readonly json: boolean;
}

/** What a verdict means for `training.learningRate` of the plan. */
function advice(event: Extract<SweepEvent, { event: 'verdict' }>, factor: number): string {
  if (event.verdict === 'flat') return 'the losses do not differ: the rate stands';
  if (event.factor === 1) return 'the rate stands';
  const better = factor * event.factor;
  return `a rate at the edge is best: set training.learningRate to ${better} and sweep again`;
}

/**
 * Checks the learning rates of a plan: each architecture at the smallest size and the middle budget, at half, once and twice its
 * rate, on one device of this machine. The trainings are no part of the plan and of no ledger; a repeated sweep continues them.
 */
export async function sweepRates(plan: ResolvedPlan, { python, data, storage, json }: SweepPlace): Promise<number> {
  const folder = join(data, dataNameOf(plan.file.data));
  const { digest } = tokenData(folder);
  const say = (event: object, text: string) => process.stdout.write(json ? `${jsonLine(event)}\n` : `${text}\n`);
  for (const { planned, recipe, budgets } of smallestRuns(plan.runs)) {
    const { run, model } = planned;
    const { steps } = budgets[Math.floor(budgets.length / 2)] ?? { steps: 1 };
    const job = trainerJob({
      ...{ model, recipe, steps: [steps], data: { folder, digest }, seed: 1, device: plan.machine.deviceClass },
      resources: {
        parallel: 'none',
        checkpointSeconds: plan.file.machine.checkpointSeconds,
        peakFlops: plan.machine.peakFlops,
      },
    });
    const place = join(storage, 'sweeps', contentHash({ job, evaluator: plan.evaluator }).slice(0, 32));
    say({ event: 'sweep', run, steps }, `${run}, ${steps} steps, at half, once and twice its rate`);
    await sweepJob(python, { job, folder: place, primitives: plan.primitives }, (event) => {
      if (event.event === 'rate') {
        const loss = event.loss === null ? 'diverged' : `loss ${event.loss.toFixed(4)}`;
        say({ ...event, run }, `  ${event.rate.toPrecision(3)}  ${loss}`);
      } else {
        say({ ...event, event: 'sweep-verdict', run }, `  ${advice(event, plan.file.training.learningRate)}`);
      }
    });
  }
  return exitCodes.ok;
}
