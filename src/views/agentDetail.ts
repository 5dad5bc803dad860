import { mean } from 'd3-array';
import { type Architecture, readArchitecture } from '../domain/architecture.ts';
import { PrerequisiteError } from '../domain/errors.ts';
import { operators as proposers } from '../domain/node.ts';
import { distanceOf } from '../studies/index.ts';
import type { AgentDetail, Literature } from './api.ts';
import { apiVersion } from './apiSearch.ts';
import { mentionOf, operators, type SearchColumns, statuses } from './columns.ts';
import { readingsOf } from './nodeDetail.ts';
import { agentOf, type SearchContext } from './overview.ts';
import { funnelOf } from './report/collect.ts';
import { finite, line, longText, shortLine } from './texts.ts';

/** The newest attempts and exchanges that an agent's page has; the table of nodes has all. */
const mostAttempts = 1_000;
const mostExchanges = 500;

/** Comparisons of candidates for one page: layers are counted at once, lines by a difference of texts. */
const mostPairs = { stack: 2_000_000, program: 2_000, scale: 0 } as const;

type Entry = AgentDetail['timeline'][number];

/**
 * Share of layers or lines by which each candidate differs from its nearest earlier one; null for a refused one. The pairs grow
 * with the square of the attempts: where they are too many, only every k-th candidate is compared, with all before it.
 *
 * @param distance null where two candidates do not compare.
 */
export function novelties<T>(
  candidates: readonly (T | null)[],
  distance: (earlier: T, candidate: T) => number | null,
  most: number,
): (number | null)[] {
  const pairs = (candidates.length * (candidates.length - 1)) / 2;
  if (most === 0) return candidates.map(() => null);
  const step = Math.max(1, Math.ceil(pairs / most));
  return candidates.map((candidate, index) => {
    // The newest is always compared.
    if (candidate === null || (candidates.length - 1 - index) % step !== 0) return null;
    let nearest: number | null = null;
    for (let at = 0; at < index; at++) {
      const earlier = candidates[at] as T | null;
      const found = earlier === null ? null : distance(earlier, candidate);
      if (found !== null && (nearest === null || found < nearest)) nearest = found;
    }
    return nearest;
  });
}

/** Share of layers that differ; null for different depths. */
function layerDistance(earlier: Architecture, candidate: Architecture): number | null {
  if (earlier.length !== candidate.length) return null;
  let changed = 0;
  for (let layer = 0; layer < candidate.length; layer++) if (earlier[layer] !== candidate[layer]) changed++;
  return changed / candidate.length;
}

/** How far each attempt was from what the agent had tried; of programs among the newest attempts alone. */
function explorationOf({ reader, search, columns }: SearchContext, places: readonly number[]): (number | null)[] {
  const { kind } = reader.searches.spec(search).space;
  const isRefused = (at: number) => ['rejected', 'duplicate'].includes(statuses[columns.status[at] as number] ?? '');
  if (kind === 'stack') {
    const layers = places.map((at) => {
      const text = columns.patterns.values[columns.pattern[at] as number];
      return text === undefined || isRefused(at) ? null : readArchitecture(text);
    });
    return novelties(layers, layerDistance, mostPairs.stack);
  }
  const newest = places.slice(-mostAttempts);
  const texts = newest.map((at) =>
    isRefused(at) ? null : (reader.browse.texts(search, columns.ids[at] as string)?.candidate ?? null),
  );
  const found = novelties(texts, (earlier, candidate) => distanceOf(kind, earlier, candidate), mostPairs[kind]);
  return [...places.slice(0, -mostAttempts).map(() => null), ...found];
}

/** Fitness of a node minus that of its first parent on the screen rung. */
function effectOf(columns: SearchColumns, at: number, sign: number): number | null {
  const parent = columns.parent[at] as number;
  const own = columns.scores.screen[at] ?? null;
  const base = parent < 0 ? null : (columns.scores.screen[parent] ?? null);
  return own === null || base === null ? null : finite(sign * (own - base));
}

function timelineOf(
  { reader, search, columns }: SearchContext,
  places: readonly number[],
  exploration: readonly (number | null)[],
  sign: number,
): Entry[] {
  const from = Math.max(0, places.length - mostAttempts);
  return places.slice(from).map((at, index): Entry => {
    const id = columns.ids[at] as string;
    const texts = reader.browse.texts(search, id);
    const parents = [columns.parent[at] as number, columns.secondParent[at] as number].filter((each) => each >= 0);
    return {
      ...mentionOf(columns, id),
      index: at,
      attempt: columns.attempt[at] as number,
      parents: parents.map((each) => columns.ids[each] as string),
      short: shortLine(texts?.candidate ?? ''),
      change: line(texts?.change ?? ''),
      proposedAt: columns.proposedAt[at] as number,
      evaluatedAt: columns.evaluatedAt[at] ?? null,
      effect: effectOf(columns, at, sign),
      novelty: finite(exploration[from + index]),
      costUsd: columns.dollars[at] as number,
    };
  });
}

/** Use and success of each operator, over all attempts. */
function operatorsOf(columns: SearchColumns, places: readonly number[], sign: number): AgentDetail['operators'] {
  return proposers.flatMap((operator) => {
    const own = places.filter((at) => operators[columns.operator[at] as number] === operator);
    if (own.length === 0) return [];
    const effects = own.flatMap((at) => effectOf(columns, at, sign) ?? []);
    return [
      {
        operator,
        used: own.length,
        scored: own.filter((at) => columns.scores.screen[at] !== null).length,
        compared: effects.length,
        improved: effects.filter((effect) => effect > 0).length,
        meanEffect: finite(mean(effects)),
      },
    ];
  });
}

/** The node of an evidence id, `walker-3` or `archive:walker-3`; null for a work. */
const citedNode = (id: string): string | null =>
  id.startsWith('archive:') ? id.slice('archive:'.length) : id.includes(':') ? null : id;

/** Whose nodes the agent built on or cited, and who built on its own. */
function exchangesOf({ reader, search, columns }: SearchContext, agent: number): AgentDetail['exchanges'] {
  const exchanges: AgentDetail['exchanges'] = [];
  const nameOf = (at: number) => columns.agents.values[columns.agent[at] as number] ?? '';
  for (let at = 0; at < columns.length; at++) {
    for (const parent of [columns.parent[at] as number, columns.secondParent[at] as number]) {
      if (parent < 0 || columns.agent[parent] === columns.agent[at]) continue;
      const direction = columns.agent[at] === agent ? 'taken' : columns.agent[parent] === agent ? 'given' : null;
      if (direction === null) continue;
      const fromAgent = nameOf(direction === 'taken' ? parent : at);
      exchanges.push({
        node: columns.ids[at] as string,
        from: columns.ids[parent] as string,
        fromAgent,
        how: 'parent',
        direction,
      });
    }
  }
  const firsts = new Map<number, number>();
  for (let at = 0; at < columns.length; at++) {
    const pattern = columns.pattern[at] as number;
    if (pattern < 0 || operators[columns.operator[at] as number] === 'reference') continue;
    const first = firsts.get(pattern);
    if (first === undefined) firsts.set(pattern, at);
    else if (columns.agent[at] === agent && columns.agent[first] !== agent) {
      const [node, from] = [columns.ids[at] as string, columns.ids[first] as string];
      exchanges.push({ node, from, fromAgent: nameOf(first), how: 'same candidate', direction: 'taken' });
    }
  }
  const name = columns.agents.values[agent];
  for (const { node, evidence } of reader.browse.evidence(search)) {
    const at = columns.placeOf(node);
    const from = columns.placeOf(citedNode(evidence) ?? undefined);
    if (at < 0 || from < 0 || columns.agent[from] === columns.agent[at]) continue;
    const direction = nameOf(at) === name ? 'taken' : nameOf(from) === name ? 'given' : null;
    if (direction === null) continue;
    const fromAgent = nameOf(direction === 'taken' ? from : at);
    exchanges.push({ node, from: columns.ids[from] as string, fromAgent, how: 'cited', direction });
  }
  return exchanges;
}

function spendingOf({ reader, search }: SearchContext, agent: string): AgentDetail['spending'] {
  const sums = new Map<string, AgentDetail['spending'][number]>();
  for (const call of reader.calls.ofAgent(search, agent)) {
    const key = `${call.model} ${call.purpose}`;
    const none = { model: line(call.model), purpose: call.purpose, failed: 0, calls: 0, tokens: 0, costUsd: 0 };
    const sum = sums.get(key) ?? none;
    sums.set(key, {
      ...sum,
      failed: sum.failed + (call.outcome === null || call.outcome === 'complete' ? 0 : 1),
      calls: sum.calls + 1,
      tokens: sum.tokens + (call.outcome === null ? call.reservedTokens : (call.input ?? 0) + (call.output ?? 0)),
      costUsd: sum.costUsd + (call.dollars ?? call.reservedDollars),
    });
  }
  return [...sums.values()];
}

/** `/api/searches/:id/agents/:agent`. @throws PrerequisiteError `unknown-agent` */
export function agentDetailOf(context: SearchContext, name: string): AgentDetail {
  const { reader, search, columns, searchStatus } = context;
  const spec = reader.searches.spec(search);
  const self = spec.agents.find((each) => each.name === name);
  const row = searchStatus.agents.find(({ agent }) => agent === name);
  if (!self || !row) {
    const names = spec.agents.map((each) => each.name).join(', ');
    throw new PrerequisiteError(
      'unknown-agent',
      `"${line(name, 60)}" is not an agent of "${search}"`,
      names === '' ? 'the search has no agents' : `choose one of ${names}`,
    );
  }
  const agent = columns.agents.values.indexOf(name);
  const places = [...columns.agent.keys()].filter((at) => columns.agent[at] === agent);
  const sign = spec.lowerIsBetter ? -1 : 1;
  const exploration = explorationOf(context, places);
  const exchanges = agent < 0 ? [] : exchangesOf(context, agent);
  return {
    version: apiVersion,
    sequence: columns.sequence,
    search,
    metric: line(spec.metric),
    lowerIsBetter: spec.lowerIsBetter,
    agent: agentOf(context, self, row),
    spec: longText(JSON.stringify(self, null, 1)),
    timeline: timelineOf(context, places, exploration, sign),
    exploration: exploration.flatMap((share, index) =>
      share === null ? [] : [{ attempt: columns.attempt[places[index] as number] as number, share }],
    ),
    operators: operatorsOf(columns, places, sign),
    exchanges: exchanges.slice(-mostExchanges),
    exchanged: exchanges.length,
    spending: spendingOf(context, name),
  };
}

/** `/api/searches/:id/literature` */
export function literatureOf(context: SearchContext): Literature {
  const { reader, search, columns } = context;
  // Nodes that read nothing cannot enter the funnel, but are what a reader's nodes are compared with.
  const records = reader.browse.hasReadings(search) ? reader.records.nodes(search) : [];
  const funnel = funnelOf(records);
  const citedBy = new Map<string, string[]>();
  const addresses = new Map<string, string | null>();
  for (const record of records) {
    for (const id of record.rationale.evidence) {
      const nodes = citedBy.get(id) ?? [];
      nodes.push(record.id);
      citedBy.set(id, nodes);
    }
    for (const { found } of readingsOf(record)) for (const { id, url } of found) if (url) addresses.set(id, url);
  }
  return {
    version: apiVersion,
    sequence: columns.sequence,
    agents: (funnel?.agents ?? []).map((each) => ({
      ...each,
      failure: each.failure === null ? null : line(each.failure),
      sources: each.sources.map((row) => ({ ...row })),
    })),
    works: (funnel?.works ?? []).map(({ id, title, shown, cited, improved }) => ({
      id: line(id),
      title: title === null ? null : line(title),
      url: addresses.get(id) ?? null,
      shown,
      cited,
      improved,
      nodes: (citedBy.get(id) ?? []).map((node) => mentionOf(columns, node)),
    })),
  };
}
