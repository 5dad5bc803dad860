import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AiraError, TerminalError } from '../domain/errors.ts';
import type { Files } from '../domain/program.ts';
import type { Rehearsal, Rehearsed, Stage } from '../domain/rehearsal.ts';
import { cut, type Device, gpuOf, printable, trainersDirectory } from '../platform/index.ts';
import { box, openSandbox, outputFolder, type ReadOnlyMount, type Sandbox } from '../sandbox/index.ts';
import { type DesignPackage, runTrustedModule } from '../tasks/index.ts';
import type { EvaluatorOptions } from './openEvaluator.ts';
import { stageVerdict } from './programs/stage.ts';
import { trainerVariables } from './stacks/engine.ts';

/**
 * What the runners of rehearsals are made of: failures, the sandbox, divided training rows, and validation scripts.
 *
 * Role: of a script, Python that an agent brings to `run_experiment`: what it sees besides what its caller mounts, its limits, and the
 * text that comes back. Non-role: which rows it may read (the runners of programs and of stacks).
 *
 * AGS-1. A script has no channel: no file that it leaves is read, and what it prints is text for the agent, never a score.
 * AGS-2. It runs for no longer than `limitSeconds`; nothing of it runs afterwards (SBX-1).
 * AGS-3. What comes back is printable and bounded; of a failure, the end of the traceback, exception last.
 */

/** What runs rehearsals of one kind of candidate. */
export interface RehearsalRunner {
  /** @param started is called when the device is in use: from then on the limit counts. */
  run(stage: Stage, rehearsal: Rehearsal, started: () => void, signal: AbortSignal): Promise<Rehearsed>;
  close(): Promise<void>;
}

const longestMessage = 4000;

/** A failure in a form that fits the archive. */
export const failedRehearsal = (
  reason: Extract<Rehearsed, { status: 'failed' }>['reason'],
  message: string,
  seconds: number,
): Rehearsed => {
  const text = cut(printable(message, { lines: true }).trim(), longestMessage);
  return { status: 'failed', reason, message: text, seconds };
};

/** Opens the sandbox when it is first needed, and again after a failure. */
export function sandboxOnce(options: EvaluatorOptions): () => Promise<Sandbox> {
  let opened: Promise<Sandbox> | null = null;
  return () => {
    opened ??= openSandbox(options).catch((thrown) => {
      opened = null;
      throw thrown;
    });
    return opened;
  };
}

const longestDivisionSeconds = 600;

const rehearsalPackage: DesignPackage = {
  folder: trainersDirectory,
  packages: ['aira_rehearsal', 'aira_design', 'aira_primitives', 'aira_workers'],
  module: 'aira_rehearsal',
};

/** Thrown where the task has no rows for this kind of rehearsal. */
export class NoRows extends TerminalError {
  constructor(message: string) {
    super('rehearsal-rows', message.replace(/^aira_rehearsal: /, ''));
  }
}

/** Training rows that a trusted process has divided, each division made once, in a folder that only this user can enter. */
export class Divisions {
  readonly #python: string;
  readonly #made = new Map<string, Promise<string>>();
  readonly work = mkdtempSync(join(tmpdir(), 'aira-rehearsal-'));

  constructor(python: string) {
    this.#python = python;
    chmodSync(this.work, 0o700);
  }

  /**
   * The folder with the division of these settings' rows, which every user may read.
   *
   * @param args for `aira_rehearsal`, besides settings and output.
   * @throws NoRows; AiraError `rehearsal-data`.
   */
  folderFor(settings: unknown, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
    const id = JSON.stringify([settings, args]);
    const known = this.#made.get(id);
    if (known) return known;
    const made = this.#make(settings, args, env);
    this.#made.set(id, made);
    made.catch(() => this.#made.delete(id));
    return made;
  }

  async #make(settings: unknown, how: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
    const place = mkdtempSync(join(this.work, 'data-'));
    const [file, out] = [join(place, 'settings.json'), join(place, 'out')];
    writeFileSync(file, JSON.stringify(settings));
    const args = ['--settings', file, '--out', out, ...how];
    const limits = { seconds: longestDivisionSeconds, env };
    const { code, stderr } = await runTrustedModule(this.#python, rehearsalPackage, args, limits);
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

  close(): void {
    rmSync(this.work, { recursive: true, force: true });
  }
}

/** Bounds of a script in addition to those of a candidate. */
const mostBytes = 64 * 2 ** 20;
const logBytes = 2 ** 20;
const processes = 64;
/** Characters that are returned: the end of what it printed; of a failure, the ends of what it printed and of its traceback. */
const longest = { output: 4000, before: 900, traceback: 2900 } as const;

/** What a script is given. */
interface ScriptOrder {
  readonly script: string;
  /** Shown in /box/candidate. */
  readonly files: Files;
  /** Rows, shown in /box/data. */
  readonly data: string;
  /** Modules that it may import: mounts below `library`. */
  readonly modules?: readonly ReadOnlyMount[];
  readonly env?: Readonly<Record<string, string>>;
  readonly memoryBytes: number;
  readonly limitSeconds: number;
}

/** Where a script runs. */
interface ScriptHost {
  readonly sandbox: Sandbox;
  readonly python: string;
  readonly device: Device;
  /** A folder that only this user can enter. */
  readonly work: string;
}

/** Where a script's modules are. */
export const library = `${box}/lib`;
const [scriptFile, candidateFolder, dataFolder] = [`${box}/script.py`, `${box}/candidate`, `${box}/data`];

/** `-I` ignores PYTHONPATH. The script runs as the main module, with its own name in tracebacks. */
const preamble = `import sys; sys.path.insert(0, sys.argv[1]); del sys.argv[:2]; __file__ = sys.argv[0]; exec(compile(open(__file__, "rb").read(), __file__, "exec"))`;

/** Runs a script to its end. @param started is called when the device is in use. */
export async function runScript(
  { sandbox, python, device, work: parent }: ScriptHost,
  { script, files, data, modules = [], env = {}, memoryBytes, limitSeconds }: ScriptOrder,
  started: () => void,
  signal: AbortSignal,
): Promise<Rehearsed> {
  const work = mkdtempSync(join(parent, 'script-'));
  chmodSync(work, 0o755);
  try {
    const [candidate, directory, file] = [join(work, 'candidate'), join(work, 'out'), join(work, 'script.py')];
    for (const folder of [candidate, directory]) mkdirSync(folder, { mode: 0o755 });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(candidate, name), text, { mode: 0o644 });
    writeFileSync(file, script, { mode: 0o644 });
    const gpu = gpuOf(device);
    const limits = { seconds: limitSeconds, cpuSeconds: limitSeconds, memoryBytes };
    const start = modules.length === 0 ? [scriptFile] : ['-c', preamble, library, scriptFile];
    started();
    const result = await sandbox.run(
      {
        argv: [python, '-I', '-B', ...start],
        readOnly: [
          { source: file, target: scriptFile },
          { source: candidate, target: candidateFolder },
          { source: data, target: dataFolder },
          ...modules,
        ],
        directory: outputFolder,
        output: { directory, maxBytes: mostBytes },
        limits: { ...limits, processes, logBytes, ...(gpu === null ? { cores: 1 } : {}) },
        env: { ...trainerVariables(device.name), ...env },
        ...(gpu === null ? {} : { gpu }),
      },
      signal,
    );
    // No file that it leaves is read, and its own words follow below. An agent that stops reads none of this (RHS-2).
    const end = result.end === 'cancelled' ? 'timeout' : result.end;
    const verdict = stageVerdict('script', { ...result, end, files: [], stderr: '' }, limits, directory);
    if (verdict === null) {
      const output = endOf(result.stdout, longest.output);
      return { status: 'ok', fitness: null, figures: {}, output, seconds: result.seconds };
    }
    const [before, said] = [endOf(result.stdout, longest.before), endOf(result.stderr, longest.traceback)];
    const parts = [...(before === '' ? [] : [`printed before:\n${before}`]), verdict.message, said];
    return failedRehearsal(verdict.reason, parts.join('\n'), result.seconds);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The end of a text, without what a terminal acts on or a reader cannot see. */
function endOf(text: string, most: number): string {
  return printable(text, { lines: true }).trimEnd().slice(-most);
}
