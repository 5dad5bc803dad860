import { describe, expect, it } from 'vitest';
import { comparePaired, pairedNoise, type SeedScore } from '../../src/statistics/seeds.ts';
import type { ReportData, ReportNode } from '../../src/views/index.ts';
import { verdict } from '../../src/views/report/claims.ts';
import { findingsOf } from '../../src/views/report/findings.ts';
import { fixture } from './fixture.ts';

const scores = (first: number, ...values: number[]): SeedScore[] =>
  values.map((score, index) => ({ seed: first + index, score }));

const empty = fixture({ agents: 1, attempts: 1, references: false, failures: 1 });

function node(
  id: string,
  origin: ReportNode['origin'],
  known: Partial<ReportNode['validation']>,
  test: SeedScore[] = [],
): ReportNode {
  return {
    id,
    agent: origin === 'draft' ? id.replace(/-\d+$/, '') : origin,
    ordinal: 1,
    origin,
    name: origin === 'reference' ? id : null,
    parents: [],
    candidate: 'M mA',
    status: 'evaluated',
    reason: null,
    message: null,
    validation: { screen: [], confirm: [], final: [], ...known },
    test,
    seconds: 1,
    change: '',
    unsafe: false,
    saved: false,
    attempts: { screen: 1, confirm: 0, final: 0 },
    finishedAt: 1,
  };
}

const withNodes = (...nodes: ReportNode[]): ReportData => ({ ...empty, nodes });

describe('findings', () => {
  it('lets the rung below choose the finalist, not the rung that judges it', () => {
    const data = withNodes(
      node('a-1', 'draft', { confirm: scores(1001, 0.8), final: scores(2001, 0.7, 0.71) }),
      node('a-2', 'draft', { confirm: scores(1001, 0.7), final: scores(2001, 0.9, 0.91) }),
      node('llama', 'reference', { final: scores(2001, 0.6, 0.61) }),
    );
    const findings = findingsOf(data);
    expect(findings.lead?.id).toBe('a-1');
    expect(findings.validation?.contests.map(({ contender }) => contender.id)).toEqual(['a-1']);
  });

  it('divides the risk of a false claim among all comparisons', () => {
    const data = fixture();
    const contests = findingsOf(data).validation;
    expect(contests?.contests).toHaveLength(8);
    expect(contests?.level).toBeCloseTo(1 - 0.05 / 8, 12);
  });

  it('moderates the noise of a pair by that of all pairs, and says so', () => {
    const data = withNodes(
      node('a-1', 'draft', { confirm: scores(1001, 0.8), final: scores(2001, 0.65, 0.63, 0.64, 0.66) }),
      node('llama', 'reference', { final: scores(2001, 0.6, 0.62, 0.59, 0.6) }),
      node('composer', 'reference', { final: scores(2001, 0.61, 0.6, 0.62, 0.59) }),
      node('mamba', 'reference', { final: scores(2001, 0.58, 0.6, 0.61, 0.6) }),
    );
    const { prior, noise, level, contests = [] } = findingsOf(data).validation ?? {};
    expect([prior === null, noise]).toEqual([false, null]);
    for (const { contender, reference, comparison } of contests) {
      const [own, by] = [contender.validation.final, reference.validation.final];
      expect(comparison).toEqual(comparePaired(own, by, null, level ?? 0, prior));
      expect(comparison).toMatchObject({ verdict: 'better', degrees: 9 });
      // On its own three degrees of freedom each of them is undecided.
      expect(comparePaired(own, by, null, level ?? 0)).toMatchObject({ degrees: 3, verdict: 'even' });
    }
  });

  it('judges each pair by its own noise: quiet references make no noisy finalist certain', () => {
    const steady = [0.6, 0.601, 0.599, 0.6];
    const data = withNodes(
      node('a-1', 'draft', { confirm: scores(1001, 0.8), final: scores(2001, 0.62, 0.72, 0.6, 0.7) }),
      node('b-1', 'draft', { final: scores(2001, ...steady) }),
      ...['llama', 'composer', 'mamba'].map((name) => node(name, 'reference', { final: scores(2001, ...steady) })),
    );
    const { noise, contests = [] } = findingsOf(data).validation ?? {};
    expect(noise).toBeNull();
    for (const { comparison } of contests) expect(comparison).toMatchObject({ verdict: 'even', degrees: 3 });
    // One figure for all of them would have said better.
    const [first] = contests;
    const rows = data.nodes.map(({ validation }) => validation.final);
    const pooled = comparePaired(
      first?.contender.validation.final ?? [],
      first?.reference.validation.final ?? [],
      pairedNoise(rows),
      0.95,
    );
    expect(pooled).toMatchObject({ verdict: 'better' });
  });

  it('claims a clear gain, an unclear one and a loss as what they are', () => {
    const field = (offset: number) =>
      withNodes(
        node('a-1', 'draft', {
          confirm: scores(1001, 0.8),
          final: scores(2001, 0.7 + offset, 0.71 + offset, 0.69 + offset),
        }),
        node('llama', 'reference', { final: scores(2001, 0.701, 0.708, 0.691) }),
        node('mamba', 'reference', { final: scores(2001, 0.599, 0.611, 0.59) }),
      );
    const say = (offset: number) => verdict(field(offset), findingsOf(field(offset)))[0];
    expect(say(0.1)).toMatch(
      /^On the final rung a-1, selected on the rung below, beats llama, the strongest of 2 references, by \d+\.\d sd \(\+0\.1000, interval/,
    );
    expect(say(0.1)).toMatch(/3 paired seeds\)\. It beats the other reference\.$/);
    expect(say(0)).toMatch(/is not distinguishable from llama, the strongest of 2 references, at this budget/);
    expect(say(-0.05)).toMatch(
      /is behind llama, .* by \d+\.\d sd \(−0\.0500, interval .*\. It beats the other reference\.$/,
    );
  });

  it('falls back to the confirm rung where the final one has no validation, and still reports the test set', () => {
    const data = withNodes(
      node('a-1', 'draft', { screen: scores(1, 0.5), confirm: scores(1001, 0.8, 0.82) }, scores(2001, 0.9, 0.91)),
      node('llama', 'reference', { confirm: scores(1001, 0.6, 0.63) }, scores(2001, 0.7, 0.72)),
    );
    const findings = findingsOf(data);
    expect(findings.validation?.basis).toBe('confirm');
    expect(findings.test?.basis).toBe('test');
    const sentences = verdict(data, findings);
    expect(sentences).toHaveLength(2);
    expect(sentences[0]).toMatch(/^On the confirm rung/);
    expect(sentences[1]).toMatch(/^On the hidden test set/);
  });

  it('says when there is nothing to compare with, nothing above the screen, and nothing at all', () => {
    const say = (...nodes: ReportNode[]) => verdict(withNodes(...nodes), findingsOf(withNodes(...nodes)));
    expect(say(node('a-1', 'draft', { final: scores(2001, 0.7, 0.8) }))).toEqual([
      'a-1 leads with 0.7500 [validation, final rung]; no reference to compare with.',
    ]);
    expect(say(node('a-1', 'draft', { screen: scores(1, 0.7) }))[0]).toMatch(/^No claim: .*a-1 with 0.7000/);
    expect(say(node('a-1', 'draft', {}))[0]).toMatch(/none of 1 attempts has a score/);
    expect(say()).toEqual(['No claim: no agent has proposed anything yet.']);
  });

  it('does not call one paired seed a comparison', () => {
    const data = withNodes(
      node('a-1', 'draft', { final: scores(2001, 0.9) }),
      node('llama', 'reference', { final: scores(2001, 0.6) }),
    );
    expect(verdict(data, findingsOf(data))[0]).toMatch(/cannot be compared with llama: one paired seed/);
  });
});
