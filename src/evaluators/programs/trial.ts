/**
 * Takes one program from its files to its scores, through three stages.
 *
 * TRL-1. Training sees the train split only; prediction sees inputs and the training's state, in a fresh sandbox; scoring runs
 *        in a trusted process that reads sizes and one file of exactly the expected size.
 * TRL-2. Whatever a program prints or writes in addition to its predictions can change why it has no score, never its score.
 * TRL-3. Time, processor time and memory are measured outside the sandbox.
 * TRL-4. In a hosted family both stages have a trusted host, which writes the state and the predictions; the program answers
 *        the host over a channel, and no file that it writes is read.
 * TRL-5. A trial leaves nothing on disk.
 */

import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { AiraError } from '../../domain/errors.ts';
import type { Files } from '../../domain/program.ts';
import { printable } from '../../platform/index.ts';
import type { Sandbox, SandboxResult } from '../../sandbox/index.ts';
import { type DesignPackage, runTrustedModule, type TrustedOptions } from '../../tasks/index.ts';
import { programReasonSchema, type Verdict } from '../evaluator.ts';
import { familyOf, type Prepared, type TrialBudget } from './preparation.ts';
import {
  type HostedResult,
  hostedStage,
  hostedVerdict,
  hostPredictArgs,
  hostTrainArgs,
  predictStage,
  runHosted,
  type Stage,
  type StageLimits,
  scriptPredictStage,
  scriptTrainStage,
  scriptVerdict,
  stageVerdict,
  trainStage,
  withoutDetails,
} from './stage.ts';

export type Split = 'validation' | 'test';

export interface TrialOptions {
  readonly python: string;
  readonly design: DesignPackage;
  readonly sandbox: Sandbox;
  readonly prepared: Prepared;
  readonly settings: unknown;
  readonly budget: TrialBudget;
  readonly files: Files;
  readonly seed: number;
  readonly splits: readonly Split[];
  /** Wall-clock limit of the whole trial in seconds. */
  readonly timeoutSeconds: number;
  readonly memoryLimitBytes: number;
  /** The GPU to use, by index; null for the CPU. */
  readonly gpu: number | null;
  readonly env: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Called when a stage starts, with its number from 0 and the number of stages. */
  readonly onStage?: (stage: number, stages: number) => void;
}

export interface TrialCosts {
  readonly cpuSeconds: number;
  readonly peakMemoryBytes: number;
  /** Size of the state that training passes to the prediction. */
  readonly stateBytes: number;
}

interface Scored {
  /** In the metric's direction. */
  readonly score: number;
  readonly metrics: Readonly<Record<string, number>>;
}

export type TrialResult =
  | { readonly status: 'ok'; readonly scores: Readonly<Partial<Record<Split, Scored>>>; readonly costs: TrialCosts }
  | { readonly status: 'failed'; readonly verdict: Verdict };

/** Processes and threads: data loaders and thread pools of numerical libraries use dozens. */
const mostProcesses = 256;
/** Maximum size of the state relative to the memory limit: it is in memory while it is written. */
const stateShare = 1 / 4;
const predictionsFile = 'predictions.f32';

const isVerdict = (result: Scored | Verdict): result is Verdict => 'reason' in result;

export async function runTrial(options: TrialOptions): Promise<TrialResult> {
  const work = mkdtempSync(join(tmpdir(), 'aira-trial-'));
  try {
    return await new Trial(options, work).run();
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

class Trial {
  readonly #options: TrialOptions;
  readonly #work: string;
  readonly #inputs: { settings: string; candidate: string; device: string };
  #cpuSeconds = 0;
  #peakMemoryBytes = 0;
  #stateBytes = 0;
  #allowance: Allowance | undefined;
  #trainedSeconds = 0;
  #served = 0;
  #secondsLeft: number;
  #stage = 0;

  constructor(options: TrialOptions, work: string) {
    this.#options = options;
    this.#work = work;
    this.#secondsLeft = options.timeoutSeconds;
    const candidate = this.#folder('candidate');
    for (const [name, text] of Object.entries(options.files))
      writeFileSync(join(candidate, name), text, { mode: 0o644 });
    const settings = join(work, 'settings.json');
    writeFileSync(settings, JSON.stringify(options.settings), { mode: 0o644 });
    this.#inputs = { settings, candidate, device: options.gpu === null ? 'cpu' : 'cuda:0' };
  }

  async run(): Promise<TrialResult> {
    const { splits } = this.#options;
    const state = this.#folder('state');
    const failure = await this.#train(state);
    if (failure) return { status: 'failed', verdict: failure };
    const scores: Partial<Record<Split, Scored>> = {};
    for (const split of splits) {
      const result = await this.#score(split, state);
      if (isVerdict(result)) return { status: 'failed', verdict: withoutDetails(result) };
      scores[split] = result;
    }
    const costs = {
      cpuSeconds: this.#cpuSeconds,
      peakMemoryBytes: this.#peakMemoryBytes,
      stateBytes: this.#stateBytes,
    };
    return { status: 'ok', scores, costs };
  }

  async #train(state: string): Promise<Verdict | null> {
    const { python, design, prepared, seed, budget } = this.#options;
    if (this.#isScript) return this.#trainScript(state);
    if (this.#isHosted) {
      const args = { ...this.#inputs, prepared: prepared.folder, seed, out: state };
      const limits = { seconds: budget.seconds, cpuSeconds: budget.cpu_seconds };
      const verdict = await this.#hosted('training', hostTrainArgs(args), limits);
      this.#stateBytes = readdirSync(state).reduce((sum, name) => sum + statSync(join(state, name)).size, 0);
      return verdict;
    }
    const stage = trainStage(python, design, { ...this.#inputs, train: join(prepared.folder, 'train'), seed });
    const own = { seconds: budget.seconds, cpuSeconds: budget.cpu_seconds };
    const { result, limits } = await this.#runStage(stage, state, own, stateShare * budget.memory_mb * 2 ** 20);
    // Links and other special files are dropped: honest scripts may leave some. The rest counts.
    this.#stateBytes = result.files.reduce((sum, { bytes }) => sum + bytes, 0);
    return stageVerdict('training', result, limits, state);
  }

  async #score(split: Split, state: string): Promise<Scored | Verdict> {
    const { python, design, prepared, budget, signal, sandbox, memoryLimitBytes } = this.#options;
    if (this.#isScript) return this.#predictScript(split, state);
    const bytes = prepared.manifest.splits[split].bytes ?? 0;
    const out = this.#folder(`predictions-${split}`);
    const scored = () => {
      const files = { settings: this.#inputs.settings, predictions: join(out, predictionsFile), state, split };
      const memoryBytes = Math.min(memoryLimitBytes, budget.memory_mb * 2 ** 20);
      return score(python, design, prepared, files, { sandbox, memoryBytes }, signal);
    };
    if (this.#isHosted) {
      const args = { ...this.#inputs, prepared: prepared.folder, split, state, out };
      const limits = { seconds: budget.predict_seconds, cpuSeconds: budget.predict_seconds };
      return (await this.#hosted('prediction', hostPredictArgs(args), limits)) ?? scored();
    }
    const stage = predictStage(python, design, { ...this.#inputs, inputs: join(prepared.folder, split), state });
    const own = { seconds: budget.predict_seconds, cpuSeconds: budget.predict_seconds };
    const { result, limits } = await this.#runStage(stage, out, own, bytes + 2 ** 20);
    const verdict = stageVerdict('prediction', result, limits, out);
    if (verdict) return verdict;
    const rejected = result.strange.find(({ path }) => path === predictionsFile);
    if (rejected) {
      const message = `the predictions are not a regular file of the expected size (${rejected.kind})`;
      return { reason: 'tampered', message };
    }
    return scored();
  }

  get #isHosted(): boolean {
    return this.#options.design.hosted?.includes(familyOf(this.#options.settings)) ?? false;
  }

  get #isScript(): boolean {
    return this.#options.design.scripts?.includes(familyOf(this.#options.settings)) ?? false;
  }

  async #trainScript(state: string): Promise<Verdict | null> {
    const { python, design, prepared, seed, budget } = this.#options;
    const args = hostTrainArgs({ ...this.#inputs, prepared: prepared.folder, seed, out: this.#folder('served') });
    const stage = scriptTrainStage(python, design, { ...this.#inputs, seed });
    const own = { seconds: budget.seconds, cpuSeconds: budget.cpu_seconds };
    const most = stateShare * budget.memory_mb * 2 ** 20;
    const { hosted, limits } = await this.#withHost(args, stage, own, state, most, true);
    this.#allowance = hosted.result?.processor;
    this.#served = hosted.result?.served?.tokens ?? 0;
    this.#trainedSeconds = hosted.program.cpuSeconds;
    const cpuSeconds = forTraining(limits.cpuSeconds, this.#allowance);
    const verdict = scriptVerdict('training', hosted, { ...limits, cpuSeconds }, state);
    // Other files are dropped: honest scripts leave logs and checkpoints.
    const { state: names } = prepared.manifest;
    for (const name of readdirSync(state)) {
      if (names && !names.includes(name)) rmSync(join(state, name), { recursive: true });
      else this.#stateBytes += statSync(join(state, name)).size;
    }
    return verdict;
  }

  async #predictScript(split: Split, state: string): Promise<Scored | Verdict> {
    const { python, design, prepared, budget } = this.#options;
    const out = this.#folder(`asked-${split}`);
    const args = hostPredictArgs({ ...this.#inputs, prepared: prepared.folder, split, state, out });
    const stage = scriptPredictStage(python, design, { ...this.#inputs, state });
    const seconds = budget.predict_seconds * (prepared.manifest.splits[split].share ?? 1);
    const cpuSeconds = forPrediction(seconds, this.#allowance, this.#trainedSeconds);
    const directory = this.#folder(`left-${split}`);
    const { hosted, limits } = await this.#withHost(args, stage, { seconds, cpuSeconds }, directory, 2 ** 20, false);
    const verdict = scriptVerdict('prediction', hosted, limits, directory);
    if (verdict) return verdict;
    const { score, metrics } = hosted.result ?? {};
    if (score === undefined || metrics === undefined) throw new AiraError('design-score', 'a host returned no score');
    return { score, metrics: { ...metrics, trained_tokens: this.#served } };
  }

  /** Runs one stage with its host. The program's output is in `directory`. */
  async #withHost(
    args: readonly string[],
    stage: Stage,
    own: { seconds: number; cpuSeconds: number },
    directory: string,
    maxBytes: number,
    waits: boolean,
  ): Promise<{ hosted: HostedResult; limits: StageLimits }> {
    const { python, design, env, signal } = this.#options;
    let limits: StageLimits = { ...own, memoryBytes: 0 };
    const hosted = await runHosted({
      python,
      design,
      args,
      env,
      seconds: own.seconds,
      ...(signal ? { signal } : {}),
      ...(waits ? { waits } : {}),
      program: async (channel, end) => {
        const run = await this.#runStage(stage, directory, own, maxBytes, { channel, signal: end });
        limits = run.limits;
        return run.result;
      },
    });
    this.#cpuSeconds += hosted.cpuSeconds;
    return { hosted, limits };
  }

  /** Runs one stage of a hosted family. */
  async #hosted(
    what: 'training' | 'prediction',
    args: readonly string[],
    own: { seconds: number; cpuSeconds: number },
  ): Promise<Verdict | null> {
    const { python, design, gpu, env, signal } = this.#options;
    const directory = this.#folder(what);
    const stage = hostedStage(python, design, this.#inputs);
    let limits: StageLimits | null = null;
    const hosted = await runHosted({
      python,
      design,
      args,
      seconds: own.seconds,
      ...(signal ? { signal } : {}),
      env: gpu === null ? env : { ...env, CUDA_VISIBLE_DEVICES: String(gpu) },
      program: async (channel, end) => {
        const run = await this.#runStage(stage, directory, own, 2 ** 20, { channel, signal: end });
        limits = run.limits;
        return run.result;
      },
    });
    rmSync(directory, { recursive: true });
    this.#cpuSeconds += hosted.cpuSeconds;
    return limits && hostedVerdict(what, hosted, limits);
  }

  async #runStage(
    { argv, readOnly }: Stage,
    directory: string,
    own: { seconds: number; cpuSeconds: number },
    maxBytes: number,
    { channel, signal }: { readonly channel?: string; readonly signal?: AbortSignal | undefined } = this.#options,
  ): Promise<{ result: SandboxResult; limits: StageLimits }> {
    const { sandbox, budget, memoryLimitBytes, gpu, env, onStage, splits } = this.#options;
    onStage?.(this.#stage, 1 + splits.length);
    this.#stage += 1;
    const limits: StageLimits = {
      seconds: Math.max(0.001, Math.min(own.seconds, this.#secondsLeft)),
      cpuSeconds: own.cpuSeconds,
      memoryBytes: Math.min(memoryLimitBytes, budget.memory_mb * 2 ** 20),
    };
    const result = await sandbox.run(
      {
        argv,
        readOnly,
        output: { directory, maxBytes },
        limits: { ...limits, processes: mostProcesses, ...(gpu === null ? { cores: 1 } : {}) },
        env,
        ...(gpu === null ? {} : { gpu }),
        ...(channel === undefined ? {} : { channel }),
      },
      signal,
    );
    this.#secondsLeft -= result.seconds;
    this.#cpuSeconds += result.cpuSeconds;
    this.#peakMemoryBytes = Math.max(this.#peakMemoryBytes, result.peakMemoryBytes);
    return { result, limits };
  }

  #folder(name: string): string {
    const folder = join(this.#work, name);
    mkdirSync(folder);
    chmodSync(folder, 0o755);
    return folder;
  }
}

/** Processor seconds that a script may use in all its processes, as calibrated by its host on this machine. */
export interface Allowance {
  /** Start of the interpreter, per stage. */
  readonly start: number;
  /** Training and one prediction together: what training uses is not available for the prediction. */
  readonly work: number;
}

/** Processor seconds for training. */
export const forTraining = (limit: number, allowance: Allowance | undefined): number =>
  allowance ? Math.min(limit, allowance.start + allowance.work) : limit;

/** Processor seconds for each prediction after a training that used `trained` seconds. */
export function forPrediction(limit: number, allowance: Allowance | undefined, trained: number): number {
  if (!allowance) return limit;
  const left = allowance.work - Math.max(0, trained - allowance.start);
  return Math.min(limit, allowance.start + Math.max(0, left));
}

/** The trusted scorer's output: one line of JSON. */
const outputSchema = z.discriminatedUnion('status', [
  z.strictObject({ status: z.literal('ok'), score: z.number(), metrics: z.record(z.string(), z.number()) }),
  z.strictObject({
    status: z.literal('failed'),
    reason: programReasonSchema,
    message: z.string(),
  }),
]);

const longestScoringSeconds = 600;

/**
 * Computes the score from predictions and hidden targets, in a process that never saw the program (stage 3).
 *
 * @throws AiraError `design-score` if the scorer itself fails, which no predictions may cause.
 */
export async function score(
  python: string,
  design: DesignPackage,
  prepared: Prepared,
  files: { readonly settings: string; readonly predictions: string; readonly state: string; readonly split: Split },
  limits: Pick<TrustedOptions, 'sandbox' | 'memoryBytes'>,
  signal?: AbortSignal,
): Promise<Scored | Verdict> {
  const args = [
    'score',
    '--settings',
    files.settings,
    '--manifest',
    join(prepared.folder, 'manifest.json'),
    '--hidden',
    join(prepared.folder, 'hidden'),
    '--predictions',
    files.predictions,
    '--state',
    files.state,
    '--split',
    files.split,
    ...prepared.scoring,
  ];
  const options = { ...limits, seconds: longestScoringSeconds, ...(signal ? { signal } : {}) };
  const { code, stdout, stderr, end } = await runTrustedModule(python, design, args, options);
  if (signal?.aborted) return { reason: 'cancelled', message: 'the scoring was cancelled' };
  // Aira cannot fix a third-party scorer: a submission that it cannot process has no score.
  if (end === 'oom' || end === 'timeout') return { reason: end, message: `scoring the submission failed: ${stderr}` };
  const parsed = code === 0 ? outputSchema.safeParse(parse(stdout)) : null;
  if (!parsed?.success) {
    const last = printable(stderr.trim().split('\n').at(-1) ?? '', { width: 500 });
    throw new AiraError('design-score', `scoring failed: ${last || printable(stdout, { width: 200 })}`);
  }
  const { data } = parsed;
  return data.status === 'ok'
    ? { score: data.score, metrics: data.metrics }
    : { reason: data.reason, message: data.message };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
