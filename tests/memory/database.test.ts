import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { archivePath, openForReading, openForWriting } from '../../src/memory/database.ts';
import { schemaVersion } from '../../src/memory/migrations.ts';
import { codeOf } from '../support/errors.ts';
import { temporaryFolder } from '../support/home.ts';

describe('an archive file', () => {
  it('is written with full durability and strict tables', () => {
    const home = temporaryFolder();
    const { db, close } = openForWriting(home, 1);
    expect(db.pragma('journal_mode', { simple: true })).toBe('wal');
    expect(db.pragma('synchronous', { simple: true })).toBe(2);
    expect(db.pragma('user_version', { simple: true })).toBe(schemaVersion);
    const loose = db.prepare(`SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0
      AND name NOT LIKE 'sqlite_%'`);
    expect(loose.all()).toEqual([]);
    close();
  });

  it('uses a SQLite in which the reset of the write-ahead log cannot corrupt (3.51.3 and later)', () => {
    const { version } = new Database(':memory:')
      .prepare<[], { version: string }>('SELECT sqlite_version() AS version')
      .get() ?? { version: '0' };
    const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
    expect(major * 1e6 + minor * 1e3 + patch).toBeGreaterThanOrEqual(3_051_003);
  });

  it('has one writer at a time, and readers beside it', () => {
    const home = temporaryFolder();
    const first = openForWriting(home, 1);
    expect(codeOf(() => openForWriting(home, 2))).toBe('archive-in-use');
    openForReading(home).close();
    first.close();
    openForWriting(home, 3).close();
  });

  it('is free again at once when its writer was killed', () => {
    const home = temporaryFolder();
    const script = `
      import Database from 'better-sqlite3';
      const guard = new Database(${JSON.stringify(`${home}/archive.lock`)}); guard.exec('BEGIN EXCLUSIVE');
      process.kill(process.pid, 'SIGKILL');`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: process.cwd() });
    expect(child.signal).toBe('SIGKILL');
    openForWriting(home, 1).close();
  });

  it('of a newer version, a foreign file and a damaged one are refused and left as they are', () => {
    const newer = temporaryFolder();
    openForWriting(newer, 1).close();
    const raw = new Database(archivePath(newer));
    raw.pragma(`user_version = ${schemaVersion + 1}`);
    raw.close();
    expect(codeOf(() => openForWriting(newer, 1))).toBe('archive-newer');

    const foreign = temporaryFolder();
    const other = new Database(archivePath(foreign));
    other.exec('CREATE TABLE something (x)');
    other.close();
    expect(codeOf(() => openForWriting(foreign, 1))).toBe('archive-foreign');

    const damaged = temporaryFolder();
    writeFileSync(
      archivePath(damaged),
      'this is not a database, though it is long enough to be read as a header'.repeat(20),
    );
    expect(codeOf(() => openForWriting(damaged, 1))).toBe('archive-damaged');
    expect(codeOf(() => openForReading(temporaryFolder()))).toBe('archive-missing');
  });

  it('keeps nodes and evaluations as they were recorded', () => {
    const { db, close } = openForWriting(temporaryFolder(), 1);
    db.exec(`INSERT INTO searches VALUES ('s-1', '{}', '', 1);
      INSERT INTO nodes (search, id, agent, ordinal, origin, candidate, verdict, rationale, created_at)
      VALUES ('s-1', 'a-1', 'a', 1, 'draft', 'M', 'accepted', '{}', 1)`);
    expect(() => db.exec(`UPDATE nodes SET candidate = 'mA'`)).toThrow('never changed');
    expect(() => db.exec('DELETE FROM nodes')).toThrow('never deleted');
    close();
  });
});
