import type * as z from 'zod';
import { runLengthText } from '../domain/architecture.ts';
import { shortCandidate } from '../domain/candidate.ts';
import { TerminalError } from '../domain/errors.ts';
import type { SearchId } from '../domain/ids.ts';
import { nodeStatusSchema, originSchema, operators as proposers } from '../domain/node.ts';
import { fitnessOf, metricValue, type Rung, rungs } from '../domain/task.ts';
import type { ArchiveReader, NodeColumns, OutcomeColumns } from '../memory/index.ts';
import type { Mention, NodeRow, Nodes } from './api.ts';
import { apiVersion, type nodesQuerySchema } from './apiSearch.ts';
import type { DeviceUse } from './report/collect.ts';
import { finite, line, shortLine } from './texts.ts';

/** The nodes of a search as columns of figures, and the pages of a table that are cut from them. */

export const statuses = nodeStatusSchema.options;
export const operators = originSchema.options;

/** Origins of nodes that the lab adds come after those of agents. */
const firstOfLab = proposers.length;

const rejected = statuses.indexOf('rejected');
const duplicate = statuses.indexOf('duplicate');
const pending = statuses.indexOf('pending');
const evaluated = statuses.indexOf('evaluated');
const failed = statuses.indexOf('failed');

/** Distinct values in order of appearance, with the place of each. */
export class Dictionary {
  readonly values: string[] = [];
  readonly #places = new Map<string, number>();

  place(value: string): number {
    const known = this.#places.get(value);
    if (known !== undefined) return known;
    this.#places.set(value, this.values.length);
    return this.values.push(value) - 1;
  }
}

type Scores = (number | null)[];

/**
 * All nodes of one search as columns of equal length, in memory: what tables sort, filters count and charts draw.
 *
 * Role: one pass over the rows on first use, then only what the archive has announced since. Scores are the task's metric, means
 * over the seeds of a rung. Non-role: texts, which are read for the rows of one page.
 *
 * COL-1  `refresh` brings it to the state that the surrounding snapshot sees (BRO-2); positions never change, because nodes are
 *        only appended.
 * COL-2  `changedSince` names every node that was added, judged or charged after a sequence.
 * COL-3  The status of a node is that of `statusOf` (memory/records.ts); a test compares them.
 */
export class SearchColumns {
  readonly ids: string[] = [];
  readonly agents = new Dictionary();
  readonly patterns = new Dictionary();
  /** Index into `agents`. */
  readonly agent: number[] = [];
  readonly attempt: number[] = [];
  /** Index into `operators` and `statuses`. */
  readonly operator: number[] = [];
  readonly status: number[] = [];
  /** Index of a parent, or -1. */
  readonly parent: number[] = [];
  readonly secondParent: number[] = [];
  readonly scores: Readonly<Record<Rung, Scores>> = { screen: [], confirm: [], final: [] };
  /** Index into `rungs` of the highest rung with a score, or -1; and the score there. */
  readonly rung: number[] = [];
  readonly rungScore: Scores = [];
  /** Index into `patterns`, or -1 for programs and what was rejected. */
  readonly pattern: number[] = [];
  readonly parameters: Scores = [];
  /** Of the screening. */
  readonly flops: Scores = [];
  readonly seconds: Scores = [];
  readonly cached: boolean[] = [];
  readonly dollars: number[] = [];
  /** Milliseconds since 1970. */
  readonly proposedAt: number[] = [];
  readonly evaluatedAt: Scores = [];

  readonly #reader: ArchiveReader;
  readonly #search: SearchId;
  readonly #lowerIsBetter: boolean;
  readonly #isStack: boolean;
  readonly #places = new Map<string, number>();
  /** Sequence of the last change of each node. */
  readonly #changed: number[] = [];
  /** When the evaluation that decides the status was requested. */
  readonly #screenAskedAt: Scores = [];
  readonly #seeds: Readonly<Record<Rung, number[]>> = { screen: [], confirm: [], final: [] };
  readonly #accepted: boolean[] = [];
  /** Of trainings that the search paid for: their seconds, first start and last end. */
  readonly #paid: { readonly seconds: number[]; readonly from: number[]; readonly to: number[] } = {
    seconds: [],
    from: [],
    to: [],
  };
  readonly #workers = new Set<string>();
  #lastNode = 0;
  #sequence = 0;

  constructor(reader: ArchiveReader, search: SearchId) {
    this.#reader = reader;
    this.#search = search;
    const { lowerIsBetter, space } = reader.searches.spec(search);
    this.#lowerIsBetter = lowerIsBetter;
    this.#isStack = space.kind === 'stack';
  }

  get length(): number {
    return this.ids.length;
  }

  /** The archive's sequence that the figures are of. */
  get sequence(): number {
    return this.#sequence;
  }

  /** The screening score as fitness, of which more is better; null without one. */
  screenFitness(at: number): number | null {
    const score = this.scores.screen[at] ?? null;
    return score === null ? null : fitnessOf(score, this.#lowerIsBetter);
  }

  /** The trainings that the search paid for. */
  deviceUse(): DeviceUse {
    const { seconds, from, to } = this.#paid;
    let [sum, firstStart, lastEnd] = [0, Number.POSITIVE_INFINITY, 0];
    for (let at = 0; at < this.length; at++) {
      sum += seconds[at] as number;
      firstStart = Math.min(firstStart, from[at] as number);
      lastEnd = Math.max(lastEnd, to[at] as number);
    }
    return { count: this.#workers.size, seconds: sum, firstStart, lastEnd };
  }

  /** Whether a node is a reference or an aggregate, which no agent proposed. */
  isOfLab(at: number): boolean {
    return (this.operator[at] as number) >= firstOfLab;
  }

  /** Position of a node; -1 if the search has none of this id. */
  placeOf(id: string | undefined): number {
    return (id === undefined ? undefined : this.#places.get(id)) ?? -1;
  }

  /** Positions of nodes that have changed after a sequence, ascending. */
  changedSince(sequence: number): number[] {
    const found: number[] = [];
    for (let at = 0; at < this.#changed.length; at++) if ((this.#changed[at] as number) > sequence) found.push(at);
    return found;
  }

  /** Call inside a snapshot. */
  refresh(): void {
    const now = this.#reader.browse.sequence();
    if (this.length === 0) this.#load(now);
    else if (now > this.#sequence) this.#update(now);
    this.#sequence = now;
  }

  #load(now: number): void {
    const { browse } = this.#reader;
    for (const row of browse.nodes(this.#search, 0)) this.#add(row, now);
    for (const [node, parent] of browse.parents(this.#search)) this.#link(this.placeOf(node), this.placeOf(parent));
    for (const outcome of browse.outcomes(this.#search)) this.#judge(this.placeOf(outcome[0]), outcome);
    for (const [agent, ordinal, dollars] of browse.costs(this.#search)) {
      const at = this.placeOf(`${agent}-${ordinal}`);
      if (at >= 0) this.dollars[at] = dollars;
    }
  }

  #update(now: number): void {
    const { browse } = this.#reader;
    const touched = new Set<number>();
    for (const row of [...browse.nodes(this.#search, this.#lastNode)]) touched.add(this.#add(row, now));
    for (const at of touched) {
      for (const [, parent] of browse.parentsOf(this.#search, this.ids[at] as string))
        this.#link(at, this.placeOf(parent));
    }
    const most = 1000;
    for (let from = this.#sequence; ; ) {
      const page = browse.events(from, most);
      for (const { body } of page) {
        const event = JSON.parse(body) as { search?: string; node?: string };
        const at = event.search === this.#search ? this.placeOf(event.node) : -1;
        if (at >= 0) touched.add(at);
      }
      if (page.length < most) break;
      from = page.at(-1)?.seq ?? from;
    }
    for (const at of touched) {
      const id = this.ids[at] as string;
      this.#forget(at);
      for (const outcome of browse.outcomesOf(this.#search, id)) this.#judge(at, outcome);
      const agent = this.agents.values[this.agent[at] as number] as string;
      this.dollars[at] = browse.costOf(this.#search, agent, this.attempt[at] as number);
      this.#changed[at] = now;
    }
  }

  #add([seq, id, agent, ordinal, origin, verdict, proposedAt, candidate]: NodeColumns, now: number): number {
    const at = this.ids.push(id) - 1;
    this.#places.set(id, at);
    this.#lastNode = Math.max(this.#lastNode, seq);
    this.#changed.push(now);
    this.#accepted.push(verdict === 'accepted');
    this.agent.push(this.agents.place(agent));
    this.attempt.push(ordinal);
    this.operator.push(operators.indexOf(origin));
    this.status.push(verdict === 'accepted' ? pending : verdict === 'rejected' ? rejected : duplicate);
    this.parent.push(-1);
    this.secondParent.push(-1);
    this.pattern.push(candidate === null || verdict === 'rejected' ? -1 : this.patterns.place(this.#short(candidate)));
    this.dollars.push(0);
    this.proposedAt.push(proposedAt);
    this.#forget(at);
    return at;
  }

  /** What the archive has accepted is canonical: names of layers with blanks between. */
  #short(candidate: string): string {
    return this.#isStack ? runLengthText(candidate.split(' ')) : line(shortCandidate(candidate), 200);
  }

  #link(node: number, parent: number): void {
    if (node < 0) return;
    if (this.parent[node] === -1) this.parent[node] = parent;
    else this.secondParent[node] = parent;
  }

  /** Empties what outcomes decide. */
  #forget(at: number): void {
    if (this.#accepted[at]) this.status[at] = pending;
    for (const rung of rungs) {
      this.scores[rung][at] = null;
      this.#seeds[rung][at] = 0;
    }
    this.rung[at] = -1;
    this.rungScore[at] = null;
    this.parameters[at] = null;
    this.flops[at] = null;
    this.seconds[at] = null;
    this.cached[at] = false;
    this.evaluatedAt[at] = null;
    this.#screenAskedAt[at] = null;
    this.#paid.seconds[at] = 0;
    this.#paid.from[at] = Number.POSITIVE_INFINITY;
    this.#paid.to[at] = 0;
  }

  /** Takes one requested evaluation of a node in. */
  #judge(at: number, outcome: OutcomeColumns): void {
    if (at < 0) return;
    const [, rung, saved, askedAt, status, validation, finishedAt, seconds, parameters, flops, worker] = outcome;
    if (saved === 0 && finishedAt !== null && seconds !== null && worker !== null) {
      this.#workers.add(worker);
      this.#paid.seconds[at] = (this.#paid.seconds[at] as number) + seconds;
      this.#paid.from[at] = Math.min(this.#paid.from[at] as number, finishedAt - 1000 * seconds);
      this.#paid.to[at] = Math.max(this.#paid.to[at] as number, finishedAt);
    }
    if (rung === 'screen' && askedAt < (this.#screenAskedAt[at] ?? Number.POSITIVE_INFINITY)) {
      this.#screenAskedAt[at] = askedAt;
      this.cached[at] = saved === 1;
      this.evaluatedAt[at] = finishedAt;
      if (this.#accepted[at]) this.status[at] = status === 'ok' ? evaluated : status === 'failed' ? failed : pending;
    }
    if (seconds !== null) this.seconds[at] = (this.seconds[at] ?? 0) + seconds;
    if (parameters !== null) this.parameters[at] = parameters;
    if (flops !== null && rung === 'screen') this.flops[at] = flops;
    if (validation === null) return;
    const value = metricValue(validation, this.#lowerIsBetter);
    const before = this.#seeds[rung][at] as number;
    this.#seeds[rung][at] = before + 1;
    const mean = ((this.scores[rung][at] ?? 0) * before + value) / (before + 1);
    this.scores[rung][at] = mean;
    const level = rungs.indexOf(rung);
    if (level < (this.rung[at] as number)) return;
    this.rung[at] = level;
    this.rungScore[at] = mean;
  }
}

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
