import type { ScoredNode } from '../aggregation/index.ts';
import { type Architecture, primitiveText, readArchitecture } from '../domain/architecture.ts';
import type { ClaimRecord } from '../domain/claim.ts';
import type { AgentName, NodeId, SearchId } from '../domain/ids.ts';
import type { SearchStatus } from '../domain/messages.ts';
import { scaffoldLabel } from '../domain/scaffold.ts';
import type { SearchSpec } from '../domain/search.ts';
import { metricValue, type Rung, rungs } from '../domain/task.ts';
import type { ArchiveReader } from '../memory/index.ts';
import { type SeedScore, summarise } from '../statistics/index.ts';
import type { Overview, OverviewAgent, Ruling, SearchRow } from './api.ts';
import { apiVersion } from './apiSearch.ts';
import { operators, type SearchColumns } from './columns.ts';
import { freshMs, type Heard, meanInterval, type RungScores, scoresOf, timeLeftMs } from './homeLists.ts';
import { busyShare, collectReport } from './report/collect.ts';
import type { ReportData, ReportNode } from './report/data.ts';
import { findingsOf, floorsOn, meanOn, nodeName, scoresOn } from './report/findings.ts';
import { maxRows } from './report/sections/leaderboard.ts';
import { finite, line, longText, metricOf, shortLine } from './texts.ts';

/**
 * The overview of one search, and the report's data for pages that are made while it runs: equal to what the report has, from as
 * few nodes as will do.
 *
 * Role: what the pages of a search share, its agents and budget now; which nodes are read whole, one by one: a search of 10^5 nodes
 * has 2 * 10^4 on the confirm rung. Non-role: what follows from them (`report/findings.ts`).
 */

/** Everything that the pages of one search share. */
export interface SearchContext {
  readonly reader: ArchiveReader;
  readonly search: SearchId;
  readonly columns: SearchColumns;
  readonly searchStatus: SearchStatus;
  readonly row: SearchRow;
  readonly heard: Heard;
  readonly rulings: readonly Ruling[];
  readonly now: number;
  /** The claims of the report that was written; null before. */
  readonly written: () => ClaimRecord | 'unreadable' | null;
}

type Row = SearchStatus['agents'][number];

/** The last ruling of each subject that pauses it. */
export function pausedSubjects(rulings: readonly Ruling[]): Map<string | null, Ruling> {
  const paused = new Map<string | null, Ruling>();
  for (const ruling of rulings) {
    if (ruling.kind === 'pause') paused.set(ruling.subject, ruling);
    else if (ruling.kind === 'resume') paused.delete(ruling.subject);
  }
  return paused;
}

/** An agent and what it does now. */
export function agentOf(context: SearchContext, spec: SearchSpec['agents'][number], row: Row): OverviewAgent {
  const { search, heard, rulings, now, columns, reader } = context;
  const { lowerIsBetter } = reader.searches.spec(search);
  const beat = heard.agents.get(`${search} ${spec.name}`);
  const fresh = beat !== undefined && now - beat.at <= freshMs ? beat.state : undefined;
  const paused = pausedSubjects(rulings);
  const pause = row.end === null ? (paused.get(spec.name) ?? paused.get(null)) : undefined;
  const state: OverviewAgent['state'] =
    row.end !== null
      ? 'ended'
      : pause
        ? 'paused'
        : fresh === undefined
          ? 'idle'
          : fresh.state === 'waiting' || fresh.state === 'joining'
            ? 'waiting'
            : fresh.state === 'finished' || fresh.state === 'failed'
              ? 'ended'
              : 'working';
  const why = row.end?.reason ?? pause?.sentence ?? fresh?.note ?? null;
  const place = columns.agents.values.indexOf(spec.name);
  const fitnessBest = row.best;
  const best = fitnessBest === null ? null : metricValue(fitnessBest, lowerIsBetter);
  const bestAt =
    best === null ? -1 : columns.scores.screen.findIndex((value, at) => value === best && columns.agent[at] === place);
  const { proposed, evaluated, failed, rejected, duplicate, pending, cached, spend } = row;
  return {
    name: spec.name,
    model: line(spec.model),
    scaffold: scaffoldLabel(spec.scaffold),
    memory: spec.memory ?? 'own',
    evaluations: spec.evaluations,
    state,
    why: why === null || why === '' ? null : line(why),
    endCode: row.end?.code ?? null,
    best: best === null || bestAt < 0 ? null : { node: columns.ids[bestAt] as string, score: best },
    counts: { proposed, evaluated, failed, rejected, duplicate, pending, cached },
    spent: { calls: spend.calls, tokens: spend.tokens, costUsd: spend.dollars },
  };
}

function budgetOf(
  spec: SearchSpec,
  { elapsedMs, deviceSeconds, spend }: SearchStatus,
  evaluations: number,
): Overview['budget'] {
  const entry = (unit: Overview['budget'][number]['unit'], limit: number | undefined, used: number) => ({
    unit,
    limit: limit ?? null,
    used,
    left: limit === undefined ? null : Math.max(0, limit - used),
  });
  const { budget } = spec;
  return [
    entry('evaluations', budget.evaluations, evaluations),
    entry('minutes', budget.minutes, elapsedMs / 60_000),
    entry('deviceSeconds', budget.deviceSeconds, deviceSeconds),
    entry('costUsd', budget.dollars, spend.dollars),
    entry('tokens', budget.tokens, spend.tokens),
  ];
}

/** The sentences of the written report, which rest on test scores too; empty before it is written. */
function claimsOf({ written }: SearchContext): Overview['claims'] {
  const record = written();
  if (record === null || record === 'unreadable') return [];
  const [lead] = record.comparisons;
  return record.sentences.map((sentence, index) => ({
    sentence: line(sentence, 2000),
    estimate: index === 0 ? finite(lead?.difference) : null,
    interval: index === 0 && lead?.interval ? { low: lead.interval[0], high: lead.interval[1] } : null,
    method: record.command,
  }));
}

const basisRung = (basis: Rung | 'test'): Rung => (basis === 'test' ? 'final' : basis);

/** `/api/searches/:id` */
export function overviewOf(context: SearchContext): Overview {
  const { reader, search, searchStatus, row, columns, heard, now } = context;
  const spec = reader.searches.spec(search);
  const { space, lowerIsBetter } = spec;
  const data = comparedData(context);
  const { validation } = findingsOf(data);
  const training = [...heard.workers.values()].filter(({ at }) => now - at <= freshMs);
  const alive = training.filter(({ state }) => state.state !== 'stopped').length;
  // One seed per candidate on the screen rung shows no noise.
  const perRung = new Map<Rung, RungScores[]>([['screen', []]]);
  const rowsOn = (rung: Rung): RungScores[] => {
    const found = perRung.get(rung) ?? scoresOf(reader, search, rung);
    perRung.set(rung, found);
    return found;
  };
  const isOver = row.status === 'finished' || row.status === 'stopped' || row.status === 'lost';
  const use = columns.deviceUse();
  return {
    version: apiVersion,
    sequence: columns.sequence,
    search: row,
    goal: {
      description: spec.description === undefined ? null : line(spec.description, 2000),
      space: space.kind,
      layers: space.kind === 'stack' ? space.layers : null,
      primitives:
        space.kind === 'stack'
          ? space.primitives.map((name) => {
              const { title, hint } = primitiveText(name, spec.primitives);
              const colour = spec.primitives?.find(({ token }) => token === name)?.colour ?? null;
              return { name, meaning: line(hint === '' ? title : `${title}: ${hint}`), colour };
            })
          : [],
      seed: spec.seed,
      deviceClass: spec.deviceClass,
      evaluator: line(spec.evaluator),
      taskVersion: line(spec.taskVersion),
      searchFile: longText(reader.searches.source(search)),
    },
    references: data.nodes
      .filter(({ origin }) => origin === 'reference')
      .map((node) => {
        const rung = [...rungs].reverse().find((each) => scoresOn(node, each).length > 0) ?? 'screen';
        const mean = meanOn(node, rung);
        const seeds = scoresOn(node, rung).length;
        return {
          node: node.id,
          name: line(nodeName(node)),
          short: shortLine(node.candidate),
          rung,
          score: metricOf(mean, lowerIsBetter),
          seeds,
          interval: mean === null ? null : meanInterval(mean, seeds, rowsOn(rung), lowerIsBetter),
        };
      }),
    comparisons: (validation?.contests ?? []).map(({ contender, reference, comparison }) => ({
      contender: contender.id,
      reference: reference.id,
      rung: basisRung(validation?.basis ?? 'final'),
      pairs: comparison.n,
      difference: comparison.kind === 'measured' ? comparison.difference : null,
      interval: comparison.kind === 'measured' ? { low: comparison.interval[0], high: comparison.interval[1] } : null,
      level: validation?.level ?? 0.95,
      verdict: comparison.kind === 'measured' ? comparison.verdict : null,
      why: comparison.kind === 'measured' ? null : line(comparison.why),
    })),
    floors: rungs.flatMap((rung) =>
      floorsOn(data, rung).map(({ name, level }) => ({
        name: line(name),
        rung,
        score: metricValue(level, lowerIsBetter),
      })),
    ),
    budget: budgetOf(spec, searchStatus, row.spent.evaluations),
    forecast: {
      remainingMs: isOver ? null : Math.max(0, timeLeftMs(spec, searchStatus, Math.max(1, alive))),
      basis: isOver
        ? 'the search has ended'
        : `the trainings left at their mean duration on ${Math.max(1, alive)} worker${alive > 1 ? 's' : ''}`,
    },
    agents: spec.agents.flatMap((agent) => {
      const own = searchStatus.agents.find((each) => each.agent === agent.name);
      return own ? [agentOf(context, agent, own)] : [];
    }),
    devices: {
      workers: Math.max(alive, use.count),
      training: searchStatus.training,
      busy: use.count === 0 ? null : busyShare(use, searchStatus.elapsedMs),
    },
    counts: searchStatus.proposals,
    rungs: rungs.map((rung) => {
      const { pending, evaluated, failed, saved } = reader.tallies.rungs(search)[rung];
      return { rung, pending, evaluated, failed, cached: saved, meanSeconds: finite(searchStatus.meanSeconds[rung]) };
    }),
    claims: claimsOf(context),
    endings: reader.endings.of(search).map(({ of, subject, reason, sentence, at }) => ({
      of,
      subject: line(subject),
      reason,
      sentence: line(sentence, 1000),
      at,
    })),
    phases: reader.searches.phaseTimes(search),
    rulings: [...context.rulings],
  };
}

/** A search and its columns, of one snapshot. */
type Context = Pick<SearchContext, 'reader' | 'search' | 'columns'>;

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
