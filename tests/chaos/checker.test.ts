/** The checker against an archive in which something was broken by hand, one thing at a time. */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Contents } from '../support/ledger.ts';
import type { EventLine } from '../support/program.ts';
import { toySearch } from '../support/toySearch.ts';
import { violations } from './checker.ts';
import { undisturbed } from './undisturbed.ts';

const folder = mkdtempSync(join(tmpdir(), 'aira-checker-'));
const expectation = (told: readonly EventLine[] = []) => ({ undisturbed: calm, cutOff: 0, told });
let calm: Contents;

beforeAll(async () => {
  calm = await undisturbed(folder, toySearch(folder, { budget: { evaluations: 4 } }), 'toy');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the checker says of the archive after some SQL by which the rules of its tables are lifted first. */
function after(sql: string): string[] {
  const home = mkdtempSync(join(folder, 'broken-'));
  mkdirSync(home, { recursive: true });
  cpSync(join(folder, 'undisturbed', 'archive.db'), join(home, 'archive.db'));
  const db = new Database(join(home, 'archive.db'));
  db.pragma('foreign_keys = OFF');
  const triggers = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").all() as { name: string }[];
  for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`);
  db.exec(`DROP INDEX evaluation_requests_paid_once; ${sql}`);
  db.close();
  return violations(home, 'toy', expectation());
}

it('finds nothing in an archive that nobody has touched', () => {
  expect(after('SELECT 1')).toEqual([]);
});

const firstKey = '(SELECT min(key) FROM jobs)';
it.each([
  ['a lost result', `DELETE FROM evaluations WHERE key = ${firstKey}`, /a job has not exactly one result/],
  ['a lost node', `DELETE FROM nodes WHERE id = 'chance-2'`, /a node is missing: .*chance-2/],
  ['a node with other parents', `DELETE FROM parents`, /a node is missing: .*climber-2/],
  ['another candidate', `UPDATE nodes SET candidate = 'M M M M' WHERE id = 'chance-1'`, /a node should not be/],
  ['another score', `UPDATE evaluations SET validation = 0.5 WHERE key = ${firstKey}`, /an evaluation should not be/],
  ['another test score', `UPDATE test_scores SET score = 0.5`, /an evaluation should not be/],
  [
    'a key without a payer',
    `UPDATE evaluation_requests SET saved = 1 WHERE key = ${firstKey}`,
    /nobody paid for a key/,
  ],
  [
    'a key that was paid for twice',
    `UPDATE evaluation_requests SET saved = 0 WHERE node = 'aggregate-1'`,
    /a key was paid for twice/,
  ],
  [
    'a result that was never delivered',
    `DELETE FROM deliveries WHERE key = ${firstKey}`,
    /an evaluation was counted from other than one delivery/,
  ],
  [
    'a training too many',
    `INSERT INTO attempts (key, worker, attempt, at) VALUES (${firstKey}, 'cpu-9', 9, 0)`,
    /trainings for \d+ evaluations, with 0 cut off/,
  ],
  ['an event that was never published', `UPDATE outbox SET sent_at = NULL WHERE seq = 1`, /a decision was never/],
  ['a search that goes on', `DELETE FROM phases WHERE phase = 'finished'`, /the search stands at finalising/],
  [
    'a budget that is not used',
    `UPDATE nodes SET verdict = 'rejected' WHERE id = 'chance-1'`,
    /chance used 1 of its 2/,
  ],
  [
    'a test figure of screening',
    `INSERT INTO test_scores SELECT key, 0.5, '{}' FROM evaluation_requests WHERE rung = 'screen' AND node = 'chance-1'`,
    /a test figure of a lower rung/,
  ],
])('finds %s', (_, sql, expected) => {
  expect(after(sql)).toContainEqual(expect.stringMatching(expected));
});

it('finds what users were told and the ledger does not know', () => {
  const line = { v: 1, search: 'toy', node: 'chance-1', rung: 'screen', seed: 1 };
  const told = [
    { ...line, event: 'node-evaluated', validation: 0.987 },
    { ...line, event: 'node-submitted', short: '4M' },
  ];
  expect(violations(join(folder, 'undisturbed'), 'toy', expectation(told))).toEqual([
    expect.stringContaining('was announced with 0.987'),
    expect.stringContaining('was announced as M M M M'),
  ]);
});
