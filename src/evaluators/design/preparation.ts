/**
 * The data of a rung and seed, made once and kept.
 *
 * Role: a folder per set of everything that decides the data, made whole or not at all. Non-role: what the data are.
 *
 *   D1  A folder under its final name is complete: it is made beside it and renamed.
 *   D2  Two that make the same at once both end with the same folder.
 *   D3  Nobody but this user can enter the folders above; inputs below are readable by all, since a program may run as
 *       another user. Which of them a program sees is decided by what is mounted for it.
 */
import { createHash } from 'node:crypto';
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
import { canonicalJson, type Json } from '../../domain/canonical.ts';
import { AiraError, PrerequisiteError } from '../../domain/errors.ts';
import { printable } from '../../platform/printable.ts';
import { type DesignPackage, runTrusted } from './commands.ts';

const splitSchema = z.looseObject({ file: z.string(), bytes: z.int().positive() });
const manifestSchema = z.looseObject({ splits: z.strictObject({ validation: splitSchema, test: splitSchema }) });

export interface Prepared {
  /** Holds train, validation, test and hidden, and manifest.json. */
  readonly folder: string;
  readonly manifest: z.infer<typeof manifestSchema>;
}

export interface PrepareOrder {
  readonly python: string;
  readonly design: DesignPackage;
  readonly evaluator: string;
  readonly settings: Json;
  readonly seed: number;
  /** Imported data; null where there are none. */
  readonly data: string | null;
  readonly secret: string;
  /** Where prepared data are kept. */
  readonly keep: string;
}

/** Longest that drawing or reading data may take. */
const longestSeconds = 3600;
/** Beyond so many, those that were not used for longest go. */
const mostKept = 64;

const underWay = new Map<string, Promise<Prepared>>();

/** @throws PrerequisiteError `design-data` when settings or data are wrong; AiraError when the package fails. */
export function prepared(order: PrepareOrder): Promise<Prepared> {
  const folder = join(order.keep, keyOf(order));
  const known = underWay.get(folder);
  if (known) return known;
  const made = find(folder) ?? make(order, folder);
  const found = Promise.resolve(made).finally(() => underWay.delete(folder));
  underWay.set(folder, found);
  return found;
}

function keyOf({ evaluator, settings, seed, data }: PrepareOrder): string {
  // A file that is imported anew changes what is made of it.
  const stamps =
    data === null || !existsSync(data) ? [] : readdirSync(data, { recursive: true, encoding: 'utf8' }).sort();
  const files = stamps.map((path) => [path, statSync(join(data ?? '', path)).mtimeMs]);
  return createHash('sha256').update(canonicalJson({ evaluator, settings, seed, files })).digest('hex').slice(0, 32);
}

function find(folder: string): Prepared | null {
  if (!existsSync(folder)) return null;
  const now = new Date();
  utimesSync(folder, now, now);
  return read(folder);
}

function read(folder: string): Prepared {
  const manifest = manifestSchema.safeParse(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')));
  if (!manifest.success) throw new AiraError('design-manifest', `${folder}/manifest.json is not what was expected`);
  return { folder, manifest: manifest.data };
}

async function make(order: PrepareOrder, folder: string): Promise<Prepared> {
  const { python, design, settings, seed, data, secret, keep } = order;
  mkdirSync(keep, { recursive: true, mode: 0o700 });
  chmodSync(keep, 0o700);
  const making = mkdtempSync(join(keep, 'making-'));
  try {
    const settingsFile = join(making, 'settings.json');
    writeFileSync(settingsFile, JSON.stringify(settings));
    const out = join(making, 'out');
    const imported = data === null || !existsSync(data) ? [] : ['--data', data];
    const args = ['prepare', '--settings', settingsFile, '--seed', String(seed), '--secret', secret, '--out', out];
    const { code, stderr } = await runTrusted(python, design, [...args, ...imported], longestSeconds);
    const last = printable(stderr.trim().split('\n').at(-1) ?? '', { width: 500 });
    if (code === 2)
      throw new PrerequisiteError('design-data', `the task's data cannot be prepared: ${last}`, 'mend that');
    if (code !== 0) throw new AiraError('design-prepare', `preparing the task's data failed: ${last}`);
    openToAll(out);
    read(out);
    prune(keep);
    try {
      renameSync(out, folder);
    } catch (thrown) {
      // Another has made it meanwhile, from the same inputs.
      if (!existsSync(folder)) throw thrown;
    }
    return read(folder);
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
