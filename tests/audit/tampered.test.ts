import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentSpec } from '../support/specs.ts';
import { alterations } from './alterations.ts';
import { auditOf, runSearch, tampered, trial } from './laboratory.ts';

describe('an archive that was altered', () => {
  let home: string;
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'aira-test-'));
    await runSearch(home, trial(), { failed: 6, crashed: 8, lost: 10, twice: 12 });
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  it('is sound before', async () => {
    expect((await auditOf(home)).map(({ holds }) => holds)).toEqual(Array(11).fill(true));
  });

  it.each(alterations)('with %s is found out', async (_, sql, broken, saying) => {
    const findings = await auditOf(tampered(home, sql));
    const violations = findings.flatMap((finding) => finding.violations);
    expect.soft(violations.join('\n')).toMatch(saying);
    expect(findings.filter(({ holds }) => holds === false).map(({ invariant }) => invariant)).toEqual(broken);
  });

  // I11 has a page to alter as well: claims.test.ts.
  it('leaves every other invariant with an alteration that breaks it', () => {
    const reached = new Set(alterations.flatMap(([, , broken]) => broken));
    expect([...reached].sort()).toEqual(['I1', 'I10', 'I2', 'I3', 'I4', 'I5', 'I6', 'I7', 'I8', 'I9']);
  });
});

describe('refusals that were altered', () => {
  const repeating = trial({
    agents: [agentSpec({ evaluations: 6 })],
    space: { kind: 'stack', layers: 2, primitives: ['M', 'mA'] },
    references: [],
    budget: { evaluations: 6 },
  });
  let home: string;
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'aira-test-'));
    await runSearch(home, repeating);
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  it.each([
    [
      'a reason that is gone',
      `UPDATE nodes SET message = NULL WHERE id = 'walker-9'`,
      /walker-9 was refused without a reason/,
    ],
    [
      'a repetition of nothing',
      `UPDATE nodes SET verdict = 'rejected' WHERE id = 'walker-9'`,
      /refused as invalid, but is a valid candidate/,
    ],
    [
      'a repetition taken up',
      `UPDATE nodes SET verdict = 'accepted' WHERE id = 'walker-9'`,
      /walker-9 was accepted, but walker-\d is the same candidate/,
    ],
  ])('with %s are found out', async (_, sql, saying) => {
    const findings = await auditOf(tampered(home, sql));
    expect(findings.find(({ invariant }) => invariant === 'I8')?.violations.join('\n')).toMatch(saying);
  });
});
