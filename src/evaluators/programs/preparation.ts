/**
 * Prepares the data of a rung and seed once, and caches them.
 *
 * Role: one folder per set of inputs that determine the data, created completely or not at all; what a rung's settings say of budget and
 * runner. Non-role: the data themselves.
 *
 * PRE-1. A folder under its final name is complete: it is created under a temporary name and renamed.
 * PRE-2. Two processes that prepare the same data concurrently end with the same folder.
 * PRE-3. Only this user can enter the folders above; inputs below are readable by all, because a program may run as another
 *        user. Its mounts determine which of them a program sees.
 * PRE-4. Cached data are valid for every home: they are found by content and contain no path outside their folder.
 */

import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { AiraError, PrerequisiteError, RetryableError, TerminalError } from '../../domain/errors.ts';
import { allData } from '../../domain/evaluation.ts';
import { formatZodError } from '../../domain/inputFile.ts';
import { canonicalJson, contentHash, type Json } from '../../domain/json.ts';
import { type Environment, preparedFolder, printable, secretFile, trainersDirectory } from '../../platform/index.ts';
import type { Sandbox } from '../../sandbox/index.ts';
import {
  type DesignPackage,
  type FilesRead,
  filesRead,
  readingOf,
  runTrustedModule,
  scriptMemoryBytes,
} from '../../tasks/index.ts';

/** The budget in a rung's settings. The Python package validates the rest. */
const budgetSchema = z.looseObject({
  /** Wall-clock and processor seconds of training. */
  seconds: z.number().positive(),
  cpu_seconds: z.number().positive(),
  memory_mb: z.number().positive(),
  /** Wall-clock and processor seconds of one prediction: too few to train in. */
  predict_seconds: z.number().positive(),
});
export type TrialBudget = z.infer<typeof budgetSchema>;

const settingsSchema = z.looseObject({ family: z.string(), budget: budgetSchema });

/** @throws TerminalError `settings` naming what is missing. */
export function budgetOf(settings: unknown): TrialBudget {
  const parsed = settingsSchema.safeParse(settings);
  if (parsed.success) return parsed.data.budget;
  throw new TerminalError(
    'settings',
    `invalid program settings: ${formatZodError(parsed.error, settingsSchema).join('; ')}`,
  );
}

/** The runner of these settings. @throws TerminalError `settings`. */
export function familyOf(settings: unknown): string {
  budgetOf(settings);
  return settingsSchema.parse(settings).family;
}

const ourPackage: DesignPackage = {
  folder: trainersDirectory,
  packages: ['aira_design', 'aira_workers'],
  module: 'aira_design',
  hosted: ['lra'],
  scripts: ['autoresearch'],
};

/** The same steps for third-party tasks, whose own scripts prepare and score. */
const taskPackage: DesignPackage = {
  folder: trainersDirectory,
  packages: ['aira_tasks'],
  module: 'aira_tasks',
  byOthers: true,
};

/** The package that runs programs with these settings. */
export const packageFor = (settings: unknown): DesignPackage =>
  familyOf(settings) === 'airs' ? taskPackage : ourPackage;

/** Where data come from on this machine. */
interface PrepareTaskDeps {
  /** The interpreter, absolute. */
  readonly python: string;
  /** Folder of imported data, or null. */
  readonly data: string | null;
  readonly env?: Environment | undefined;
  /** Runs third-party task scripts. */
  readonly sandbox: Sandbox;
}

/** Which data to prepare. */
interface PrepareTaskOptions {
  readonly evaluator: string;
  readonly settings: unknown;
  readonly seed: number;
  readonly design?: DesignPackage | undefined;
}

/**
 * The data of a task's rung and seed; prepared unless they exist. A launch calls this before anything is recorded, so that
 * missing data are reported to the user and not charged to candidates.
 *
 * @throws PrerequisiteError `design-data` for invalid settings or data; AiraError if the package fails.
 */
export async function prepareTask(deps: PrepareTaskDeps, options: PrepareTaskOptions): Promise<Prepared> {
  const { python, data, sandbox, env = process.env } = deps;
  const { evaluator, settings, seed, design = packageFor(settings) } = options;
  const places = { secret: secretFile(env), cacheDirectory: preparedFolder(env) };
  return prepared({ python, design, evaluator, data, seed, settings: settings as Json, sandbox, ...places });
}

const splitSchema = z.looseObject({
  /** Size of the predictions file, if the program writes one. */
  bytes: z.int().positive().optional(),
  /** Size relative to the validation split; scales the time of a prediction. */
  share: z.number().positive().optional(),
});
export const manifestSchema = z.looseObject({
  splits: z.strictObject({ validation: splitSchema, test: splitSchema }),
  /** The files that pass from training to prediction; default: all. */
  state: z.array(z.string()).optional(),
});

export interface Prepared {
  /** Contains train, validation, test, hidden and manifest.json. */
  readonly folder: string;
  readonly manifest: z.infer<typeof manifestSchema>;
  /** Further arguments of the scorer: the location of the raw data that it reads. */
  readonly scoring: readonly string[];
}

interface PrepareOptions {
  readonly python: string;
  readonly design: DesignPackage;
  readonly evaluator: string;
  readonly settings: Json;
  readonly seed: number;
  /** Folder of imported data, or null. */
  readonly data: string | null;
  readonly secret: string;
  /** Runs third-party task scripts. */
  readonly sandbox: Sandbox;
  /** Cache of prepared data. */
  readonly cacheDirectory: string;
}

/** Timeout for generating or reading data. */
const longestSeconds = 3600;
/** Cache size in entries; the least recently used are deleted. */
const cacheSize = 64;

const inFlight = new Map<string, Promise<Prepared>>();

/**
 * @throws PrerequisiteError `design-data` for invalid settings or data, `data-missing`, `data-unreadable`; RetryableError
 * `data-changed` if they were replaced meanwhile; AiraError if the package fails.
 */
async function prepared(options: PrepareOptions): Promise<Prepared> {
  const files = await filesRead(options.settings, options.data);
  const folder = join(options.cacheDirectory, keyOf(options, files));
  const known = inFlight.get(folder);
  if (known) return known;
  const entry = find(options, folder, files) ?? make(options, folder, files);
  const result = Promise.resolve(entry).finally(() => inFlight.delete(folder));
  inFlight.set(folder, result);
  return result;
}

/** Hash of everything that determines the data, by content: neither paths nor timestamps (PRE-4). */
function keyOf({ evaluator, settings, seed }: PrepareOptions, files: FilesRead): string {
  const portable = files.directory === null ? settings : { ...(settings as object), task: files.directory };
  const determinants = { evaluator, settings: portable, seed, data: files.data };
  return contentHash(determinants as Json).slice(0, 32);
}

/** Arguments for imported data; third-party scripts see only the data sets that they read. */
function importedArguments({ settings, data }: PrepareOptions, files: FilesRead): string[] {
  if (data === null || !existsSync(data)) return [];
  if (readingOf(settings).dataset === null) return ['--data', data];
  const names = Object.keys(files.data);
  if (names.length === 0) return [];
  return ['--data', data, ...names.filter((name) => name !== allData).flatMap((name) => ['--dataset', name])];
}

function find(options: PrepareOptions, folder: string, files: FilesRead): Prepared | null {
  if (!existsSync(folder)) return null;
  const now = new Date();
  utimesSync(folder, now, now);
  return read(options, folder, files);
}

function read(options: PrepareOptions, folder: string, files: FilesRead): Prepared {
  const manifest = manifestSchema.safeParse(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')));
  if (!manifest.success) throw new AiraError('design-manifest', `${folder}/manifest.json is invalid`);
  // Aira's own scorers got everything when the data were prepared.
  const scoring = readingOf(options.settings).dataset === null ? [] : importedArguments(options, files);
  return { folder, manifest: manifest.data, scoring };
}

async function make(options: PrepareOptions, folder: string, files: FilesRead): Promise<Prepared> {
  const { python, design, settings, seed, data, secret, cacheDirectory, sandbox } = options;
  mkdirSync(cacheDirectory, { recursive: true, mode: 0o700 });
  chmodSync(cacheDirectory, 0o700);
  const staging = mkdtempSync(join(cacheDirectory, 'making-'));
  try {
    const settingsFile = join(staging, 'settings.json');
    writeFileSync(settingsFile, JSON.stringify(settings));
    const out = join(staging, 'out');
    const args = ['prepare', '--settings', settingsFile, '--seed', String(seed), '--secret', secret, '--out', out];
    const limits = { seconds: longestSeconds, memoryBytes: scriptMemoryBytes() };
    const call = [...args, ...importedArguments(options, files)];
    const { code, stderr } = await runTrustedModule(python, design, call, { ...limits, sandbox });
    const last = printable(stderr.trim().split('\n').at(-1) ?? '', { width: 500 });
    if (code === 2)
      throw new PrerequisiteError(
        'design-data',
        `cannot prepare the task's data: ${last}`,
        'fix the problem; to list imported data, run: aira data list',
      );
    if (code !== 0) throw new AiraError('design-prepare', `preparing the task's data failed: ${last}`);
    if (canonicalJson({ ...(await filesRead(settings, data)) }) !== canonicalJson({ ...files })) {
      throw new RetryableError('data-changed', 'the task’s data changed during preparation', 1000);
    }
    openToAll(out);
    read(options, out, files);
    prune(cacheDirectory);
    try {
      renameSync(out, folder);
    } catch (thrown) {
      // Another process has prepared it meanwhile, from the same inputs.
      if (!existsSync(folder)) throw thrown;
    }
    return read(options, folder, files);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

function openToAll(folder: string): void {
  chmodSync(folder, 0o755);
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const full = join(folder, path);
    chmodSync(full, statSync(full).isDirectory() ? 0o755 : 0o644);
  }
}

function prune(cacheDirectory: string): void {
  const entries = readdirSync(cacheDirectory)
    .filter((name) => /^[0-9a-f]{32}$/.test(name))
    .map((name) => ({ name, used: statSync(join(cacheDirectory, name)).mtimeMs }))
    .sort((one, other) => other.used - one.used);
  for (const { name } of entries.slice(cacheSize - 1)) {
    rmSync(join(cacheDirectory, name), { recursive: true, force: true });
  }
}
