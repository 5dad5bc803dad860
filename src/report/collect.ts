import { aggregate, aggregateByAgent, conditionings, extrapolateAll, type ScoredNode } from '../aggregation/index.ts';
import { type Architecture, parseArchitecture, parseInSpace, runLengthText } from '../domain/architecture.ts';
import { endingReasons } from '../domain/ending.ts';
import { TerminalError } from '../domain/errors.ts';
import type { SearchId } from '../domain/ids.ts';
import type { NodeStatus } from '../domain/node.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { Rung } from '../domain/task.ts';
import type { ArchiveReader } from '../memory/archive.ts';
import type { NodeRecord } from '../memory/records.ts';
import type { TestScore } from '../memory/testScores.ts';
import type { SeedScore } from '../statistics/seeds.ts';
import type { ReportAggregation, ReportData, ReportEnding, ReportExtrapolation, ReportNode } from './data.ts';
import { devicesOf } from './devices.ts';
import { findingsOf } from './findings.ts';
import { funnelOf } from './funnel.ts';

/** Facts that only the process that writes the report knows. */
export interface ReportSetting {
  readonly airaVersion: string;
  readonly machine: ReportData['provenance']['machine'];
  readonly commands: readonly string[];
}

/** The conditioning whose pattern a search evaluates: Composer found N0 best (arXiv 2510.00379). */
const evaluatedConditioning = 0;

/** Where a node stands, by its screening. */
export function statusOf({ verdict, evaluations }: NodeRecord): NodeStatus {
  if (verdict !== 'accepted') return verdict;
  const screen = evaluations.find(({ rung }) => rung === 'screen')?.status;
  return screen === 'ok' ? 'evaluated' : screen === 'failed' ? 'failed' : 'pending';
}

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

function aggregation(records: readonly NodeRecord[], spec: SearchSpec): ReportAggregation | null {
  const { space } = spec;
  if (space.kind !== 'stack') return null;
  const nodes: ScoredNode[] = records.flatMap((record) => {
    const score = record.evaluations.find(({ rung }) => rung === 'screen')?.validation;
    if (record.origin === 'reference' || record.origin === 'aggregate' || score == null) return [];
    return [{ node: record.id, agent: record.agent, architecture: parseInSpace(record.candidate, space), score }];
  });
  if (nodes.length === 0) return null;
  return {
    patterns: conditionings.map((conditioning) => aggregate(nodes, conditioning)),
    byAgent: aggregateByAgent(nodes, evaluatedConditioning),
    conditioning: evaluatedConditioning,
  };
}

/** Gathers what a report shows. Test figures come in separately, because reading them is recorded (I4). */
export function collectReport(
  reader: ArchiveReader,
  search: SearchId,
  tests: readonly TestScore[],
  setting: ReportSetting,
): ReportData {
  const spec = reader.searches.spec(search);
  const records = reader.records.nodes(search);
  const standing = reader.standing.of(search);
  const times = reader.searches.phaseTimes(search);
  const startedAt = times[0]?.at ?? 0;
  const endedAt = times.at(-1)?.at ?? startedAt;
  const evaluations = records.flatMap((record) => record.evaluations);
  const saved = evaluations.filter((each) => each.saved);
  const found = aggregation(records, spec);

  const data: ReportData = {
    search: {
      id: search,
      task: spec.task,
      metric: spec.metric,
      lowerIsBetter: spec.lowerIsBetter,
      finalSeeds: spec.ladder.finalSeeds,
      profile: spec.profile,
      space: spec.space,
      seed: spec.seed,
      phase: standing.phase,
    },
    agents: spec.agents.map(({ name, model, scaffold, memory, novelty, evaluations }) => {
      const row = standing.agents.find(({ agent }) => agent === name);
      if (!row) throw new TerminalError('standing', `the standing of "${search}" lacks agent ${name}`);
      const { end, spend } = row;
      return {
        name,
        model,
        scaffold: scaffold.kind,
        memory,
        distance: novelty?.distance,
        evaluations,
        end,
        spend,
      };
    }),
    nodes: records.map((record) => reportNode(record, startedAt, tests)),
    endings: endingsOf(reader, search),
    phases: times
      .map(({ phase, at }, index) => ({ phase, seconds: ((times[index + 1]?.at ?? endedAt) - at) / 1000 }))
      .filter(({ phase }) => phase !== 'finished' && phase !== 'stopped'),
    budget: {
      limit: spec.budget,
      spent: {
        evaluations: standing.agents.reduce((sum, { agent }) => sum + reader.budget.accepted(search, agent), 0),
        minutes: standing.elapsedMs / 60_000,
        deviceSeconds: standing.deviceSeconds,
        calls: standing.spend,
      },
      saved: { evaluations: saved.length, deviceSeconds: saved.reduce((sum, each) => sum + (each.seconds ?? 0), 0) },
    },
    devices: devicesOf(records, standing.elapsedMs),
    aggregation: found,
    extrapolations: [],
    funnel: funnelOf(records),
    provenance: {
      airaVersion: setting.airaVersion,
      taskVersion: spec.taskVersion,
      evaluator: spec.evaluator,
      machine: setting.machine,
      startedAt: new Date(startedAt).toISOString(),
      searchFile: reader.searches.source(search),
      commands: setting.commands,
    },
  };
  return { ...data, extrapolations: extrapolations(data, found) };
}

/** A search that was taken up again tells of its last interruption only while it has not finished. */
function endingsOf(reader: ArchiveReader, search: SearchId): ReportEnding[] {
  const all = reader.endings.of(search);
  const passing: readonly string[] = [endingReasons.interrupted, endingReasons.failed];
  const isPassing = (each: (typeof all)[number]) => each.of === 'search' && passing.includes(each.reason);
  const last = reader.searches.phase(search) === 'finished' ? null : all.at(-1);
  return (
    all
      // Agents carry their own end, with what they used and spent.
      .filter((each) => each.of !== 'agent' && (!isPassing(each) || each === last))
      .map(({ of, subject, reason, sentence }) => ({ of, subject, reason, sentence }))
  );
}

/** The aggregate and the search's own best, carried to the target sizes beside the published pattern. */
function extrapolations(data: ReportData, found: ReportAggregation | null): ReportExtrapolation[] {
  const { lead } = findingsOf(data);
  const pattern = found?.patterns.find(({ conditioning }) => conditioning === evaluatedConditioning);
  const sources: { label: string; pattern: Architecture }[] = [];
  if (pattern) sources.push({ label: 'aggregate N0', pattern: pattern.architecture });
  if (lead && data.search.space.kind === 'stack') {
    const role = lead.validation.confirm.length > 0 ? 'finalist' : 'best screened';
    sources.push({ label: `${role} ${lead.id}`, pattern: parseArchitecture(lead.candidate) });
  }
  const distinct = sources.filter(
    (each, index) =>
      sources.findIndex((other) => runLengthText(other.pattern) === runLengthText(each.pattern)) === index,
  );
  return distinct.map(({ label, pattern: layers }) => ({ label, pattern: layers, rows: extrapolateAll(layers) }));
}
