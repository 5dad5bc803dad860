/**
 * One program from its files to its figures, through three zones.
 *
 *   Z1  Training sees the train split alone; prediction sees inputs and what training left, in a fresh sandbox; scoring runs in a
 *       trusted process that reads sizes and one file of exactly the expected size.
 *   Z2  What a program prints or writes beside its predictions can change why it has no score, and never what its score is.
 *   Z3  Time, processor time and memory are measured outside.
 *   Z4  In a hosted family both zones have a trusted end as well, which writes the state and the predictions; the program
 *       answers that end over a channel, and nothing that it writes is read.
 *   Z5  Nothing of a trial is left on disk when it has ended.
 */

import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AiraError } from '../../domain/errors.ts';
import type { Files } from '../../domain/program.ts';
import type { Sandbox, SandboxResult } from '../../sandbox/index.ts';
import type { DesignPackage } from '../../tasks/index.ts';
import type { Verdict } from '../evaluator.ts';
import {
  familyOf,
  hostedZone,
  hostPredictArgs,
  hostTrainArgs,
  predictZone,
  scriptPredictZone,
  scriptTrainZone,
  type TrialBudget,
  trainZone,
  type Zone,
} from './commands.ts';
import { type HostedResult, runHosted } from './hosted.ts';
import type { Prepared } from './preparation.ts';
import { type Scored, type Split, score } from './score.ts';
import { hostedVerdict, scriptVerdict, withoutWords, type ZoneLimits, zoneVerdict } from './verdicts.ts';

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
  /** Wall-clock seconds of the whole. */
  readonly timeoutSeconds: number;
  readonly memoryLimitBytes: number;
  /** The GPU to use, by index; null for the CPU. */
  readonly gpu: number | null;
  readonly env: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Called when the next zone begins: its number and how many there are. */
  readonly onZone?: (zone: number, zones: number) => void;
}

export interface TrialCosts {
  readonly cpuSeconds: number;
  readonly peakMemoryBytes: number;
  /** What training handed over: every byte that passes to the prediction. */
  readonly stateBytes: number;
}

export type TrialResult =
  | { readonly status: 'ok'; readonly scores: Readonly<Partial<Record<Split, Scored>>>; readonly costs: TrialCosts }
  | { readonly status: 'failed'; readonly verdict: Verdict };

/** Processes and threads: data loaders and the pools of numerical libraries are honest users of dozens. */
const mostProcesses = 256;
/** What training may hand over, as a share of the memory it may take: it lies in memory while it is written. */
const stateShare = 1 / 4;
const predictionsFile = 'predictions.f32';

const isVerdict = (found: Scored | Verdict): found is Verdict => 'reason' in found;

export async function runTrial(order: TrialOptions): Promise<TrialResult> {
  const work = mkdtempSync(join(tmpdir(), 'aira-trial-'));
  try {
    return await new Trial(order, work).run();
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

class Trial {
  readonly #order: TrialOptions;
  readonly #work: string;
  readonly #given: { settings: string; candidate: string; device: string };
  #cpuSeconds = 0;
  #peakMemoryBytes = 0;
  #stateBytes = 0;
  #allowance: Allowance | undefined;
  #trainedSeconds = 0;
  #served = 0;
  #secondsLeft: number;
  #zone = 0;

  constructor(order: TrialOptions, work: string) {
    this.#order = order;
    this.#work = work;
    this.#secondsLeft = order.timeoutSeconds;
    const candidate = this.#folder('candidate');
    for (const [name, text] of Object.entries(order.files)) writeFileSync(join(candidate, name), text, { mode: 0o644 });
    const settings = join(work, 'settings.json');
    writeFileSync(settings, JSON.stringify(order.settings), { mode: 0o644 });
    this.#given = { settings, candidate, device: order.gpu === null ? 'cpu' : 'cuda:0' };
  }

  async run(): Promise<TrialResult> {
    const { splits } = this.#order;
    const state = this.#folder('state');
    const failure = await this.#train(state);
    if (failure) return { status: 'failed', verdict: failure };
    const scores: Partial<Record<Split, Scored>> = {};
    for (const split of splits) {
      const found = await this.#judge(split, state);
      if (isVerdict(found)) return { status: 'failed', verdict: withoutWords(found) };
      scores[split] = found;
    }
    const costs = {
      cpuSeconds: this.#cpuSeconds,
      peakMemoryBytes: this.#peakMemoryBytes,
      stateBytes: this.#stateBytes,
    };
    return { status: 'ok', scores, costs };
  }

  async #train(state: string): Promise<Verdict | null> {
    const { python, design, prepared, seed, budget } = this.#order;
    if (this.#isScript) return this.#trainScript(state);
    if (this.#isHosted) {
      const given = { ...this.#given, prepared: prepared.folder, seed, out: state };
      const limits = { seconds: budget.seconds, cpuSeconds: budget.cpu_seconds };
      const verdict = await this.#hosted('training', hostTrainArgs(given), limits);
      this.#stateBytes = readdirSync(state).reduce((sum, name) => sum + statSync(join(state, name)).size, 0);
      return verdict;
    }
    const zone = trainZone(python, design, { ...this.#given, train: join(prepared.folder, 'train'), seed });
    const own = { seconds: budget.seconds, cpuSeconds: budget.cpu_seconds };
    const { result, limits } = await this.#inZone(zone, state, own, stateShare * budget.memory_mb * 2 ** 20);
    // Links and the like are simply not carried over: honest scripts leave some. What is, is counted.
    this.#stateBytes = result.files.reduce((sum, { bytes }) => sum + bytes, 0);
    return zoneVerdict('training', result, limits, state);
  }

  async #judge(split: Split, state: string): Promise<Scored | Verdict> {
    const { python, design, prepared, budget, signal, sandbox, memoryLimitBytes } = this.#order;
    if (this.#isScript) return this.#askScript(split, state);
    const bytes = prepared.manifest.splits[split].bytes ?? 0;
    const out = this.#folder(`predictions-${split}`);
    const scored = () => {
      const given = { settings: this.#given.settings, predictions: join(out, predictionsFile), state, split };
      const memoryBytes = Math.min(memoryLimitBytes, budget.memory_mb * 2 ** 20);
      return score(python, design, prepared, given, { sandbox, memoryBytes }, signal);
    };
    if (this.#isHosted) {
      const given = { ...this.#given, prepared: prepared.folder, split, state, out };
      const limits = { seconds: budget.predict_seconds, cpuSeconds: budget.predict_seconds };
      return (await this.#hosted('prediction', hostPredictArgs(given), limits)) ?? scored();
    }
    const zone = predictZone(python, design, { ...this.#given, inputs: join(prepared.folder, split), state });
    const own = { seconds: budget.predict_seconds, cpuSeconds: budget.predict_seconds };
    const { result, limits } = await this.#inZone(zone, out, own, bytes + 2 ** 20);
    const verdict = zoneVerdict('prediction', result, limits, out);
    if (verdict) return verdict;
    const odd = result.strange.find(({ path }) => path === predictionsFile);
    if (odd)
      return { reason: 'tampered', message: `the predictions are no plain file of the expected size (${odd.kind})` };
    return scored();
  }

  get #isHosted(): boolean {
    return this.#order.design.hosted?.includes(familyOf(this.#order.settings)) ?? false;
  }

  get #isScript(): boolean {
    return this.#order.design.scripts?.includes(familyOf(this.#order.settings)) ?? false;
  }

  async #trainScript(state: string): Promise<Verdict | null> {
    const { python, design, prepared, seed, budget } = this.#order;
    const args = hostTrainArgs({ ...this.#given, prepared: prepared.folder, seed, out: this.#folder('served') });
    const zone = scriptTrainZone(python, design, { ...this.#given, seed });
    const own = { seconds: budget.seconds, cpuSeconds: budget.cpu_seconds };
    const most = stateShare * budget.memory_mb * 2 ** 20;
    const { hosted, limits } = await this.#withHost(args, zone, own, state, most, true);
    this.#allowance = hosted.found?.processor;
    this.#served = hosted.found?.served?.tokens ?? 0;
    this.#trainedSeconds = hosted.program.cpuSeconds;
    const cpuSeconds = forTraining(limits.cpuSeconds, this.#allowance);
    const verdict = scriptVerdict('training', hosted, { ...limits, cpuSeconds }, state);
    // What is not carried over is simply left behind: honest scripts leave logs and checkpoints.
    const { state: names } = prepared.manifest;
    for (const name of readdirSync(state)) {
      if (names && !names.includes(name)) rmSync(join(state, name), { recursive: true });
      else this.#stateBytes += statSync(join(state, name)).size;
    }
    return verdict;
  }

  async #askScript(split: Split, state: string): Promise<Scored | Verdict> {
    const { python, design, prepared, budget } = this.#order;
    const out = this.#folder(`asked-${split}`);
    const args = hostPredictArgs({ ...this.#given, prepared: prepared.folder, split, state, out });
    const zone = scriptPredictZone(python, design, { ...this.#given, state });
    const seconds = budget.predict_seconds * (prepared.manifest.splits[split].share ?? 1);
    const cpuSeconds = forPrediction(seconds, this.#allowance, this.#trainedSeconds);
    const directory = this.#folder(`left-${split}`);
    const { hosted, limits } = await this.#withHost(args, zone, { seconds, cpuSeconds }, directory, 2 ** 20, false);
    const verdict = scriptVerdict('prediction', hosted, limits, directory);
    if (verdict) return verdict;
    const { score, metrics } = hosted.found ?? {};
    if (score === undefined || metrics === undefined) throw new AiraError('design-score', 'a host found no score');
    return { score, metrics: { ...metrics, trained_tokens: this.#served } };
  }

  /** One zone with its host. What the program leaves is in `directory`. */
  async #withHost(
    args: readonly string[],
    zone: Zone,
    own: { seconds: number; cpuSeconds: number },
    directory: string,
    maxBytes: number,
    waits: boolean,
  ): Promise<{ hosted: HostedResult; limits: ZoneLimits }> {
    const { python, design, env, signal } = this.#order;
    let limits: ZoneLimits = { ...own, memoryBytes: 0 };
    const hosted = await runHosted({
      ...{
        python,
        design,
        args,
        env,
        seconds: own.seconds,
        ...(signal ? { signal } : {}),
        ...(waits ? { waits } : {}),
      },
      program: async (channel, end) => {
        const ran = await this.#inZone(zone, directory, own, maxBytes, { channel, signal: end });
        limits = ran.limits;
        return ran.result;
      },
    });
    this.#cpuSeconds += hosted.cpuSeconds;
    return { hosted, limits };
  }

  /** One zone of a hosted family. */
  async #hosted(
    what: 'training' | 'prediction',
    args: readonly string[],
    own: { seconds: number; cpuSeconds: number },
  ): Promise<Verdict | null> {
    const { python, design, gpu, env, signal } = this.#order;
    const directory = this.#folder(what);
    const zone = hostedZone(python, design, this.#given);
    let limits: ZoneLimits | null = null;
    const hosted = await runHosted({
      ...{ python, design, args, seconds: own.seconds, ...(signal ? { signal } : {}) },
      env: gpu === null ? env : { ...env, CUDA_VISIBLE_DEVICES: String(gpu) },
      program: async (channel, end) => {
        const ran = await this.#inZone(zone, directory, own, 2 ** 20, { channel, signal: end });
        limits = ran.limits;
        return ran.result;
      },
    });
    rmSync(directory, { recursive: true });
    this.#cpuSeconds += hosted.cpuSeconds;
    return limits && hostedVerdict(what, hosted, limits);
  }

  async #inZone(
    { argv, readOnly }: Zone,
    directory: string,
    own: { seconds: number; cpuSeconds: number },
    maxBytes: number,
    { channel, signal }: { readonly channel?: string; readonly signal?: AbortSignal | undefined } = this.#order,
  ): Promise<{ result: SandboxResult; limits: ZoneLimits }> {
    const { sandbox, budget, memoryLimitBytes, gpu, env, onZone, splits } = this.#order;
    onZone?.(this.#zone, 1 + splits.length);
    this.#zone += 1;
    const limits: ZoneLimits = {
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

/** Processor seconds that a script may use, in all its processes, where its host has measured what they are worth here. */
export interface Allowance {
  /** Each zone starts an interpreter. */
  readonly start: number;
  /** Training and one prediction together: what is used up in the one is missing in the other. */
  readonly work: number;
}

/** What a training may use. */
export const forTraining = (limit: number, allowance: Allowance | undefined): number =>
  allowance ? Math.min(limit, allowance.start + allowance.work) : limit;

/** What each prediction may use after a training that has used `trained` seconds. */
export function forPrediction(limit: number, allowance: Allowance | undefined, trained: number): number {
  if (!allowance) return limit;
  const left = allowance.work - Math.max(0, trained - allowance.start);
  return Math.min(limit, allowance.start + Math.max(0, left));
}
