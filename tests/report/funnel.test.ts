import { describe, expect, it } from 'vitest';
import type { NodeRecord } from '../../src/memory/records.ts';
import { reportHtml } from '../../src/report/index.ts';
import { funnelOf } from '../../src/views/report/collect.ts';
import { fixture } from './fixture.ts';

/** An attempt as the ledger has it, as far as the funnel looks. */
function attempt(
  ordinal: number,
  given: {
    agent?: string;
    score?: number | null;
    parents?: number[];
    retrieved?: string[];
    evidence?: string[];
    verdict?: NodeRecord['verdict'];
    works?: object[];
  },
): NodeRecord {
  const { agent = 'walker', score = null, parents = [], retrieved = [], evidence = [], verdict = 'accepted' } = given;
  return {
    ...{ id: `${agent}-${ordinal}`, agent, ordinal, origin: parents.length > 0 ? 'improve' : 'draft', candidate: 'M' },
    ...{ verdict, message: null, createdAt: ordinal, parents: parents.map((parent) => `${agent}-${parent}`) },
    rationale: { choice: '', change: '', expected: null, retrieved, evidence, works: given.works },
    evaluations: score === null ? [] : [{ rung: 'screen', status: 'ok', validation: score }],
  } as unknown as NodeRecord;
}

describe('the funnel from retrieved to improved', () => {
  const records = [
    // Nothing to compare with: the first draft.
    attempt(1, { score: 0.5, retrieved: ['corpus:jamba', 'corpus:mamba'], evidence: ['corpus:jamba'] }),
    // Better than the best before.
    attempt(2, { score: 0.6, retrieved: ['corpus:jamba'], evidence: ['corpus:jamba', 'walker-1'] }),
    // Worse than its parent, although better than the first draft.
    attempt(3, {
      score: 0.55,
      parents: [2],
      retrieved: ['corpus:mamba', 'archive:walker-1'],
      evidence: ['archive:walker-1'],
    }),
    // Shown and not cited; better than its parent.
    attempt(4, { score: 0.58, parents: [3], retrieved: ['corpus:mamba'] }),
    // Cited, and refused.
    attempt(5, { verdict: 'duplicate', retrieved: ['corpus:jamba'], evidence: ['corpus:jamba'] }),
    attempt(6, {
      ...{ score: 0.7, parents: [2], retrieved: ['arxiv:2401.00001'], evidence: ['arxiv:2401.00001'] },
      works: [{ id: 'arxiv:2401.00001', title: 'Zebra <b>mixers</b>', url: null, licence: '', retrievedAt: '' }],
    }),
    attempt(1, { agent: 'blind', score: 0.9 }),
  ];
  const funnel = funnelOf(records);

  it('counts attempts by agent and source, each figure a part of the one before', () => {
    expect(funnel?.agents).toEqual([
      {
        agent: 'walker',
        attempts: 6,
        failed: 0,
        failure: null,
        sources: [
          { source: 'corpus', works: 2, retrieved: 5, cited: 3, changed: 2, compared: 1, improved: 1 },
          { source: 'archive', works: 1, retrieved: 1, cited: 1, changed: 1, compared: 1, improved: 0 },
          { source: 'arxiv', works: 1, retrieved: 1, cited: 1, changed: 1, compared: 1, improved: 1 },
        ],
        withoutCitation: { compared: 1, improved: 1 },
      },
    ]);
  });

  it('names the works that were cited, by their titles where they are known', () => {
    expect(
      funnel?.works.map(({ id, title, shown, cited, improved }) => [id, title?.slice(0, 5), shown, cited, improved]),
    ).toEqual([
      ['corpus:jamba', 'Jamba', 3, 3, 1],
      ['arxiv:2401.00001', 'Zebra', 1, 1, 1],
      ['archive:walker-1', undefined, 1, 1, 0],
    ]);
  });

  it('is a section of the report where somebody read, and escapes what it names', async () => {
    const page = await reportHtml({ ...fixture(), funnel });
    expect(page).toContain('Use of the literature');
    expect(page).toContain('of 6 attempts: retrieved 5, cited 3, changed 2, improved 1');
    expect(page).toContain('Zebra &lt;b>mixers&lt;/b>');
    expect(funnelOf([attempt(1, { score: 0.5 })])).toBeNull();
    expect(await reportHtml(fixture())).not.toContain('Use of the literature');
  });
});
