import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { think } from '../../src/agents/index.ts';
import { randomModel } from '../../src/agents/models/mutate.ts';
import { priorModel } from '../../src/agents/models/prior.ts';
import {
  canonicalText,
  parseArchitecture,
  parseInSpace,
  primitives,
  type StackSpace,
} from '../../src/domain/architecture.ts';
import {
  evidenceIdSchema,
  type Hint,
  hintFit,
  type Item,
  type LiteratureQuery,
  type OpenRetriever,
  type Retrieval,
} from '../../src/domain/literature.ts';
import { rngFor } from '../../src/domain/rng.ts';
import { loadCorpus } from '../../src/literature/corpus.ts';
import { Library } from '../../src/literature/library.ts';
import { quiet } from '../bus/support.ts';
import { agentSpec } from '../support/specs.ts';
import { landscape, rehearse, space16, topic, viewNode, viewOf } from './support.ts';

const library = new Library({ corpus: loadCorpus(), log: quiet });
const reading: OpenRetriever = () => library.open();

/** Reading that finds works with exactly these hints. */
function finding(...works: Hint[][]): OpenRetriever & { asked: LiteratureQuery[] } {
  const asked: LiteratureQuery[] = [];
  const open = () => {
    const retrieved: Retrieval[] = [];
    const items = works.map(
      (hints, nth): Item => ({
        source: 'corpus',
        id: evidenceIdSchema.parse(`corpus:work-${nth}`),
        url: null,
        retrievedAt: '2026-11-20T00:00:00Z',
        licence: 'x',
        kind: 'paper',
        title: `work ${nth}`,
        authors: [],
        year: 2024,
        snippet: '',
        hints,
        certainty: 'sure',
      }),
    );
    return {
      retrieved,
      readings: [],
      left: { searches: 1, reads: 0, itemsPerSearch: 8 },
      searchArchive: async () => [],
      async searchLiterature(query: LiteratureQuery) {
        asked.push(query);
        for (const [index, { source, id, url, retrievedAt, licence }] of items.entries()) {
          retrieved.push({
            source,
            id,
            url,
            retrievedAt,
            licence,
            title: `work ${index}`,
            how: 'search-literature',
            query: query.text,
            rank: index + 1,
          });
        }
        return items;
      },
      searchCode: async () => [],
      read: async () => null,
    };
  };
  return Object.assign(open, { asked });
}

const layers = (text: string) => canonicalText(parseArchitecture(text));
const parent = viewNode(1, { fitness: 0.5, candidate: layers('8mA+8M') });
const drafting = { operator: 'draft' as const, parents: [], view: viewOf([]), space: space16 };
const improving = { operator: 'improve' as const, parents: [parent], view: viewOf([parent]), space: space16 };

describe('local/prior', () => {
  it('drafts what the works say, and cites them', async () => {
    const hints: Hint[] = [
      { kind: 'share', primitive: 'mA', of: 'mixers', low: 0.125, high: 0.125 },
      { kind: 'place', primitive: 'mA', at: 'first', wanted: false },
      { kind: 'alternate' },
    ];
    for (let seed = 0; seed < 20; seed++) {
      const { candidate, evidence, retrieved, change } = await priorModel(finding(hints)).propose({
        ...drafting,
        rng: rngFor(seed),
      });
      const architecture = parseInSpace(candidate, space16);
      for (const hint of hints) expect(hintFit(architecture, hint), candidate).toBeGreaterThan(0.7);
      expect(evidence).toEqual(['corpus:work-0']);
      expect(retrieved).toEqual(['corpus:work-0']);
      expect(change).toContain('mA is not the first layer (corpus:work-0)');
    }
  });

  it('improves a parent towards the works, more than chance would', async () => {
    const hint: Hint = { kind: 'share', primitive: 'Mb', of: 'layers', low: 0.4, high: 0.5 };
    const before = hintFit(parseArchitecture(parent.candidate), hint);
    for (let seed = 0; seed < 20; seed++) {
      const { candidate, change } = await priorModel(finding([hint])).propose({ ...improving, rng: rngFor(seed) });
      expect(hintFit(parseInSpace(candidate, space16), hint)).toBeGreaterThan(before);
      expect(change).toContain(`relative to ${parent.id}: layer`);
    }
  });

  it('cites nothing that it did not follow', async () => {
    const impossible: Hint[] = [
      { kind: 'share', primitive: 'M', of: 'layers', low: 1, high: 1 },
      { kind: 'place', primitive: 'M', at: 'first', wanted: true },
    ];
    const possible: Hint[] = [{ kind: 'place', primitive: 'mA', at: 'first', wanted: true }];
    let both = 0;
    for (let seed = 0; seed < 20; seed++) {
      const { candidate, evidence } = await priorModel(finding(impossible, possible)).propose({
        ...drafting,
        rng: rngFor(seed),
      });
      const architecture = parseInSpace(candidate, space16);
      const follows = (hints: Hint[]) => hints.some((hint) => hintFit(architecture, hint) >= 0.75);
      expect(evidence?.includes(evidenceIdSchema.parse('corpus:work-0'))).toBe(follows(impossible));
      expect(evidence?.includes(evidenceIdSchema.parse('corpus:work-1'))).toBe(follows(possible));
      if (evidence?.length === 2) both++;
    }
    expect(both).toBeLessThan(20);
  });

  it('reads notes only, and only such as carry hints', async () => {
    const open = finding([{ kind: 'alternate' }]);
    await priorModel(open).propose({ ...drafting, rng: rngFor(1) });
    expect(open.asked).toMatchObject([{ sources: ['corpus'], hinted: true }]);
  });

  it('takes no hint from a source other than the notes, even if one came with it', async () => {
    const open = finding([{ kind: 'share', primitive: 'M', of: 'layers', low: 1, high: 1 }]);
    const foreign: OpenRetriever = () => {
      const inner = open();
      return {
        ...inner,
        searchLiterature: async (query) =>
          (await inner.searchLiterature(query)).map((item) => ({ ...item, source: 'arxiv' as const })),
      };
    };
    const followed = await priorModel(open).propose({ ...drafting, rng: rngFor(1) });
    expect(followed).toMatchObject({ candidate: layers('16M'), evidence: ['corpus:work-0'] });
    const { candidate, evidence, change } = await priorModel(foreign).propose({ ...drafting, rng: rngFor(1) });
    expect(candidate).not.toBe(followed.candidate);
    expect(evidence).toEqual([]);
    expect(change).toContain('no hint could be followed');
  });

  it('prefers works that results speak for', async () => {
    const low: Hint[] = [{ kind: 'region', primitive: 'mA', region: 'lower' }];
    const high: Hint[] = [{ kind: 'region', primitive: 'mA', region: 'upper' }];
    const others: Hint[][] = [[{ kind: 'alternate' }], [{ kind: 'spread', primitive: 'M' }]];
    // Attention above scored well, attention below badly.
    const nodes = Array.from({ length: 8 }, (_, nth) =>
      viewNode(nth + 1, {
        fitness: nth / 8,
        candidate: layers(nth < 4 ? `2mA+${nth + 1}Mb+${13 - nth}M` : `${13 - nth}M+${nth + 1}Mb+2mA`),
      }),
    );
    const cited = { low: 0, high: 0 };
    for (let seed = 0; seed < 60; seed++) {
      const model = priorModel(finding(low, high, ...others));
      const { evidence } = await model.propose({ ...drafting, view: viewOf(nodes), rng: rngFor(seed) });
      if (evidence?.includes(evidenceIdSchema.parse('corpus:work-0'))) cited.low++;
      if (evidence?.includes(evidenceIdSchema.parse('corpus:work-1'))) cited.high++;
    }
    expect(cited.high).toBeGreaterThan(2 * cited.low);
  });

  it('with the real notes gives equal proposals for equal chance, and cites notes that exist', async () => {
    const known = new Set(loadCorpus().notes.map(({ id }) => `corpus:${id}`));
    const candidates = new Set<string>();
    for (let seed = 0; seed < 12; seed++) {
      const first = await priorModel(reading).propose({ ...drafting, rng: rngFor(seed) });
      expect(await priorModel(reading).propose({ ...drafting, rng: rngFor(seed) })).toEqual(first);
      expect(first.evidence?.length).toBeGreaterThan(0);
      for (const id of first.evidence ?? []) {
        expect(known.has(id)).toBe(true);
        expect(first.retrieved).toContain(id);
      }
      candidates.add(first.candidate);
    }
    expect(candidates.size).toBeGreaterThan(6);
  });

  it('never repeats a candidate while an unseen one is left, in any space', async () => {
    const anySmall = fc.record({
      kind: fc.constant('stack' as const),
      layers: fc.integer({ min: 1, max: 3 }),
      primitives: fc.subarray([...primitives], { minLength: 1 }),
    });
    await fc.assert(
      fc.asyncProperty(
        anySmall,
        fc.nat(),
        fc.constantFrom('draft', 'improve', 'crossover'),
        async (space: StackSpace, seed, operator) => {
          const rng = rngFor(seed);
          const seen: string[] = [];
          while (seen.length < space.primitives.length ** space.layers) {
            const nodes = seen.map((candidate, index) => viewNode(index + 1, { fitness: rng.float(), candidate }));
            const parents = operator === 'draft' ? [] : nodes.slice(0, operator === 'improve' ? 1 : 2);
            const { candidate } = await priorModel(reading).propose({
              operator,
              parents,
              view: viewOf(nodes),
              space,
              rng,
            });
            expect(seen).not.toContain(candidate);
            seen.push(canonicalText(parseInSpace(candidate, space)));
          }
        },
      ),
      { numRuns: 12, seed: 1 },
    );
  });

  it('thinks within an agent: what was read and followed is in the rationale', async () => {
    const spec = agentSpec({ model: 'local/prior', scaffold: { kind: 'greedy', drafts: 1 } });
    const models = { 'local/prior': priorModel(reading) };
    const thought = await think({ spec, view: viewOf([parent]), space: space16, seed: 1, topic, models });
    expect(thought.operator).toBe('improve');
    expect(thought.rationale.evidence.length).toBeGreaterThan(0);
    expect(thought.rationale.retrieved).toEqual(expect.arrayContaining(thought.rationale.evidence));
  });

  it('searches a whole landscape with every scaffold, and is no worse than chance where the notes know nothing', async () => {
    const totals = { prior: 0, chance: 0 };
    for (let seed = 1; seed <= 8; seed++) {
      const ground = landscape(seed);
      const scaffold = [{ kind: 'greedy' }, { kind: 'mcts' }, { kind: 'evolutionary' }, { kind: 'one-shot' }][seed % 4];
      const read = await rehearse({ model: priorModel(reading), scaffold, attempts: 30, seed }, ground);
      const chance = await rehearse(
        { model: randomModel(), scaffold: { kind: 'one-shot' }, attempts: 30, seed },
        ground,
      );
      expect(read.nodes.some((node) => node.status === 'duplicate')).toBe(false);
      totals.prior += read.best;
      totals.chance += chance.best;
    }
    expect(totals.prior).toBeGreaterThan(0.85 * totals.chance);
  });
});
