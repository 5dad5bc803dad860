import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mutateModel, randomModel } from '../../src/agents/models/mutate.ts';
import { canonicalText, parseInSpace, primitives, type StackSpace } from '../../src/domain/architecture.ts';
import { rngFor } from '../../src/domain/rng.ts';
import { landscape, rehearse, space16, viewNode, viewOf } from './support.ts';

const [first, second] = ['6M 4mA 6Mb', '2mA 5M 2mA 3M 1mA 3M'].map((text, index) =>
  viewNode(index + 1, { fitness: 0.5, candidate: canonicalText(parseInSpace(text, space16)) }),
) as [ReturnType<typeof viewNode>, ReturnType<typeof viewNode>];
const view = viewOf([first, second]);

describe('local/random', () => {
  it('drafts for every operator, and says so', async () => {
    const rng = rngFor(1);
    const asked = await randomModel().propose({ operator: 'improve', parents: [first], view, space: space16, rng });
    parseInSpace(asked.candidate, space16);
    expect(asked.change).toContain('improve was requested, but this model ignores parents');
    const drafted = await randomModel().propose({
      operator: 'draft',
      parents: [],
      view,
      space: space16,
      rng: rngFor(1),
    });
    expect(drafted.candidate).toBe(asked.candidate);
    expect(drafted.change).toMatch(/^random draft \d*(M|mA|Mb)(\+\d*(M|mA|Mb))*$/);
  });
});

describe('local/mutate', () => {
  it('tells what it changed, truthfully', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const proposal = await mutateModel().propose({
        operator: 'improve',
        parents: [first],
        view,
        space: space16,
        rng: rngFor(seed),
      });
      const layers = [...first.candidate.split(' ')];
      for (const [, layer, from, to] of proposal.change.matchAll(/layer (\d+): (\w+) -> (\w+)/g)) {
        expect(layers[Number(layer)]).toBe(from);
        layers[Number(layer)] = to as string;
      }
      expect(layers.join(' ')).toBe(proposal.candidate);
    }
  });

  it('crosses two parents: with few exceptions each layer is one of theirs', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const rng = rngFor(seed);
      const proposal = await mutateModel().propose({
        operator: 'crossover',
        parents: [first, second],
        view,
        space: space16,
        rng,
      });
      const foreign = proposal.candidate
        .split(' ')
        .filter((layer, index) => ![first, second].some((parent) => parent.candidate.split(' ')[index] === layer));
      expect(foreign.length).toBeLessThanOrEqual(proposal.change.includes('substituted') ? 5 : 0);
      expect(proposal.change).toMatch(
        /^(one-point|two-point|uniform) crossover with walker-2.*, relative to walker-1: /,
      );
    }
  });

  it('never repeats a candidate while an unseen one is left, and always ends', async () => {
    const anySmall = fc.record({
      kind: fc.constant('stack' as const),
      layers: fc.integer({ min: 1, max: 4 }),
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
          const total = space.primitives.length ** space.layers;
          while (seen.length < total) {
            const nodes = seen.map((candidate, index) => viewNode(index + 1, { fitness: rng.float(), candidate }));
            const parents = operator === 'draft' ? [] : nodes.slice(0, operator === 'improve' ? 1 : 2);
            const { candidate } = await mutateModel().propose({ operator, parents, view: viewOf(nodes), space, rng });
            expect(seen).not.toContain(candidate);
            seen.push(canonicalText(parseInSpace(candidate, space)));
          }
          const nodes = seen.map((candidate, index) => viewNode(index + 1, { fitness: 1, candidate }));
          const parents = nodes.slice(0, operator === 'draft' ? 0 : operator === 'improve' ? 1 : 2);
          const repeated = await mutateModel().propose({ operator, parents, view: viewOf(nodes), space, rng });
          expect(seen).toContain(repeated.candidate);
        },
      ),
      { numRuns: 40, seed: 1 },
    );
  });

  // Sign test over thirty fixed landscapes: at least 21 wins of 30 has p = 0.021 under equality.
  it.each([{ kind: 'greedy' }, { kind: 'mcts' }, { kind: 'evolutionary', islands: 2 }])(
    'finds more than random search at equal evaluations: $kind',
    async (scaffold) => {
      let wins = 0;
      for (let seed = 1; seed <= 30; seed++) {
        const ground = landscape(seed);
        const mutated = await rehearse({ model: mutateModel(), scaffold, attempts: 80, seed }, ground);
        const chance = await rehearse(
          { model: randomModel(), scaffold: { kind: 'one-shot' }, attempts: 80, seed },
          ground,
        );
        if (mutated.best > chance.best) wins++;
      }
      expect(wins).toBeGreaterThanOrEqual(21);
    },
  );
});
