import { type Ending, endingReasons } from './ending.ts';
import { expectedSeconds, upperRungSeconds } from './ladder.ts';
import type { SearchStatus } from './messages.ts';
import type { SearchSpec } from './search.ts';

/**
 * When screening has to stop so that the upper rungs fit into the search's minutes.
 *
 * Role: a forecast from a status, and a watch on forecasts in a row. Non-role: acting on it (search machine), the time
 * that counts (memory/searches.ts).
 *
 * F1. A forecast rests on what the ledger has measured, over all sessions, and on the workers that the search was launched
 *     with; a worker that has not announced itself yet is not missing.
 * F2. Nothing is forecast before every worker could have ended a training, or while a final training that shows what the
 *     finals cost is still out: the first figures of a session are those of a machine that is still starting.
 * F3. A shortage counts once it has lasted over a stretch of running time with the same workers. One look never ends a
 *     screening, because closing it cannot be taken back. What that stretch takes is allowed for.
 * F4. Nor does a single final training: one that was slow by chance would be multiplied by all finals. Some references take
 *     theirs at the start of the search.
 */

/** The workers of a search: those it was launched with, those that said that they are there, those that stopped. */
export interface Crew {
  /** 0 where other processes bring the workers. */
  readonly launched: number;
  readonly alive: readonly string[];
  readonly stopped: readonly string[];
}

export interface Forecast {
  readonly leftSeconds: number;
  /** Until the last final has ended, if no further candidate is screened. */
  readonly neededSeconds: number;
  /** How long a shortage has to last before it counts. */
  readonly windowSeconds: number;
  readonly workers: number;
}

/** Since when a shortage has been seen without a break; the time is the search's own. */
export interface Watch {
  readonly workers: number;
  readonly sinceMs: number | null;
}

export const unwatched: Watch = { workers: 0, sinceMs: null };

/** A shortage has to last for this share of the limit, within these bounds. */
const shareOfLimit = 0.03;
const longestWindowMs = 15_000;
/** An idle worker of another process announces itself every five seconds. */
const shortestWindowMs = { own: 1_000, foreign: 6_000 };

function workersOf({ launched, alive, stopped }: Crew): number {
  // Workers of the launch that stopped are lost; those that are not heard of yet are on their way.
  const own = Math.max(0, launched - stopped.length);
  return Math.max(own, alive.length);
}

/** Trainings of one rung differ by about a fifth; a mean of several by less. */
const spread = 0.2;

/** Fewer finals than this tell too little of what all of them will take (F4). */
export const leastFinals = 4;

/** How long a shortage has to last. */
function windowMs(minutes: number, { launched }: Crew): number {
  const shortest = launched > 0 ? shortestWindowMs.own : shortestWindowMs.foreign;
  return Math.min(longestWindowMs, Math.max(shortest, shareOfLimit * minutes * 60_000));
}

/** Null while there is no limit of minutes, or too little is known (F2). */
export function forecastOf(spec: SearchSpec, searchStatus: SearchStatus, crew: Crew): Forecast | null {
  const { minutes } = spec.budget;
  const workers = workersOf(crew);
  if (minutes === undefined || workers === 0) return null;
  if (searchStatus.timedOn.screen <= workers || searchStatus.pendingOn.final > 0) return null;
  const seconds = expectedSeconds(spec.rungs, searchStatus.meanSeconds);
  const asked = searchStatus.doneOn.screen + searchStatus.pendingOn.screen;
  const screened = Math.max(0, asked - spec.references.length);
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

/** The watch after one more look. */
export function watched(watch: Watch, forecast: Forecast | null, elapsedMs: number): Watch {
  if (!forecast || forecast.neededSeconds + forecast.windowSeconds < forecast.leftSeconds) return unwatched;
  const isSame = watch.sinceMs !== null && watch.workers === forecast.workers;
  // The time of a search may step back a little when a session turns out to have begun later.
  return { workers: forecast.workers, sinceMs: isSame ? Math.min(watch.sinceMs ?? elapsedMs, elapsedMs) : elapsedMs };
}

/** Whether a shortage has lasted long enough to act on (F3). */
export function isShort(watch: Watch, spec: SearchSpec, elapsedMs: number, crew: Crew): boolean {
  const { minutes } = spec.budget;
  if (watch.sinceMs === null || minutes === undefined) return false;
  return elapsedMs - watch.sinceMs >= windowMs(minutes, crew);
}

const minutesText = (seconds: number): string => {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
};

/** The record of a screening that stops for lack of time. */
export function shortageEnding(spec: SearchSpec, searchStatus: SearchStatus, forecast: Forecast): Ending {
  const asked = searchStatus.doneOn.screen + searchStatus.pendingOn.screen;
  const screened = Math.max(0, asked - spec.references.length);
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
      ...{ screened, evaluations, leftSeconds, neededSeconds, workers },
      ...{ elapsedSeconds: searchStatus.elapsedMs / 1000, screenSeconds: searchStatus.meanSeconds.screen ?? 0 },
      ...(searchStatus.meanSeconds.final === undefined ? {} : { finalSeconds: searchStatus.meanSeconds.final }),
    },
    occurrence: 0,
  };
}
