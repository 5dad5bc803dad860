import { rungs } from '../domain/task.ts';
import type { Points } from './api.ts';
import { apiVersion } from './apiSearch.ts';
import { Dictionary, operators, type SearchColumns, statuses } from './columns.ts';

export interface PointsOptions {
  readonly startedAt: number;
  /** Only what changed after this sequence; all nodes without it. */
  readonly after: number | undefined;
}

/**
 * All nodes of a search as columns, or those that changed after a sequence. Arrays of the whole search are those of `columns`,
 * not copies: they are for serialising at once.
 */
export function pointsOf(columns: SearchColumns, { startedAt, after }: PointsOptions): Points {
  const index = after === undefined ? null : columns.changedSince(after);
  const of = <T>(column: readonly T[]): T[] =>
    index === null ? (column as T[]) : index.map((place) => column[place] as T);
  const patterns = index === null ? columns.patterns : new Dictionary();
  const place = (pattern: number): number =>
    pattern < 0 ? -1 : patterns.place(columns.patterns.values[pattern] as string);
  const since = (time: number | null): number | null => (time === null ? null : time - startedAt);
  const pattern = index === null ? columns.pattern : of(columns.pattern).map(place);
  return {
    version: apiVersion,
    sequence: columns.sequence,
    total: columns.length,
    index,
    agents: columns.agents.values,
    statuses: [...statuses],
    operators: [...operators],
    rungs: [...rungs],
    patterns: patterns.values,
    agent: of(columns.agent),
    attempt: of(columns.attempt),
    status: of(columns.status),
    operator: of(columns.operator),
    parent: of(columns.parent),
    secondParent: of(columns.secondParent),
    score: of(columns.scores.screen),
    rung: of(columns.rung),
    rungScore: of(columns.rungScore),
    parameters: of(columns.parameters),
    flops: of(columns.flops),
    costUsd: of(columns.dollars),
    startedAt,
    proposedAt: of(columns.proposedAt).map((time) => time - startedAt),
    evaluatedAt: of(columns.evaluatedAt).map(since),
    pattern,
  };
}
