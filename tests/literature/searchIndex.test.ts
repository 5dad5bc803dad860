import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SearchIndex } from '../../src/literature/searchIndex.ts';
import { matchExpression } from '../../src/literature/text.ts';
import { temporaryFolder } from '../support/home.ts';
import { documentOf } from './support.ts';

function indexOf(path?: string): SearchIndex {
  const index = new SearchIndex(path);
  onTestFinished(() => index.close());
  return index;
}
const papers = { limit: 10, kinds: ['paper'] as const };
const ids = (index: SearchIndex, text: string, more = {}) =>
  index.search({ text, ...papers, ...more }).map(({ document }) => document.id);

describe('a query', () => {
  it('is quoted words joined by OR, required ones by AND', () => {
    expect(matchExpression('the ratio of attention, to MLP!')).toBe('"ratio" OR "attention" OR "mlp"');
    expect(matchExpression('recall', ['state space'])).toBe(
      '("state" AND "space") AND ("state" OR "space" OR "recall")',
    );
    expect(matchExpression('to be or not')).toBe('"not"');
    expect(matchExpression('to be')).toBe('"to" OR "be"');
    expect(matchExpression(' ?! ')).toBeNull();
  });

  const index = new SearchIndex();
  index.put([
    documentOf('arxiv:1', { title: 'near title', abstract: 'attention and "quotes"', body: 'NOT a* (b) ^c' }),
  ]);

  it('cannot be broken by any text', () => {
    const syntax = fc.constantFrom(
      '"',
      "'",
      '*',
      '(',
      ')',
      ':',
      '^',
      '-',
      '+',
      'AND',
      'OR',
      'NOT',
      'NEAR(',
      'title:',
      '{title}',
      '\\',
      ';',
      '--',
      '\0',
      '% _',
      ' ',
    );
    const hostile = fc
      .array(fc.oneof(syntax, fc.string({ unit: 'binary', maxLength: 8 })), { maxLength: 20 })
      .map((parts) => parts.join(' '));
    fc.assert(
      fc.property(hostile, fc.array(hostile, { maxLength: 3 }), (text, must) => {
        expect(Array.isArray(index.search({ text, must, ...papers }))).toBe(true);
      }),
      { numRuns: 1500, seed: 1 },
    );
  });

  it('finds any word that the text holds, whatever stands around it', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 20 }), fc.string({ maxLength: 20 }), (before, after) => {
        expect(index.search({ text: `${before} attention ${after}`, ...papers })).toHaveLength(1);
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  it('of a thousand words is cut, not refused', () => {
    const many = Array.from({ length: 5000 }, (_, word) => `word${word}`).join(' ');
    expect(index.search({ text: `attention ${many}`, ...papers })).toHaveLength(1);
  });
});

describe('the index', () => {
  it('weighs the title above the abstract above the body', () => {
    const index = indexOf();
    const filler = 'plain text about other things entirely';
    index.put([
      documentOf('arxiv:body', { title: filler, abstract: filler, body: `gating ${filler}` }),
      documentOf('arxiv:abstract', { title: filler, abstract: `gating ${filler}`, body: filler }),
      documentOf('arxiv:title', { title: `gating ${filler}`, abstract: filler, body: filler }),
      documentOf('arxiv:none', { title: filler, abstract: filler, body: filler }),
    ]);
    expect(ids(index, 'gating')).toEqual(['arxiv:title', 'arxiv:abstract', 'arxiv:body']);
    expect(ids(index, 'gates')).toEqual(['arxiv:title', 'arxiv:abstract', 'arxiv:body']);
  });

  it('filters by source, kind, year, topic and hints, and requires what must be there', () => {
    const index = indexOf();
    const hints = [{ kind: 'alternate' as const }];
    index.put([
      documentOf('corpus:a', { source: 'corpus', title: 'mamba hybrids', year: 2024, topic: 'hybrids', hints }),
      documentOf('arxiv:b', { title: 'mamba speech', year: 2020 }),
      documentOf('github:c', { source: 'github', kind: 'code', title: 'mamba kernels', year: null }),
    ]);
    expect(ids(index, 'mamba').sort()).toEqual(['arxiv:b', 'corpus:a']);
    expect(ids(index, 'mamba', { kinds: ['code'] })).toEqual(['github:c']);
    expect(ids(index, 'mamba', { sources: ['arxiv', 'github'] })).toEqual(['arxiv:b']);
    expect(ids(index, 'mamba', { since: 2022 })).toEqual(['corpus:a']);
    expect(ids(index, 'mamba', { topic: 'hybrids' })).toEqual(['corpus:a']);
    expect(ids(index, 'mamba', { hinted: true })).toEqual(['corpus:a']);
    expect(ids(index, 'mamba', { must: ['speech'] })).toEqual(['arxiv:b']);
    expect(index.search({ text: 'hybrids', ...papers })[0]?.document.hints).toEqual(hints);
  });

  it('breaks ties by id, whatever the order of arrival', () => {
    const documents = ['arxiv:3', 'arxiv:1', 'arxiv:2'].map((id) => documentOf(id, { title: 'same words' }));
    for (const order of [documents, [...documents].reverse()]) {
      const index = indexOf();
      index.put(order);
      expect(ids(index, 'same')).toEqual(['arxiv:1', 'arxiv:2', 'arxiv:3']);
    }
  });

  it('replaces a document with its newer form', () => {
    const index = indexOf();
    index.put([documentOf('arxiv:1', { title: 'old words' })]);
    index.put([documentOf('arxiv:1', { title: 'new words' })]);
    expect([ids(index, 'old'), ids(index, 'new'), index.size]).toEqual([[], ['arxiv:1'], 1]);
  });

  it('shows the passage that matched', () => {
    const index = indexOf();
    const far = 'filler '.repeat(200);
    index.put([documentOf('arxiv:1', { body: `${far} the needle in it ${far}` })]);
    const [hit] = index.search({ text: 'needle', ...papers });
    expect(hit?.snippet).toContain('the needle in it');
    expect(hit?.snippet.length).toBeLessThan(600);
  });

  it('in a file outlives its process, and is recreated if it is damaged or of another version', () => {
    const path = join(temporaryFolder(), 'literature.db');
    const first = new SearchIndex(path);
    first.put([documentOf('arxiv:1', { title: 'kept' })]);
    first.close();
    const again = new SearchIndex(path);
    expect(ids(again, 'kept')).toEqual(['arxiv:1']);
    again.close();

    const db = new Database(path);
    db.pragma('user_version = 99');
    db.close();
    const newer = new SearchIndex(path);
    expect(newer.size).toBe(0);
    newer.close();

    writeFileSync(path, 'this is no data base, but it is long enough to be taken for one if nobody looks'.repeat(100));
    const mended = new SearchIndex(path);
    mended.put([documentOf('arxiv:2', { title: 'after' })]);
    expect(ids(mended, 'after')).toEqual(['arxiv:2']);
    mended.close();
  });
});
