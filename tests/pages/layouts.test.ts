/** Places of nodes: what a layout promises, on trees of chance. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pointsAfter } from '../../bench/pages/search.mjs';
import { World } from '../../bench/pages/world.mjs';
import { axisOver, ticksWithin } from '../../pages/src/plane/axes.ts';
import { panned, screenX, screenY, wholeWorld, worldX, worldY, zoomed } from '../../pages/src/plane/camera.ts';
import { islandLayout, paretoFront, scatterLayout, treeLayout } from '../../pages/src/plane/layouts.ts';
import { PointStore } from '../../pages/src/state/points.ts';

const pointsOf = (nodes: number, seed: number) => {
  const store = new PointStore();
  store.merge(pointsAfter(new World({ nodes, seed }), 0));
  return store.snapshot(false);
};
const within = (value: number) => value >= 0 && value <= 1;

describe('the tree', () => {
  it('gives each leaf a row of its own, puts a parent in the middle of its children, and a generation in one column', () => {
    const holds = fc.property(fc.integer({ min: 4, max: 300 }), fc.integer(), (nodes, seed) => {
      const points = pointsOf(nodes, seed);
      const { x, y } = treeLayout(points);
      const children = new Map<number, number[]>();
      for (let index = 0; index < points.count; index++) {
        const parent = points.parent[index] as number;
        if (parent >= 0) children.set(parent, [...(children.get(parent) ?? []), index]);
        expect(within(x[index] as number) && within(y[index] as number)).toBe(true);
        if (parent >= 0) expect(x[index] as number).toBeGreaterThan(x[parent] as number);
      }
      const leaves = [...points.parent.keys()].filter((index) => !children.has(index));
      expect(new Set(leaves.map((index) => (y[index] as number).toFixed(5))).size).toBe(leaves.length);
      for (const [parent, own] of children) {
        const mean = own.reduce((sum, child) => sum + (y[child] as number), 0) / own.length;
        expect(y[parent]).toBeCloseTo(mean, 4);
      }
    });
    fc.assert(holds, { numRuns: 30 });
  });
});

it('islands have a lane per agent, in which a better score lies higher', () => {
  const points = pointsOf(300, 3);
  const { x, y, lanes } = islandLayout(points);
  expect(lanes).toEqual([...points.lanes].reverse());
  for (let index = 0; index < points.count; index++) {
    const lane = lanes.length - 1 - (points.laneOf[points.agent[index] as number] as number);
    expect(Math.floor((y[index] as number) * lanes.length)).toBe(lane);
    if (index > 0) expect(x[index] as number).toBeGreaterThan(x[index - 1] as number);
  }
  const own = [...points.agent.keys()].filter((index) => points.agent[index] === 0 && points.status[index] === 1);
  own.sort((a, b) => (points.fitness[a] as number) - (points.fitness[b] as number));
  for (const [at, index] of own.entries())
    if (at > 0) expect(y[index]).toBeGreaterThanOrEqual(y[own[at - 1] as number] as number);
});

it('a scatter leaves out nodes without a value', () => {
  const { placed, x } = scatterLayout([1, Number.NaN, 100, 0], [1, 2, Number.NaN, 4], { logX: true });
  expect([...placed]).toEqual([1, 0, 0, 0]);
  expect(within(x[0] as number)).toBe(true);
});

it('no point of a front is beaten, and every other is', () => {
  const values = fc.array(fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 12 })), {
    minLength: 1,
    maxLength: 60,
  });
  fc.assert(
    fc.property(values, (pairs) => {
      const columns = [pairs.map(([x]) => x), pairs.map(([, y]) => y)] as const;
      const front = paretoFront(...columns, { x: 'down', y: 'up' });
      const beats = ([ax, ay]: readonly [number, number], [bx, by]: readonly [number, number]) =>
        ax <= bx && ay >= by && (ax < bx || ay > by);
      const chosen = front.map((index) => pairs[index] as readonly [number, number]);
      for (const pair of pairs) {
        const isOnFront = chosen.some(([x, y]) => x === pair[0] && y === pair[1]);
        expect(pairs.some((other) => beats(other, pair))).toBe(!isOnFront);
      }
    }),
  );
});

it('axes map values to places and back, with ticks inside', () => {
  const value = fc.double({ min: 1e-6, max: 1e12, noNaN: true });
  fc.assert(
    fc.property(fc.array(value, { minLength: 2, maxLength: 30 }), fc.boolean(), (values, log) => {
      const axis = axisOver(values, { log });
      for (const each of values) {
        expect(within(axis.unit(each))).toBe(true);
        expect(Math.abs(axis.value(axis.unit(each)) - each)).toBeLessThanOrEqual(
          1e-9 * (log ? each : axis.high - axis.low),
        );
      }
      const ticks = ticksWithin(axis.low, axis.high, 6, log);
      expect(ticks.length).toBeLessThan(40);
      for (const tick of ticks)
        expect(tick >= axis.low * (1 - 1e-9) - 1e-9 && tick <= axis.high * (1 + 1e-9)).toBe(true);
    }),
  );
});

it('zooming keeps the place under the pointer, and panning moves by pixels', () => {
  const frame = { left: 50, top: 8, width: 800, height: 400 };
  const pixel = fc.record({ x: fc.integer({ min: 200, max: 700 }), y: fc.integer({ min: 60, max: 340 }) });
  fc.assert(
    fc.property(pixel, fc.double({ min: 1, max: 30, noNaN: true }), (at, factor) => {
      const camera = wholeWorld(frame);
      const near = zoomed(camera, frame, at, factor);
      const x = worldX(camera, frame, at.x);
      const y = worldY(camera, frame, at.y);
      expect(screenX(near, frame, x)).toBeCloseTo(at.x, 6);
      expect(screenY(near, frame, y)).toBeCloseTo(at.y, 6);
      const moved = panned(near, frame, 7, -5);
      expect(screenX(moved, frame, x)).toBeCloseTo(at.x + 7, 6);
      expect(screenY(moved, frame, y)).toBeCloseTo(at.y - 5, 6);
    }),
  );
});
