import { createHash } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import { PrerequisiteError } from '../domain/errors.ts';
import { calls, endings, ensemble, identities, ledger, programs } from './migrationsFrom001.ts';
import {
  checkpoints,
  holdings,
  ideas,
  imports,
  names,
  rehearsals,
  releases,
  rulings,
  totals,
} from './migrationsFrom007.ts';

/** "AIRA" as a 32-bit integer: distinguishes an archive from other SQLite files. */
export const applicationId = 0x41495241;

/** Forward only; entries are never edited after a release, which the stored checksums enforce. */
const migrations: readonly { name: string; sql: string }[] = [
  { name: '001-ledger', sql: ledger },
  { name: '002-calls', sql: calls },
  { name: '003-programs', sql: programs },
  { name: '004-ensemble', sql: ensemble },
  { name: '005-endings', sql: endings },
  { name: '006-identities', sql: identities },
  { name: '007-holdings', sql: holdings },
  { name: '008-names', sql: names },
  { name: '009-checkpoints', sql: checkpoints },
  { name: '010-rulings', sql: rulings },
  { name: '011-ideas', sql: ideas },
  { name: '012-releases', sql: releases },
  { name: '013-rehearsals', sql: rehearsals },
  { name: '014-imports', sql: imports },
  { name: '015-totals', sql: totals },
];

export const schemaVersion = migrations.length;

const checksum = (sql: string) => createHash('sha256').update(sql).digest('hex');

/** @throws PrerequisiteError `archive-newer` for an archive of a later Aira, whose tables this one does not know. */
export function refuseNewer(version: number, path: string): void {
  if (version <= schemaVersion) return;
  const versions = `archive version ${version}, this version reads up to ${schemaVersion}`;
  const message = `${path} was written by a newer Aira (${versions})`;
  throw new PrerequisiteError('archive-newer', message, 'update Aira, or choose another --home');
}

/**
 * Migrates an archive to the current schema, each step in its own transaction, so that a kill leaves a consistent older
 * version.
 *
 * @param upTo an earlier version to stop at, into which rows of that version go.
 * @throws PrerequisiteError `archive-newer` for an archive of a later Aira, `archive-foreign` for another kind of file,
 * `archive-altered` if an applied migration differs from this version's.
 */
export function migrate(db: Database, path: string, now: number, upTo = schemaVersion): void {
  const version = db.pragma('user_version', { simple: true }) as number;
  const owner = db.pragma('application_id', { simple: true }) as number;
  const tables = db.prepare<[], { n: number }>(`SELECT count(*) AS n FROM sqlite_schema`).get()?.n ?? 0;
  if (owner !== applicationId && tables > 0) {
    throw new PrerequisiteError('archive-foreign', `${path} is not an Aira archive`, 'choose another --home');
  }
  refuseNewer(version, path);
  if (version > 0) {
    const applied = db
      .prepare<[], { version: number; name: string; checksum: string }>('SELECT * FROM migrations')
      .all();
    for (const row of applied) {
      const migration = migrations[row.version - 1];
      if (migration && checksum(migration.sql) !== row.checksum) {
        throw new PrerequisiteError(
          'archive-altered',
          `${path} was created with a different migration ${row.name}`,
          'restore the archive from a backup, or choose another --home',
        );
      }
    }
  }
  for (const [index, { name, sql }] of migrations.entries()) {
    const target = index + 1;
    if (target <= version || target > upTo) continue;
    db.transaction(() => {
      if (target === 1) {
        db.exec(`CREATE TABLE migrations (
          version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, at INTEGER NOT NULL) STRICT`);
      }
      db.exec(sql);
      db.prepare('INSERT INTO migrations VALUES (?, ?, ?, ?)').run(target, name, checksum(sql), now);
      db.pragma(`application_id = ${applicationId}`);
      db.pragma(`user_version = ${target}`);
    }).exclusive();
  }
}
