import { join } from 'node:path';
import * as z from 'zod';
import { AiraError, PrerequisiteError } from '../../domain/errors.ts';
import { trainersDirectory } from '../../platform/packageRoot.ts';
import { printable } from '../../platform/printable.ts';
import { runTrusted } from '../trustedModule.ts';

/** How a data set is read: as which of the published files, as shards of text, or by scripts of others. */
export const dataKinds = ['listops', 'imdb', 'aan', 'corpus', 'raw'] as const;
export type DataKind = (typeof dataKinds)[number];

const columnSchema = z.strictObject({ name: z.string(), type: z.string(), nulls: z.int().nonnegative() });
const tableSchema = z.strictObject({
  file: z.string(),
  rows: z.int().nonnegative(),
  encoding: z.string(),
  columns: z.array(columnSchema),
});

/** What was seen in a data set: of large ones, the first tables and notes. */
export const inspectionSchema = z.strictObject({
  files: z.int().positive(),
  bytes: z.int().nonnegative(),
  /** Texts that a trainer or a script reads one by one. */
  documents: z.int().nonnegative(),
  tables: z.array(tableSchema),
  /** What is odd and not wrong. */
  notes: z.array(z.string()),
});
export type Inspection = z.infer<typeof inspectionSchema>;

const wrongSchema = z.strictObject({
  file: z.string(),
  row: z.int().positive().nullable(),
  problem: z.string(),
  remedy: z.string(),
});
const saidSchema = z.union([z.strictObject({ wrong: wrongSchema }), inspectionSchema]);

/** Reading a corpus takes hours on a slow disk; a hang must end some day. */
const longestSeconds = 48 * 3600;

const module = { folder: trainersDirectory, packages: [], module: 'aira_data' };

/**
 * Reads every file of a folder as a trainer would.
 *
 * @param named the folder as the user knows it, for messages.
 * @throws PrerequisiteError `data-malformed` naming file, row, problem and remedy; AiraError where the look itself fails.
 */
export async function inspectData(python: string, kind: DataKind, folder: string, named: string): Promise<Inspection> {
  const said = await runTrusted(python, module, ['--kind', kind, '--folder', folder], {
    seconds: longestSeconds,
  });
  const parsed = said.code === 0 ? saidSchema.safeParse(JSON.parse(said.stdout)) : null;
  if (!parsed?.success) {
    const last = printable(said.stderr.trim().split('\n').at(-1) ?? '', { width: 500 });
    throw new AiraError('data-inspection', `${named} could not be looked into: ${last}`);
  }
  if (!('wrong' in parsed.data)) return parsed.data;
  const { file, row, problem, remedy } = parsed.data.wrong;
  const place = `${join(named, file)}${row === null ? '' : ` line ${row}`}`;
  throw new PrerequisiteError('data-malformed', printable(`${place} ${problem}`, { width: 1000 }), remedy);
}
