/** Data sets: the known ones, what is in a folder of one, and the records of what was imported. */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { AiraError, errorMessage, PrerequisiteError } from '../domain/errors.ts';
import { dataNamePattern, digestSchema } from '../domain/evaluation.ts';
import { printable, trainersDirectory } from '../platform/index.ts';
import { runTrustedModule } from './taskScripts.ts';

/** How a data set is read: as a published benchmark, as shards of text or of tokens, or by third-party scripts. */
export const dataKinds = ['listops', 'imdb', 'aan', 'corpus', 'raw', 'tokens'] as const;
export type DataKind = (typeof dataKinds)[number];

/** Required contents of a data set, so that a wrong folder is refused before it is copied. */
interface Kind {
  /** Description for messages. */
  readonly what: string;
  readonly needs: readonly string[];
  readonly kind: DataKind;
  /** The tasks that read it. */
  readonly tasks: RegExp;
}

const text: Omit<Kind, 'tasks' | 'what'> = { needs: [], kind: 'corpus' };

/** Data sets of known form. Any other name means shards of text, or raw data of a third-party task. */
const kinds: Readonly<Record<string, Kind>> = {
  listops: {
    what: 'the published ListOps files',
    needs: ['basic_train.tsv', 'basic_val.tsv', 'basic_test.tsv'],
    kind: 'listops',
    tasks: /^design-lra-listops-/,
  },
  imdb: {
    what: 'the large movie review data set (aclImdb)',
    needs: ['train/pos', 'train/neg', 'test/pos', 'test/neg'],
    kind: 'imdb',
    tasks: /^design-lra-text-/,
  },
  aan: {
    what: 'the AAN document pairs',
    needs: ['new_aan_pairs.train.tsv', 'new_aan_pairs.eval.tsv', 'new_aan_pairs.test.tsv'],
    kind: 'aan',
    tasks: /^design-lra-retrieval-/,
  },
  climbmix: { what: 'shards of ClimbMix', tasks: /^autoresearch/, ...text },
  babistories: { what: 'shards of BabiStories', tasks: /^compose-babistories-/, ...text },
  dclm: { what: 'shards of DCLM', tasks: /^compose-dclm-/, ...text },
};

export const dataSetNames: readonly string[] = Object.keys(kinds);

/** File extensions of the shards that trainers read. */
const shard = /\.(txt|jsonl|parquet)$/;

/** A data set by its own name, or by that of a task that reads it. @throws PrerequisiteError `data-unknown`. */
export function dataSetOf(nameOrTask: string): string {
  const ofTask = Object.entries(kinds).find(([, { tasks }]) => tasks.test(nameOrTask));
  if (ofTask) return ofTask[0];
  if (dataNamePattern.test(nameOrTask) && !/^(compose|design)-/.test(nameOrTask)) return nameOrTask;
  throw new PrerequisiteError(
    'data-unknown',
    `"${nameOrTask}" is neither a data set nor a task that reads one`,
    `choose one of ${dataSetNames.join(', ')}, a task, or a custom name such as org/name/config`,
  );
}

/** The kind of a known data set; null for a custom name. */
export const kindOf = (name: string): DataKind | null =>
  Object.hasOwn(kinds, name) ? (kinds[name]?.kind ?? null) : null;

/** Whether the folder contains a file that a trainer would read as text. */
export const holdsShards = (folder: string): boolean =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).some((path) => shard.test(path));

/** @throws PrerequisiteError `data-malformed` naming a missing part of the data set. */
export function requireShape(name: string, folder: string): void {
  const refuse = (problem: string, remedy: string): never => {
    throw new PrerequisiteError('data-malformed', `${folder} ${problem}`, remedy);
  };
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    refuse('is not a directory', 'give the folder of the files');
  }
  const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  const missing = kind?.needs.find((path) => !statSync(join(folder, path), { throwIfNoEntry: false }));
  if (missing !== undefined) refuse(`has no ${missing}`, `give the folder of ${kind?.what}`);
  const entries = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  if (entries.length === 0) refuse('is empty', 'give the folder of the files');
  if (kind && kind.needs.length === 0 && !entries.some((path) => shard.test(path))) {
    refuse(
      'contains no text',
      'provide files that end in .txt, .jsonl (with a key "text") or .parquet (with a column "text")',
    );
  }
}

const columnSchema = z.strictObject({ name: z.string(), type: z.string(), nulls: z.int().nonnegative() });
const tableSchema = z.strictObject({
  file: z.string(),
  rows: z.int().nonnegative(),
  encoding: z.string(),
  columns: z.array(columnSchema),
});

/** The result of an inspection; for large data sets, the first tables and notes. */
export const inspectionSchema = z.strictObject({
  files: z.int().positive(),
  bytes: z.int().nonnegative(),
  /** Texts that a trainer or a script reads individually. */
  documents: z.int().nonnegative(),
  tables: z.array(tableSchema),
  /** Anomalies that are not errors. */
  notes: z.array(z.string()),
});
export type Inspection = z.infer<typeof inspectionSchema>;

const wrongSchema = z.strictObject({
  file: z.string(),
  row: z.int().positive().nullable(),
  problem: z.string(),
  remedy: z.string(),
});
const outputSchema = z.union([z.strictObject({ wrong: wrongSchema }), inspectionSchema]);

/** Reading a corpus takes hours on a slow disk; a hang must end eventually. */
const longestSeconds = 48 * 3600;

const module = { folder: trainersDirectory, packages: [], module: 'aira_data' };

/**
 * Reads every file of a folder as a trainer would.
 *
 * @param named the folder as the user knows it, for messages.
 * @throws PrerequisiteError `data-malformed` with file, row, problem and remedy; AiraError if the inspection itself fails.
 */
export async function inspectData(python: string, kind: DataKind, folder: string, named: string): Promise<Inspection> {
  const end = await runTrustedModule(python, module, ['--kind', kind, '--folder', folder], {
    seconds: longestSeconds,
  });
  const parsed = end.code === 0 ? outputSchema.safeParse(JSON.parse(end.stdout)) : null;
  if (!parsed?.success) {
    const last = printable(end.stderr.trim().split('\n').at(-1) ?? '', { width: 500 });
    throw new AiraError('data-inspection', `cannot inspect ${named}: ${last}`);
  }
  if (!('wrong' in parsed.data)) return parsed.data;
  const { file, row, problem, remedy } = parsed.data.wrong;
  const place = `${join(named, file)}${row === null ? '' : ` line ${row}`}`;
  throw new PrerequisiteError('data-malformed', printable(`${place} ${problem}`, { width: 1000 }), remedy);
}

const commonShape = {
  name: z.string(),
  bytes: z.int().nonnegative(),
  files: z.record(z.string(), digestSchema),
};
const recordSchema = z.discriminatedUnion('v', [
  /** Written by a version without inspection. */
  z.strictObject({ v: z.literal(1), ...commonShape }),
  z.strictObject({
    v: z.literal(2),
    ...commonShape,
    kind: z.enum(dataKinds),
    ...inspectionSchema.pick({ documents: true, tables: true, notes: true }).shape,
  }),
]);
export type DataRecord = z.infer<typeof recordSchema>;

/** Records are in a separate folder that readers of data skip. */
export const recordsFolder = (folder: string): string => join(folder, '.imported');
/** One file per name; the encoding is injective. */
const recordFile = (folder: string, name: string) => join(recordsFolder(folder), `${encodeURIComponent(name)}.json`);

function recordsIn(folder: string): { path: string; record: DataRecord }[] {
  const place = recordsFolder(folder);
  if (!existsSync(place)) return [];
  return readdirSync(place)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => {
      const path = join(place, file);
      try {
        return { path, record: recordSchema.parse(JSON.parse(readFileSync(path, 'utf8'))) };
      } catch (thrown) {
        const message = `cannot read ${path}, the record of an import: ${errorMessage(thrown).split('\n')[0]}`;
        throw new PrerequisiteError('data-record', message, 'delete it, then import the data again', { cause: thrown });
      }
    });
}

/** Records of all imported data. @throws PrerequisiteError `data-record`. */
export const importedData = (folder: string): DataRecord[] => recordsIn(folder).map(({ record }) => record);

/** Replaces the record of the same name, by way of a file in `staging`. */
export function writeRecord(folder: string, record: DataRecord, staging: string): void {
  const written = join(staging, 'record');
  writeFileSync(written, `${JSON.stringify(record, null, 2)}\n`);
  const target = recordFile(folder, record.name);
  renameSync(written, target);
  for (const { path, record: other } of recordsIn(folder)) {
    if (other.name === record.name && path !== target) rmSync(path);
  }
}

/** Equal for names that differ only in case or separators. */
const normalForm = (name: string): string =>
  name
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[/._-]+/g, '-');

/**
 * @throws PrerequisiteError `data-name` if another data set has nearly the same name, or is nested in this one or around it:
 * people, file systems and records would confuse them.
 */
export function requireOwnName(folder: string, name: string): void {
  for (const { name: other } of importedData(folder)) {
    if (other === name) continue;
    const nested = name.startsWith(`${other}/`) || other.startsWith(`${name}/`);
    if (!nested && normalForm(other) !== normalForm(name)) continue;
    throw new PrerequisiteError(
      'data-name',
      `"${name}" ${nested ? 'shares a folder with' : 'is too similar to'} "${other}", which is already imported into ${folder}`,
      'choose another name',
    );
  }
}
