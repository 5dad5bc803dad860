import {
  aggregateByAgent,
  aggregateUnder,
  conditionings,
  extrapolateAll,
  type ScoredNode,
} from '../../aggregation/index.ts';
import { type Architecture, parseInSpace, readArchitecture, runLengthText } from '../../domain/architecture.ts';
import { endingReasons } from '../../domain/ending.ts';
import { TerminalError } from '../../domain/errors.ts';
import type { SearchId } from '../../domain/ids.ts';
import { type EvidenceId, type LiteratureSource, literatureSources, sourceOf } from '../../domain/literature.ts';
import { scaffoldLabel } from '../../domain/scaffold.ts';
import type { SearchSpec } from '../../domain/search.ts';
import { fitnessOf, type Rung, rungs } from '../../domain/task.ts';
import { loadCorpus } from '../../literature/index.ts';
import {
  type ArchiveReader,
  type EvaluationRecord,
  type NodeRecord,
  statusOf,
  type TestScore,
} from '../../memory/index.ts';
import type { Floor, SeedScore } from '../../statistics/index.ts';
import type {
  ReportAggregation,
  ReportData,
  ReportDevices,
  ReportEnding,
  ReportExtrapolation,
  ReportFunnel,
  ReportNode,
} from './data.ts';
import { findingsOf } from './findings.ts';

/** Facts known only to the process that writes the report. */
export interface ReportOptions {
  readonly airaVersion: string;
  readonly machine: ReportData['provenance']['machine'];
  readonly commands: readonly string[];
}

/** The conditioning whose pattern a search evaluates: Composer found N0 best (arXiv 2510.00379). */
const evaluatedConditioning = 0;

function reportNode(record: NodeRecord, startedAt: number, tests: readonly TestScore[]): ReportNode {
  const screen = record.evaluations.find(({ rung }) => rung === 'screen');
  const scores = (rung: Rung): SeedScore[] =>
    record.evaluations.flatMap((each) =>
      each.rung === rung && each.validation !== null ? [{ seed: each.seed, score: each.validation }] : [],
    );
  const attempts = (rung: Rung) =>
    record.evaluations.reduce((sum, each) => (each.rung === rung ? sum + each.attempts : sum), 0);
  const failed = record.evaluations.find(({ status }) => status === 'failed');
  const lab = record.origin === 'reference' || record.origin === 'aggregate';
  return {
    id: record.id,
    ordinal: record.ordinal,
    agent: lab ? record.origin : record.agent,
    origin: record.origin,
    name: record.origin === 'reference' ? record.agent.replace(/^reference-/, '') : null,
    parents: record.parents,
    candidate: record.candidate,
    change: record.rationale.change,
    unsafe: record.evaluations.some(({ unsafe }) => unsafe),
    status: statusOf(record),
    reason: failed?.reason ?? (record.verdict === 'accepted' ? null : record.verdict),
    message: failed?.message ?? record.message,
    validation: { screen: scores('screen'), confirm: scores('confirm'), final: scores('final') },
    attempts: { screen: attempts('screen'), confirm: attempts('confirm'), final: attempts('final') },
    test: tests.filter(({ node }) => node === record.id).map(({ seed, score }) => ({ seed, score })),
    seconds: record.evaluations.reduce((sum, each) => sum + (each.seconds ?? 0), 0),
    saved: screen?.saved ?? false,
    finishedAt:
      screen?.finishedAt == null ? null : Math.max(0, Math.max(screen.finishedAt, record.createdAt) - startedAt),
  };
}

/** The proposals with a screening score, which vote on patterns; none of a search for programs. */
function votersOf(records: readonly NodeRecord[], { space }: SearchSpec): ScoredNode[] {
  if (space.kind !== 'stack') return [];
  return records.flatMap((record) => {
    const score = record.evaluations.find(({ rung }) => rung === 'screen')?.validation;
    if (record.origin === 'reference' || record.origin === 'aggregate' || score == null) return [];
    return [{ node: record.id, agent: record.agent, architecture: parseInSpace(record.candidate, space), score }];
  });
}

function aggregation(voters: readonly ScoredNode[]): ReportAggregation | null {
  if (voters.length === 0) return null;
  return {
    patterns: aggregateUnder(voters, conditionings),
    byAgent: aggregateByAgent(voters, evaluatedConditioning),
    conditioning: evaluatedConditioning,
  };
}

/**
 * Collects what a report shows. Test scores are passed in, because reading them is recorded (I4).
 *
 * @param records all nodes; a page that shows only comparisons passes those with scores above the screen rung.
 * @param voters who votes on patterns; by default all of `records` with a screening score.
 */
export function collectReport(
  reader: ArchiveReader,
  search: SearchId,
  tests: readonly TestScore[],
  options: ReportOptions,
  records: readonly NodeRecord[] = reader.records.nodes(search),
  voters?: readonly ScoredNode[],
): ReportData {
  const spec = reader.searches.spec(search);
  const searchStatus = reader.searchStatus.of(search);
  const times = reader.searches.phaseTimes(search);
  const startedAt = times[0]?.at ?? 0;
  const endedAt = times.at(-1)?.at ?? startedAt;
  const evaluations = records.flatMap((record) => record.evaluations);
  const saved = evaluations.filter((each) => each.saved);
  const aggregated = aggregation(voters ?? votersOf(records, spec));
  const plateaus = reader.plateaus.of(search);

  const data: ReportData = {
    search: {
      id: search,
      task: spec.task,
      metric: spec.metric,
      testMetric: spec.testMetric ?? spec.metric,
      lowerIsBetter: spec.lowerIsBetter,
      finalSeeds: spec.ladder.finalSeeds,
      profile: spec.profile,
      space: spec.space,
      primitives: spec.primitives ?? [],
      seed: spec.seed,
      phase: searchStatus.phase,
    },
    agents: spec.agents.map(({ name, model, scaffold, memory, novelty, evaluations }) => {
      const plateau = plateaus.filter(({ agent }) => agent === name).at(-1);
      const row = searchStatus.agents.find(({ agent }) => agent === name);
      if (!row) throw new TerminalError('status', `the status of "${search}" lacks agent ${name}`);
      const { end, spend } = row;
      return {
        name,
        model,
        scaffold: scaffoldLabel(scaffold),
        ...(plateau ? { plateau: { best: plateau.best, results: plateau.results } } : {}),
        memory,
        distance: novelty?.distance,
        evaluations,
        end,
        spend,
      };
    }),
    nodes: records.map((record) => reportNode(record, startedAt, tests)),
    floors: floorsOf(evaluations, tests, spec),
    endings: endingsOf(reader, search),
    phases: times
      .map(({ phase, at }, index) => ({ phase, seconds: ((times[index + 1]?.at ?? endedAt) - at) / 1000 }))
      .filter(({ phase }) => phase !== 'finished' && phase !== 'stopped'),
    budget: {
      limit: spec.budget,
      spent: {
        evaluations: searchStatus.agents.reduce((sum, { agent }) => sum + reader.budget.accepted(search, agent), 0),
        minutes: searchStatus.elapsedMs / 60_000,
        deviceSeconds: searchStatus.deviceSeconds,
        rehearsalSeconds: reader.rehearsals.of(search).reduce((sum, each) => sum + (each.seconds ?? each.reserved), 0),
        calls: searchStatus.spend,
      },
      saved: { evaluations: saved.length, deviceSeconds: saved.reduce((sum, each) => sum + (each.seconds ?? 0), 0) },
    },
    devices: devicesOf(records, searchStatus.elapsedMs),
    aggregation: aggregated,
    extrapolations: [],
    funnel: funnelOf(records),
    provenance: {
      airaVersion: options.airaVersion,
      taskVersion: spec.taskVersion,
      evaluator: spec.evaluator,
      machine: options.machine,
      startedAt: new Date(startedAt).toISOString(),
      searchFile: reader.searches.source(search),
      commands: options.commands,
    },
  };
  return { ...data, extrapolations: extrapolations(data, aggregated) };
}

/** One row per floor: the rows of a seed, and with them their floors, are the same for all candidates. */
function floorsOf(
  evaluations: readonly EvaluationRecord[],
  tests: readonly TestScore[],
  { lowerIsBetter }: Pick<SearchSpec, 'lowerIsBetter'>,
): ReportData['floors'] {
  const collected = (rows: readonly { seed: number; floors: Readonly<Record<string, number>> }[]): Floor[] => {
    const bySeed = new Map(rows.map(({ seed, floors }) => [seed, floors]));
    const names = [...new Set(rows.flatMap(({ floors }) => Object.keys(floors)))];
    return names.map((name) => ({
      name,
      scores: [...bySeed].flatMap(([seed, floors]) =>
        floors[name] === undefined ? [] : [{ seed, score: fitnessOf(floors[name], lowerIsBetter) }],
      ),
    }));
  };
  const scored = evaluations.filter(({ validation }) => validation !== null);
  const [screen, confirm, final] = rungs.map((rung) => collected(scored.filter((each) => each.rung === rung)));
  return { screen: screen ?? [], confirm: confirm ?? [], final: final ?? [], test: collected(tests) };
}

/** A resumed search lists its last interruption only until it has finished. */
function endingsOf(reader: ArchiveReader, search: SearchId): ReportEnding[] {
  const all = reader.endings.of(search);
  const temporary: readonly string[] = [endingReasons.interrupted, endingReasons.failed];
  const isTemporary = (each: (typeof all)[number]) => each.of === 'search' && temporary.includes(each.reason);
  const last = reader.searches.phase(search) === 'finished' ? null : all.at(-1);
  return (
    all
      // Each agent carries its own ending, with what it used and spent.
      .filter((each) => each.of !== 'agent' && (!isTemporary(each) || each === last))
      .map(({ of, subject, reason, sentence }) => ({ of, subject, reason, sentence }))
  );
}

/** The aggregate and the search's own best at the target sizes, next to the published pattern. */
function extrapolations(data: ReportData, aggregated: ReportAggregation | null): ReportExtrapolation[] {
  const { lead } = findingsOf(data);
  const pattern = aggregated?.patterns.find(({ conditioning }) => conditioning === evaluatedConditioning);
  const sources: { label: string; pattern: Architecture }[] = [];
  if (pattern) sources.push({ label: 'aggregate N0', pattern: pattern.architecture });
  if (lead && data.search.space.kind === 'stack') {
    const role = lead.validation.confirm.length > 0 ? 'finalist' : 'best screened';
    sources.push({ label: `${role} ${lead.id}`, pattern: readArchitecture(lead.candidate) });
  }
  const distinct = sources.filter(
    (each, index) =>
      sources.findIndex((other) => runLengthText(other.pattern) === runLengthText(each.pattern)) === index,
  );
  return distinct.map(({ label, pattern: layers }) => ({
    label,
    pattern: layers,
    rows: extrapolateAll(layers, data.search.primitives),
  }));
}

/**
 * How many workers trained for a search, and the share of time between its first and last training that they were busy.
 * Time during which the search was paused does not count. Null without trainings.
 */
export function devicesOf(records: readonly NodeRecord[], elapsedMs: number): ReportDevices | null {
  const trained = records
    .flatMap(({ evaluations }) => evaluations)
    .flatMap(({ saved, worker, seconds, finishedAt }) =>
      saved || worker === null || seconds === null || finishedAt === null ? [] : [{ worker, seconds, finishedAt }],
    );
  if (trained.length === 0) return null;
  const use = {
    count: new Set(trained.map(({ worker }) => worker)).size,
    seconds: trained.reduce((sum, { seconds }) => sum + seconds, 0),
    firstStart: trained.reduce(
      (first, each) => Math.min(first, each.finishedAt - 1000 * each.seconds),
      Number.POSITIVE_INFINITY,
    ),
    lastEnd: trained.reduce((last, { finishedAt }) => Math.max(last, finishedAt), 0),
  };
  return { count: use.count, busy: busyShare(use, elapsedMs) };
}

/** The trainings that a search paid for: workers, their seconds, first start and last end in milliseconds. */
export interface DeviceUse {
  readonly count: number;
  readonly seconds: number;
  readonly firstStart: number;
  readonly lastEnd: number;
}

/** Share of the time between first start and last end that workers were busy. */
export function busyShare({ count, seconds, firstStart, lastEnd }: DeviceUse, elapsedMs: number): number {
  const span = Math.min(elapsedMs, lastEnd - firstStart);
  // Clocks of different machines may differ slightly, hence the bound.
  return span > 0 ? Math.min(1, (1000 * seconds) / (count * span)) : 1;
}

/** Outcome of an attempt. */
interface Attempt {
  readonly record: NodeRecord;
  /** Accepted as a candidate that the agent had not tried. */
  readonly changed: boolean;
  /** Better than its first parent, or for a draft than all its agent's earlier results; null without a comparison. */
  readonly improved: boolean | null;
}

const screenOf = (record: NodeRecord | undefined): number | null =>
  record?.evaluations.find(({ rung }) => rung === 'screen')?.validation ?? null;

function attemptsOf(records: readonly NodeRecord[]): Attempt[] {
  const byId = new Map(records.map((record) => [record.id, record]));
  const best = new Map<string, number>();
  return [...records]
    .sort((a, b) => a.ordinal - b.ordinal)
    .map((record) => {
      const own = screenOf(record);
      const before = best.get(record.agent) ?? null;
      const [parent] = record.parents;
      const base = parent === undefined ? before : screenOf(byId.get(parent));
      if (own !== null) best.set(record.agent, Math.max(own, before ?? own));
      return {
        record,
        changed: record.verdict === 'accepted',
        improved: own === null || base === null ? null : own > base,
      };
    });
}

/** Evidence ids of works and lessons (with a colon); the others are nodes of the view. */
const cites = ({ rationale }: NodeRecord): EvidenceId[] =>
  rationale.evidence.filter((id): id is EvidenceId => id.includes(':'));

const count = <T>(items: readonly T[], test: (item: T) => boolean): number => items.filter(test).length;

/** The most cited works, with their titles if known. */
function worksOf(attempts: readonly Attempt[]): ReportFunnel['works'] {
  const entries = new Map<EvidenceId, { shown: number; cited: number; improved: number; title: string | null }>();
  const entry = (id: EvidenceId) => {
    const work = entries.get(id) ?? { shown: 0, cited: 0, improved: 0, title: null };
    entries.set(id, work);
    return work;
  };
  for (const { record, improved } of attempts) {
    for (const id of record.rationale.retrieved) entry(id).shown++;
    for (const { id, title } of record.rationale.works ?? []) entry(id).title = title;
    for (const id of cites(record)) {
      entry(id).cited++;
      if (improved) entry(id).improved++;
    }
  }
  const titles = new Map<string, string>();
  if ([...entries.keys()].some((id) => sourceOf(id) === 'corpus')) {
    for (const { id, title } of loadCorpus().notes) titles.set(`corpus:${id}`, title);
  }
  return [...entries]
    .filter(([, { cited }]) => cited > 0)
    .sort(([a, one], [b, two]) => two.cited - one.cited || two.improved - one.improved || (a < b ? -1 : 1))
    .slice(0, 12)
    .map(([id, work]) => ({ ...work, id, title: work.title ?? titles.get(id) ?? null }));
}

/**
 * Use of the literature by agent and source: shown, cited, led to a new candidate, led to a better one. Null if no agent
 * read.
 */
export function funnelOf(records: readonly NodeRecord[]): ReportFunnel | null {
  const all = attemptsOf(records.filter(({ origin }) => origin !== 'reference' && origin !== 'aggregate'));
  const readers = [
    ...new Set(
      all.flatMap(({ record: { agent, rationale } }) =>
        rationale.readings?.length || rationale.retrieved.length > 0 ? [agent] : [],
      ),
    ),
  ];
  if (readers.length === 0) return null;
  const agents = readers.map((agent) => {
    const own = all.filter(({ record }) => record.agent === agent);
    const row = (source: LiteratureSource) => {
      const of = (ids: readonly EvidenceId[]) => ids.filter((id) => sourceOf(id) === source);
      const shown = own.filter(({ record }) => of(record.rationale.retrieved).length > 0);
      const cited = shown.filter(({ record }) => of(cites(record)).length > 0);
      return {
        source,
        works: new Set(shown.flatMap(({ record }) => of(record.rationale.retrieved))).size,
        retrieved: shown.length,
        cited: cited.length,
        changed: count(cited, ({ changed }) => changed),
        compared: count(cited, ({ improved }) => improved !== null),
        improved: count(cited, ({ improved }) => improved === true),
      };
    };
    const failures = own.flatMap(
      ({ record }) => record.rationale.readings?.flatMap(({ failed }) => failed ?? []) ?? [],
    );
    const silent = own.filter(({ record }) => cites(record).length === 0);
    return {
      agent,
      attempts: own.length,
      failed: failures.length,
      failure: failures[0] ?? null,
      sources: literatureSources.map(row).filter(({ retrieved }) => retrieved > 0),
      withoutCitation: {
        compared: count(silent, ({ improved }) => improved !== null),
        improved: count(silent, ({ improved }) => improved === true),
      },
    };
  });
  return { agents, works: worksOf(all) };
}
