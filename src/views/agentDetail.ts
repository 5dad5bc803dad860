import { mean } from 'd3-array';
import { PrerequisiteError } from '../domain/errors.ts';
import { operators as allOperators } from '../domain/node.ts';
import { distanceOf } from '../studies/index.ts';
import type { AgentDetail, Literature } from './api.ts';
import { apiVersion } from './apiSearch.ts';
import { operators, statuses } from './columns.ts';
import { readingsOf } from './nodeDetail.ts';
import { mentionOf } from './nodeTable.ts';
import { agentOf, type SearchContext } from './overview.ts';
import { funnelOf } from './report/collect.ts';
import { finite, line, longText, shortLine } from './texts.ts';

/** Candidates that each novelty is compared with, in all: the pairs grow with the square of the attempts. */
const mostPairs = { stack: 250_000, program: 2_000, scale: 0 } as const;

type Entry = AgentDetail['timeline'][number];

/**
 * Share of layers or lines by which each candidate differs from its nearest earlier one; null for a refused one, and for all
 * where the pairs are too many.
 */
function noveltiesOf(kind: keyof typeof mostPairs, candidates: readonly (string | null)[]): (number | null)[] {
  const pairs = (candidates.length * (candidates.length - 1)) / 2;
  if (pairs > mostPairs[kind]) return candidates.map(() => null);
  return candidates.map((candidate, index) => {
    if (candidate === null) return null;
    let nearest: number | null = null;
    for (const earlier of candidates.slice(0, index)) {
      const distance = earlier === null ? null : distanceOf(kind, earlier, candidate);
      if (distance !== null && (nearest === null || distance < nearest)) nearest = distance;
    }
    return nearest;
  });
}

function timelineOf(context: SearchContext, places: readonly number[]): Entry[] {
  const { reader, search, columns } = context;
  const { lowerIsBetter, space } = reader.searches.spec(search);
  const texts = places.map((at) => reader.browse.texts(search, columns.ids[at] as string));
  const isRefused = (at: number) => ['rejected', 'duplicate'].includes(statuses[columns.status[at] as number] ?? '');
  const novelties = noveltiesOf(
    space.kind,
    places.map((at, index) => (isRefused(at) ? null : (texts[index]?.candidate ?? null))),
  );
  const sign = lowerIsBetter ? -1 : 1;
  return places.map((at, index): Entry => {
    const id = columns.ids[at] as string;
    const parent = columns.parent[at] as number;
    const own = columns.scores.screen[at] ?? null;
    const base = parent < 0 ? null : (columns.scores.screen[parent] ?? null);
    const parents = [parent, columns.secondParent[at] as number].filter((each) => each >= 0);
    return {
      ...mentionOf(columns, id),
      index: at,
      attempt: columns.attempt[at] as number,
      parents: parents.map((each) => columns.ids[each] as string),
      short: shortLine(texts[index]?.candidate ?? ''),
      change: line(texts[index]?.change ?? ''),
      proposedAt: columns.proposedAt[at] as number,
      evaluatedAt: columns.evaluatedAt[at] ?? null,
      effect: own === null || base === null ? null : finite(sign * (own - base)),
      novelty: finite(novelties[index]),
      costUsd: columns.dollars[at] as number,
    };
  });
}

/** Use and success of each operator. */
function operatorsOf(timeline: readonly Entry[]): AgentDetail['operators'] {
  return allOperators.flatMap((operator) => {
    const own = timeline.filter((entry) => entry.operator === operator);
    if (own.length === 0) return [];
    const effects = own.flatMap(({ effect }) => (effect === null ? [] : [effect]));
    return [
      {
        operator,
        used: own.length,
        scored: own.filter(({ score }) => score !== null).length,
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
  const timeline = timelineOf(context, places);
  return {
    version: apiVersion,
    sequence: columns.sequence,
    search,
    metric: line(spec.metric),
    lowerIsBetter: spec.lowerIsBetter,
    agent: agentOf(context, self, row),
    spec: longText(JSON.stringify(self, null, 1)),
    timeline,
    operators: operatorsOf(timeline),
    exchanges: agent < 0 ? [] : exchangesOf(context, agent),
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
    for (const id of record.rationale.evidence) citedBy.set(id, [...(citedBy.get(id) ?? []), record.id]);
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
