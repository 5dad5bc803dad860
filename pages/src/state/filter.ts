import { useEffect, useMemo, useState } from 'preact/hooks';
import type { Nodes } from '../../../src/views/api.ts';
import { type ApiError, apiError, getJson } from './client.ts';
import { usePlace } from './location.ts';
import { indexOfNode, operators, type Points, rungs, statuses } from './points.ts';

/** Which nodes a view shows: the same keys of the address in the table, the tree and the scatter plot. */
export const filterKeys = ['agent', 'operator', 'status', 'rung', 'q'] as const;
export type Filter = Partial<Record<(typeof filterKeys)[number], string>>;

export const filterOf = (query: Readonly<Record<string, string>>): Filter =>
  Object.fromEntries(filterKeys.flatMap((key) => (query[key] ? [[key, query[key]]] : [])));

/** 1 for each node that passes. `found`: positions that the full-text search found, or null without one. */
export function passing(points: Points, filter: Filter, found: ReadonlySet<number> | null): Uint8Array {
  const agent = filter.agent === undefined ? -1 : points.agents.indexOf(filter.agent);
  const operator = operators.indexOf(filter.operator as (typeof operators)[number]);
  const status = statuses.indexOf(filter.status as (typeof statuses)[number]);
  const rung = rungs.indexOf(filter.rung as (typeof rungs)[number]);
  const mask = new Uint8Array(points.count);
  for (let index = 0; index < points.count; index++) {
    mask[index] =
      (filter.agent === undefined || points.agent[index] === agent) &&
      (filter.operator === undefined || points.operator[index] === operator) &&
      (filter.status === undefined || points.status[index] === status) &&
      (filter.rung === undefined || points.rung[index] === rung) &&
      (found === null || found.has(index))
        ? 1
        : 0;
  }
  return mask;
}

const mostFound = 2000;
const pageSize = 200;

interface Found {
  readonly positions: ReadonlySet<number> | null;
  /** Matches over all, of which `positions` has the first 2000. */
  readonly total: number;
  readonly error: ApiError | null;
  readonly searching: boolean;
}

/** The filter in the address, and the nodes that its words match. @param version another value searches again. */
export function useFilter(path: string, version: number): { readonly filter: Filter; readonly found: Found } {
  const { query } = usePlace();
  const filter = useMemo(() => filterOf(query), [query]);
  return { filter, found: useFound(path, filter.q, version) };
}

/** Positions of nodes whose text matches, from the server's full-text search. */
function useFound(path: string, q: string | undefined, version: number): Found {
  const [found, setFound] = useState<Found & { readonly q: string | undefined }>({
    q: undefined,
    positions: null,
    total: 0,
    error: null,
    searching: false,
  });
  useEffect(() => {
    if (!q) return;
    let stopped = false;
    const timer = setTimeout(async () => {
      try {
        const positions = new Set<number>();
        let after: string | null = null;
        let total = 0;
        do {
          const query = new URLSearchParams({ q, limit: String(pageSize), ...(after !== null && { after }) });
          const page: Nodes = await getJson<Nodes>(`${path}/nodes?${query}`);
          for (const { index } of page.rows) positions.add(index);
          total = page.total;
          after = page.next;
        } while (after !== null && positions.size < mostFound && !stopped);
        if (!stopped) setFound({ q, positions, total, error: null, searching: false });
      } catch (thrown) {
        if (!stopped) setFound({ q, positions: new Set(), total: 0, error: apiError(thrown), searching: false });
      }
    }, 200);
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [path, q, version]);
  if (!q) return { positions: null, total: 0, error: null, searching: false };
  // While a longer word is typed the matches of the shorter one stay on screen.
  return found.q === q ? found : { ...found, searching: true };
}

/** From a node to its root by first parents, root first. */
export function lineage(points: Points, index: number): number[] {
  const path: number[] = [];
  for (let at = index, steps = 0; at >= 0 && steps < 10_000; steps++) {
    path.unshift(at);
    const above = points.parent[at] as number;
    if (above >= at) break;
    at = above;
  }
  return path;
}

/** The node with the best score on the highest rung that has scores, or -1. */
export function bestIndex(points: Points): number {
  let best = -1;
  const better = points.lowerIsBetter ? (a: number, b: number) => a < b : (a: number, b: number) => a > b;
  for (let index = 0; index < points.count; index++) {
    if (!Number.isFinite(points.rungScore[index])) continue;
    if (best < 0) {
      best = index;
      continue;
    }
    const rung = points.rung[index] as number;
    const present = points.rung[best] as number;
    if (
      rung > present ||
      (rung === present && better(points.rungScore[index] as number, points.rungScore[best] as number))
    ) {
      best = index;
    }
  }
  return best;
}

/** The position of the node that the address names, or -1. */
export function useSelected(points: Points, id: string | undefined): number {
  return useMemo(() => (id ? indexOfNode(points, id) : -1), [points, id]);
}
