import { describe, expect, it } from 'vitest';
import { namedBy } from '../../src/agents/scaffolds/decision.ts';
import { type EvolutionarySpec, evolutionary, islandsOf } from '../../src/agents/scaffolds/evolutionary.ts';
import type { ViewNode } from '../../src/domain/node.ts';
import { rngFor } from '../../src/domain/rng.ts';
import { scaffoldSpecSchema } from '../../src/domain/scaffold.ts';
import { viewNode, viewOf } from './support.ts';

const named = namedBy(false);

const spec = (given: Partial<EvolutionarySpec> = {}) =>
  scaffoldSpecSchema.parse({ kind: 'evolutionary', ...given }) as EvolutionarySpec;

/** Twelve founders on three islands, all scored: the fitness grows with the ordinal. */
const founders = Array.from({ length: 12 }, (_, index) => viewNode(index + 1, { fitness: (index + 1) / 100 }));
const ordinals = (nodes: readonly ViewNode[]) => nodes.map((node) => node.ordinal);
const ordinalOf = (id: string | undefined) => Number(id?.split('-')[1]);

describe('islands', () => {
  const three = spec({ islands: 3, founders: 4, capacity: 4 });

  it('takes drafts by turns and children with their first parent', () => {
    const nodes = [...founders, viewNode(13, { fitness: 0.5, parents: [3, 4] }), viewNode(14, { parents: [13] })];
    expect(islandsOf(viewOf(nodes), three).map(({ members }) => ordinals(members))).toEqual([
      [3, 6, 9, 12, 13, 14],
      [1, 4, 7, 10],
      [2, 5, 8, 11],
    ]);
  });

  it('counts thoughts, not their candidates: each island gets its turn', () => {
    // Two candidates per thought on two islands: by attempts, every thought would breed on the same island.
    const pairs = [1, 3, 5].flatMap((first) => [
      viewNode(first, { fitness: 0.1 }),
      viewNode(first + 1, { fitness: 0.2, thought: first }),
    ]);
    const two = spec({ islands: 2, founders: 4 });
    expect(islandsOf(viewOf(pairs), two).map(({ members }) => ordinals(members))).toEqual([
      [3, 4],
      [1, 2, 5, 6],
    ]);
    expect(evolutionary(two, named)(viewOf(pairs), rngFor('turn'))).toMatchObject({
      reason: 'founder 3 of 4 of island 0',
      room: 2,
    });
  });

  // D7: a failure moves no node to another island.
  it('keeps every node on its island when others fail', () => {
    const failing = founders.map((node) =>
      node.ordinal % 4 === 1 ? viewNode(node.ordinal, { status: 'failed' }) : node,
    );
    const before = islandsOf(viewOf(founders), three);
    const after = islandsOf(viewOf(failing), three);
    expect(after.map(({ members }) => ordinals(members))).toEqual(before.map(({ members }) => ordinals(members)));
    expect(after.map(({ survivors }) => ordinals(survivors))).toEqual([
      [12, 6, 3],
      [10, 7, 4],
      [11, 8, 2],
    ]);
  });

  // D8: the worst leave and the best stay, on every island.
  it('drops the worst beyond its capacity', () => {
    const narrow = spec({ islands: 3, capacity: 2 });
    expect(islandsOf(viewOf(founders), narrow).map(({ survivors }) => ordinals(survivors))).toEqual([
      [12, 9],
      [10, 7],
      [11, 8],
    ]);
  });

  it('admits only who is at least as fit as the survivors are on average, where it is so asked', () => {
    const choosy = spec({ islands: 1, capacity: 3, admission: 'mean' });
    const scores = [0.5, 0.1, 0.6, 0.54, 0.56, 0.9];
    const nodes = scores.map((fitness, index) => viewNode(index + 1, { fitness }));
    // 0.1 is below 0.5; 0.54 is below the mean 0.55; then 0.56 and 0.9 join, and 0.5 is one too many.
    expect(islandsOf(viewOf(nodes), choosy).map(({ survivors }) => ordinals(survivors))).toEqual([[6, 3, 5]]);
  });

  it('keeps the same survivors whichever result arrived last', () => {
    const narrow = spec({ islands: 1, capacity: 3 });
    const late = founders.map((node) => (node.ordinal === 2 ? viewNode(2, { fitness: 0.9 }) : node));
    expect(islandsOf(viewOf(late), narrow).map(({ survivors }) => ordinals(survivors))).toEqual([[2, 12, 11]]);
  });
});

describe('evolutionary', () => {
  const decide = (given: Partial<EvolutionarySpec>, nodes: ViewNode[], ordinal: number, chance: number) =>
    evolutionary(spec(given), named)(viewOf(nodes, ordinal), rngFor('chance', chance));
  const chances = Array.from({ length: 200 }, (_, chance) => chance);

  it('founds every island before it breeds there', () => {
    for (let made = 0; made < 12; made++) {
      const { operator } = decide({ islands: 3, founders: 4 }, founders.slice(0, made), made + 1, 1);
      expect(operator).toBe('draft');
    }
    expect(decide({ islands: 3, founders: 4 }, founders, 13, 1).operator).not.toBe('draft');
  });

  it('drafts for an island that has no survivor, and breeds on the others meanwhile', () => {
    const nodes = founders.map((node) =>
      node.ordinal % 3 === 0 ? viewNode(node.ordinal, { status: 'failed' }) : node,
    );
    expect(decide({ islands: 3, debugDepth: 0 }, nodes, 15, 1).operator).toBe('draft');
    expect(decide({ islands: 3, debugDepth: 0 }, nodes, 13, 1).operator).not.toBe('draft');
  });

  it('breeds on the island whose turn it is', () => {
    for (const chance of chances) {
      const { parents } = decide({ islands: 3, migration: 0, crossover: 0.5 }, founders, 14, chance);
      for (const parent of parents) expect(ordinalOf(parent) % 3).toBe(2);
    }
  });

  it('crosses two different parents of one island, at the rate that was asked for', () => {
    const all = chances.map((chance) => decide({ islands: 3, migration: 0, crossover: 0.5 }, founders, 13, chance));
    const crossed = all.filter(({ operator }) => operator === 'crossover').length;
    // 200 draws at 0.5: three standard deviations are 21.
    expect(Math.abs(crossed - 100)).toBeLessThan(22);
    expect(decide({ crossover: 1 }, founders, 13, 1).operator).toBe('crossover');
    expect(decide({ crossover: 0, migration: 0 }, founders, 13, 1).operator).toBe('improve');
  });

  it('migrates: the second parent comes from another island', () => {
    for (const chance of chances) {
      const { operator, parents } = decide({ islands: 3, migration: 1, crossover: 0 }, founders, 13, chance);
      expect(operator).toBe('crossover');
      expect(ordinalOf(parents[0]) % 3).toBe(1);
      expect(ordinalOf(parents[1]) % 3).not.toBe(1);
    }
  });

  it('improves where a crossover was drawn but the island has a single survivor', () => {
    expect(decide({ founders: 1, crossover: 1 }, founders.slice(0, 1), 2, 1)).toMatchObject({
      operator: 'improve',
      parents: ['walker-1'],
    });
  });

  it('draws parents by fitness: sharply when cold, evenly when hot', () => {
    const share = (temperature: number) => {
      const drawn = chances.map((chance) => decide({ crossover: 0, migration: 0, temperature }, founders, 13, chance));
      return drawn.filter(({ parents }) => parents[0] === 'walker-12').length / chances.length;
    };
    expect(share(0.001)).toBe(1);
    // Expected 1/12; 200 draws, three standard deviations are 0.06.
    expect(share(1000)).toBeLessThan(0.15);
    // Twelve fitnesses evenly spread over [0, 1] at 0.3: the best has the weight of 1 / sum of exp(-k / 3.3) = 0.268.
    expect(share(0.3)).toBeGreaterThan(0.17);
    expect(share(0.3)).toBeLessThan(0.37);
  });

  it('neither crosses nor migrates before its time', () => {
    const given = { islands: 3, crossover: 1, crossoverAfter: 13, migration: 1, migrationAfter: 14 };
    const parents = (ordinal: number) => chances.map((chance) => decide(given, founders, ordinal, chance).parents);
    expect(parents(13).every(({ length }) => length === 1)).toBe(true);
    expect(parents(14).every(([a, b]) => ordinalOf(a) % 3 === ordinalOf(b) % 3)).toBe(true);
    expect(parents(15).every(([a, b]) => ordinalOf(a) % 3 !== ordinalOf(b) % 3)).toBe(true);
  });

  it('cools from one temperature to the other as its budget is used', () => {
    const given = { crossover: 0, migration: 0, temperature: 1000, finalTemperature: 0.001 };
    const share = (remaining: number) => {
      const view = { ...viewOf(founders, 13), remaining };
      const drawn = chances.map((chance) => evolutionary(spec(given), named)(view, rngFor('chance', chance)));
      return drawn.filter(({ parents }) => parents[0] === 'walker-12').length / chances.length;
    };
    expect(share(100_000)).toBeLessThan(0.15);
    expect(share(1)).toBe(1);
  });

  it('repairs the failures of the current island, and of no other', () => {
    const nodes = founders.map((node) => (node.ordinal === 4 ? viewNode(4, { status: 'failed' }) : node));
    expect(decide({ islands: 3 }, nodes, 13, 1)).toMatchObject({ operator: 'debug', parents: ['walker-4'] });
    for (const ordinal of [14, 15]) expect(decide({ islands: 3 }, nodes, ordinal, 1).operator).not.toBe('debug');
    expect(decide({ islands: 3, debugDepth: 0 }, nodes, 13, 1).operator).not.toBe('debug');
    const repaired = [...nodes, viewNode(13, { operator: 'debug', parents: [4], fitness: 0.9 })];
    expect(islandsOf(viewOf(repaired), spec({ islands: 3 }))[1]?.survivors[0]?.id).toBe('walker-13');
  });
});
