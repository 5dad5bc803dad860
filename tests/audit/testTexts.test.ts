import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditOf, runSearch, tampered, trial } from './laboratory.ts';

let home: string;
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'aira-test-'));
  await runSearch(home, trial());
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** What the audit says of I4 when a rationale tells of a test score in this way. */
async function told(expression: string) {
  const change = `UPDATE nodes SET rationale = json_set(rationale, '$.change', 'well, ' || ${expression} || ' it was')
    WHERE id = 'climber-3'`;
  const findings = await auditOf(tampered(home, change));
  return findings.find(({ invariant }) => invariant === 'I4');
}
const figure = '(SELECT max(score) FROM test_scores)';
const taskFigure = `(SELECT max(json_extract(tasks, '$.recall')) FROM test_scores)`;

describe('a test score in a text', () => {
  it.each([6, 7, 9, 12, 15])('is recognised with %i digits, rounded', async (digits) => {
    for (const each of [figure, taskFigure]) {
      const finding = await told(`printf('%.${digits}f', ${each})`);
      expect(finding).toMatchObject({
        holds: false,
        violations: ['a test score occurs in the rationale of climber-3'],
      });
    }
  });

  it.each([6, 8, 11])('is recognised with %i digits, cut off', async (digits) => {
    expect((await told(`substr(printf('%.17f', ${figure}), 1, ${digits + 2})`))?.holds).toBe(false);
  });

  it('is recognised in scientific notation and among words', async () => {
    expect((await told(`printf('%.8e', ${figure})`))?.holds).toBe(false);
    expect((await told(`'(score=' || ${figure} || ')'`))?.holds).toBe(false);
  });

  it('is never printed by the audit itself', async () => {
    const finding = await told(`printf('%.9g', ${figure})`);
    expect(JSON.stringify(finding)).not.toMatch(/0\.\d{6}/);
  });

  it('is not seen in few digits, in other figures and in validation scores', async () => {
    for (const expression of [
      `printf('%.5g', ${figure})`,
      `printf('%.9g', ${figure} + 1e-7)`,
      '(SELECT max(validation) FROM evaluations)',
      `'0.1234567890123'`,
    ]) {
      expect(await told(expression)).toMatchObject({ holds: true, violations: [] });
    }
  });
});
