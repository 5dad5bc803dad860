import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { backUp, restore } from '../../src/memory/copies.ts';
import { openForWriting } from '../../src/memory/database.ts';
import { schemaVersion } from '../../src/memory/migrations.ts';
import { codeOf } from '../support/errors.ts';
import { temporaryFolder } from '../support/home.ts';

/** A home whose archive has a table of pairs that are always written together. */
function labHome(pairs: number) {
  const home = join(temporaryFolder(), 'home');
  const lab = openForWriting(home, 1);
  lab.db.exec('CREATE TABLE left (n INTEGER, filler BLOB) STRICT; CREATE TABLE right (n INTEGER) STRICT');
  const write = lab.db.transaction((n: number) => {
    lab.db.prepare('INSERT INTO left VALUES (?, zeroblob(20000))').run(n);
    lab.db.prepare('INSERT INTO right VALUES (?)').run(n);
  });
  for (let n = 0; n < pairs; n++) write(n);
  mkdirSync(join(home, 'calls'));
  writeFileSync(join(home, 'calls', 's.jsonl'), '{"answer":1}\n');
  writeFileSync(join(home, 'calls', 'unrelated.tmp'), 'x');
  return { home, lab };
}

const counts = (home: string): [number, number] => {
  const db = new Database(join(home, 'archive.db'), { readonly: true });
  const count = (table: string) => db.prepare<[], { n: number }>(`SELECT count(*) AS n FROM ${table}`).get()?.n ?? -1;
  try {
    return [count('left'), count('right')];
  } finally {
    db.close();
  }
};

describe('a backup', () => {
  it('is one moment of an archive that is written meanwhile (BAK-1), and restores to a private home', async () => {
    const { home, lab } = labHome(400);
    const script = `
      import Database from 'better-sqlite3';
      const db = new Database(${JSON.stringify(join(home, 'archive.db'))}, { timeout: 5000 });
      const write = db.transaction((n) => {
        db.prepare('INSERT INTO left VALUES (?, NULL)').run(n);
        db.prepare('INSERT INTO right VALUES (?)').run(n);
      });
      for (let n = 400; ; n++) { write(n); if (n === 420) console.log('writing'); }`;
    const writer = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: process.cwd() });
    onTestFinished(() => void writer.kill('SIGKILL'));
    await once(writer.stdout, 'data');
    const folder = join(temporaryFolder(), 'backup');
    const manifest = backUp(home, folder, 7);
    const after = counts(home);
    writer.kill('SIGKILL');
    lab.close();
    expect(manifest).toMatchObject({ format: 1, archive: schemaVersion, at: 7 });
    expect(manifest.files.map(({ name }) => name)).toEqual(['archive.db', 'calls/s.jsonl']);

    const other = join(temporaryFolder(), 'other');
    restore(folder, other, 8);
    const [left, right] = counts(other);
    expect(left).toBe(right);
    expect(left).toBeGreaterThan(420);
    expect(left).toBeLessThanOrEqual(after[0]);
    expect(readFileSync(join(other, 'calls', 's.jsonl'), 'utf8')).toBe('{"answer":1}\n');
    for (const path of [folder, other, join(other, 'calls')]) expect(statSync(path).mode & 0o77, path).toBe(0);
    for (const path of [join(folder, 'archive.db'), join(other, 'archive.db')]) {
      expect(statSync(path).mode & 0o77, path).toBe(0);
    }
  });

  it('writes over nothing (BAK-4)', () => {
    const { home, lab } = labHome(1);
    lab.close();
    const folder = join(temporaryFolder(), 'backup');
    backUp(home, folder, 1);
    expect(codeOf(() => backUp(home, folder, 2))).toBe('backup-exists');
    expect(codeOf(() => restore(folder, home, 2))).toBe('home-used');
  });

  it('leaves no archive in a home where its restore was cut short', () => {
    const { home, lab } = labHome(1);
    lab.close();
    const folder = join(temporaryFolder(), 'backup');
    backUp(home, folder, 1);
    const other = temporaryFolder();
    writeFileSync(join(other, 'calls'), 'in the way');
    expect(codeOf(() => restore(folder, other, 2))).not.toBe('no error');
    expect(existsSync(join(other, 'archive.db'))).toBe(false);
    rmSync(join(other, 'calls'));
    restore(folder, other, 3);
    expect(counts(other)).toEqual([1, 1]);
  });

  it('is refused whole when a byte of it has changed, a file is missing or its manifest is not one (BAK-3)', () => {
    const { home, lab } = labHome(3);
    lab.close();
    const copy = (): string => {
      const folder = join(temporaryFolder(), 'backup');
      backUp(home, folder, 1);
      return folder;
    };
    const refusal = (change: (folder: string) => void): string => {
      const folder = copy();
      change(folder);
      const other = join(temporaryFolder(), 'other');
      const code = codeOf(() => restore(folder, other, 1));
      expect(existsSync(join(other, 'archive.db'))).toBe(false);
      return code;
    };
    const changeManifest = (change: (manifest: Record<string, unknown>) => unknown) => (folder: string) => {
      const path = join(folder, 'manifest.json');
      writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8')))));
    };
    expect(
      refusal((folder) => {
        const archive = readFileSync(join(folder, 'archive.db'));
        archive[archive.length - 1] = (archive.at(-1) ?? 0) ^ 1;
        writeFileSync(join(folder, 'archive.db'), archive);
      }),
    ).toBe('backup-damaged');
    expect(refusal((folder) => writeFileSync(join(folder, 'calls', 's.jsonl'), ''))).toBe('backup-damaged');
    expect(refusal((folder) => writeFileSync(join(folder, 'manifest.json'), '{'))).toBe('backup-invalid');
    expect(refusal(changeManifest((manifest) => ({ ...manifest, archive: schemaVersion + 1 })))).toBe('archive-newer');
    const outside = [{ name: '../archive.db', bytes: 1, sha256: 'x'.repeat(64) }];
    expect(refusal(changeManifest((manifest) => ({ ...manifest, files: outside })))).toBe('backup-invalid');
    expect(refusal(changeManifest((manifest) => ({ ...manifest, files: [] })))).toBe('backup-invalid');
    expect(codeOf(() => restore(temporaryFolder(), join(temporaryFolder(), 'h'), 1))).toBe('backup-invalid');
  });

  it('of a home without a lab is refused', () => {
    expect(codeOf(() => backUp(temporaryFolder(), join(temporaryFolder(), 'b'), 1))).toBe('archive-missing');
  });
});
