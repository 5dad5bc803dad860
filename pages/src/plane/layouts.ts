import type { Points } from '../state/points.ts';
import { type Axis, axisOver } from './axes.ts';

/** Places of all nodes in the unit square: pure functions over columns, linear in the number of nodes. */
export interface Layout {
  readonly x: Float32Array;
  readonly y: Float32Array;
  /** Nodes without a place (no value on an axis) have 0 here. */
  readonly placed: Uint8Array;
  readonly axisX: Axis | null;
  readonly axisY: Axis | null;
  /** Horizontal bands, from the bottom up. */
  readonly lanes: readonly string[];
}

/** Agents from top to bottom; x is the order of proposals, y within a lane the fitness. Nodes without a score lie on its floor. */
export function islandLayout(points: Points): Layout {
  const count = points.count;
  const x = new Float32Array(count);
  const y = new Float32Array(count);
  const lanes = points.lanes.length;
  const axis = axisOver(points.fitness, { clip: 0.04 });
  for (let index = 0; index < count; index++) {
    x[index] = count > 1 ? 0.01 + (0.98 * index) / (count - 1) : 0.5;
    const lane = lanes - 1 - (points.laneOf[points.agent[index] as number] as number);
    const fitness = points.fitness[index] as number;
    const height = Number.isFinite(fitness) ? 0.16 + 0.76 * Math.min(1, Math.max(0, axis.unit(fitness))) : 0.06;
    y[index] = (lane + height) / lanes;
  }
  return { x, y, placed: new Uint8Array(count).fill(1), axisX: null, axisY: null, lanes: [...points.lanes].reverse() };
}

/**
 * A tree of first parents: x is the generation, each leaf has a row of its own in depth-first order, and a parent lies in the
 * middle of its children. Roots (drafts, references) follow each other by agent and age.
 *
 * Typed arrays instead of d3-hierarchy, which makes an object of each node at every change.
 */
export function treeLayout(points: Points): Layout {
  const count = points.count;
  const { parent } = points;
  // Children as linked lists, youngest first, so that the stack below takes the oldest first.
  const first = new Int32Array(count).fill(-1);
  const next = new Int32Array(count).fill(-1);
  const roots: number[] = [];
  const depth = new Float32Array(count);
  let deepest = 0;
  for (let index = count - 1; index >= 0; index--) {
    const above = parent[index] as number;
    if (above < 0 || above >= index) {
      roots.push(index);
      continue;
    }
    next[index] = first[above] as number;
    first[above] = index;
  }
  for (let index = 0; index < count; index++) {
    const above = parent[index] as number;
    if (above >= 0 && above < index) depth[index] = (depth[above] as number) + 1;
    deepest = Math.max(deepest, depth[index] as number);
  }
  const lane = (index: number) => points.laneOf[points.agent[index] as number] as number;
  roots.sort((a, b) => lane(b) - lane(a) || b - a);
  const row = new Float32Array(count);
  const sum = new Float32Array(count);
  const children = new Int32Array(count);
  let rows = 0;
  const stack = roots;
  while (stack.length > 0) {
    const node = stack.pop() as number;
    if (first[node] === -1) row[node] = rows++;
    const from = stack.length;
    for (let child = first[node] as number; child !== -1; child = next[child] as number) stack.push(child);
    // Oldest child on top of the stack.
    for (let low = from, high = stack.length - 1; low < high; low++, high--) {
      const swap = stack[low] as number;
      stack[low] = stack[high] as number;
      stack[high] = swap;
    }
  }
  // A child is younger than its parent, so one pass from the youngest settles every mean.
  for (let index = count - 1; index >= 0; index--) {
    if (children[index]) row[index] = (sum[index] as number) / (children[index] as number);
    const above = parent[index] as number;
    if (above >= 0 && above < index) {
      sum[above] = (sum[above] as number) + (row[index] as number);
      children[above] = (children[above] as number) + 1;
    }
  }
  const x = new Float32Array(count);
  const y = new Float32Array(count);
  for (let index = 0; index < count; index++) {
    x[index] = 0.02 + (0.96 * (depth[index] as number)) / Math.max(1, deepest);
    y[index] = 1 - ((row[index] as number) + 0.5) / Math.max(1, rows);
  }
  return { x, y, placed: new Uint8Array(count).fill(1), axisX: null, axisY: null, lanes: [] };
}

/** Two columns against each other. */
export function scatterLayout(
  columnX: ArrayLike<number>,
  columnY: ArrayLike<number>,
  { logX = false, logY = false } = {},
): Layout {
  const count = columnX.length;
  const axisX = axisOver(columnX, { log: logX });
  const axisY = axisOver(columnY, { log: logY });
  const x = new Float32Array(count);
  const y = new Float32Array(count);
  const placed = new Uint8Array(count);
  for (let index = 0; index < count; index++) {
    const ux = axisX.unit(columnX[index] as number);
    const uy = axisY.unit(columnY[index] as number);
    if (!Number.isFinite(ux) || !Number.isFinite(uy)) continue;
    x[index] = ux;
    y[index] = uy;
    placed[index] = 1;
  }
  return { x, y, placed, axisX, axisY, lanes: [] };
}

/** Indices of the points that no other point beats on both columns, by the first column. `up` says which direction is better. */
export function paretoFront(
  columnX: ArrayLike<number>,
  columnY: ArrayLike<number>,
  better: { readonly x: 'up' | 'down'; readonly y: 'up' | 'down' },
): number[] {
  const signX = better.x === 'up' ? -1 : 1;
  const signY = better.y === 'up' ? -1 : 1;
  const order: number[] = [];
  for (let index = 0; index < columnX.length; index++) {
    if (Number.isFinite(columnX[index]) && Number.isFinite(columnY[index])) order.push(index);
  }
  const atX = (index: number) => signX * (columnX[index] as number);
  const atY = (index: number) => signY * (columnY[index] as number);
  order.sort((a, b) => atX(a) - atX(b) || atY(a) - atY(b));
  const front: number[] = [];
  let best = Number.POSITIVE_INFINITY;
  for (const index of order) {
    if (atY(index) >= best) continue;
    best = atY(index);
    front.push(index);
  }
  return front;
}
