import type * as z from 'zod';
import { TerminalError } from '../domain/errors.ts';
import type { SearchId } from '../domain/ids.ts';
import { rungs } from '../domain/task.ts';
import type { ArchiveReader } from '../memory/index.ts';
import type { Mention, NodeRow, Nodes } from './api.ts';
import { apiVersion, type nodesQuerySchema } from './apiSearch.ts';
import { operators, type SearchColumns, statuses } from './columns.ts';
import { finite, line, shortLine } from './texts.ts';

export type NodesRequest = z.output<typeof nodesQuerySchema>;

/** Whether a node, or an ancestor of it, was vetoed. */
export type IsVetoed = (node: string) => boolean;

/** A value to sort by; null sorts last in either direction. */
type SortKey = number | string | null;

/** Where a page ended: sort value and position of its last row. The position breaks ties, so that no page repeats or skips one. */
interface Cursor {
  readonly key: SortKey;
  readonly at: number;
}

const cursorText = ({ key, at }: Cursor): string => Buffer.from(JSON.stringify([key, at])).toString('base64url');

/** @throws TerminalError `cursor` for a text that no page returned. */
function readCursor(text: string): Cursor {
  try {
    const [key, at] = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as [SortKey, number];
    const isKey = key === null || typeof key === 'string' || Number.isFinite(key);
    if (isKey && Number.isInteger(at)) return { key, at };
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError) && !(thrown instanceof TypeError)) throw thrown;
  }
  throw new TerminalError('cursor', '"after" is not the "next" of an earlier page');
}

function sortKeys(columns: SearchColumns, sort: NodesRequest['sort']): (at: number) => SortKey {
  switch (sort) {
    case 'sequence':
      return (at) => at;
    case 'score':
      return (at) => columns.rungScore[at] ?? null;
    case 'params':
      return (at) => columns.parameters[at] ?? null;
    case 'flops':
      return (at) => columns.flops[at] ?? null;
    case 'cost':
      return (at) => columns.dollars[at] ?? null;
    case 'agent':
      return (at) => columns.agents.values[columns.agent[at] as number] ?? null;
  }
}

function compare(a: SortKey, b: SortKey, sign: number): number {
  if (a === b) return 0;
  if (a === null) return 1;
  if (b === null) return -1;
  return a < b ? -sign : sign;
}

/** A row of the table, with its texts. */
export function nodeRowOf(
  reader: ArchiveReader,
  search: SearchId,
  columns: SearchColumns,
  at: number,
  isVetoed: IsVetoed,
): NodeRow {
  const id = columns.ids[at] as string;
  const texts = reader.browse.texts(search, id);
  const operator = operators[columns.operator[at] as number] ?? 'draft';
  const status = statuses[columns.status[at] as number] ?? 'pending';
  const agent = columns.agents.values[columns.agent[at] as number] ?? '';
  const parents = [columns.parent[at], columns.secondParent[at]]
    .filter((place): place is number => place !== undefined && place >= 0)
    .map((place) => columns.ids[place] as string);
  const seconds = finite(columns.seconds[at]);
  return {
    index: at,
    id,
    agent: operator === 'reference' || operator === 'aggregate' ? operator : agent,
    attempt: columns.attempt[at] as number,
    operator,
    name: operator === 'reference' ? agent.replace(/^reference-/, '') : null,
    parents,
    status,
    reason:
      status === 'failed'
        ? reader.browse.reasonOf(search, id)
        : status === 'rejected' || status === 'duplicate'
          ? status
          : null,
    short: shortLine(texts?.candidate ?? ''),
    change: line(texts?.change ?? ''),
    scores: {
      screen: finite(columns.scores.screen[at]),
      confirm: finite(columns.scores.confirm[at]),
      final: finite(columns.scores.final[at]),
    },
    rung: rungs[columns.rung[at] as number] ?? null,
    parameters: finite(columns.parameters[at]),
    flops: finite(columns.flops[at]),
    durationMs: seconds === null ? null : Math.round(1000 * seconds),
    costUsd: columns.dollars[at] as number,
    cached: columns.cached[at] === true,
    vetoed: isVetoed(id),
    proposedAt: columns.proposedAt[at] as number,
    evaluatedAt: columns.evaluatedAt[at] ?? null,
  };
}

/** A node as others name it. */
export function mentionOf(columns: SearchColumns, id: string): Mention {
  const at = columns.placeOf(id);
  return {
    node: id,
    agent: columns.agents.values[columns.agent[at] ?? -1] ?? '',
    operator: operators[columns.operator[at] ?? -1] ?? 'draft',
    status: statuses[columns.status[at] ?? -1] ?? 'pending',
    score: finite(columns.scores.screen[at]),
  };
}

/**
 * A page of the nodes of a search. Pages are cut by sort value and position, so that nodes which arrive between two pages
 * move no other.
 *
 * @throws TerminalError `cursor`
 */
export function nodesPage(
  reader: ArchiveReader,
  search: SearchId,
  columns: SearchColumns,
  query: NodesRequest,
  isVetoed: IsVetoed,
): Nodes {
  const { agent, operator, status, rung, q, sort, direction, limit, after } = query;
  const agentAt = agent === undefined || agent === '' ? null : columns.agents.values.indexOf(agent);
  const operatorAt = operator === undefined ? null : operators.indexOf(operator);
  const statusAt = status === undefined ? null : statuses.indexOf(status);
  const matches = q === undefined || q.trim() === '' ? null : reader.browse.matching(search, q.trim());
  const found: number[] = [];
  for (let at = 0; at < columns.length; at++) {
    if (agentAt !== null && columns.agent[at] !== agentAt) continue;
    if (operatorAt !== null && columns.operator[at] !== operatorAt) continue;
    if (statusAt !== null && columns.status[at] !== statusAt) continue;
    if (rung !== undefined && columns.scores[rung][at] === null) continue;
    if (matches !== null && !matches.has(columns.ids[at] as string)) continue;
    found.push(at);
  }
  const keyOf = sortKeys(columns, sort);
  const sign = direction === 'ascending' ? 1 : -1;
  const order = (a: Cursor, b: Cursor) => compare(a.key, b.key, sign) || sign * (a.at - b.at);
  const entries = found.map((at): Cursor => ({ key: keyOf(at), at }));
  const rest =
    after === undefined || after === ''
      ? entries
      : ((cursor) => entries.filter((entry) => order(entry, cursor) > 0))(readCursor(after));
  const page = rest.sort(order).slice(0, limit);
  const last = page.at(-1);
  return {
    version: apiVersion,
    sequence: columns.sequence,
    rows: page.map(({ at }) => nodeRowOf(reader, search, columns, at, isVetoed)),
    next: last !== undefined && page.length < rest.length ? cursorText(last) : null,
    total: found.length,
  };
}
