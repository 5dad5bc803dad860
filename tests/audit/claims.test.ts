import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hiddenScores, writeReport } from '../../src/cli/commands/report.ts';
import type { ClaimRecord } from '../../src/domain/claim.ts';
import { readClaims } from '../../src/views/index.ts';
import { temporaryFolder } from '../support/home.ts';
import { auditOf, runSearch, tampered, trial } from './laboratory.ts';

/** I11 on whole searches: what a report says, against what the archive gives. */
describe('the claims of a report', () => {
  const spec = trial({
    references: [
      { name: 'sandwich', candidate: 'mA mA mA M mA M M M' },
      { name: 'llama', candidate: 'mA M mA M mA M mA M' },
    ],
    space: { kind: 'stack', layers: 8, primitives: ['M', 'mA', 'Mb'] },
    ladder: { promote: 0.2, confirmSeeds: 1, finalists: 2, finalSeeds: 6, aggregates: 3 },
    budget: { evaluations: 17, minutes: 10 },
  });
  const page = (of: string) => join(of, 'reports', `${spec.id}.html`);
  let home: string;
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'aira-test-'));
    await runSearch(home, spec);
    await writeReport(home, spec.id, await hiddenScores(home, spec.id, 'report'));
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  const claimsOf = async (of: string) => (await auditOf(of)).find(({ invariant }) => invariant === 'I11');
  /** A copy of the home with another page. */
  const doctored = (change: (html: string) => string): string => {
    const copy = join(temporaryFolder(), 'home');
    cpSync(home, copy, { recursive: true });
    const before = readFileSync(page(copy), 'utf8');
    const after = change(before);
    expect(after).not.toBe(before);
    writeFileSync(page(copy), after);
    return copy;
  };
  /** The record of the page changed, and its visible rows with it: nothing on the page itself is at odds. */
  const rewritten = (change: (record: ClaimRecord) => ClaimRecord) =>
    doctored((html) => {
      const { record } = readClaims(html);
      if (!record) throw new Error('the page has no record');
      const json = JSON.stringify(change(structuredClone(record))).replaceAll('"', '&quot;');
      return html.replace(/(<pre class="claim-record">)[^<]*/, (_, tag: string) => tag + json);
    });

  it('follow from its archive', async () => {
    const finding = await claimsOf(home);
    expect(finding).toMatchObject({ holds: true, violations: [] });
    // Finalist and aggregate against two references, on validation and on the test set.
    expect(finding?.evidence).toEqual([
      '2 sentences and 8 comparisons of the report, each derived again from the archive',
    ]);
    const { record, rows, sentences } = readClaims(readFileSync(page(home), 'utf8'));
    expect(record?.comparisons.map(({ seeds }) => seeds)).toEqual(Array(8).fill([2001, 2002, 2003, 2004, 2005, 2006]));
    expect([rows.length, sentences.length]).toEqual([8, 2]);
  });

  it('are none without a report, and unchecked on a page without a record', async () => {
    const none = doctored((html) => html.replace(/<pre class="claim-record">[^<]*<\/pre>/, ''));
    expect(await claimsOf(none)).toMatchObject({ holds: null });
    rmSync(page(none));
    expect(await claimsOf(none)).toMatchObject({ holds: true, evidence: [expect.stringContaining('no report')] });
  });

  it.each<[string, (html: string) => string, RegExp]>([
    [
      'a sentence that a person reads',
      (html) => html.replace(/<p class="claim">On the final rung \S+/, '<p class="claim">On the final rung climber-99'),
      /the page shows the sentence ".*climber-99.*", which its record of claims lacks/,
    ],
    [
      'a sentence more',
      (html) =>
        html.replace('<p class="claim">', '<p class="claim">climber-1 beats llama by 9.9 sd.</p><p class="claim">'),
      /the page shows the sentence "climber-1 beats llama by 9\.9 sd\."/,
    ],
    [
      'an interval in a table',
      (html) => html.replace(/(<tr class="contest">.*?)[+−]0\.\d{4} …/s, '$1+0.9999 …'),
      /the page shows the comparison ".*\+0\.9999 …/,
    ],
    [
      'a row taken away',
      (html) => html.replace(/<tr class="contest">.*?<\/tr>/s, ''),
      /the record claims ".*", which the page does not show/,
    ],
  ])('are caught with %s', async (_, change, saying) => {
    const finding = await claimsOf(doctored(change));
    expect(finding?.violations.join('\n')).toMatch(saying);
  });

  it.each<[string, (record: ClaimRecord) => ClaimRecord, RegExp]>([
    [
      'another verdict',
      (record) => {
        const [first] = record.comparisons;
        if (first) first.verdict = first.verdict === 'better' ? 'even' : 'better';
        return record;
      },
      /the report says of \S+ against reference-\S+ on final \{"verdict":.*; the archive gives \{"verdict":/,
    ],
    [
      'a narrower interval',
      (record) => {
        const [first] = record.comparisons;
        if (first?.interval) first.interval = [first.interval[0] + 1e-6, first.interval[1]];
        return record;
      },
      /the archive gives/,
    ],
    [
      'a comparison left out',
      (record) => ({ ...record, comparisons: record.comparisons.slice(1) }),
      /the report leaves out \S+ against reference-/,
    ],
    ['the claims of another search', (record) => ({ ...record, search: 'other-1' }), /is the report of other-1/],
  ])('are caught with %s in the record', async (_, change, saying) => {
    const finding = await claimsOf(rewritten(change));
    expect(finding?.holds).toBe(false);
    expect(finding?.violations.join('\n')).toMatch(saying);
  });

  it('are caught with other words on the page and in its record alike', async () => {
    const finding = await claimsOf(doctored((html) => html.replaceAll('On the final rung', 'On every rung')));
    expect(finding?.violations).toEqual([
      expect.stringMatching(/^the report says "On every rung .*", which does not follow from the archive$/),
    ]);
  });

  it('are caught where the scores under them were changed, on validation and on the test set', async () => {
    const finals = `(SELECT key FROM evaluation_requests WHERE rung = 'final' AND node LIKE 'reference-llama%')`;
    for (const sql of [
      `UPDATE evaluations SET validation = validation - 0.25 WHERE key IN ${finals}`,
      `UPDATE test_scores SET score = score - 0.25 WHERE key IN ${finals}`,
    ]) {
      const finding = await claimsOf(tampered(home, sql));
      expect(finding?.violations.join('\n')).toMatch(
        /the report says of \S+ against reference-llama-1 on (final|test)/,
      );
    }
  });

  it('are violated, and the audit goes on, where the archive is too damaged for a report', async () => {
    const finding = await claimsOf(tampered(home, `UPDATE nodes SET candidate = 'Z' WHERE id = 'climber-6'`));
    expect(finding?.violations).toEqual([expect.stringMatching(/^the archive gives no report: "Z" is not a layer/)]);
  });

  it('of a search that went on are reported as not checked', async () => {
    const early = rewritten((record) => ({ ...record, phase: 'confirming' }));
    const finding = await claimsOf(early);
    expect(finding).toMatchObject({ holds: null, violations: [] });
    expect(finding?.evidence.join()).toContain('was written while the search was confirming, and it is finished now');
  });

  it('of another version are compared by their figures', async () => {
    const older = rewritten((record) => ({ ...record, version: '0.0.1' }));
    expect(await claimsOf(older)).toMatchObject({ holds: null, violations: [] });
  });
});
