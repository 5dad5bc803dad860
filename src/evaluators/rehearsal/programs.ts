import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TerminalError } from '../../domain/errors.ts';
import type { Files } from '../../domain/program.ts';
import { checkShare, type Rehearsal, type Rehearsed, type Stage } from '../../domain/rehearsal.ts';
import { fitnessOf } from '../../domain/task.ts';
import { gpuOf } from '../../platform/index.ts';
import type { Sandbox } from '../../sandbox/index.ts';
import { type EvaluatorOptions, localSettings, runsScripts } from '../openEvaluator.ts';
import { budgetOf, manifestSchema, type Prepared, packageFor, prepareTask } from '../programs/preparation.ts';
import { runTrial } from '../programs/trial.ts';
import {
  Divisions,
  failedRehearsal,
  NoRows,
  type RehearsalRunner,
  runScript,
  sandboxOnce,
} from '../rehearsalRunner.ts';
import { trainerVariables } from '../stacks/engine.ts';

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
export class ProgramRehearsals implements RehearsalRunner {
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
