import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { canonicalText, ownTokens, type StackSpec, serves, versionWith } from '../domain/architecture.ts';
import { type SpaceKind, stackSpace } from '../domain/candidate.ts';
import { PrerequisiteError, TerminalError } from '../domain/errors.ts';
import type { Job, Outcome } from '../domain/evaluation.ts';
import { evaluationKeySchema } from '../domain/ids.ts';
import { contentHash, type Json } from '../domain/json.ts';
import type { Files } from '../domain/program.ts';
import { checkShare, type Rehearsal, type Rehearsed, type Rehearsing, type Stage } from '../domain/rehearsal.ts';
import { type DeviceClass, fitnessOf } from '../domain/task.ts';
import { chooseDevices, type Device, gpuOf, inspectMachine, trainersDirectory } from '../platform/index.ts';
import { box, type ReadOnlyMount, type Sandbox } from '../sandbox/index.ts';
import type { Evaluator } from './evaluator.ts';
import { type EvaluatorOptions, localSettings, openEvaluator, runsScripts } from './openEvaluator.ts';
import { primitivesEnvironment } from './primitives.ts';
import { budgetOf, manifestSchema, type Prepared, packageFor, prepareTask } from './programs/preparation.ts';
import { runTrial } from './programs/trial.ts';
import {
  Divisions,
  failedRehearsal,
  library,
  NoRows,
  type RehearsalRunner,
  runScript,
  sandboxOnce,
} from './rehearsalRunner.ts';
import { trainerVariables } from './stacks/engine.ts';
import { versionFor } from './version.ts';

/**
 * Rehearsals: short trainings of candidates that agents try out before they propose.
 *
 * Role: runs them one at a time, each within its limit, on the device of the agent's process. Non-role: whether one may run and
 * what it costs (the archive), what an agent is shown of it (agents).
 *
 * RHS-1. A rehearsal sees training rows only: it scores on rows that it sets apart from them, never on the evaluator's.
 * RHS-2. When `rehearse` settles, nothing of the candidate or the script runs. Nothing runs longer than `limitSeconds`.
 * RHS-3. Whatever a candidate or a script does ends as a failure with a reason. Errors of the machine are thrown.
 * RHS-4. Untrusted code runs in the sandbox of the evaluator, with its limits.
 */

/** As of a worker; the device is chosen when it is first needed. */
type RehearsalOptions = Omit<EvaluatorOptions, 'device' | 'scale'> & {
  /** Default: a device of this machine of the search's class. */
  readonly device?: Device;
};

class Rehearsals implements Rehearsing {
  readonly #options: RehearsalOptions;
  readonly #runners = new Map<SpaceKind, RehearsalRunner>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: RehearsalOptions) {
    this.#options = options;
  }

  async #runnerFor({ space: { kind }, deviceClass }: Stage): Promise<RehearsalRunner> {
    const known = this.#runners.get(kind);
    if (known) return known;
    if (kind === 'scale') throw new PrerequisiteError('rehearsal', 'a scale plan has no agents', 'launch a search');
    const options = { ...this.#options, device: await this.#device(deviceClass) };
    const runner = kind === 'program' ? new ProgramRehearsals(options) : new StackRehearsals(options);
    this.#runners.set(kind, runner);
    return runner;
  }

  /** A device on which figures are comparable with the search's. @throws PrerequisiteError without one. */
  async #device(deviceClass: DeviceClass): Promise<Device> {
    const { device, python } = this.#options;
    const found = device ? [device] : chooseDevices('auto', await inspectMachine(python));
    const fitting = found.find((each) => each.class === deviceClass);
    if (fitting) return fitting;
    const remedy = 'run its agents where there is one, or use single-turn operators';
    throw new PrerequisiteError('rehearsal', `this machine has no ${deviceClass} device for experiments`, remedy);
  }

  rehearse(stage: Stage, rehearsal: Rehearsal, signal: AbortSignal): Promise<Rehearsed> {
    const run = this.#last.then(async () => {
      signal.throwIfAborted();
      return this.#within(stage, rehearsal, signal);
    });
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #within(stage: Stage, rehearsal: Rehearsal, signal: AbortSignal): Promise<Rehearsed> {
    const over = new AbortController();
    const { timers } = this.#options;
    const { limitSeconds } = rehearsal;
    let cancel = () => {};
    const started = () => {
      cancel = timers.after(limitSeconds * 1000, () => over.abort());
    };
    try {
      const runner = await this.#runnerFor(stage);
      const found = await runner.run(stage, rehearsal, started, AbortSignal.any([signal, over.signal]));
      signal.throwIfAborted();
      // A script that timed out says what it had printed.
      if (!over.signal.aborted || (found.status === 'failed' && found.reason === 'timeout')) return found;
      return failedRehearsal('timeout', `it was ended after its ${limitSeconds} s`, limitSeconds);
    } finally {
      cancel();
    }
  }

  async close(): Promise<void> {
    await this.#last;
    for (const runner of this.#runners.values()) await runner.close();
  }
}

/** Opens the place where the agents of this process rehearse. Nothing starts before the first rehearsal. */
export const openRehearsals = (options: RehearsalOptions): Rehearsing => new Rehearsals(options);

/** Rows that a rehearsal is scored on. */
const rows = { check_candidate: 64, run_experiment: 1000 } as const;
/** Which training rows are set apart: the same for all candidates, so that their scores are comparable. */
const splitSeed = 1;

/** Divided training data, with the settings of a rehearsal on them. */
interface Divided {
  readonly prepared: Prepared;
  readonly settings: unknown;
}

interface Given {
  readonly files: Files;
  readonly whole: Prepared;
  readonly sandbox: Sandbox;
  readonly started: () => void;
}

/** Rehearsals of programs: the evaluator's own stages on divided training data, or a script of the agent. */
class ProgramRehearsals implements RehearsalRunner {
  readonly #options: EvaluatorOptions;
  readonly #divisions: Divisions;
  readonly #openSandbox: () => Promise<Sandbox>;

  constructor(options: EvaluatorOptions) {
    this.#options = options;
    this.#divisions = new Divisions(options.python);
    this.#openSandbox = sandboxOnce(options);
  }

  async run(stage: Stage, rehearsal: Rehearsal, started: () => void, signal: AbortSignal): Promise<Rehearsed> {
    const { candidate, script } = rehearsal;
    if (candidate.kind !== 'program') throw new TerminalError('rehearsal', 'expected a program candidate');
    const local = localSettings(stage, this.#options.tasks);
    if ('problem' in local) return failedRehearsal('refused', local.problem, 0);
    const sandbox = await this.#openSandbox();
    const { evaluator, seed } = stage;
    const whole = await prepareTask({ ...this.#options, sandbox }, { evaluator, settings: local.settings, seed });
    const given = { files: candidate.files, whole, sandbox, started };
    if (script === undefined && runsScripts(stage.settings)) {
      return failedRehearsal('refused', 'this task is scored by scripts of others: bring a validation script', 0);
    }
    try {
      if (script === undefined) return await this.#runTrial(stage, rehearsal, given, signal);
      return await this.#runScript(stage, rehearsal, { ...given, script }, signal);
    } catch (thrown) {
      if (thrown instanceof NoRows) return failedRehearsal('refused', thrown.message, 0);
      throw thrown;
    }
  }

  async #runTrial(
    stage: Stage,
    { tool, share, limitSeconds }: Rehearsal,
    { files, whole, sandbox, started }: Given,
    signal: AbortSignal,
  ): Promise<Rehearsed> {
    const { device, python, clock } = this.#options;
    const shorter = tool === 'check_candidate' ? checkShare : share;
    const { prepared, settings } = await this.#divide(stage, whole, { share: shorter, rows: rows[tool] });
    started();
    const startedAt = clock.monotonic();
    const result = await runTrial({
      ...{ python, sandbox, prepared, settings, files, signal },
      design: packageFor(stage.settings),
      budget: budgetOf(settings),
      seed: stage.seed,
      splits: ['validation'],
      timeoutSeconds: limitSeconds,
      memoryLimitBytes: device.memoryLimitBytes,
      gpu: gpuOf(device),
      env: trainerVariables(device.name),
    });
    const seconds = (clock.monotonic() - startedAt) / 1000;
    if (result.status === 'failed') {
      const { reason, message } = result.verdict;
      return failedRehearsal(reason, `in a training of ${shorter} of the length: ${message}`, seconds);
    }
    const { score = 0, metrics = {} } = result.scores.validation ?? {};
    const { parameters, ...figures } = metrics;
    return {
      status: 'ok',
      fitness: fitnessOf(score, stage.lowerIsBetter),
      figures: Object.fromEntries(Object.entries(figures).map(([name, value]) => [name.slice(0, 80), value])),
      ...(parameters === undefined ? {} : { params: Math.round(parameters) }),
      seconds,
    };
  }

  async #runScript(
    stage: Stage,
    { limitSeconds }: Rehearsal,
    { files, whole, sandbox, started, script }: Given & { readonly script: string },
    signal: AbortSignal,
  ): Promise<Rehearsed> {
    const { device, python } = this.#options;
    // Scripts for tasks of others read the folder that their submissions train on.
    const data = runsScripts(stage.settings)
      ? join(whole.folder, 'train')
      : await this.#once(stage, whole, ['--share', '1', '--rows', '1', '--script']);
    const { memory_mb } = budgetOf(stage.settings);
    const memoryBytes = Math.min(device.memoryLimitBytes, memory_mb * 2 ** 20);
    const host = { sandbox, python, device, work: this.#divisions.work };
    return runScript(host, { script, files, data, memoryBytes, limitSeconds }, started, signal);
  }

  async #divide(stage: Stage, whole: Prepared, how: { share: number; rows: number }): Promise<Divided> {
    const folder = await this.#once(stage, whole, ['--share', String(how.share), '--rows', String(how.rows)]);
    const manifest = manifestSchema.parse(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')));
    const settings = JSON.parse(readFileSync(join(folder, 'settings.json'), 'utf8')) as unknown;
    return { prepared: { folder, manifest, scoring: [] }, settings };
  }

  #once(stage: Stage, whole: Prepared, how: readonly string[]): Promise<string> {
    const args = ['--prepared', whole.folder, '--seed', String(splitSeed), ...how];
    return this.#divisions.folderFor(stage.settings, args);
  }

  async close(): Promise<void> {
    this.#divisions.close();
  }
}

/** Beyond the seeds of every rung and block (`rungSeeds`): a rehearsal shares no row with an evaluation. */
const rehearsalSeed = 1_500_000_000;

/** Proxies whose rows are generated from the seed, and scored on rows that the network has not learned from. */
const generated = z.union([
  z.looseObject({ proxy: z.enum(['joint', 'separate', 'repeated', 'ladder']) }),
  z.looseObject({ proxy: z.literal('language'), data: z.looseObject({ corpus: z.literal('stories') }) }),
]);

/** Most rows of a task that a script is given, to train on and set apart together. */
const scriptRows = 4096;

/**
 * What a script needs to build a stack. Generators of rows, proxies and the worker are left out: with them a script would draw
 * the rows of an evaluation, whose seeds are public.
 */
const modules: readonly ReadOnlyMount[] = [
  ...['aira_stack', 'aira_primitives', 'aira_workers/primitives'],
  ...['__init__', 'errors', 'strict', 'model'].map((name) => `aira_workers/${name}.py`),
].map((path) => ({ source: join(trainersDirectory, path), target: `${library}/${path}` }));

/** Where `aira_stack` finds rows, candidate and own primitives; translated for runs without a sandbox. */
const places = {
  AIRA_STACK_DATA: `${box}/data`,
  AIRA_STACK_CANDIDATE: `${box}/candidate`,
  ...primitivesEnvironment([`${box}/data/primitives`]),
};

/** The part of `stack.json` that names the sources of own primitives. */
const stackFacts = z.looseObject({ primitives: z.record(z.string(), z.string()) });

type Settings = Job['settings'];
type Value = Settings[string];

/** `change` applied to every number of these settings that has a name. */
function mapped(value: Value, change: (name: string, figure: number) => number): Value {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      typeof each === 'number' ? change(name, each) : mapped(each, change),
    ]),
  );
}

/** The settings with `share` of the steps or epochs, and a warm-up of at most a quarter of them; null without either. */
export function shortened(settings: Settings, share: number): Settings | null {
  const lengths: number[] = [];
  const shorter = mapped(settings, (name, figure) => {
    if (name !== 'steps' && name !== 'epochs') return figure;
    const fewer = Math.max(1, Math.round(figure * share));
    lengths.push(fewer);
    return fewer;
  });
  if (lengths.length === 0) return null;
  const most = Math.max(1, Math.floor(Math.min(...lengths) / 4));
  return mapped(shorter, (name, figure) => (name === 'warmup' ? Math.min(figure, most) : figure)) as Settings;
}

/**
 * Rehearsals of stacks: the evaluator's own trainer, fewer steps, and rows of a seed that no evaluation uses; or a script of
 * the agent with such rows.
 */
class StackRehearsals implements RehearsalRunner {
  readonly #options: EvaluatorOptions;
  readonly #divisions: Divisions;
  readonly #openSandbox: () => Promise<Sandbox>;
  #evaluator: Evaluator | null = null;

  constructor(options: EvaluatorOptions) {
    this.#options = options;
    this.#divisions = new Divisions(options.python);
    this.#openSandbox = sandboxOnce(options);
  }

  async run(stage: Stage, rehearsal: Rehearsal, started: () => void, signal: AbortSignal): Promise<Rehearsed> {
    const { tool, candidate, share, script, limitSeconds } = rehearsal;
    if (script !== undefined) return this.#runScript(stage, { ...rehearsal, script }, started, signal);
    if (!generated.safeParse(stage.settings).success) {
      return failedRehearsal(
        'refused',
        'this task reads its validation rows from files; there are no others to try on',
        0,
      );
    }
    const settings = shortened(stage.settings, tool === 'check_candidate' ? checkShare : share);
    if (settings === null) return failedRehearsal('refused', 'this task has no length to shorten', 0);
    const { task, taskVersion, evaluator, deviceClass, content, space, lowerIsBetter } = stage;
    const facts = { candidate, settings, seed: rehearsalSeed };
    const job: Job = {
      key: evaluationKeySchema.parse(contentHash(facts as Json)),
      ...{ task, taskVersion, evaluator, deviceClass, space, lowerIsBetter, ...facts },
      ...(content ? { content } : {}),
      rung: 'screen',
      measure: 'validation',
      timeoutSeconds: limitSeconds,
    };
    this.#evaluator ??= openEvaluator('stack', this.#options);
    await this.#evaluator.start();
    started();
    const outcome = await this.#outcome(job, signal);
    if (outcome.status === 'failed') return failedRehearsal(outcome.reason, outcome.message, outcome.seconds);
    const { validation, tasks, params, flops, seconds } = outcome;
    const figures = Object.entries(tasks).flatMap(([name, scores]) =>
      scores.validation === undefined ? [] : [[name.slice(0, 80), scores.validation] as const],
    );
    return { status: 'ok', fitness: validation, figures: Object.fromEntries(figures), params, flops, seconds };
  }

  async #runScript(
    stage: Stage,
    { candidate, script, limitSeconds }: Rehearsal & { readonly script: string },
    started: () => void,
    signal: AbortSignal,
  ): Promise<Rehearsed> {
    if (candidate.kind !== 'stack') throw new TerminalError('rehearsal', 'expected a stack candidate');
    const { device, python } = this.#options;
    const sandbox = await this.#openSandbox();
    try {
      const data = await this.#rowsFor(stage, stackSpace(stage.space));
      const files = { 'architecture.txt': canonicalText(candidate.architecture) };
      const host = { sandbox, python, device, work: this.#divisions.work };
      const order = { script, files, data, modules, env: places, memoryBytes: device.memoryLimitBytes, limitSeconds };
      return await runScript(host, order, started, signal);
    } catch (thrown) {
      if (thrown instanceof NoRows) return failedRehearsal('refused', thrown.message, 0);
      throw thrown;
    }
  }

  /** The folder of rows for scripts. @throws NoRows; TerminalError if own primitives or trainers differ from the search's. */
  async #rowsFor(stage: Stage, space: StackSpec): Promise<string> {
    const { data, primitives = [], device } = this.#options;
    const own = ownTokens(space);
    const args = ['--seed', String(rehearsalSeed), '--rows', String(scriptRows), '--own', ...own];
    const env = { ...(data === null ? {} : { AIRA_DATA: data }), ...primitivesEnvironment(primitives) };
    const folder = await this.#divisions.folderFor(stage.settings, args, env);
    const facts = stackFacts.parse(JSON.parse(readFileSync(join(folder, 'stack.json'), 'utf8')));
    const has = versionWith(versionFor('stack', device.class), facts.primitives);
    if (!serves(has, stage.evaluator)) {
      throw new TerminalError('evaluator', `this machine has ${has}, but the search needs ${stage.evaluator}`);
    }
    return folder;
  }

  async #outcome(job: Job, signal: AbortSignal): Promise<Outcome> {
    const found: Outcome[] = [];
    await this.#evaluator?.evaluate([job], { signal, onOutcome: (_, outcome) => found.push(outcome) });
    return found[0] as Outcome;
  }

  async close(): Promise<void> {
    await this.#evaluator?.stop();
    this.#divisions.close();
  }
}
