import { type Ending, endingReasons } from './ending.ts';
import type { SearchStatus } from './messages.ts';
import type { Ladder, SearchSpec } from './search.ts';
import { type Profile, type Rung, rungs } from './task.ts';

/**
 * The rungs of a search above screening: how many trainings they are, how long these take, and when screening must stop for them.
 *
 * Role: counts from the ladder, a workload before the search, a forecast from its status, and a watch over consecutive forecasts.
 * Non-role: acting on a shortage (search machine), wall time (memory/searches.ts).
 *
 * SHO-1  A forecast uses the ledger's measurements over all sessions and the workers that the search was launched with; a
 *        worker that has not announced itself yet is not missing.
 * SHO-2  There is no forecast before every worker could have finished a training, or while a final training that measures
 *        the cost of finals is pending: the first figures of a session come from a machine that is still starting.
 * SHO-3  A shortage counts after it has lasted for a window of running time with the same workers, because closing a
 *        screening is irreversible. The window is included in the forecast.
 * SHO-4  A single slow final does not count, as it would be multiplied by all finals: some references are trained on the
 *        final rung at the start of the search.
 */

/** After the wall time is used, running trainings may finish for this long. */
export const graceMs = 60_000;

/** Number of `screened` candidates promoted to the confirm rung: the promoted share, rounded up. */
export function promoted(screened: number, ladder: Ladder): number {
  return Math.max(0, Math.min(screened, Math.ceil(screened * ladder.promote - 1e-9)));
}

/** Aggregates that are trained, N0 first. */
export const aggregatesOf = ({ aggregates = 1 }: Pick<Ladder, 'aggregates'>): number => aggregates;

/** Measured and estimated costs of a running search. */
export interface Costs {
  /** Mean seconds per training on each rung: measured, else the profile's estimate. */
  readonly seconds: Readonly<Record<Rung, number>>;
  /** Parallel trainings. */
  readonly slots: number;
  /** Final trainings that have ended: of a reference, or cached results. */
  readonly finalsDone?: number;
}

/**
 * Estimated wall-clock seconds of the rungs above screening, for `screened` candidates and `references` nearestMeasured patterns.
 * Trainings of one rung fill the slots; a partial round counts as a full one, so this is an upper estimate.
 */
export function upperRungSeconds(screened: number, references: number, ladder: Ladder, costs: Costs): number {
  const rounds = (trainings: number) => Math.ceil(trainings / Math.max(1, costs.slots));
  const planned = trainings(screened, references, ladder);
  const finals = Math.max(0, planned.final - (costs.finalsDone ?? 0));
  // Aggregates are screened first, like every node.
  const aggregates = rounds(aggregatesOf(ladder)) * costs.seconds.screen;
  return rounds(planned.confirm) * costs.seconds.confirm + aggregates + rounds(finals) * costs.seconds.final;
}

/**
 * Expected seconds of a training per rung: the measured mean; without one, the profile's estimate scaled by the error of
 * the estimate on the nearest measured rung. Start-up dominates short trainings, so the nearest rung is the best predictor.
 */
export function expectedSeconds(
  estimates: Profile['rungs'],
  measured: Readonly<Partial<Record<Rung, number>>>,
): Record<Rung, number> {
  const of = (rung: Rung, ...nearest: Rung[]) => {
    const nearestMeasured = [rung, ...nearest].find((each) => measured[each] !== undefined);
    const correction =
      nearestMeasured === undefined ? 1 : (measured[nearestMeasured] ?? 0) / estimates[nearestMeasured].seconds;
    return measured[rung] ?? estimates[rung].seconds * correction;
  };
  return {
    screen: of('screen', 'confirm', 'final'),
    confirm: of('confirm', 'final', 'screen'),
    final: of('final', 'confirm', 'screen'),
  };
}

/** Trainings per rung of a search with `screened` candidates. */
export function trainings(screened: number, references: number, ladder: Ladder): Record<Rung, number> {
  return {
    screen: screened + references + aggregatesOf(ladder),
    confirm: promoted(screened, ladder) * ladder.confirmSeeds,
    final: (Math.min(ladder.finalists, screened) + references + aggregatesOf(ladder)) * ladder.finalSeeds,
  };
}

/** What a search will take before it has started: an estimate from seconds per training. */
interface Workload {
  readonly trainings: Readonly<Record<Rung, number>>;
  /** Device seconds per rung. */
  readonly seconds: Readonly<Record<Rung, number>>;
  /** Wall-clock seconds if the devices are never idle; a partial round of a rung counts as a full one. */
  readonly wallSeconds: number;
  /** Candidates that the wall time and the device seconds leave time to screen. */
  readonly screened: number;
}

/** Device and wall seconds of a search that screens `screened` candidates. */
function cost({ references, ladder }: SearchSpec, screened: number, slots: number, seconds: Record<Rung, number>) {
  const planned = trainings(screened, references.length, ladder);
  const spent = (rung: Rung) => planned[rung] * seconds[rung];
  const wall =
    Math.ceil((screened + references.length) / slots) * seconds.screen +
    upperRungSeconds(screened, references.length, ladder, { seconds, slots });
  return { planned, spent, device: rungs.reduce((sum, rung) => sum + spent(rung), 0), wall };
}

/**
 * The workload of a search in which no candidate is known from before.
 *
 * @param slots parallel trainings, at least 1.
 * @param seconds of one training on each rung.
 */
export function workloadOf(spec: SearchSpec, slots: number, seconds: Record<Rung, number>): Workload {
  const { evaluations, minutes = Number.POSITIVE_INFINITY, deviceSeconds = Number.POSITIVE_INFINITY } = spec.budget;
  const fits = (screened: number) => {
    const { wall, device } = cost(spec, screened, slots, seconds);
    return wall <= minutes * 60 && device <= deviceSeconds;
  };
  // The cost grows with the number of candidates: bisect for the largest that fits.
  let [screened, excess] = fits(evaluations) ? [evaluations, evaluations + 1] : [0, evaluations];
  while (excess - screened > 1) {
    const middle = Math.floor((screened + excess) / 2);
    if (fits(middle)) screened = middle;
    else excess = middle;
  }
  const { planned, spent, wall } = cost(spec, evaluations, slots, seconds);
  return {
    trainings: planned,
    seconds: { screen: spent('screen'), confirm: spent('confirm'), final: spent('final') },
    wallSeconds: wall,
    screened,
  };
}

/** The workers of a search: launched with it, announced, stopped. */
export interface Crew {
  /** 0 if other processes run the workers. */
  readonly launched: number;
  readonly alive: readonly string[];
  readonly stopped: readonly string[];
}

interface Forecast {
  readonly leftSeconds: number;
  /** Until the last final ends, if no further candidate is screened. */
  readonly neededSeconds: number;
  /** Duration after which a shortage counts. */
  readonly windowSeconds: number;
  readonly workers: number;
}

/** Start of an uninterrupted shortage, in the search's own time. */
export interface Watch {
  readonly workers: number;
  readonly sinceMs: number | null;
}

export const unwatched: Watch = { workers: 0, sinceMs: null };

/** A shortage must last for this share of the limit, within the bounds below. */
const shareOfLimit = 0.03;
const maxWindowMs = 15_000;
/** An idle worker of another process announces itself every five seconds. */
const minWindowMs = { own: 1_000, foreign: 6_000 };

function workersOf({ launched, alive, stopped }: Crew): number {
  // Launched workers that stopped are lost; those not yet announced are still starting.
  const own = Math.max(0, launched - stopped.length);
  return Math.max(own, alive.length);
}

/** Relative spread of training times on one rung; that of a mean is smaller. */
const spread = 0.2;

/** Fewer finals do not predict the cost of all of them (SHO-4). */
export const leastFinals = 4;

/** Duration after which a shortage counts. */
function windowMs(minutes: number, { launched }: Crew): number {
  const minMs = launched > 0 ? minWindowMs.own : minWindowMs.foreign;
  return Math.min(maxWindowMs, Math.max(minMs, shareOfLimit * minutes * 60_000));
}

/** Null without a limit of minutes, or without enough measurements (SHO-2). */
export function forecastOf(spec: SearchSpec, searchStatus: SearchStatus, crew: Crew): Forecast | null {
  const { minutes } = spec.budget;
  const workers = workersOf(crew);
  if (minutes === undefined || workers === 0) return null;
  if (searchStatus.timedOn.screen <= workers || searchStatus.pendingOn.final > 0) return null;
  const seconds = expectedSeconds(spec.rungs, searchStatus.meanSeconds);
  const requested = searchStatus.doneOn.screen + searchStatus.pendingOn.screen;
  const screened = Math.max(0, requested - spec.references.length);
  const pending = (searchStatus.pendingOn.screen * seconds.screen) / workers;
  const upper = upperRungSeconds(screened, spec.references.length, spec.ladder, {
    seconds,
    slots: workers,
    finalsDone: searchStatus.doneOn.final,
  });
  const leftSeconds = minutes * 60 - searchStatus.elapsedMs / 1000;
  return {
    leftSeconds,
    neededSeconds: pending + upper * (1 + spread / Math.sqrt(Math.max(1, searchStatus.timedOn.final))),
    windowSeconds: windowMs(minutes, crew) / 1000,
    workers,
  };
}

/** The watch after another forecast. */
export function watched(watch: Watch, forecast: Forecast | null, elapsedMs: number): Watch {
  if (!forecast || forecast.neededSeconds + forecast.windowSeconds < forecast.leftSeconds) return unwatched;
  const isSame = watch.sinceMs !== null && watch.workers === forecast.workers;
  // The search's time may step back slightly if a session turns out to have started later.
  return { workers: forecast.workers, sinceMs: isSame ? Math.min(watch.sinceMs ?? elapsedMs, elapsedMs) : elapsedMs };
}

/** Whether a shortage has lasted long enough to act on (SHO-3). */
export function isShort(watch: Watch, spec: SearchSpec, elapsedMs: number, crew: Crew): boolean {
  const { minutes } = spec.budget;
  if (watch.sinceMs === null || minutes === undefined) return false;
  return elapsedMs - watch.sinceMs >= windowMs(minutes, crew);
}

const minutesText = (seconds: number): string => {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
};

/** The record of a screening that ends for lack of time. */
export function shortageEnding(spec: SearchSpec, searchStatus: SearchStatus, forecast: Forecast): Ending {
  const requested = searchStatus.doneOn.screen + searchStatus.pendingOn.screen;
  const screened = Math.max(0, requested - spec.references.length);
  const { leftSeconds, neededSeconds, workers } = forecast;
  const { evaluations, minutes = 0 } = spec.budget;
  return {
    of: 'search',
    subject: spec.id,
    reason: endingReasons.shortOfTime,
    sentence:
      `Screening ended early, after ${screened} of ${evaluations} candidates: ${minutesText(leftSeconds)} of the ${minutes} minutes ` +
      `are left, and the confirm and final rungs need about ${minutesText(neededSeconds)} on ${workers} ${workers === 1 ? 'worker' : 'workers'}.`,
    figures: {
      screened,
      evaluations,
      leftSeconds,
      neededSeconds,
      workers,
      elapsedSeconds: searchStatus.elapsedMs / 1000,
      screenSeconds: searchStatus.meanSeconds.screen ?? 0,
      ...(searchStatus.meanSeconds.final === undefined ? {} : { finalSeconds: searchStatus.meanSeconds.final }),
    },
    occurrence: 0,
  };
}
