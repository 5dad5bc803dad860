import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AiraError, TerminalError } from '../../domain/errors.ts';
import type { Files } from '../../domain/program.ts';
import { checkShare, type Rehearsal, type Rehearsed, type Stage } from '../../domain/rehearsal.ts';
import { fitnessOf } from '../../domain/task.ts';
import { printable, trainersDirectory } from '../../platform/index.ts';
import { box, openSandbox, outputFolder, type Sandbox } from '../../sandbox/index.ts';
import { type DesignPackage, runTrustedModule } from '../../tasks/index.ts';
import type { EvaluatorOptions } from '../openEvaluator.ts';
import { localSettings, runsScripts } from '../ownTasks.ts';
import { budgetOf, packageFor, prepareTask } from '../programs/commands.ts';
import { manifestSchema, type Prepared } from '../programs/preparation.ts';
import { runTrial } from '../programs/trial.ts';
import { stageVerdict } from '../programs/verdicts.ts';
import { trainerVariables } from '../stacks/workerCommand.ts';
import { failedRehearsal, type RehearsalRunner } from './runner.ts';

/** Rows that a rehearsal is scored on. */
const rows = { check_candidate: 64, run_experiment: 1000 } as const;
/** Which training rows are set apart: the same for all candidates, so that their scores are comparable. */
const splitSeed = 1;
const splitSeconds = 600;

/** Bounds of a script in addition to those of a candidate. */
const scriptBytes = 64 * 2 ** 20;
const scriptLogBytes = 2 ** 20;
const scriptProcesses = 64;
/** Characters of its output that are returned: the end of what it printed. */
const longestOutput = 4000;

const rehearsalPackage: DesignPackage = {
  folder: trainersDirectory,
  packages: ['aira_rehearsal', 'aira_design', 'aira_workers'],
  module: 'aira_rehearsal',
};

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
  readonly #work = mkdtempSync(join(tmpdir(), 'aira-rehearsal-'));
  readonly #divided = new Map<string, Promise<string>>();
  #sandbox: Promise<Sandbox> | null = null;

  constructor(options: EvaluatorOptions) {
    this.#options = options;
    chmodSync(this.#work, 0o700);
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
      gpu: this.#gpu(),
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
    given: Given & { readonly script: string },
    signal: AbortSignal,
  ): Promise<Rehearsed> {
    const { device, python } = this.#options;
    // Scripts for tasks of others read the folder that their submissions train on.
    const data = runsScripts(stage.settings)
      ? join(given.whole.folder, 'train')
      : await this.#once(stage, given.whole, ['--share', '1', '--rows', '1', '--script']);
    const work = mkdtempSync(join(this.#work, 'script-'));
    chmodSync(work, 0o755);
    try {
      const [candidate, directory, script] = [join(work, 'candidate'), join(work, 'out'), join(work, 'script.py')];
      for (const folder of [candidate, directory]) mkdirSync(folder, { mode: 0o755 });
      for (const [name, text] of Object.entries(given.files))
        writeFileSync(join(candidate, name), text, { mode: 0o644 });
      writeFileSync(script, given.script, { mode: 0o644 });
      const gpu = this.#gpu();
      const { memory_mb } = budgetOf(stage.settings);
      const memoryBytes = Math.min(device.memoryLimitBytes, memory_mb * 2 ** 20);
      const limits = { seconds: limitSeconds, cpuSeconds: limitSeconds, memoryBytes };
      given.started();
      const result = await given.sandbox.run(
        {
          argv: [python, '-I', '-B', `${box}/script.py`],
          readOnly: [
            { source: script, target: `${box}/script.py` },
            { source: candidate, target: `${box}/candidate` },
            { source: data, target: `${box}/data` },
          ],
          directory: outputFolder,
          output: { directory, maxBytes: scriptBytes },
          limits: {
            ...limits,
            processes: scriptProcesses,
            logBytes: scriptLogBytes,
            ...(gpu === null ? { cores: 1 } : {}),
          },
          env: trainerVariables(device.name),
          ...(gpu === null ? {} : { gpu }),
        },
        signal,
      );
      // No file that it leaves is read: how it ended says why it failed.
      const verdict = stageVerdict('script', { ...result, files: [] }, limits, directory);
      const output = printable(result.stdout, { lines: true }).trimEnd().slice(-longestOutput);
      if (verdict) {
        const before = output === '' ? '' : `\nprinted before: ${output.slice(-1500)}`;
        return failedRehearsal(verdict.reason, `${verdict.message}${before}`, result.seconds);
      }
      return { status: 'ok', fitness: null, figures: {}, output, seconds: result.seconds };
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }

  #gpu(): number | null {
    const { name } = this.#options.device;
    return name === 'cpu' ? null : Number(/:(\d+)$/.exec(name)?.[1] ?? 0);
  }

  #openSandbox(): Promise<Sandbox> {
    this.#sandbox ??= openSandbox(this.#options).catch((thrown) => {
      this.#sandbox = null;
      throw thrown;
    });
    return this.#sandbox;
  }

  async #divide(stage: Stage, whole: Prepared, how: { share: number; rows: number }): Promise<Divided> {
    const folder = await this.#once(stage, whole, ['--share', String(how.share), '--rows', String(how.rows)]);
    const manifest = manifestSchema.parse(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')));
    const settings = JSON.parse(readFileSync(join(folder, 'settings.json'), 'utf8')) as unknown;
    return { prepared: { folder, manifest, scoring: [] }, settings };
  }

  /** A division of the data, made once by a trusted process. */
  #once(stage: Stage, whole: Prepared, how: readonly string[]): Promise<string> {
    const id = JSON.stringify([whole.folder, how]);
    const known = this.#divided.get(id);
    if (known) return known;
    const made = this.#make(stage, whole, how);
    this.#divided.set(id, made);
    made.catch(() => this.#divided.delete(id));
    return made;
  }

  async #make(stage: Stage, whole: Prepared, how: readonly string[]): Promise<string> {
    const place = mkdtempSync(join(this.#work, 'data-'));
    const [settings, out] = [join(place, 'settings.json'), join(place, 'out')];
    writeFileSync(settings, JSON.stringify(stage.settings));
    const args = [
      '--settings',
      settings,
      '--prepared',
      whole.folder,
      '--seed',
      String(splitSeed),
      '--out',
      out,
      ...how,
    ];
    const { code, stderr } = await runTrustedModule(this.#options.python, rehearsalPackage, args, {
      seconds: splitSeconds,
    });
    const last = printable(stderr.trim().split('\n').at(-1) ?? '', { width: 500 });
    if (code === 2) throw new NoRows(last);
    if (code !== 0) throw new AiraError('rehearsal-data', `dividing the training data failed: ${last}`);
    chmodSync(place, 0o755);
    chmodSync(out, 0o755);
    for (const path of readdirSync(out, { recursive: true, encoding: 'utf8' })) {
      chmodSync(join(out, path), statSync(join(out, path)).isDirectory() ? 0o755 : 0o644);
    }
    return out;
  }

  async close(): Promise<void> {
    rmSync(this.#work, { recursive: true, force: true });
  }
}

/** The task has no rows for this kind of rehearsal. */
class NoRows extends TerminalError {
  constructor(message: string) {
    super('rehearsal-rows', message.replace(/^aira_rehearsal: /, ''));
  }
}
