import { describe, expect, it } from 'vitest';
import { noColours } from '../../src/platform/text.ts';
import { summary } from '../../src/report/index.ts';
import type { ReportData } from '../../src/views/index.ts';
import { count, duration, score, shortened, signed } from '../../src/views/texts.ts';
import { barren, fixture } from './fixture.ts';

const lost = (data: ReportData): ReportData => ({
  ...data,
  agents: data.agents.map((agent) => ({
    ...agent,
    end: { code: 'failed', reason: '404 no such model' },
    spend: { calls: 2, tokens: 900, dollars: 0.0125 },
  })),
});

describe('summary', () => {
  it('fits twenty lines, whatever happened', () => {
    for (const data of [
      fixture(),
      barren(),
      fixture({ references: false, finalSeeds: 0 }),
      fixture({ agents: 13, attempts: 3 }),
      lost(fixture({ agents: 13, attempts: 3 })),
    ]) {
      expect(summary(data, noColours).split('\n').length).toBeLessThanOrEqual(20);
    }
  });

  it('says what came of it and how much was done', () => {
    const data = fixture();
    const text = summary(data, noColours);
    expect(text).toMatch(
      /^quickstart-7: compose-mad-3p, nano\nOn the final rung composer-11, selected on the rung below, /,
    );
    expect(text).toContain('96 proposed: 80 evaluated (7 cached), 5 failed');
    expect(summary(barren(), noColours)).toContain('No claim: none of 4 attempts has a score');
  });

  it('says which part of the device time is no training', () => {
    const data = fixture();
    expect(summary(data, noColours)).toMatch(/ training time$/);
    const spent = { ...data.budget.spent, deviceSeconds: 600, rehearsalSeconds: 90 };
    const text = summary({ ...data, budget: { ...data.budget, spent } }, noColours);
    expect(text).toMatch(/ 10\.0 min device time \(90 s of it in checks and experiments\)$/);
  });

  it('names the agents that were lost, with the reason and the money', () => {
    const text = summary(lost(fixture({ agents: 13, attempts: 3 })), noColours);
    expect(text).toContain('agent composer-1 failed: 404 no such model (3 of 3 evaluations, $0.0125)');
    expect(text).toContain('9 more early endings: see the report.');
  });

  it('tells that a search has not finished', () => {
    const data = fixture();
    const at = (phase: ReportData['search']['phase']) =>
      summary({ ...data, search: { ...data.search, phase } }, noColours);
    expect(at('stopped')).toContain('stopped early');
    expect(at('confirming')).toContain('still confirming');
    expect(at('finished')).not.toMatch(/stopped|still/);
  });

  it('lets no control character of the data reach the terminal', () => {
    const data = fixture({ agents: 1, attempts: 3, failures: 0, references: false, finalSeeds: 0, confirmSeeds: 0 });
    const evil = '\u001b]0;owned\u0007\u001b[2J\r\nfake line\u202e';
    const nodes = data.nodes.map((node) => ({ ...node, id: node.id + evil, candidate: evil }));
    const text = summary({ ...data, nodes, search: { ...data.search, task: evil } }, noColours);
    expect(text).not.toMatch(/(?!\n)[\p{Cc}\p{Bidi_Control}]/u);
    expect(text.split('\n').filter((line) => line.startsWith('fake'))).toEqual([]);
  });
});

describe('figures', () => {
  it('are set the same everywhere', () => {
    expect([score(0.12345), score(null), score(Number.NaN), signed(-0.5), signed(0)]).toEqual([
      '0.1235',
      '–',
      '–',
      '−0.5000',
      '+0.0000',
    ]);
    expect([count(0), count(999), count(1000), count(1234567)]).toEqual(['0', '999', '1,000', '1,234,567']);
    expect([9.94, 12.4, 119.4, 120, 7169, 7200].map(duration)).toEqual([
      '9.9 s',
      '12 s',
      '119 s',
      '2.0 min',
      '119.5 min',
      '2.0 h',
    ]);
  });

  it('cut long texts', () => {
    expect(shortened('abc', 3)).toBe('abc');
    expect(shortened('a'.repeat(1000), 5)).toBe('aaaaa… (1,000 characters)');
    expect(shortened('😀'.repeat(4), 2)).toBe('😀😀… (8 characters)');
  });
});
