/** The columns behind tables, trees and plots: answers of the server, in any pieces, add up to what it has. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodesPage, pointsAfter } from '../../bench/pages/search.mjs';
import { World } from '../../bench/pages/world.mjs';
import { bestIndex, filterOf, lineage, passing } from '../../pages/src/state/filter.ts';
import { indexOfNode, nodeId, operators, PointStore, statuses } from '../../pages/src/state/points.ts';
import { bestSoFar } from '../../pages/src/views/progress.tsx';

const whole = (world: World) => {
  const store = new PointStore();
  store.merge(pointsAfter(world, 0));
  return store.snapshot(false);
};

describe('the columns', () => {
  it('are the same from deltas as from one answer', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 }),
        fc.integer(),
        (steps, seed) => {
          const world = new World({ nodes: 10, seed });
          const store = new PointStore();
          store.merge(pointsAfter(world, 0));
          for (const step of steps) {
            world.grow(step);
            store.merge(pointsAfter(world, store.cursor));
          }
          const pieces = store.snapshot(false);
          const at = whole(world);
          expect(pieces.count).toBe(world.nodes.length);
          for (const [index, node] of world.nodes.entries()) {
            expect(nodeId(pieces, index)).toBe(node.id);
            expect(pieces.patterns[pieces.pattern[index] as number]).toBe(at.patterns[at.pattern[index] as number]);
          }
          for (const column of ['score', 'parent', 'status', 'rung', 'proposedAt', 'evaluatedAt'] as const) {
            expect([...pieces[column]]).toEqual([...at[column]]);
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it('take over what changed in an old node, and look names up in the dictionary of each answer', () => {
    const world = new World({ nodes: 30 });
    const store = new PointStore();
    store.merge(pointsAfter(world, 0));
    const delta = pointsAfter(world, 29);
    store.merge({
      ...delta,
      sequence: 31,
      index: [4],
      agents: ['treetop'],
      agent: [0],
      status: [1],
      score: [0.9],
      patterns: ['7M'],
      pattern: [0],
    });
    const points = store.snapshot(true);
    expect(nodeId(points, 4)).toBe(`treetop-${points.attempt[4]}`);
    expect(points.score[4]).toBe(0.9);
    expect(points.fitness[4]).toBe(-0.9);
    expect(points.patterns[points.pattern[4] as number]).toBe('7M');
    expect(points.count).toBe(30);
  });

  it('find nodes by id, and give the nodes of the lab one lane', () => {
    const points = whole(new World({ nodes: 200 }));
    for (const index of [0, 3, 77, 199]) expect(indexOfNode(points, nodeId(points, index))).toBe(index);
    expect(indexOfNode(points, 'nothing-1')).toBe(-1);
    expect(points.lanes).toHaveLength(6);
    expect(points.laneOf[points.agents.indexOf('reference')]).toBe(5);
  });
});

describe('the filter', () => {
  const world = new World({ nodes: 400 });
  const points = whole(world);

  it('passes the nodes that a query of the server returns', () => {
    for (const query of [
      { agent: 'climber' },
      { operator: 'crossover', status: 'evaluated' },
      { rung: 'confirm' },
      {},
    ]) {
      const mask = passing(points, filterOf(query), null);
      const shown = [...mask.keys()].filter((index) => mask[index] === 1).map((index) => nodeId(points, index));
      expect(shown).toEqual(
        nodesPage(world, { ...query, limit: '1000' } as Record<string, string>).rows.map(({ id }) => id),
      );
    }
    expect(passing(points, { agent: 'nobody' }, null).some((each) => each === 1)).toBe(false);
  });

  it('knows the lineage and the best node', () => {
    const best = bestIndex(points);
    expect(nodeId(points, best)).toBe(world.best()?.id);
    const line = lineage(points, best);
    expect(line.at(-1)).toBe(best);
    for (const [step, index] of line.entries()) if (step > 0) expect(points.parent[index]).toBe(line[step - 1]);
  });
});

it('the best so far is a running best of each agent, and the lab has none', () => {
  const world = new World({ nodes: 500 });
  const points = whole(world);
  const { x, agents } = bestSoFar(points, 0, 'proposals');
  expect(agents.map(({ name }) => name).sort()).toEqual([...world.agents].sort());
  for (const { name, values } of agents) {
    const scores = world.nodes.filter((node) => node.agent === name && node.score !== null);
    let last = Number.NEGATIVE_INFINITY;
    for (const [column, value] of values.entries()) {
      if (value === null) continue;
      expect(value).toBeGreaterThanOrEqual(last);
      last = value;
      const known = scores.filter((node) => node.index < (x[column] as number)).map((node) => node.score as number);
      expect(value).toBe(Math.max(...known));
    }
    expect(values.at(-1)).toBe(Math.max(...scores.map((node) => node.score as number)));
  }
  expect(x.length).toBeLessThan(200);
});

it('names statuses and operators as the server does', () => {
  const { statuses: of, operators: by } = pointsAfter(new World({ nodes: 3 }), 0);
  expect([...of].sort()).toEqual([...statuses].sort());
  expect([...by].sort()).toEqual([...operators].sort());
});
