import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { PrerequisiteError, TerminalError } from '../domain/errors.ts';
import type { SearchId } from '../domain/ids.ts';
import type { ArchiveReader, TestScore } from '../memory/index.ts';
import { childEnvironment, exec, findPython, machinePaths, printable, trainersDirectory } from '../platform/index.ts';
import { writeTables } from './tables.ts';

/** Experiment trackers whose own libraries write the runs: of the same name on PyPI and as a module. */
export const trackers = ['mlflow', 'wandb', 'tensorboard'] as const;
export type Tracker = (typeof trackers)[number];

/** How to see what was written into a folder. */
const viewers: Readonly<Record<Tracker, (folder: string) => string>> = {
  mlflow: (folder) => `mlflow ui --backend-store-uri sqlite:///${join(folder, 'mlflow.db')}`,
  wandb: (folder) => `wandb sync ${join(folder, 'wandb', 'offline-run-*')}`,
  tensorboard: (folder) => `tensorboard --logdir ${folder}`,
};

const answerSchema = z.union([
  z.strictObject({ library: z.enum(trackers), version: z.string(), runs: z.int().nonnegative() }),
  z.strictObject({ missing: z.enum(trackers) }),
  z.strictObject({ taken: z.string() }),
]);

/** What was written: the library and its version, the number of runs, and a command that shows them. */
interface WrittenRuns {
  readonly tracker: Tracker;
  readonly version: string;
  readonly runs: number;
  readonly folder: string;
  readonly show: string;
}

/** Starts a package of ours without the working directory on its path; installed libraries of the user stay visible. */
const start =
  'import runpy, sys; sys.path[0] = sys.argv.pop(1); runpy.run_module("aira_trackers", run_name="__main__", alter_sys=True)';

/** The libraries write a thousand nodes in about a minute. */
const longestMs = 3_600_000;

const installRemedy = (tracker: Tracker, python: string | null) =>
  `install it with: ${python ?? 'python3'} -m pip install ${tracker}`;

/** The Python that trains if it has the library, else the first that has it. @throws PrerequisiteError `toolchain`. */
const pythonWith = (tracker: Tracker): Promise<string> =>
  findPython(machinePaths(), { modules: [tracker], remedy: (python) => installRemedy(tracker, python) });

/**
 * Writes a search into the folder of a tracker, next to searches that are there already. Nothing is sent anywhere.
 *
 * @throws PrerequisiteError `tracker-missing` without the library, `tracker-taken` if the folder has this search.
 */
export async function writeRuns(
  reader: ArchiveReader,
  search: SearchId,
  options: {
    readonly tracker: Tracker;
    readonly folder: string;
    readonly tests: readonly TestScore[];
    /** Default: the one that trains if it has the library, else the first that has it. */
    readonly python?: string;
  },
): Promise<WrittenRuns> {
  const { tracker, folder, tests } = options;
  const python = options.python ?? (await pythonWith(tracker));
  const tables = mkdtempSync(join(tmpdir(), 'aira-tables-'));
  try {
    await writeTables(reader, search, { format: 'jsonl', folder: tables, tests });
    const args = ['-c', start, trainersDirectory, '--to', tracker, '--tables', tables, '--out', folder];
    const env = { ...childEnvironment(process.env), PYTHONDONTWRITEBYTECODE: '1', PYTHONIOENCODING: 'utf-8' };
    const { code, stdout, stderr } = await exec(python, args, { env, cwd: '/', timeoutMs: longestMs });
    const answer = code === 0 ? answerSchema.safeParse(jsonOf(stdout)) : null;
    if (!answer?.success) {
      const last = printable(stderr.trim().split('\n').at(-1) ?? '', { width: 500 });
      throw new TerminalError('tracker', `${tracker} did not write the runs: ${last}`);
    }
    if ('missing' in answer.data) {
      throw new PrerequisiteError('tracker-missing', `${python} lacks ${tracker}`, installRemedy(tracker, python));
    }
    if ('taken' in answer.data) {
      const message = `${folder} has ${printable(answer.data.taken, { width: 100 })} already`;
      throw new PrerequisiteError('tracker-taken', message, 'choose another --out');
    }
    const { version, runs } = answer.data;
    return { tracker, version, runs, folder, show: viewers[tracker](folder) };
  } finally {
    rmSync(tables, { recursive: true, force: true });
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
