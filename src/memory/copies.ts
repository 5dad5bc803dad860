/**
 * Copies of what an archive has, and new archives of them.
 *
 * Role: a backup of a lab, running or not, and a home of such a folder; all rows of one search, table by table, and a new archive
 * of such rows. Non-role: files of exports and their digests (`export`), what the rows mean (the audit says), and what is
 * rebuilt: credentials (a restored lab makes its own), streams of the bus, checkpoints of thoughts, reports.
 *
 * - BAK-1 The copy of the archive is one moment of it, read in one transaction: `VACUUM INTO`. SQLite's page-wise backup starts
 *   again at each write of another process, so with a busy lab it would never end.
 * - BAK-2 Recorded answers are copied after the archive, so that each answer that the archive refers to is in the copy.
 * - BAK-3 A backup is whole once its manifest is there, which is written last; a restore checks each digest before it writes.
 * - BAK-4 Neither writes over anything: the folder of a backup must be new, and a home with an archive is refused.
 *
 * - TRA-1 All that a search shares with others goes with it, such as the trainings that answered its cache hits; nothing of
 *   another search does.
 * - TRA-2 Rows have no sequence numbers: those of the new archive have no gaps, and its next row cannot collide with them.
 * - TRA-3 Rows from outside are data of known columns, bound as values, into tables whose constraints hold; then everything that
 *   the commands read is parsed. An archive with one unreadable row does not come to be.
 * - TRA-4 Only a finished search moves. What is imported can neither be resumed nor answer for a training of a new search.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { z } from 'zod';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import { jobSchema } from '../domain/evaluation.ts';
import type { SearchId } from '../domain/ids.ts';
import { eventSchema } from '../domain/messages.ts';
import { makeFolder, readTextFile, whyNot } from '../platform/index.ts';
import { archivePath, openForReading, openForWriting, privateHome } from './database.ts';
import { migrate, schemaVersion } from './migrations.ts';
import { readArchive } from './reader.ts';

// Backups of a lab.

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
  requireUnused(home);
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
  refuseNewerCopy(`${folder} was written`, manifest.data.archive);
  return manifest.data;
}

function requireUnused(home: string): void {
  if (!existsSync(archivePath(home))) return;
  throw new PrerequisiteError('home-used', `${home} has an archive already`, 'choose a new --home');
}

function refuseNewerCopy(what: string, version: number): void {
  if (version <= schemaVersion) return;
  const versions = `archive version ${version}, this version reads up to ${schemaVersion}`;
  throw new PrerequisiteError('archive-newer', `${what} by a newer Aira (${versions})`, 'update Aira');
}

// One search out of an archive, and into another.

type Connection = Database.Database;

export type LedgerRow = Readonly<Record<string, string | number | null>>;

export interface LedgerTable {
  readonly table: string;
  readonly rows: Iterable<LedgerRow>;
}

/** All rows of a search, in recorded order. Read them in one transaction if the lab may be running. */
export function ledgerOf(db: Connection, search: SearchId): LedgerTable[] {
  return shapesOf(db).map(({ table, columns, selection, order }) => {
    const rows = db.prepare<{ search: string }, LedgerRow>(
      `SELECT ${columns.map((name) => expressions[name] ?? name).join(', ')} FROM ${table}
       WHERE ${selection} ORDER BY ${order}`,
    );
    return { table, rows: { [Symbol.iterator]: () => rows.iterate({ search }) } };
  });
}

/**
 * Makes the archive of a home from the rows of one search.
 *
 * @param from version of the schema that the rows are of, and digest of the file that they came in.
 * @throws PrerequisiteError `home-used` for a home with an archive; `archive-newer`; `import-refused`.
 */
export function importSearch(
  home: string,
  search: SearchId,
  from: { readonly archive: number; readonly digest: string },
  tables: Iterable<LedgerTable>,
  now: number,
): void {
  requireUnused(home);
  refuseNewerCopy('the search was exported', from.archive);
  privateHome(home);
  const staging = join(home, '.importing');
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { mode: 0o700 });
  try {
    const path = archivePath(staging);
    const db = new Database(path);
    try {
      db.pragma('journal_mode = WAL');
      db.pragma('foreign_keys = ON');
      migrate(db, path, now, from.archive);
      db.transaction(() => insertAll(db, search, tables)).exclusive();
      migrate(db, path, now);
      db.transaction(() => {
        db.prepare('INSERT INTO imports VALUES (?, ?, ?)').run(search, from.digest, now);
        db.exec(`INSERT INTO paid_elsewhere SELECT key FROM jobs j WHERE NOT EXISTS (
          SELECT 1 FROM evaluation_requests w WHERE w.key = j.key AND w.saved = 0)`);
      })();
      db.pragma('wal_checkpoint(TRUNCATE)');
    } catch (thrown) {
      if (thrown instanceof PrerequisiteError) throw thrown;
      throw refused(errorMessage(thrown), thrown);
    } finally {
      db.close();
    }
    requireReadable(staging, search);
    renameSync(path, archivePath(home));
    privateHome(home);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** Parses what the commands read. @throws PrerequisiteError `import-refused`. */
function requireReadable(home: string, search: SearchId): void {
  const reader = readArchive(home);
  try {
    if (reader.searches.spec(search).id !== search) throw refused('its specification has another name');
    if (reader.searches.phase(search) !== 'finished') throw refused('it has not finished');
    reader.records.nodes(search);
    reader.records.lessons(search);
    reader.calls.of(search);
    reader.endings.of(search);
    reader.searchStatus.of(search);
    const parse = (sql: string, schema: { parse(value: unknown): unknown }) => {
      for (const body of reader.db.prepare<[], string>(sql).pluck().iterate()) schema.parse(JSON.parse(body));
    };
    parse('SELECT body FROM jobs', jobSchema);
    parse(`SELECT body FROM outbox WHERE kind = 'event'`, eventSchema);
  } catch (thrown) {
    if (thrown instanceof PrerequisiteError) throw thrown;
    throw refused(`its rows cannot be read: ${errorMessage(thrown).split('\n')[0]}`, thrown);
  } finally {
    reader.close();
  }
}

/** Inserts rows, whatever order the tables are in. @throws PrerequisiteError `import-refused`. */
function insertAll(db: Connection, search: SearchId, tables: Iterable<LedgerTable>): void {
  const shapes = new Map(shapesOf(db).map((shape) => [shape.table, shape]));
  db.pragma('defer_foreign_keys = ON');
  let events = 0;
  // Totals of evaluations are by agent: their nodes come first.
  const nodesFirst = [...tables].sort((a, b) => Number(b.table === 'nodes') - Number(a.table === 'nodes'));
  for (const { table, rows } of nodesFirst) {
    const shape = shapes.get(table);
    if (!shape) throw refused(`it has a table "${table}", which this version does not have`);
    shapes.delete(table);
    const { columns } = shape;
    const insert = db.prepare(
      `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map((name) => `@${name}`).join(', ')})`,
    );
    let number = 0;
    for (const row of rows) {
      number += 1;
      const names = Object.keys(row);
      if (names.length !== columns.length || columns.some((name) => !isValue(row[name]))) {
        throw refused(`row ${number} of ${table} has other columns`);
      }
      const owner = table === 'searches' ? row.id : row.search;
      if (owner !== undefined && owner !== search) throw refused(`row ${number} of ${table} belongs to another search`);
      if (table === 'outbox') events += 1;
      // The id of an announcement has its sequence number (TRA-2).
      const renumbered = table === 'outbox' && row.kind === 'event' ? { ...row, message_id: `event:${events}` } : row;
      try {
        insert.run(renumbered);
      } catch (thrown) {
        throw refused(`row ${number} of ${table}: ${errorMessage(thrown)}`, thrown);
      }
    }
  }
  const [missing] = shapes.keys();
  if (missing !== undefined) throw refused(`the table ${missing} is missing`);
}

const isValue = (value: unknown): boolean =>
  value === null || typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value));

const refused = (why: string, cause?: unknown) =>
  new PrerequisiteError('import-refused', `the search cannot be imported: ${why}`, 'ask for the file again', { cause });

const ofItsKeys = 'key IN (SELECT key FROM evaluation_requests WHERE search = @search)';

/** Tables of this lab alone: who speaks for an agent, what was imported before; and totals, which triggers make again. */
const ofTheLab: readonly string[] = [
  ...['migrations', 'agent_holders', 'imports', 'paid_elsewhere'],
  ...['rung_totals', 'agent_totals', 'rung_scores', 'open_jobs'],
];

/** Which rows belong to a search, for tables that have neither its name nor the key of a training. */
const selections: Readonly<Record<string, string>> = {
  searches: 'id = @search',
  ruling_holds: 'ruling IN (SELECT seq FROM rulings WHERE search = @search)',
  identities: `digest IN (SELECT identity FROM jobs WHERE ${ofItsKeys})`,
  outbox: `CASE kind WHEN 'job' THEN substr(message_id, 1, 64) IN (SELECT key FROM evaluation_requests WHERE search = @search)
    ELSE json_extract(body, '$.search') = @search END`,
};

/** A ruling is named by its sequence number, which counts those of the search alone in a new archive (TRA-2). */
const expressions: Readonly<Record<string, string>> = {
  ruling: '(SELECT count(*) FROM rulings r WHERE r.search = @search AND r.seq <= ruling) AS ruling',
};

interface TableShape {
  readonly table: string;
  /** Without the sequence number. */
  readonly columns: readonly string[];
  readonly selection: string;
  readonly order: string;
}

/** The tables that move, in the version of this archive. @throws Error for a table without a rule. */
function shapesOf(db: Connection): TableShape[] {
  const tables = db
    .prepare<[], { name: string }>(
      `SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`,
    )
    .all()
    .map(({ name }) => name)
    .filter((name) => !ofTheLab.includes(name));
  return tables.map((table) => {
    const info = db
      .prepare<[string], { name: string; pk: number }>('SELECT name, pk FROM pragma_table_info(?)')
      .all(table);
    const names = info.map(({ name }) => name);
    const selection =
      selections[table] ??
      (names.includes('search') ? 'search = @search' : names.includes('key') ? ofItsKeys : undefined);
    if (selection === undefined) throw new Error(`no rule says which rows of ${table} belong to a search`);
    const keys = info.filter(({ pk }) => pk > 0).sort((a, b) => a.pk - b.pk);
    return {
      table,
      columns: names.filter((name) => name !== 'seq'),
      selection,
      order: keys.map(({ name }) => name).join(', '),
    };
  });
}
