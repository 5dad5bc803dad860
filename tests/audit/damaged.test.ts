import { closeSync, cpSync, openSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { archivePath } from '../../src/memory/database.ts';
import { temporaryFolder } from '../support/home.ts';
import { auditOf, runSearch, tampered, trial } from './laboratory.ts';

const pageBytes = 4096;

describe('a damaged archive', () => {
  it('is reported, whichever page was hit, and never ends the audit', async () => {
    const home = temporaryFolder();
    await runSearch(home, trial());
    const pages = statSync(archivePath(home)).size / pageBytes;
    let found = 0;
    // The first pages hold the schema, without which there is no archive to audit.
    for (let page = 4; page < pages; page += 3) {
      const copy = join(temporaryFolder(), 'home');
      cpSync(home, copy, { recursive: true });
      const file = openSync(archivePath(copy), 'r+');
      writeSync(file, Buffer.alloc(pageBytes, 0xa5), 0, pageBytes, page * pageBytes);
      closeSync(file);
      let findings: Awaited<ReturnType<typeof auditOf>>;
      try {
        findings = await auditOf(copy);
      } catch (thrown) {
        expect(thrown).toMatchObject({
          code: expect.stringMatching(/^(archive-damaged|search-unreadable|unknown-search)$/),
        });
        continue;
      }
      expect(findings.find(({ invariant }) => invariant === 'I1')?.holds).toBe(false);
      found++;
    }
    expect(found).toBeGreaterThan(5);
  });

  it('in which a trigger or a uniqueness is gone is reported even while no row was altered', async () => {
    const home = temporaryFolder();
    await runSearch(home, trial());
    for (const [sql, saying] of [
      ['DROP TRIGGER evaluations_are_facts', /lacks its trigger evaluations_are_facts/],
      ['DROP INDEX evaluation_requests_paid_once', /lacks its index evaluation_requests_paid_once/],
      ['CREATE TABLE scores (node TEXT)', /has a table scores that no migration creates/],
    ] as const) {
      const copy = join(temporaryFolder(), 'home');
      cpSync(home, copy, { recursive: true });
      const db = new Database(archivePath(copy));
      db.exec(sql);
      db.close();
      const findings = await auditOf(copy);
      expect(findings.find(({ invariant }) => invariant === 'I1')?.violations.join()).toMatch(saying);
    }
  });

  it('without a readable specification is refused with a reason', async () => {
    const home = temporaryFolder();
    await runSearch(home, trial());
    const copy = tampered(home, `UPDATE searches SET spec = '{}'`);
    await expect(auditOf(copy)).rejects.toMatchObject({ code: 'search-unreadable' });
  });
});
