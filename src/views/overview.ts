import { primitiveText } from '../domain/architecture.ts';
import type { ClaimRecord } from '../domain/claim.ts';
import type { SearchId } from '../domain/ids.ts';
import type { SearchStatus } from '../domain/messages.ts';
import { scaffoldLabel } from '../domain/scaffold.ts';
import type { SearchSpec } from '../domain/search.ts';
import { metricValue, type Rung, rungs } from '../domain/task.ts';
import type { ArchiveReader } from '../memory/index.ts';
import type { Overview, OverviewAgent, Ruling, SearchRow } from './api.ts';
import { apiVersion } from './apiSearch.ts';
import type { SearchColumns } from './columns.ts';
import { freshMs, type Heard } from './heard.ts';
import { comparedData } from './judged.ts';
import { busyShare } from './report/collect.ts';
import { findingsOf, floorsOn, meanOn, nodeName, scoresOn } from './report/findings.ts';
import { meanInterval, type RungScores, scoresOf, timeLeftMs } from './searchList.ts';
import { finite, line, longText, metricOf, shortLine } from './texts.ts';

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
