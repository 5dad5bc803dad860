import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { ClaimRecord } from '../domain/claim.ts';
import { endingReasons } from '../domain/ending.ts';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import type { SearchId } from '../domain/ids.ts';
import { expectedSeconds, trainings } from '../domain/ladder.ts';
import type { AgentState, SearchStatus, WorkerState } from '../domain/messages.ts';
import type { SearchSpec } from '../domain/search.ts';
import { metricValue, type Rung, rungs } from '../domain/task.ts';
import type { ArchiveReader } from '../memory/index.ts';
import { type ZeroShotScore, zeroShotFileSchema } from '../scale/index.ts';
import { criticalValue, pooledNoise, type SeedScore } from '../statistics/index.ts';
import { inferenceSentence } from '../studies/index.ts';
import type { Best, Interval, SearchRow, Studies, StudyDetail, StudyFigures, Workers } from './api.ts';
import { studyFigures, studySchema } from './apiHome.ts';
import { apiVersion } from './apiSearch.ts';
import { readClaims } from './report/claims.ts';
import { finite, line, metricInterval } from './texts.ts';

/**
 * What a home has: its searches, one row each, its studies, and its workers; with what is read from files next to the archive.
 *
 * Role: rows of lists, written reports and their claims, files of studies and of zero-shot scores. Non-role: the pages of one search
 * (`overview.ts`, `columns.ts`) or scale plan (`scale.ts`).
 */

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

/** What `aira ablate` writes, as far as pages show it; JSON has null where a figure was not finite. */
const figure = z.number().nullable();
const band = z.array(figure);
const ends = z.looseObject({ low: figure, high: figure }).nullable();
const studyFileSchema = z.looseObject({
  version: z.literal(1),
  study: z.looseObject({
    question: z.string(),
    seeds: z.int(),
    budget: z.looseObject({ evaluations: z.int() }).optional(),
    alpha: figure.default(null),
    power: figure.default(null),
  }),
  tasks: z.array(
    z.looseObject({ label: z.string(), kind: z.enum(['trained', 'table']), metric: z.string(), best: figure }),
  ),
  results: z.array(z.looseObject({ evaluated: z.int().default(0), failed: z.int().default(0) })),
  analysis: z.looseObject({
    unit: z.enum(['worth', 'normalised']),
    inference: z.looseObject({ unit: z.enum(['paired seed', 'training seed']), units: z.int() }),
    arms: z.array(
      z.looseObject({
        name: z.string(),
        runs: z.int(),
        candidates: z.int(),
        middle: figure,
        interval: ends,
        mean: figure,
        validRate: figure,
        normalised: figure,
        elo: z.looseObject({ rating: figure, low: figure, high: figure }),
        rejected: z.int(),
        duplicate: z.int(),
        failed: z.int(),
      }),
    ),
    comparisons: z.array(
      z.looseObject({
        arms: z.tuple([z.string(), z.string()]),
        pairs: z.int(),
        effect: figure,
        interval: ends,
        p: figure,
        adjusted: figure,
        verdict: z.string(),
        standardised: figure,
        ahead: figure,
        detectable: figure,
        moreSeeds: figure.default(null),
        sentence: z.string(),
      }),
    ),
    spending: z.array(z.string()).default([]),
    cautions: z.array(z.string()),
    curves: z.array(
      z.looseObject({
        task: z.looseObject({ label: z.string() }),
        shows: z.enum(['regret', 'score']),
        arms: z.array(
          z.looseObject({ name: z.string(), curve: z.looseObject({ middle: band, low: band, high: band }) }),
        ),
      }),
    ),
  }),
});
type StudyFile = z.infer<typeof studyFileSchema>;

/** Claims of the reports that `aira report` has written into a home, read again where a file has changed. */
export class WrittenReports {
  readonly #home: string;
  readonly #known = new Map<SearchId, { readonly stamp: string; readonly claims: ClaimRecord | 'unreadable' }>();

  constructor(home: string) {
    this.#home = home;
  }

  /** Null without a report; `unreadable` for one of another version, or without a record of its claims. */
  claims(search: SearchId): ClaimRecord | 'unreadable' | null {
    const path = join(this.#home, 'reports', `${search}.html`);
    const file = statSync(path, { throwIfNoEntry: false });
    if (!file) return null;
    const stamp = `${file.mtimeMs} ${file.size}`;
    const known = this.#known.get(search);
    if (known?.stamp === stamp) return known.claims;
    const claims = readClaims(readFileSync(path, 'utf8')).record ?? 'unreadable';
    this.#known.set(search, { stamp, claims });
    return claims;
  }
}

/** Where the zero-shot scores of a plan are. */
export const zeroShotPath = (home: string, search: SearchId): string => join(home, 'reports', search, 'zero-shot.json');

/** Zero-shot scores of a plan's models so far. @throws PrerequisiteError `zero-shot-malformed` */
export function zeroShotScores(home: string, search: SearchId): readonly ZeroShotScore[] {
  const path = zeroShotPath(home, search);
  if (!existsSync(path)) return [];
  try {
    return zeroShotFileSchema.parse(JSON.parse(readFileSync(path, 'utf8'))).scores;
  } catch (thrown) {
    const message = `${path} holds no zero-shot scores: ${errorMessage(thrown).split('\n')[0]}`;
    throw new PrerequisiteError('zero-shot-malformed', message, 'remove it and give --evaluate again', {
      cause: thrown,
    });
  }
}

/** A name of a file, never a path. */
const studyName = /^[a-z0-9][A-Za-z0-9._-]{0,99}$/;
const studyPath = (home: string, id: string) => join(home, 'studies', `${id}.json`);
const interval = (pair: z.infer<typeof ends>) =>
  pair === null || pair.low === null || pair.high === null ? null : { low: pair.low, high: pair.high };

const readStudy = (home: string, id: string): StudyFile =>
  studyFileSchema.parse(JSON.parse(readFileSync(studyPath(home, id), 'utf8')));

/** `/api/studies`: what `aira ablate` has written into the home. */
export function studiesOf(home: string): Studies {
  const folder = join(home, 'studies');
  const names = existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith('.json') && studyName.test(name.slice(0, -5)))
        .map((name) => name.slice(0, -5))
        .sort()
    : [];
  const studies = names.map((id): Studies['studies'][number] => {
    const writtenAt = Math.round(statSync(studyPath(home, id)).mtimeMs);
    try {
      const { study, results, analysis } = readStudy(home, id);
      return {
        id,
        question: line(study.question),
        arms: analysis.arms.map(({ name }) => line(name)),
        runs: results.length,
        sentences: analysis.comparisons.map(({ sentence }) => line(sentence, 2000)),
        writtenAt,
        problem: null,
      };
    } catch (thrown) {
      const problem = `${id}.json is not a study of this version: ${line(errorMessage(thrown), 200)}`;
      return { id, question: null, arms: [], runs: 0, sentences: [], writtenAt, problem };
    }
  });
  return { version: apiVersion, studies };
}

/** `/api/studies/:id`. @throws PrerequisiteError `unknown-study`, `study-damaged` */
export function studyOf(home: string, id: string): StudyDetail {
  if (!studyName.test(id) || !existsSync(studyPath(home, id))) {
    throw new PrerequisiteError('unknown-study', `there is no study "${line(id, 60)}"`, 'run it with: aira ablate');
  }
  let file: StudyFile;
  try {
    file = readStudy(home, id);
  } catch (cause) {
    throw new PrerequisiteError('study-damaged', `${id}.json cannot be read`, 'run its study again', { cause });
  }
  return studySchema.parse({
    version: apiVersion,
    writtenAt: Math.round(statSync(studyPath(home, id)).mtimeMs),
    ...figuresOf(id, file),
  });
}

/**
 * What a study shows, from the text of its file: its page shows the same.
 *
 * @throws ZodError if it is not such a file.
 */
export const studyOfText = (id: string, text: string): StudyFigures =>
  figuresOf(id, studyFileSchema.parse(JSON.parse(text)));

function figuresOf(id: string, { study, tasks, results, analysis }: StudyFile): StudyFigures {
  const { unit, units } = analysis.inference;
  return studyFigures.parse({
    id: line(id),
    question: line(study.question, 2000),
    seeds: study.seeds,
    budgetEvaluations: study.budget?.evaluations ?? null,
    runs: results.length,
    evaluations: results.reduce((sum, run) => sum + run.evaluated + run.failed, 0),
    alpha: study.alpha,
    power: study.power,
    tasks: tasks.map(({ label, kind, metric, best }) => ({ label: line(label), kind, metric: line(metric), best })),
    unit: analysis.unit,
    inference: { unit, units, sentence: inferenceSentence(unit, units) },
    arms: analysis.arms.map(
      ({ name, elo, interval: pair, runs, candidates, middle, mean, validRate, normalised, ...rest }) => ({
        ...{ name: line(name), runs, candidates, middle, mean, validRate, normalised },
        interval: interval(pair),
        elo: { rating: elo.rating, low: elo.low, high: elo.high },
        ...{ rejected: rest.rejected, duplicate: rest.duplicate, failed: rest.failed },
      }),
    ),
    comparisons: analysis.comparisons.map((each) => ({
      arms: each.arms.map((arm) => line(arm)),
      pairs: each.pairs,
      effect: each.effect,
      interval: interval(each.interval),
      p: each.p,
      adjusted: each.adjusted,
      verdict: each.verdict,
      standardised: each.standardised,
      ahead: each.ahead,
      detectable: each.detectable,
      moreSeeds: each.moreSeeds,
      sentence: line(each.sentence, 2000),
    })),
    spending: analysis.spending.map((sentence) => line(sentence, 1000)),
    cautions: analysis.cautions.map((caution) => line(caution, 1000)),
    curves: analysis.curves.map(({ task, shows, arms }) => ({
      task: line(task.label),
      shows,
      arms: arms.map(({ name, curve: { middle, low, high } }) => ({ name: line(name), middle, low, high })),
    })),
  });
}

/** `/api/workers`: what the archive knows of each, and its last heartbeat. */
export function workersOf(reader: ArchiveReader, heard: Heard, now: number): Workers {
  const sums = new Map(reader.browse.workers().map((each) => [each.worker, each]));
  const open = new Map(reader.browse.openTrainings().map((each) => [each.worker, each]));
  const names = [...new Set([...heard.workers.keys(), ...sums.keys(), ...open.keys()])].sort();
  return {
    version: apiVersion,
    workers: names.map((worker) => {
      const beat = heard.workers.get(worker);
      const known = sums.get(worker);
      const fresh = beat !== undefined && now - beat.at <= freshMs ? beat.state : undefined;
      const training = open.get(worker);
      // An attempt without an outcome may be of a worker that died.
      const isTraining = training !== undefined && fresh?.state === 'training';
      return {
        worker,
        device: beat ? line(beat.state.deviceName || beat.state.device) : known ? line(known.device) : null,
        state: fresh?.state ?? 'silent',
        heartbeatAt: beat?.at ?? null,
        training: isTraining
          ? {
              search: training.search,
              node: training.node,
              rung: training.rung,
              seed: training.seed,
              startedAt: training.startedAt,
              progress: finite(fresh?.progress),
            }
          : null,
        trainings: known?.trainings ?? 0,
        failed: known?.failed ?? 0,
        busyMs: Math.round(1000 * (known?.seconds ?? 0)),
      };
    }),
  };
}
