import { useEffect, useMemo, useState } from 'preact/hooks';
import type { NodeStatusName, OperatorName, RungName, Points as Wire } from '../../../src/views/api.ts';
import { type ApiError, getJson } from './client.ts';
import { onChange } from './live.ts';
import { Pull } from './pull.ts';

/**
 * All nodes of a search as columns of numbers: what tables, trees and plots sort, filter and draw 10^5 times a frame.
 *
 * - PTS-1 The first answer has every node; later ones only what changed since its sequence, so a day of watching costs what
 *   changed, not the whole search again and again.
 * - PTS-2 Dictionaries of an answer are its own; entries are looked up by name.
 * - PTS-3 A value that is missing is NaN, an index that is missing -1.
 */
export const statuses: readonly NodeStatusName[] = ['pending', 'evaluated', 'failed', 'rejected', 'duplicate'];
export const operators: readonly OperatorName[] = ['draft', 'improve', 'crossover', 'debug', 'reference', 'aggregate'];
/** Operators from here on are the lab's own. */
export const firstOfLab = operators.indexOf('reference');
/** Where references and the aggregate are shown. */
const labLane = 'references, aggregate';
export const rungs: readonly RungName[] = ['screen', 'confirm', 'final'];

const numberColumns = ['score', 'rungScore', 'parameters', 'flops', 'costUsd', 'proposedAt', 'evaluatedAt'] as const;
const indexColumns = ['agent', 'attempt', 'status', 'operator', 'parent', 'secondParent', 'rung', 'pattern'] as const;
type NumberColumn = (typeof numberColumns)[number];
type IndexColumn = (typeof indexColumns)[number];

type Columns = { readonly [name in NumberColumn]: Float64Array } & { readonly [name in IndexColumn]: Int32Array };

export interface Points extends Columns {
  readonly count: number;
  readonly sequence: number;
  /** Names by `agent`: agents, references and the aggregate, as they appeared. */
  readonly agents: readonly string[];
  /** Agents that propose, then one for all nodes that the lab adds itself. */
  readonly lanes: readonly string[];
  /** Index into `lanes` by `agent`: colour, dash and shape of its nodes. */
  readonly laneOf: readonly number[];
  readonly patterns: readonly string[];
  readonly startedAt: number;
  /** Score on the screen rung with its sign so that more is better. */
  readonly fitness: Float64Array;
  readonly lowerIsBetter: boolean;
}

export const nodeId = (points: Points, index: number): string =>
  `${points.agents[points.agent[index] as number]}-${points.attempt[index]}`;

/** Indices of nodes by id. */
export function indexOfNode(points: Points, id: string): number {
  const cut = id.lastIndexOf('-');
  const agent = points.agents.indexOf(id.slice(0, cut));
  const attempt = Number(id.slice(cut + 1));
  for (let index = 0; index < points.count; index++) {
    if (points.attempt[index] === attempt && points.agent[index] === agent) return index;
  }
  return -1;
}

/** Columns that grow; {@link PointStore.merge} takes answers of the API in any order of nodes. */
export class PointStore {
  private capacity = 0;
  private count = 0;
  private sequence = 0;
  private startedAt = 0;
  private columns: Record<string, Float64Array | Int32Array> = {};
  private readonly agents: string[] = [];
  private readonly patterns: string[] = [];
  private readonly agentIndex = new Map<string, number>();
  private readonly patternIndex = new Map<string, number>();

  get cursor(): number {
    return this.sequence;
  }

  merge(wire: Wire): void {
    this.reserve(Math.max(wire.total, this.count));
    const agentOf = wire.agents.map((name) => lookUp(this.agents, this.agentIndex, name));
    const patternOf = wire.patterns.map((text) => lookUp(this.patterns, this.patternIndex, text));
    const statusOf = wire.statuses.map((name) => statuses.indexOf(name));
    const operatorOf = wire.operators.map((name) => operators.indexOf(name));
    const rungOf = wire.rungs.map((name) => rungs.indexOf(name));
    const translate: Partial<Record<IndexColumn, readonly number[]>> = {
      agent: agentOf,
      pattern: patternOf,
      status: statusOf,
      operator: operatorOf,
      rung: rungOf,
    };
    const { index } = wire;
    const rows = wire.agent.length;
    for (const name of numberColumns) {
      const to = this.columns[name] as Float64Array;
      const from = wire[name];
      for (let row = 0; row < rows; row++) to[index ? (index[row] as number) : row] = from[row] ?? Number.NaN;
    }
    for (const name of indexColumns) {
      const to = this.columns[name] as Int32Array;
      const from = wire[name];
      const map = translate[name];
      for (let row = 0; row < rows; row++) {
        const value = from[row] as number;
        to[index ? (index[row] as number) : row] = map && value >= 0 ? (map[value] ?? -1) : value;
      }
    }
    this.count = wire.total;
    this.sequence = wire.sequence;
    this.startedAt = wire.startedAt;
  }

  snapshot(lowerIsBetter: boolean): Points {
    const view = Object.fromEntries(
      Object.entries(this.columns).map(([name, column]) => [name, column.subarray(0, this.count)]),
    ) as unknown as Columns;
    const fitness = lowerIsBetter ? view.score.map((score) => -score) : view.score;
    const { lanes, laneOf } = this.lanes(view);
    return {
      ...view,
      lanes,
      laneOf,
      count: this.count,
      sequence: this.sequence,
      agents: this.agents,
      patterns: this.patterns,
      startedAt: this.startedAt,
      fitness,
      lowerIsBetter,
    };
  }

  private lanes({ agent, operator }: Columns): Pick<Points, 'lanes' | 'laneOf'> {
    const proposes = new Uint8Array(this.agents.length);
    for (let index = 0; index < agent.length; index++) {
      if ((operator[index] as number) < firstOfLab) proposes[agent[index] as number] = 1;
    }
    const lanes = this.agents.filter((_, index) => proposes[index]);
    const laneOf = this.agents.map((name, index) => (proposes[index] ? lanes.indexOf(name) : lanes.length));
    return { lanes: lanes.length < this.agents.length ? [...lanes, labLane] : lanes, laneOf };
  }

  private reserve(count: number): void {
    if (count <= this.capacity) return;
    this.capacity = Math.max(1024, Math.ceil(count * 1.5));
    const grown = (old: Float64Array | Int32Array | undefined, made: Float64Array | Int32Array) => {
      if (old) made.set(old.subarray(0, this.count));
      return made;
    };
    for (const name of numberColumns) {
      this.columns[name] = grown(this.columns[name], new Float64Array(this.capacity).fill(Number.NaN));
    }
    for (const name of indexColumns) {
      this.columns[name] = grown(this.columns[name], new Int32Array(this.capacity).fill(-1));
    }
  }
}

function lookUp(names: string[], index: Map<string, number>, name: string): number {
  const known = index.get(name);
  if (known !== undefined) return known;
  names.push(name);
  index.set(name, names.length - 1);
  return names.length - 1;
}

interface Shared {
  readonly store: PointStore;
  readonly pull: Pull;
}

const shared = new Map<string, Shared>();

function sharedAt(path: string): Shared {
  const known = shared.get(path);
  if (known) return known;
  // Columns of 10^5 nodes take 10 MB: only the last few searches stay.
  if (shared.size >= 4) for (const [old, { pull }] of shared) if (!pull.watched) shared.delete(old);
  const store = new PointStore();
  const pull = new Pull(async () => {
    const { cursor } = store;
    store.merge(await getJson<Wire>(cursor > 0 ? `${path}?after=${cursor}` : path));
  });
  const entry = { store, pull };
  shared.set(path, entry);
  return entry;
}

/**
 * The columns of a search, live; null until the first answer. A new object after each change.
 *
 * @param path of the search below the API's root; null for none.
 */
export function usePoints(
  path: string | null,
  search: string,
  lowerIsBetter: boolean | null,
): { readonly points: Points | null; readonly error: ApiError | null } {
  const [version, setVersion] = useState(0);
  const at = path === null ? null : `${path}/points`;
  useEffect(() => {
    if (at === null) return;
    const { pull } = sharedAt(at);
    const unwatch = pull.watch(() => setVersion((count) => count + 1));
    const stop = onChange((change) => {
      if (change === null || change.search === search) pull.changed();
    });
    return () => {
      unwatch();
      stop();
      // Changes are missed from here on: it is fetched again when it is shown again.
      if (!pull.watched) pull.changed();
    };
  }, [at, search]);
  const entry = at === null ? undefined : shared.get(at);
  const points = useMemo(
    () => (entry && entry.store.cursor > 0 && lowerIsBetter !== null ? entry.store.snapshot(lowerIsBetter) : null),
    [entry, version, lowerIsBetter],
  );
  return { points, error: entry?.pull.error ?? null };
}
