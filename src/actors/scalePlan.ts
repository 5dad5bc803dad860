import { assign, fromCallback, fromPromise, setup } from 'xstate';
import type { Bus } from '../bus/index.ts';
import { RetryableError, TerminalError, toError } from '../domain/errors.ts';
import { referenceNode } from '../domain/ids.ts';
import type { ReplyOf, SearchStatus } from '../domain/messages.ts';
import type { ScalePoint } from '../domain/scale.ts';
import type { Phase, SearchSpec } from '../domain/search.ts';
import type { Logger, Timers } from '../platform/index.ts';
import { retryTransient } from './machines.ts';

/** An evaluation of a plan as the archive knows it. */
export type RequestedEvaluation = ReplyOf<'search-evaluations'>['evaluations'][number];

/** Where a plan is. */
export interface ScaleProgress {
  readonly status: SearchStatus;
  readonly evaluations: readonly RequestedEvaluation[];
}

interface ScaleDeps {
  readonly spec: SearchSpec;
  /** The plan file as it was given, for people. */
  readonly source: string;
  readonly bus: Bus;
  readonly timers: Timers;
  readonly log: Logger;
  readonly onProgress: (progress: ScaleProgress) => void;
}

interface Context {
  error: Error | null;
}

type ScaleEvent = { type: 'DRAIN' } | { type: 'ALL_ENDED' } | { type: 'FAILED'; error: Error };

const pollEveryMs = 500;

/** What to request next, and whether nothing is left. */
interface NextRequests {
  readonly points: readonly ScalePoint[];
  readonly done: boolean;
}

/**
 * The next budget of each run: budgets of a run follow each other, because each continues the trunk of the one before. After
 * one without a loss the rest of its run is given up: the trunk that it ended on would end there again.
 */
export function nextOf(points: readonly ScalePoint[], evaluations: readonly RequestedEvaluation[]): NextRequests {
  const byNode = new Map<string, RequestedEvaluation[]>();
  for (const each of evaluations) byNode.set(each.node, [...(byNode.get(each.node) ?? []), each]);
  const runs = new Map<string, ScalePoint[]>();
  for (const point of points) runs.set(point.run, [...(runs.get(point.run) ?? []), point]);
  const next: ScalePoint[] = [];
  let done = true;
  for (const run of runs.values()) {
    for (const point of run) {
      const requested = byNode.get(referenceNode(point.reference)) ?? [];
      if (requested.length < point.seeds) next.push(point);
      const pending = requested.length < point.seeds || requested.some(({ status }) => status === 'pending');
      if (pending) done = false;
      if (pending || requested.some(({ status }) => status === 'failed')) break;
    }
  }
  return { points: next, done };
}

/**
 * The life of a scale plan: its points become nodes of a search without agents, and the budgets of each run are requested one
 * after the other.
 *
 * Role: decides which evaluation is requested when. Non-role: planning and prices (scale), training (workers), storing (the
 * archivist): killed and restarted, it reads from the ledger which budgets have a loss, and requests the rest.
 *
 * PLN-1. At most one budget of a run is in the queue, so no two workers train one trunk.
 * PLN-2. Each request may be repeated: nodes have fixed ids, and no evaluation is requested twice (I2).
 * PLN-3. A plan finishes when each run has a loss for every budget or has ended without one; budgets that were given up have an
 *     ending with their number (I13).
 */
export function scaleMachine({ spec, source, bus, timers, log, onProgress }: ScaleDeps) {
  const search = spec.id;
  const points = spec.scale?.points ?? [];
  const enter = (phase: Phase) => bus.ask('search-phase', { search, phase, ...endingFor(phase) });
  let missing = 0;

  const endingFor = (phase: Phase) => {
    if (phase !== 'finished' || missing === 0) return {};
    const sentence = `${missing} of ${points.length} budgets have no loss: a training of their run failed.`;
    const figures = { missing, planned: points.length };
    return {
      ending: { of: 'search' as const, subject: search, reason: 'runs-failed', sentence, figures, occurrence: 0 },
    };
  };

  const evaluationsNow = async (): Promise<RequestedEvaluation[]> => {
    const evaluations: RequestedEvaluation[] = [];
    for (;;) {
      const page = await bus.ask('search-evaluations', { search, from: evaluations.length });
      evaluations.push(...page.evaluations);
      if (!page.more) return evaluations;
    }
  };

  const addNodes = async (): Promise<void> => {
    for (const point of points) {
      const candidate = spec.references.find(({ name }) => name === point.reference)?.candidate;
      if (candidate === undefined) throw new TerminalError('scale-plan', `"${point.reference}" is not a reference`);
      const change = `${point.pattern} by ${point.rule} to ${point.size} of ${point.family}, ${point.budget}`;
      const rationale = { choice: 'a point of a scale plan', change: change.slice(0, 2000), expected: null };
      const request = { search, node: referenceNode(point.reference), origin: 'reference' as const, candidate };
      await bus.ask('node-add', { ...request, rationale: { ...rationale, retrieved: [], evidence: [] } });
    }
  };

  /** One round: reports progress and requests what follows. True when nothing is left. */
  const advance = async (): Promise<boolean> => {
    const status = await bus.ask('search-status', { search });
    const evaluations = await evaluationsNow();
    onProgress({ status, evaluations });
    const next = nextOf(points, evaluations);
    for (const point of next.points) {
      await bus.ask('node-evaluate', {
        search,
        nodes: [referenceNode(point.reference)],
        rung: 'screen',
        seeds: point.seeds,
      });
    }
    const scored = new Set(evaluations.filter(({ status }) => status === 'ok').map(({ node }) => node));
    missing = points.filter((point) => !scored.has(referenceNode(point.reference))).length;
    return next.done;
  };

  return setup({
    types: { context: {} as Context, events: {} as ScaleEvent },
    actors: {
      open: fromPromise(async ({ signal }) => {
        await retryTransient(() => bus.ask('search-open', { spec, source }), { signal, timers, log });
        await retryTransient(addNodes, { signal, timers, log });
      }),
      watch: fromCallback<ScaleEvent>(({ sendBack }) => {
        let asking = false;
        const poll = () => {
          if (asking) return;
          asking = true;
          advance()
            .then(
              (done) => done && sendBack({ type: 'ALL_ENDED' }),
              (thrown) => {
                if (thrown instanceof RetryableError)
                  log.info({ error: thrown.message }, 'no answer to the scale plan');
                else sendBack({ type: 'FAILED', error: toError(thrown) });
              },
            )
            .finally(() => {
              asking = false;
            });
        };
        poll();
        return timers.every(pollEveryMs, poll);
      }),
      finish: fromPromise(({ signal }) => retryTransient(() => enter('finished'), { signal, timers, log })),
      stop: fromPromise(({ signal }) => retryTransient(() => enter('stopped'), { signal, timers, log })),
    },
    actions: {
      keepError: assign({ error: ({ event }) => toError((event as { error?: unknown }).error) }),
    },
  }).createMachine({
    id: 'scale',
    initial: 'opening',
    context: { error: null },
    on: { DRAIN: '.draining', FAILED: { target: '.failed', actions: 'keepError' } },
    states: {
      opening: {
        invoke: {
          src: 'open',
          onDone: 'watching',
          onError: { target: 'failed', actions: 'keepError' },
        },
      },
      watching: { invoke: { src: 'watch' }, on: { ALL_ENDED: 'finishing' } },
      finishing: {
        invoke: { src: 'finish', onDone: 'finished', onError: { target: 'failed', actions: 'keepError' } },
        on: { DRAIN: {} },
      },
      draining: { invoke: { src: 'stop', onDone: 'stopped', onError: 'stopped' } },
      finished: { type: 'final' },
      stopped: { type: 'final' },
      failed: {
        type: 'final',
        entry: ({ context }) => log.error({ error: context.error?.message }, 'scale plan failed'),
      },
    },
  });
}
