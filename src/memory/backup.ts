/**
 * Copies of a lab that is running or not.
 *
 * Role: writes what nothing else can rebuild into a folder (the archive, recorded answers of language models, registered task
 * directories), with a manifest of sizes and digests, and makes a home of such a folder. Non-role: credentials (a restored lab
 * makes its own), streams of the bus, checkpoints of thoughts and reports (all rebuilt from the archive).
 *
 * - BAK-1 The copy of the archive is one moment of it, read in one transaction: `VACUUM INTO`. SQLite's page-wise backup starts
 *   again at each write of another process, so with a busy lab it would never end.
 * - BAK-2 Recorded answers are copied after the archive, so that each answer that the archive refers to is in the copy.
 * - BAK-3 A backup is whole once its manifest is there, which is written last; a restore checks each digest before it writes.
 * - BAK-4 Neither writes over anything: the folder of a backup must be new, and a home with an archive is refused.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { PrerequisiteError } from '../domain/errors.ts';
import { makeFolder, readTextFile, whyNot } from '../platform/index.ts';
import { archivePath, openForReading, openForWriting, privateHome } from './database.ts';
import { schemaVersion } from './migrations.ts';

const manifestName = 'manifest.json';

/** Names within a backup; a manifest with another name could write outside the home. */
const fileName = z.string().regex(/^(archive\.db|tasks\.json|calls\/[A-Za-z0-9][A-Za-z0-9._-]*\.jsonl)$/);

const manifestSchema = z.strictObject({
  format: z.literal(1),
  /** Version of the archive's schema. */
  archive: z.int().positive(),
  /** When the copy was begun, milliseconds since 1970. */
  at: z.int().nonnegative(),
  searches: z.array(z.string()),
  files: z
    .array(z.strictObject({ name: fileName, bytes: z.int().nonnegative(), sha256: z.string().length(64) }))
    .refine((files) => files.some(({ name }) => name === 'archive.db')),
});

export type BackupManifest = z.infer<typeof manifestSchema>;

function described(folder: string, name: string): BackupManifest['files'][number] {
  const hash = createHash('sha256');
  // In parts: an archive may be larger than the largest buffer.
  const part = Buffer.alloc(1 << 20);
  const file = openSync(join(folder, name), 'r');
  try {
    for (let count = readSync(file, part); count > 0; count = readSync(file, part))
      hash.update(part.subarray(0, count));
  } finally {
    closeSync(file);
  }
  return { name, bytes: statSync(join(folder, name)).size, sha256: hash.digest('hex') };
}

/** Forces a file to the disk: a backup that a power failure empties is none. */
function flush(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Copies the lab of a home into a new folder, while searches run.
 *
 * @throws PrerequisiteError `backup-exists`, `backup-unwritable`, and what opening an archive throws.
 */
export function backUp(home: string, folder: string, now: number): BackupManifest {
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new PrerequisiteError('backup-exists', `${folder} is not empty`, 'choose a new folder for the backup');
  }
  const { db, close } = openForReading(home);
  try {
    makeFolder(folder, 0o700);
    privateHome(folder);
    const copy = join(folder, 'archive.db');
    writeFileSync(copy, '', { mode: 0o600 });
    db.pragma('query_only = OFF');
    db.prepare('VACUUM INTO ?').run(copy);
    const names = ['archive.db'];
    for (const name of ['tasks.json', ...recordings(home)]) {
      if (!existsSync(join(home, name))) continue;
      if (name.startsWith('calls/')) makeFolder(join(folder, 'calls'), 0o700);
      copyFileSync(join(home, name), join(folder, name));
      names.push(name);
    }
    for (const name of names) flush(join(folder, name));
    const manifest: BackupManifest = {
      format: 1,
      archive: schemaVersion,
      at: now,
      searches: db
        .prepare<[], { id: string }>('SELECT id FROM searches ORDER BY id')
        .all()
        .map(({ id }) => id),
      files: names.map((name) => described(folder, name)),
    };
    const draft = join(folder, `${manifestName}.tmp`);
    writeFileSync(draft, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 });
    flush(draft);
    renameSync(draft, join(folder, manifestName));
    privateHome(folder);
    return manifest;
  } catch (thrown) {
    if (thrown instanceof PrerequisiteError) throw thrown;
    throw new PrerequisiteError('backup-unwritable', `${folder} ${whyNot(thrown)}`, 'choose another folder', {
      cause: thrown,
    });
  } finally {
    close();
  }
}

function recordings(home: string): string[] {
  const folder = join(home, 'calls');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((name) => `calls/${name}`)
    .filter((name) => fileName.safeParse(name).success)
    .sort();
}

function readManifest(folder: string): BackupManifest {
  const remedy = 'give the folder that `aira backup` wrote';
  const text = readTextFile(join(folder, manifestName), {
    code: 'backup-invalid',
    remedy,
    mostBytes: 64 * 1024 * 1024,
  });
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = null;
  }
  const manifest = manifestSchema.safeParse(parsed);
  if (!manifest.success) {
    throw new PrerequisiteError(
      'backup-invalid',
      `${join(folder, manifestName)} is not the manifest of a backup`,
      remedy,
    );
  }
  if (manifest.data.archive > schemaVersion) {
    throw new PrerequisiteError(
      'archive-newer',
      `${folder} was written by a newer Aira (archive version ${manifest.data.archive}, this version reads up to ${schemaVersion})`,
      'update Aira',
    );
  }
  return manifest.data;
}

/**
 * Makes a home of a backup, and migrates its archive to this version.
 *
 * @throws PrerequisiteError `backup-invalid`, `backup-damaged`, `archive-newer`, `home-used`.
 */
export function restore(folder: string, home: string, now: number): BackupManifest {
  const manifest = readManifest(folder);
  for (const file of manifest.files) {
    const found = existsSync(join(folder, file.name)) ? described(folder, file.name) : null;
    if (found?.sha256 === file.sha256) continue;
    const what = found ? `${file.bytes} bytes written, ${found.bytes} found, another digest` : 'it is missing';
    throw new PrerequisiteError(
      'backup-damaged',
      `${join(folder, file.name)} is damaged: ${what}`,
      'use another backup',
    );
  }
  if (existsSync(archivePath(home))) {
    throw new PrerequisiteError('home-used', `${home} has an archive already`, 'choose a new --home');
  }
  privateHome(home);
  // The archive last: a home without one is empty, whatever else an interrupted restore left in it.
  for (const { name } of [...manifest.files].sort(
    (a, b) => Number(a.name === 'archive.db') - Number(b.name === 'archive.db'),
  )) {
    if (name.startsWith('calls/')) makeFolder(join(home, 'calls'), 0o700);
    const draft = join(home, `${name}.tmp`);
    copyFileSync(join(folder, name), draft);
    flush(draft);
    renameSync(draft, join(home, name));
  }
  openForWriting(home, now).close();
  return manifest;
}
