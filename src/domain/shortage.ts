import { type Ending, endingReasons } from './ending.ts';
import { expectedSeconds, upperRungSeconds } from './ladder.ts';
import type { SearchStatus } from './messages.ts';
import type { SearchSpec } from './search.ts';

/**
 * When to stop screening so that the upper rungs fit into the search's minutes.
 *
 * Role: a forecast from a status, and a watch over consecutive forecasts. Non-role: acting on it (search machine), wall time
 * (memory/searches.ts).
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

/** The workers of a search: launched with it, announced, stopped. */
export interface Crew {
  /** 0 if other processes run the workers. */
  readonly launched: number;
  readonly alive: readonly string[];
  readonly stopped: readonly string[];
}

export interface Forecast {
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
