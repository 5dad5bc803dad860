import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mutateModel } from '../../src/agents/models/mutate.ts';
import { scaffoldFor } from '../../src/agents/scaffolds/scaffold.ts';
import { type ViewNode, viewSchema } from '../../src/domain/node.ts';
import { rngFor } from '../../src/domain/rng.ts';
import { scaffoldKinds, scaffoldSpecSchema } from '../../src/domain/scaffold.ts';
import { anyScaffold, anyView, landscape, rehearse, shuffled, viewNode, viewOf } from './support.ts';

const wanted = { draft: 0, improve: 1, crossover: 2, debug: 1 } as const;
const everyScaffold = scaffoldKinds.map((kind) => scaffoldSpecSchema.parse({ kind }));

describe('every scaffold', () => {
  it('answers any view with earlier parents, as many as the operator takes: failed ones to debug, else scored ones', () => {
    fc.assert(
      fc.property(anyScaffold, anyView, fc.nat(), (spec, view, seed) => {
        const { operator, parents, reason } = scaffoldFor(spec)(view, rngFor(seed));
        expect(parents).toHaveLength(wanted[operator]);
        expect(new Set(parents).size).toBe(parents.length);
        expect(reason.length).toBeGreaterThan(0);
        expect(reason.length).toBeLessThan(500);
        for (const id of parents) {
          const parent = view.nodes.find((node) => node.id === id);
          expect(parent?.status).toBe(operator === 'debug' ? 'failed' : 'evaluated');
          expect(parent?.ordinal).toBeLessThan(view.ordinal);
        }
      }),
      { numRuns: 1000, seed: 1 },
    );
  });

  // D3, D4, D6: nothing is remembered, and nothing hangs on which object a node is.
  it('decides the same on a copy of the view in another order', () => {
    fc.assert(
      fc.property(anyScaffold, anyView, fc.nat(), (spec, view, seed) => {
        const first = scaffoldFor(spec)(view, rngFor(seed));
        const nodes = shuffled(view.nodes, rngFor('again', seed));
        const copy = viewSchema.parse(JSON.parse(JSON.stringify({ ...view, nodes })));
        expect(scaffoldFor(spec)(copy, rngFor(seed))).toEqual(first);
      }),
      { numRuns: 500, seed: 2 },
    );
  });

  it('takes any outcome of any node being late', () => {
    fc.assert(
      fc.property(anyScaffold, anyView, fc.nat(), (spec, view, seed) => {
        const rng = rngFor('late', seed);
        const nodes = view.nodes.map((node): ViewNode => {
          return rng.float() < 0.5 ? { ...node, status: 'pending', reason: null, fitness: null } : node;
        });
        const { operator, parents } = scaffoldFor(spec)({ ...view, nodes }, rngFor(seed));
        const wantedStatus = operator === 'debug' ? 'failed' : 'evaluated';
        for (const id of parents) expect(nodes.find((node) => node.id === id)?.status).toBe(wantedStatus);
      }),
      { numRuns: 500, seed: 3 },
    );
  });

  // D9: no valid node is a case, not a crash.
  it('drafts or repairs while nothing has a score', () => {
    fc.assert(
      fc.property(anyScaffold, anyView, fc.nat(), (spec, view, seed) => {
        const rng = rngFor('unscored', seed);
        const nodes = view.nodes.map((node): ViewNode => {
          const status = rng.pick(['pending', 'failed', 'rejected', 'duplicate'] as const);
          return { ...node, status, fitness: null };
        });
        expect(['draft', 'debug']).toContain(scaffoldFor(spec)({ ...view, nodes }, rngFor(seed)).operator);
      }),
      { numRuns: 500, seed: 4 },
    );
  });

  it.each(everyScaffold)('$kind: attempts that come later do not bear on a decision', (spec) => {
    const earlier = [1, 2, 3, 4, 5, 6].map((ordinal) => viewNode(ordinal, { fitness: ordinal / 10 }));
    const later = [viewNode(7, { fitness: 0.99, parents: [6] }), viewNode(8, { fitness: 1 })];
    const decide = (nodes: ViewNode[]) => scaffoldFor(spec)(viewOf(nodes, 7), rngFor('later'));
    expect(decide([...later, ...earlier])).toEqual(decide(earlier));
  });
});

describe('a resumed search', () => {
  const ground = landscape(5);
  const rehearsal = (scaffold: unknown, seed: number) =>
    rehearse(
      { model: mutateModel(), scaffold, attempts: 40, seed, pending: 4 },
      ground,
      (ordinal) => ordinal % 5 === 0,
    );

  // D2, D3, D4: resuming is replaying. Each decision is made by a new scaffold that has seen none of the others.
  it.each([
    ...everyScaffold,
    scaffoldSpecSchema.parse({ kind: 'evolutionary', islands: 3, founders: 2, capacity: 3, migration: 0.4 }),
    scaffoldSpecSchema.parse({ kind: 'mcts', children: 2, exploration: 1 }),
  ])('decides as if it had not been interrupted: $kind', async (spec) => {
    const { nodes, views } = await rehearsal(spec, 9);
    expect(nodes).toHaveLength(40);
    for (const [index, view] of views.entries()) {
      const stored = viewSchema.parse(JSON.parse(JSON.stringify(view)));
      const again = scaffoldFor(spec)(stored, rngFor(9, 'walker', view.ordinal, 'scaffold'));
      expect(again.operator).toBe(nodes[index]?.operator);
      expect(again.parents).toEqual(nodes[index]?.parents);
    }
  });

  // D10: the seed is not a label.
  it.each(everyScaffold)('repeats itself with the same seed, and differs with another: $kind', async (spec) => {
    const first = await rehearsal(spec, 1);
    expect((await rehearsal(spec, 1)).nodes).toEqual(first.nodes);
    expect((await rehearsal(spec, 2)).nodes).not.toEqual(first.nodes);
  });
});
