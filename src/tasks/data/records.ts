import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { errorMessage, PrerequisiteError } from '../../domain/errors.ts';
import { digestSchema } from '../../domain/evaluation.ts';
import { dataKinds, inspectionSchema } from '../dataSets.ts';

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
