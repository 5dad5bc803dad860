/**
 * The data of a rung and seed, made once and kept.
 *
 * Role: a folder per set of everything that decides the data, made whole or not at all. Non-role: what the data are.
 *
 *   D1  A folder under its final name is complete: it is made beside it and renamed.
 *   D2  Two that make the same at once both end with the same folder.
 *   D3  Nobody but this user can enter the folders above; inputs below are readable by all, since a program may run as
 *       another user. Which of them a program sees is decided by what is mounted for it.
 *   D4  What is kept holds for every home: it is found by content, and names no place outside its folder.
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
import { canonicalJson, contentHash, type Json } from '../../domain/canonical.ts';
import { AiraError, PrerequisiteError, RetryableError } from '../../domain/errors.ts';
import { allData } from '../../domain/evaluation.ts';
import { printable } from '../../platform/index.ts';
import type { Sandbox } from '../../sandbox/index.ts';
import {
  type DesignPackage,
  type FilesRead,
  filesRead,
  readingOf,
  runTrustedModule,
  scriptMemoryBytes,
} from '../../tasks/index.ts';

const splitSchema = z.looseObject({
  /** Of the file of predictions, where one is handed over. */
  bytes: z.int().positive().optional(),
  /** Its size in terms of the validation split, by which the time of a prediction is measured out. */
  share: z.number().positive().optional(),
});
const manifestSchema = z.looseObject({
  splits: z.strictObject({ validation: splitSchema, test: splitSchema }),
  /** The files that pass from training to prediction; all where it is left out. */
  state: z.array(z.string()).optional(),
});

export interface Prepared {
  /** Holds train, validation, test and hidden, and manifest.json. */
  readonly folder: string;
  readonly manifest: z.infer<typeof manifestSchema>;
  /** Further arguments of the scorer: where the raw data lie now that it reads once more. */
  readonly scoring: readonly string[];
}

export interface PrepareOptions {
  readonly python: string;
  readonly design: DesignPackage;
  readonly evaluator: string;
  readonly settings: Json;
  readonly seed: number;
  /** Imported data; null where there are none. */
  readonly data: string | null;
  readonly secret: string;
  /** Where scripts of tasks by others run. */
  readonly sandbox: Sandbox;
  /** Where prepared data are kept. */
  readonly keep: string;
}

/** Longest that drawing or reading data may take. */
const longestSeconds = 3600;
/** Beyond so many, those that were not used for longest go. */
const mostKept = 64;

const underWay = new Map<string, Promise<Prepared>>();

/**
 * @throws PrerequisiteError `design-data` when settings or data are wrong, `data-missing`, `data-unreadable`; RetryableError
 * `data-changed` where they were replaced meanwhile; AiraError when the package fails.
 */
export async function prepared(order: PrepareOptions): Promise<Prepared> {
  const files = await filesRead(order.settings, order.data);
  const folder = join(order.keep, keyOf(order, files));
  const known = underWay.get(folder);
  if (known) return known;
  const made = find(order, folder, files) ?? make(order, folder, files);
  const found = Promise.resolve(made).finally(() => underWay.delete(folder));
  underWay.set(folder, found);
  return found;
}

/** Whatever decides the data, by content: neither where they lie nor when they were written (D4). */
function keyOf({ evaluator, settings, seed }: PrepareOptions, files: FilesRead): string {
  const portable = files.directory === null ? settings : { ...(settings as object), task: files.directory };
  const decides = { evaluator, settings: portable, seed, data: files.data };
  return contentHash(decides as Json).slice(0, 32);
}

/** How the package is told of imported data; scripts of others are shown nothing but what counts as theirs. */
function importedArguments({ settings, data }: PrepareOptions, files: FilesRead): string[] {
  if (data === null || !existsSync(data)) return [];
  if (readingOf(settings).dataset === null) return ['--data', data];
  const names = Object.keys(files.data);
  if (names.length === 0) return [];
  return ['--data', data, ...names.filter((name) => name !== allData).flatMap((name) => ['--dataset', name])];
}

function find(order: PrepareOptions, folder: string, files: FilesRead): Prepared | null {
  if (!existsSync(folder)) return null;
  const now = new Date();
  utimesSync(folder, now, now);
  return read(order, folder, files);
}

function read(order: PrepareOptions, folder: string, files: FilesRead): Prepared {
  const manifest = manifestSchema.safeParse(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')));
  if (!manifest.success) throw new AiraError('design-manifest', `${folder}/manifest.json is not what was expected`);
  // Scorers of our own were given all they need when the data were prepared.
  const scoring = readingOf(order.settings).dataset === null ? [] : importedArguments(order, files);
  return { folder, manifest: manifest.data, scoring };
}

async function make(order: PrepareOptions, folder: string, files: FilesRead): Promise<Prepared> {
  const { python, design, settings, seed, data, secret, keep, sandbox } = order;
  mkdirSync(keep, { recursive: true, mode: 0o700 });
  chmodSync(keep, 0o700);
  const making = mkdtempSync(join(keep, 'making-'));
  try {
    const settingsFile = join(making, 'settings.json');
    writeFileSync(settingsFile, JSON.stringify(settings));
    const out = join(making, 'out');
    const args = ['prepare', '--settings', settingsFile, '--seed', String(seed), '--secret', secret, '--out', out];
    const limits = { seconds: longestSeconds, memoryBytes: scriptMemoryBytes() };
    const call = [...args, ...importedArguments(order, files)];
    const { code, stderr } = await runTrustedModule(python, design, call, { ...limits, sandbox });
    const last = printable(stderr.trim().split('\n').at(-1) ?? '', { width: 500 });
    if (code === 2)
      throw new PrerequisiteError(
        'design-data',
        `the task's data cannot be prepared: ${last}`,
        'fix that; imported data are listed by: aira data list',
      );
    if (code !== 0) throw new AiraError('design-prepare', `preparing the task's data failed: ${last}`);
    if (canonicalJson({ ...(await filesRead(settings, data)) }) !== canonicalJson({ ...files })) {
      throw new RetryableError('data-changed', 'the task’s data were replaced while they were prepared', 1000);
    }
    openToAll(out);
    read(order, out, files);
    prune(keep);
    try {
      renameSync(out, folder);
    } catch (thrown) {
      // Another has made it meanwhile, from the same inputs.
      if (!existsSync(folder)) throw thrown;
    }
    return read(order, folder, files);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

function openToAll(folder: string): void {
  chmodSync(folder, 0o755);
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const full = join(folder, path);
    chmodSync(full, statSync(full).isDirectory() ? 0o755 : 0o644);
  }
}

function prune(keep: string): void {
  const kept = readdirSync(keep)
    .filter((name) => /^[0-9a-f]{32}$/.test(name))
    .map((name) => ({ name, used: statSync(join(keep, name)).mtimeMs }))
    .sort((one, other) => other.used - one.used);
  for (const { name } of kept.slice(mostKept - 1)) rmSync(join(keep, name), { recursive: true, force: true });
}
