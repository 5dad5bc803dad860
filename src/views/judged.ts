import type { ScoredNode } from '../aggregation/index.ts';
import { type Architecture, readArchitecture } from '../domain/architecture.ts';
import type { AgentName, NodeId, SearchId } from '../domain/ids.ts';
import type { ArchiveReader } from '../memory/index.ts';
import { type SeedScore, summarise } from '../statistics/index.ts';
import { operators, type SearchColumns } from './columns.ts';
import { collectReport } from './report/collect.ts';
import type { ReportData, ReportNode } from './report/data.ts';
import { maxRows } from './report/sections/leaderboard.ts';
import { scoresOf } from './searchList.ts';

/**
 * The report's data of a search for pages that are made while it runs: equal to what the report has, from as few nodes as will do.
 *
 * Role: which nodes are read whole, one by one; a search of 10^5 nodes has 2 * 10^4 on the confirm rung. Non-role: what follows
 * from them (`report/findings.ts`).
 */

/** A search and its columns, of one snapshot. */
interface Context {
  readonly reader: ArchiveReader;
  readonly search: SearchId;
  readonly columns: SearchColumns;
}

const options = { airaVersion: '', machine: [], commands: [] };

/** The place of the proposal that screened best among some; -1 without one. */
function bestScreened(columns: SearchColumns, among: (at: number) => boolean): number {
  let best = -1;
  for (let at = 0; at < columns.length; at++) {
    const own = columns.isOfLab(at) || !among(at) ? null : columns.screenFitness(at);
    if (own !== null && (best < 0 || own > (columns.screenFitness(best) ?? Number.NEGATIVE_INFINITY))) best = at;
  }
  return best;
}

/**
 * Places of the nodes that comparisons and the lead rest on: those of the lab, all that were scored on a rung on which references
 * were, all of the final rung, and the best screened of the highest rung reached.
 */
function comparedPlaces(columns: SearchColumns): Set<number> {
  const { scores, operator } = columns;
  const places = new Set<number>();
  let [onConfirm, onFinal, referencesConfirmed] = [false, false, false];
  for (let at = 0; at < columns.length; at++) {
    if (columns.isOfLab(at)) {
      places.add(at);
      referencesConfirmed ||= operators[operator[at] as number] === 'reference' && scores.confirm[at] !== null;
    } else {
      onConfirm ||= scores.confirm[at] !== null;
      if (scores.final[at] === null) continue;
      onFinal = true;
      places.add(at);
    }
  }
  if (referencesConfirmed) {
    for (let at = 0; at < columns.length; at++) if (scores.confirm[at] !== null) places.add(at);
  }
  if (!onFinal) {
    const lead = bestScreened(columns, onConfirm ? (at) => scores.confirm[at] !== null : () => true);
    if (lead >= 0) places.add(lead);
  }
  return places;
}

function dataOf({ reader, search, columns }: Context, places: ReadonlySet<number>, voters: readonly ScoredNode[]) {
  const records = [...places]
    .sort((a, b) => a - b)
    .flatMap((at) => reader.records.node(search, columns.ids[at] as string) ?? []);
  return collectReport(reader, search, [], options, records, voters);
}

/**
 * What comparisons with references, the lead and patterns rest on.
 *
 * @param voters who votes on patterns; none for a page without them.
 */
export const comparedData = (context: Context, voters: readonly ScoredNode[] = []): ReportData =>
  dataOf(context, comparedPlaces(context.columns), voters);

/** A node as far as ranks, noise and charts need it: without its candidate and reasons, which only the best show. */
function outline(columns: SearchColumns, at: number, confirm: readonly SeedScore[]): ReportNode {
  const screen = columns.screenFitness(at);
  const id = columns.ids[at] as string;
  return {
    ...{ id, agent: columns.agents.values[columns.agent[at] as number] as string },
    ...{ ordinal: columns.attempt[at] as number, origin: operators[columns.operator[at] as number] ?? 'draft' },
    ...{ name: null, parents: [], candidate: '', change: '', unsafe: false, status: 'evaluated' },
    ...{ reason: null, message: null, test: [], seconds: 0, saved: false, finishedAt: null },
    validation: {
      screen: screen === null ? [] : [{ seed: 0, score: screen }],
      confirm,
      final: [],
    },
    attempts: { screen: 0, confirm: 0, final: 0 },
  };
}

/** All nodes with a score above the screen rung, and those that comparisons rest on. */
export function judgedData(context: Context): ReportData {
  const { reader, search, columns } = context;
  const confirmed = new Map(
    scoresOf(reader, search, 'confirm').map(({ node, seeds }) => [columns.placeOf(node), seeds]),
  );
  const places = comparedPlaces(columns);
  const means = [...confirmed].map(([at, seeds]) => ({ at, mean: summarise(seeds)?.mean ?? Number.NEGATIVE_INFINITY }));
  // Nodes of equal means may stand in either order.
  const least = means.map(({ mean }) => mean).sort((a, b) => b - a)[maxRows - 1] ?? Number.NEGATIVE_INFINITY;
  for (const { at, mean } of means) if (mean >= least) places.add(at);
  const data = dataOf(context, places, []);
  const outlines = [...confirmed].flatMap(([at, seeds]) => (places.has(at) ? [] : [outline(columns, at, seeds)]));
  const placeOf = (node: ReportNode) => columns.placeOf(node.id);
  return { ...data, nodes: [...data.nodes, ...outlines].sort((a, b) => placeOf(a) - placeOf(b)) };
}

/** The proposals with a screening score, which vote on patterns; none of a search for programs. */
export function votersOf({ reader, search, columns }: Context): ScoredNode[] {
  if (reader.searches.spec(search).space.kind !== 'stack') return [];
  const known = new Map<number, Architecture>();
  const layersOf = (pattern: number): Architecture => {
    const layers = known.get(pattern) ?? readArchitecture(columns.patterns.values[pattern] as string);
    known.set(pattern, layers);
    return layers;
  };
  const voters: ScoredNode[] = [];
  for (let at = 0; at < columns.length; at++) {
    const score = columns.isOfLab(at) ? null : columns.screenFitness(at);
    const pattern = columns.pattern[at] as number;
    if (score === null || pattern < 0) continue;
    const agent = columns.agents.values[columns.agent[at] as number] as AgentName;
    voters.push({ node: columns.ids[at] as NodeId, agent, architecture: layersOf(pattern), score });
  }
  return voters;
}
