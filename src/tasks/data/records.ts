import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { errorMessage, PrerequisiteError } from '../../domain/errors.ts';
import { digestSchema } from '../../domain/evaluation.ts';
import { dataKinds, inspectionSchema } from './inspect.ts';

const commonShape = {
  name: z.string(),
  bytes: z.int().nonnegative(),
  files: z.record(z.string(), digestSchema),
};
const recordSchema = z.discriminatedUnion('v', [
  /** Of a version that did not look into what it imported. */
  z.strictObject({ v: z.literal(1), ...commonShape }),
  z.strictObject({
    v: z.literal(2),
    ...commonShape,
    kind: z.enum(dataKinds),
    ...inspectionSchema.pick({ documents: true, tables: true, notes: true }).shape,
  }),
]);
export type DataRecord = z.infer<typeof recordSchema>;

/** Records lie in a folder of their own, where no reader of data looks for data. */
export const recordsFolder = (folder: string): string => join(folder, '.imported');
/** One file per name: no two names are encoded alike. */
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
        const message = `${path}, the record of an import, cannot be read: ${errorMessage(thrown).split('\n')[0]}`;
        throw new PrerequisiteError('data-record', message, 'delete it, and import the data again', { cause: thrown });
      }
    });
}

/** What has been imported, by name. @throws PrerequisiteError `data-record`. */
export const importedData = (folder: string): DataRecord[] => recordsIn(folder).map(({ record }) => record);

/** Puts a record in the place of any other of its name, by way of a file in `aside`. */
export function writeRecord(folder: string, record: DataRecord, aside: string): void {
  const written = join(aside, 'record');
  writeFileSync(written, `${JSON.stringify(record, null, 2)}\n`);
  const target = recordFile(folder, record.name);
  renameSync(written, target);
  for (const { path, record: other } of recordsIn(folder)) {
    if (other.name === record.name && path !== target) rmSync(path);
  }
}

/** Names that are alike but for case, or for what stands between their parts. */
const normalForm = (name: string): string =>
  name
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[/._-]+/g, '-');

/**
 * @throws PrerequisiteError `data-name` where another data set has nearly the same name, or lies inside of this one or around
 * it: people, file systems and records would take one for the other.
 */
export function requireOwnName(folder: string, name: string): void {
  for (const { name: other } of importedData(folder)) {
    if (other === name) continue;
    const nested = name.startsWith(`${other}/`) || other.startsWith(`${name}/`);
    if (!nested && normalForm(other) !== normalForm(name)) continue;
    throw new PrerequisiteError(
      'data-name',
      `"${name}" ${nested ? 'shares a folder with' : 'can be taken for'} "${other}", which has been imported into ${folder}`,
      'choose another name',
    );
  }
}
