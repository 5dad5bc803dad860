import { fromCallback } from 'xstate';
import type { Job } from '../../domain/evaluation.ts';
import { canonicalJson, type Json } from '../../domain/json.ts';
import type { Timers } from '../../platform/index.ts';

/** How long a worker stays on a machine that it has for a time, in milliseconds. */
export interface Stay {
  /** Without a training for this long, it ends. */
  readonly maxIdleMs?: number | undefined;
  /** Time after which it has ended. It takes no job that needs longer. */
  readonly lifetimeMs?: number | undefined;
  /** Of its lifetime: how long before the end it begins to leave. */
  readonly graceMs?: number | undefined;
}

/** Why a worker leaves: no work came, its lifetime ends, or the scheduler gave notice. */
export type Departure = 'idle' | 'lifetime' | 'notice';

/** Sent by the worker. `STOP_WITHIN`: send STOP early enough that it has ended within `ms`. */
export type StayEvent = { type: 'IDLE' } | { type: 'BUSY' } | { type: 'STOP_WITHIN'; ms: number };

type Sent = { type: 'STOP' } | { type: 'LEAVE'; why: Departure; withinMs: number };

/** Time to end the trainer and return its job; a third of a shorter grace. */
const endingMs = 3000;
const usable = (withinMs: number): number => withinMs - Math.min(endingMs, withinMs / 3);

/** The timers of a worker's stay; they end with the worker. */
export const stayActor = ({ maxIdleMs, lifetimeMs, graceMs = 0 }: Stay, timers: Timers) =>
  fromCallback<StayEvent, unknown, Sent>(({ sendBack, receive }) => {
    const cancellers: (() => void)[] = [];
    let cancelIdle: (() => void) | null = null;
    const leave = (why: Departure) => sendBack({ type: 'LEAVE', why, withinMs: graceMs });
    if (lifetimeMs !== undefined) {
      cancellers.push(timers.after(Math.max(0, lifetimeMs - graceMs), () => leave('lifetime')));
    }
    receive((event) => {
      switch (event.type) {
        case 'IDLE':
          // A job that it refused is no work: the wait continues.
          if (maxIdleMs !== undefined) cancelIdle ??= timers.after(maxIdleMs, () => leave('idle'));
          return;
        case 'BUSY':
          cancelIdle?.();
          cancelIdle = null;
          return;
        case 'STOP_WITHIN':
          cancellers.push(timers.after(usable(event.ms), () => sendBack({ type: 'STOP' })));
      }
    });
    return () => {
      cancelIdle?.();
      for (const cancel of cancellers) cancel();
    };
  });

/** Jobs that take about the same time: they differ in candidate and seed only. */
const kindOf = ({ task, evaluator, rung, space, settings, measure }: Job): string =>
  canonicalJson({ task, evaluator, rung, space, settings: settings as Json, measure });

/** What this worker knows of the time that trainings take. */
export function durations() {
  const longest = new Map<string, number>();
  /** Milliseconds that a job needs: its plan's estimate, else the longest of its kind here; null for the first of a kind. */
  const expected = (job: Job): number | null =>
    job.resources ? job.resources.seconds * 1000 : (longest.get(kindOf(job)) ?? null);
  return {
    expected,
    add(job: Job, ms: number): void {
      const kind = kindOf(job);
      longest.set(kind, Math.max(ms, longest.get(kind) ?? 0));
    },
    /**
     * Whether a training can probably end in time.
     *
     * @param share of the training that is done, 0 to 1; at 0 the job's expected time counts.
     */
    fits(job: Job, elapsedMs: number, share: number, withinMs: number): boolean {
      const wholeMs = share > 0 ? elapsedMs / share : expected(job);
      // A run at scale continues from its checkpoint, and writing one needs the time; other trainings start again.
      if (job.resources) return wholeMs !== null && wholeMs - elapsedMs < withinMs / 2;
      return wholeMs === null || wholeMs - elapsedMs < usable(withinMs);
    },
  };
}
