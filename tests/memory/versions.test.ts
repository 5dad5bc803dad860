/** Archives of every earlier version open after migration, with all that is in them; one of a later version is refused. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { run } from '../../src/cli/run.ts';
import type { SearchId } from '../../src/domain/ids.ts';
import { Archive } from '../../src/memory/archive.ts';
import { archivePath } from '../../src/memory/database.ts';
import { migrate, schemaVersion } from '../../src/memory/migrations.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';

/** The oldest version of which an archive with searches exists; before it, the schema alone. */
const oldestWithSearches = 4;

function homeOfVersion(version: number): string {
  const home = temporaryFolder();
  const db = new Database(archivePath(home));
  if (version >= oldestWithSearches) {
    db.pragma('foreign_keys = OFF');
    db.exec(gunzipSync(readFileSync(join(import.meta.dirname, 'archives/version-4.sql.gz'))).toString());
  }
  migrate(db, archivePath(home), 1, version);
  expect(db.pragma('user_version', { simple: true })).toBe(version);
  db.close();
  return home;
}

/** Rows of each table that the version had. */
function counts(home: string, tables: readonly string[]): Record<string, number> {
  const db = new Database(archivePath(home), { readonly: true });
  const count = (table: string) => db.prepare<[], { n: number }>(`SELECT count(*) AS n FROM "${table}"`).get()?.n ?? -1;
  const found = Object.fromEntries(tables.map((table) => [table, count(table)]));
  db.close();
  return found;
}

/** Names that no migration changed. */
const facts = [
  'searches',
  'nodes',
  'parents',
  'jobs',
  'attempts',
  'deliveries',
  'evaluations',
  'test_scores',
  'phases',
];

describe('an archive of version', () => {
  it.each(Array.from({ length: schemaVersion }, (_, index) => index + 1))(
    '%i opens with all that is in it',
    (version) => {
      const home = homeOfVersion(version);
      const before = counts(home, facts);
      Archive.open(home, manualClock()).close();
      expect(counts(home, facts)).toEqual(before);
      const db = new Database(archivePath(home), { readonly: true });
      expect(db.pragma('user_version', { simple: true })).toBe(schemaVersion);
      expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
      expect(db.pragma('foreign_key_check')).toEqual([]);
      const searches = db.prepare<[], { id: SearchId }>('SELECT id FROM searches').all();
      db.close();
      expect(searches.length).toBe(version >= oldestWithSearches ? 2 : 0);
      const reader = readArchive(home);
      for (const { id } of searches) {
        expect(reader.searches.spec(id).id).toBe(id);
        expect(reader.records.nodes(id).length).toBeGreaterThan(3);
      }
      reader.close();
    },
  );

  it('that is newer is refused in one sentence, by commands that read and that write', async () => {
    const home = homeOfVersion(schemaVersion);
    const db = new Database(archivePath(home));
    db.pragma(`user_version = ${schemaVersion + 1}`);
    db.close();
    const said: string[] = [];
    const write = process.stderr.write;
    process.stderr.write = ((text: string) => said.push(text) > 0) as typeof write;
    try {
      const commands = [['ls'], ['nodes'], ['audit', 'any'], ['backup', join(home, 'copy')]];
      for (const command of commands) expect(await run([...command, '--home', home]), command.join(' ')).toBe(2);
    } finally {
      process.stderr.write = write;
    }
    for (const text of said) {
      expect(text).toMatch(/^aira: \S+ was written by a newer Aira \(.*\)\n {2}remedy: update Aira, .*\n$/);
    }
    expect(said.length).toBe(4);
  });
});
