import { endingReasons } from '../domain/ending.ts';
import type { SearchId } from '../domain/ids.ts';
import { expectedSeconds, trainings } from '../domain/ladder.ts';
import type { AgentState, SearchStatus, WorkerState } from '../domain/messages.ts';
import type { SearchSpec } from '../domain/search.ts';
import { metricValue, type Rung, rungs } from '../domain/task.ts';
import type { ArchiveReader } from '../memory/index.ts';
import { criticalValue, pooledNoise, type SeedScore } from '../statistics/index.ts';
import type { Best, Interval, SearchRow } from './api.ts';
import { line, metricInterval } from './texts.ts';

/** The last heartbeat of each worker and agent. */
export interface Heard {
  readonly workers: ReadonlyMap<string, { readonly state: WorkerState; readonly at: number }>;
  /** By search and agent, with a blank between. */
  readonly agents: ReadonlyMap<string, { readonly state: AgentState; readonly at: number }>;
}

/** A heartbeat that is older says nothing about now. */
export const freshMs = 60_000;

/** Coverage of every interval of a mean. */
const level = 0.95;

/** A process that runs a search touches its session twice a second. */
const liveMs = 60_000;

/** Estimated wall-clock milliseconds until the end of the search, from measured training times. */
export function timeLeftMs(spec: SearchSpec, searchStatus: SearchStatus, slots: number): number {
  const proposed = searchStatus.agents.reduce((sum, agent) => sum + agent.proposed, 0);
  const screened = searchStatus.phase === 'screening' ? spec.budget.evaluations : proposed;
  const planned = trainings(screened, spec.references.length, spec.ladder);
  const expected = expectedSeconds(spec.rungs, searchStatus.meanSeconds);
  const seconds = rungs.reduce((sum, rung) => {
    const outstanding = Math.max(searchStatus.pendingOn[rung], planned[rung] - searchStatus.doneOn[rung]);
    return sum + outstanding * expected[rung];
  }, 0);
  const estimate = (1000 * seconds) / Math.max(1, slots);
  const { minutes } = spec.budget;
  return minutes === undefined ? estimate : Math.min(estimate, minutes * 60_000 - searchStatus.elapsedMs);
}

/** Scores of one node on one rung, in fitness. */
export interface RungScores {
  readonly node: string;
  readonly seeds: readonly SeedScore[];
}

/** All scores of a rung by node. Of the screen rung with one seed each there is no noise to learn. */
export function scoresOf(reader: ArchiveReader, search: SearchId, rung: Rung): RungScores[] {
  const seeds = new Map<string, SeedScore[]>();
  for (const [node, seed, score] of reader.browse.scores(search, rung)) {
    const own = seeds.get(node);
    if (own) own.push({ seed, score });
    else seeds.set(node, [{ seed, score }]);
  }
  return [...seeds].map(([node, own]) => ({ node, seeds: own }));
}

/** The interval of a mean over `seeds` trainings, from the noise of all candidates of its rung. */
export function meanInterval(
  mean: number,
  seeds: number,
  rows: readonly RungScores[],
  lowerIsBetter: boolean,
): Interval | null {
  const noise = pooledNoise(rows.map((row) => row.seeds));
  if (noise === null || seeds === 0) return null;
  const reach = (criticalValue(level, noise.degrees) * noise.sd) / Math.sqrt(seeds);
  return metricInterval([mean - reach, mean + reach], lowerIsBetter);
}

function bestOf(reader: ArchiveReader, spec: SearchSpec, { best }: SearchStatus): Best | null {
  if (best === null) return null;
  const rows = best.rung === 'screen' ? [] : scoresOf(reader, spec.id, best.rung);
  const seeds = rows.find(({ node }) => node === best.node)?.seeds.length ?? 1;
  return {
    node: best.node,
    short: line(best.short),
    rung: best.rung,
    score: metricValue(best.validation, spec.lowerIsBetter),
    seeds,
    interval: meanInterval(best.validation, seeds, rows, spec.lowerIsBetter),
  };
}

const workflows = { stack: 'compose', program: 'design', scale: 'scale' } as const;

interface ListOptions {
  readonly now: number;
  /** Nodes of the search. */
  readonly nodes: number;
  readonly isPaused: boolean;
}

/** One search in the list of a home. */
export function searchRow(
  reader: ArchiveReader,
  search: SearchId,
  searchStatus: SearchStatus,
  { now, nodes, isPaused }: ListOptions,
): SearchRow {
  const spec = reader.searches.spec(search);
  const times = reader.searches.phaseTimes(search);
  const { phase, spend } = searchStatus;
  const ended = phase === 'finished' || phase === 'stopped';
  const seen = reader.browse.lastSeen(search);
  const isLive = !ended && seen !== null && now - seen <= liveMs;
  const own = reader.endings.of(search).filter(({ of }) => of === 'search');
  // The interruption of a search that was resumed is over.
  const temporary: readonly string[] = [endingReasons.interrupted, endingReasons.failed];
  const last = own.filter(({ reason }) => phase !== 'finished' || !temporary.includes(reason)).at(-1);
  return {
    id: search,
    task: line(spec.task),
    profile: line(spec.profile),
    workflow: workflows[spec.space.kind],
    metric: line(spec.metric),
    lowerIsBetter: spec.lowerIsBetter,
    phase,
    // The clock of a paused search stands still, so it is not seen either.
    status: phase === 'finished' || phase === 'stopped' ? phase : isPaused ? 'paused' : isLive ? 'running' : 'lost',
    startedAt: times[0]?.at ?? null,
    endedAt: ended ? (times.at(-1)?.at ?? null) : isLive || isPaused ? null : seen,
    elapsedMs: searchStatus.elapsedMs,
    ending: last && !isLive ? { reason: last.reason, sentence: line(last.sentence, 1000) } : null,
    best: bestOf(reader, spec, searchStatus),
    nodes,
    spent: {
      evaluations: searchStatus.agents.reduce((sum, each) => sum + each.proposed - each.rejected - each.duplicate, 0),
      deviceSeconds: searchStatus.deviceSeconds,
      calls: spend.calls,
      tokens: spend.tokens,
      costUsd: spend.dollars,
    },
  };
}
