/** A search: the machine of its phases, and the steps of its ladder that they take. */
import { assign, fromCallback, fromPromise, setup } from 'xstate';
import { AggregationError, aggregate, conditionings, type Pattern, type ScoredNode } from '../aggregation/index.ts';
import type { Bus } from '../bus/index.ts';
import { canonicalText, parseInSpace, runLengthText, serves } from '../domain/architecture.ts';
import type { Ending } from '../domain/ending.ts';
import { RetryableError, toError } from '../domain/errors.ts';
import { type AgentName, type NodeId, nodeId, nodeIdSchema, referenceNode } from '../domain/ids.ts';
import {
  aggregatesOf,
  type Crew,
  forecastOf,
  graceMs,
  isShort,
  leastFinals,
  promoted,
  shortageEnding,
  unwatched,
  type Watch,
  watched,
} from '../domain/ladder.ts';
import { maxNodes, type ReplyOf, type SearchStatus } from '../domain/messages.ts';
import { isOutside } from '../domain/model.ts';
import type { Phase, SearchSpec } from '../domain/search.ts';
import type { Rung, rungs } from '../domain/task.ts';
import { silenceLimitMs } from '../memory/index.ts';
import type { Logger, Timers } from '../platform/index.ts';
import { freshSeeds, recordBreakers, type Trial } from '../statistics/index.ts';
import { assertPresent, retryTransient, type SubscriptionFailed, subscriptionActor } from './machines.ts';

interface SearchDeps {
  readonly spec: SearchSpec;
  /** The search file as it was given, for people. */
  readonly source: string;
  /** Workers that were launched with it; 0 where other processes bring them. */
  readonly workers: number;
  readonly bus: Bus;
  readonly timers: Timers;
  readonly log: Logger;
}

/** How often the search asks for its status; wall time is accounted for at the same pace. */
const pollEveryMs = 500;

interface Context {
  resumedAt: Phase;
  searchStatus: SearchStatus | null;
  /** Agents that have announced that they propose no more, and have not returned. */
  retired: readonly string[];
  /** Wall time of the search at its first status in this session, in milliseconds; null before. */
  startedMs: number | null;
  /** Wall time at which each agent was last heard. */
  heardMs: Readonly<Record<string, number>>;
  /** Workers with a heartbeat that have not announced their stop; and those that have. */
  alive: readonly string[];
  stopped: readonly string[];
  watch: Watch;
  error: Error | null;
}

type SearchEvent =
  | { type: 'STATUS'; searchStatus: SearchStatus }
  | { type: 'AGENT'; agent: string; retired: boolean }
  | { type: 'WORKER'; worker: string; alive: boolean }
  | { type: 'DRAIN' }
  | { type: 'STOP' }
  | SubscriptionFailed;

/**
 * A state that invokes one step of the ladder and then goes to `target`. The status is forgotten: one that was taken before
 * the step requested evaluations would show them as done.
 */
const invokeStep = <S extends string, I>(src: S, target: string, input?: I) => ({
  invoke: {
    src,
    ...(input === undefined ? {} : { input }),
    onDone: { target, actions: 'forgetStatus' as const },
    onError: { target: '#search.failed' as const, actions: 'keepError' as const },
  },
});

/**
 * The life of one search: screening, confirming, aggregating, finalising.
 *
 * Role: decides when the next rung begins and requests its evaluations. Non-role: proposing (agents), training (workers),
 * storing (the archivist): killed and restarted, it reads the phase from the ledger and resumes there.
 *
 * SRC-1. The next phase begins only when no evaluation of the one before is pending, so promotions do not depend on speed.
 * SRC-2. Screening ends early enough for the upper rungs to fit into the wall time (domain/ladder.ts), and that it ends early
 *     is recorded with its reason and figures in the transaction that ends it (I13).
 * SRC-3. Each step may be repeated (see ladderSteps), and the phase is recorded before its step: a resume repeats the step.
 * SRC-4. It waits for an agent from outside like for any other, but no longer than `silenceLimitMs` of wall time after the
 *     start, or after its client's last call: no process of ours can report that a client will not return.
 */
export function searchMachine({ spec, source, workers, bus, timers, log }: SearchDeps) {
  const search = spec.id;
  const steps = ladderSteps(spec, bus);
  const outsiders = new Set<string>(spec.agents.flatMap(({ name, model }) => (isOutside(model) ? [name] : [])));
  const enter = (phase: Phase, ending?: Ending) =>
    bus.ask('search-phase', { search, phase, ...(ending && { ending }) });

  /** The specification with the limits that people have raised. */
  const now = ({ raised }: SearchStatus): SearchSpec => (raised ? { ...spec, budget: raised } : spec);

  const crewOf = ({ alive, stopped }: Context): Crew => ({ launched: workers, alive, stopped });

  const watch = (context: Context, searchStatus: SearchStatus): Watch =>
    watched(context.watch, forecastOf(now(searchStatus), searchStatus, crewOf(context)), searchStatus.elapsedMs);

  const isShortOfTime = (context: Context): boolean => {
    const { searchStatus } = context;
    return searchStatus !== null && isShort(context.watch, now(searchStatus), searchStatus.elapsedMs, crewOf(context));
  };

  /** Why screening ends before its budget is used, where the search decides that; the archive knows the other reasons. */
  const endingOf = (context: Context): Ending | undefined => {
    const { searchStatus } = context;
    const forecast =
      searchStatus && isShortOfTime(context) ? forecastOf(now(searchStatus), searchStatus, crewOf(context)) : null;
    return searchStatus && forecast ? shortageEnding(now(searchStatus), searchStatus, forecast) : undefined;
  };

  /** An agent from outside without a client, or whose client calls no tool any more (SRC-4). */
  const isSilent = ({ searchStatus, startedMs, heardMs }: Context, agent: string): boolean =>
    searchStatus !== null &&
    outsiders.has(agent) &&
    searchStatus.elapsedMs - (heardMs[agent] ?? startedMs ?? 0) >= silenceLimitMs;

  const isOver = (searchStatus: SearchStatus): boolean => {
    const { minutes } = now(searchStatus).budget;
    if (minutes === undefined || searchStatus.elapsedMs < minutes * 60_000) return false;
    return searchStatus.training === 0 || searchStatus.elapsedMs > minutes * 60_000 + graceMs;
  };

  /** A rung is done when nothing of it is pending, or when the time is over and nothing is being trained any more. */
  const isDone = (context: Context, ...done: (typeof rungs)[number][]): boolean => {
    const { searchStatus } = context;
    return searchStatus !== null && (done.every((rung) => searchStatus.pendingOn[rung] === 0) || isOver(searchStatus));
  };

  const step = (action: () => Promise<unknown>) =>
    fromPromise(async ({ signal }) => {
      await retryTransient(action, { signal, timers, log });
    });

  return setup({
    types: { context: {} as Context, events: {} as SearchEvent },
    actors: {
      open: fromPromise<ReplyOf<'search-open'>>(({ signal }) =>
        retryTransient(() => bus.ask('search-open', { spec, source }), { signal, timers, log }),
      ),
      watch: fromCallback<SearchEvent>(({ sendBack }) => {
        let asking = false;
        const poll = () => {
          if (asking) return;
          asking = true;
          bus
            .ask('search-status', { search })
            .then(
              (searchStatus) => sendBack({ type: 'STATUS', searchStatus }),
              (thrown) => {
                if (thrown instanceof RetryableError) log.info({ error: thrown.message }, 'no answer to search-status');
                else sendBack({ type: 'SUBSCRIPTION_FAILED', error: toError(thrown) });
              },
            )
            .finally(() => {
              asking = false;
            });
        };
        poll();
        return timers.every(pollEveryMs, poll);
      }),
      listen: subscriptionActor<SearchEvent>(
        (send) =>
          bus.watchHeartbeats((heartbeat) => {
            if (heartbeat.kind === 'agent') {
              const retired = heartbeat.state.state === 'finished' || heartbeat.state.state === 'failed';
              const { agent } = heartbeat.state;
              if (heartbeat.state.search === search) send({ type: 'AGENT', agent, retired });
            } else {
              const { worker, evaluators, state } = heartbeat.state;
              const alive = state !== 'stopped';
              if (evaluators.some((each) => serves(each, spec.evaluator)) || !alive)
                send({ type: 'WORKER', worker, alive });
            }
          }),
        { timers, log },
      ),
      references: step(() => steps.addReferences()),
      close: fromPromise(async ({ input, signal }: { input: Ending | undefined; signal: AbortSignal }) => {
        await retryTransient(() => enter('confirming', input), { signal, timers, log });
      }),
      confirm: step(() => steps.confirm()),
      aggregate: step(async () => {
        await enter('aggregating');
        await steps.aggregate();
      }),
      finalise: step(async () => {
        await enter('finalising');
        await steps.finalise();
      }),
      retry: step(() => steps.retry()),
      finish: step(() => enter('finished')),
      stop: step(() => enter('stopped')),
    },
    guards: {
      agentsAreDone: ({ context }) =>
        context.searchStatus?.agents.every(
          ({ agent, done }) => done || context.retired.includes(agent) || isSilent(context, agent),
        ) === true,
      shortOfTime: ({ context }) => isShortOfTime(context),
      screened: ({ context }) => isDone(context, 'screen'),
      confirmed: ({ context }) => isDone(context, 'screen', 'confirm'),
      finalised: ({ context }) => isDone(context, 'screen', 'confirm', 'final'),
      nothingIsTrained: ({ context }) => context.searchStatus !== null && context.searchStatus.training === 0,
    },
    actions: {
      keepError: assign({ error: ({ event }) => toError((event as { error?: unknown }).error) }),
      forgetStatus: assign({ searchStatus: null }),
    },
  }).createMachine({
    id: 'search',
    initial: 'opening',
    context: {
      resumedAt: 'screening',
      searchStatus: null,
      retired: [],
      startedMs: null,
      heardMs: {},
      alive: [],
      stopped: [],
      watch: unwatched,
      error: null,
    },
    invoke: [{ src: 'listen' }],
    on: {
      STATUS: {
        actions: assign({
          watch: ({ context, event }) => watch(context, event.searchStatus),
          searchStatus: ({ event }) => event.searchStatus,
          startedMs: ({ context, event }) => context.startedMs ?? event.searchStatus.elapsedMs,
        }),
      },
      AGENT: {
        actions: assign({
          retired: ({ context, event }) => {
            const others = context.retired.filter((agent) => agent !== event.agent);
            return event.retired ? [...others, event.agent] : others;
          },
          heardMs: ({ context, event }) => ({
            ...context.heardMs,
            [event.agent]: context.searchStatus?.elapsedMs ?? context.startedMs ?? 0,
          }),
        }),
      },
      WORKER: {
        actions: assign({
          alive: ({ context, event }) => {
            const others = context.alive.filter((worker) => worker !== event.worker);
            return event.alive ? [...others, event.worker] : others;
          },
          stopped: ({ context, event }) =>
            event.alive || context.stopped.includes(event.worker)
              ? context.stopped
              : [...context.stopped, event.worker],
        }),
      },
      DRAIN: '.draining',
      STOP: '.stopped',
      SUBSCRIPTION_FAILED: { target: '.failed', actions: assign({ error: ({ event }) => event.error }) },
    },
    states: {
      opening: {
        invoke: {
          src: 'open',
          onDone: { target: 'running', actions: assign({ resumedAt: ({ event }) => event.output.phase }) },
          onError: { target: 'failed', actions: 'keepError' },
        },
      },
      running: {
        invoke: { src: 'watch' },
        initial: 'resuming',
        states: {
          resuming: {
            always: [
              { guard: ({ context }) => context.resumedAt === 'finished', target: '#search.finished' },
              { guard: ({ context }) => context.resumedAt === 'finalising', target: 'finalising' },
              { guard: ({ context }) => context.resumedAt === 'aggregating', target: 'aggregating' },
              { guard: ({ context }) => context.resumedAt === 'confirming', target: 'awaitingScreen' },
              { target: 'addingReferences' },
            ],
          },
          addingReferences: invokeStep('references', 'screening'),
          screening: {
            always: [
              { guard: 'agentsAreDone', target: 'closing' },
              { guard: 'shortOfTime', target: 'closing' },
            ],
          },
          closing: invokeStep('close', 'awaitingScreen', ({ context }: { context: Context }) => endingOf(context)),
          awaitingScreen: { always: { guard: 'screened', target: 'promoting' } },
          promoting: invokeStep('confirm', 'awaitingConfirmation'),
          awaitingConfirmation: { always: { guard: 'confirmed', target: 'aggregating' } },
          aggregating: invokeStep('aggregate', 'awaitingAggregate'),
          awaitingAggregate: { always: { guard: 'confirmed', target: 'finalising' } },
          finalising: invokeStep('finalise', 'awaitingFinals'),
          awaitingFinals: { always: { guard: 'finalised', target: 'retrying' } },
          retrying: invokeStep('retry', 'awaitingRetries'),
          awaitingRetries: { always: { guard: 'finalised', target: 'finishing' } },
          finishing: invokeStep('finish', '#search.finished'),
        },
      },
      draining: {
        invoke: { src: 'stop', onDone: { target: 'drained', actions: 'forgetStatus' }, onError: 'stopped' },
      },
      /** Proposals and new trainings are refused now; what is being trained ends and is recorded. */
      drained: { invoke: { src: 'watch' }, always: { guard: 'nothingIsTrained', target: 'stopped' } },
      finished: { type: 'final' },
      stopped: { type: 'final' },
      failed: {
        type: 'final',
        entry: ({ context }) => log.error({ error: assertPresent(context.error).message }, 'search failed'),
      },
    },
  });
}

/**
 * The steps of a search on its ladder, as requests to the archivist. Every step may be taken again after a restart: node
 * ids are fixed, and no evaluation is requested twice.
 */
export function ladderSteps(spec: SearchSpec, bus: Bus) {
  const search = spec.id;
  const references = spec.references.map(({ name }) => referenceNode(name));
  /** N0 is aggregate-1, N1 aggregate-2, N2 aggregate-3. */
  const aggregateNode = (place: number): NodeId => nodeId('aggregate' as AgentName, place + 1);

  const evaluate = async (nodes: readonly NodeId[], rung: Rung, seeds: number, known?: true) => {
    for (let from = 0; from < nodes.length; from += maxNodes) {
      const some = nodes.slice(from, from + maxNodes);
      await bus.ask('node-evaluate', { search, nodes: some, rung, seeds, ...(known && { known }) });
    }
  };

  const ranking = async (rung: Rung, candidates = false): Promise<ReplyOf<'search-ranking'>['nodes']> => {
    const nodes: ReplyOf<'search-ranking'>['nodes'] = [];
    for (;;) {
      const piece = await bus.ask('search-ranking', { search, rung, candidates, from: nodes.length });
      nodes.push(...piece.nodes);
      if (!piece.more) return nodes;
    }
  };

  const ofAgents = async (rung: Rung, candidates = false) =>
    (await ranking(rung, candidates)).filter(({ origin }) => origin !== 'reference' && origin !== 'aggregate');

  return {
    /** Known patterns, trained on the same rungs and seeds as the agents' candidates. */
    async addReferences(): Promise<void> {
      for (const [index, node] of references.entries()) {
        const reference = spec.references[index];
        if (!reference) continue;
        const choice = 'a known pattern to compare with';
        const rationale = { choice, change: reference.name, expected: null, retrieved: [], evidence: [] };
        await bus.ask('node-add', { search, node, origin: 'reference', candidate: reference.candidate, rationale });
      }
      if (references.length === 0) return;
      const { finalSeeds } = spec.ladder;
      await evaluate(references, 'final', finalSeeds, true);
      // Where time is limited, some finals, which are needed anyway, show early what finals cost here (F4).
      const some = references.slice(0, Math.ceil(leastFinals / finalSeeds));
      if (spec.budget.minutes !== undefined) await evaluate(some, 'final', finalSeeds);
      await evaluate(references, 'screen', 1);
    },

    /** The best share climbs; meanwhile the references take their final training, which depends on nothing. */
    async confirm(): Promise<void> {
      const screened = await ofAgents('screen');
      const best = screened.slice(0, promoted(screened.length, spec.ladder)).map(({ node }) => node);
      if (best.length > 0) await evaluate(best, 'confirm', spec.ladder.confirmSeeds);
      if (references.length > 0) await evaluate(references, 'final', spec.ladder.finalSeeds);
    },

    /**
     * What all agents' nodes agree on becomes a node of its own, under each conditioning that the ladder trains; a pattern that an
     * earlier one has already is not added again. False where there is nothing to aggregate.
     */
    async aggregate(): Promise<boolean> {
      const { space } = spec;
      // Programs have no layers to vote about.
      if (space.kind !== 'stack') return false;
      const nodes: ScoredNode[] = (await ofAgents('screen', true)).map(({ node, candidate = '', validation }) => ({
        node,
        agent: node.slice(0, node.lastIndexOf('-')) as AgentName,
        architecture: parseInSpace(candidate, space),
        score: validation,
      }));
      let patterns: Pattern[];
      try {
        patterns = conditionings.slice(0, aggregatesOf(spec.ladder)).map((each) => aggregate(nodes, each));
      } catch (thrown) {
        if (thrown instanceof AggregationError) return false;
        throw thrown;
      }
      const candidates = patterns.map(({ architecture }) => canonicalText(architecture));
      const added: NodeId[] = [];
      for (const [place, { electorate, architecture, conditioning }] of patterns.entries()) {
        const candidate = candidates[place] as string;
        if (candidates.indexOf(candidate) < place) continue;
        const given =
          conditioning === 0 ? '' : `, of those that share the ${conditioning === 1 ? 'layer' : '2 layers'} before`;
        const rationale = {
          choice: `N${conditioning} over the best of five clusters: ${electorate.members.length} of ${nodes.length} nodes`,
          change: `per layer the most frequent primitive${given}: ${runLengthText(architecture)}`,
          expected: null,
          retrieved: [],
          evidence: [],
        };
        const node = aggregateNode(place);
        await bus.ask('node-add', { search, node, origin: 'aggregate', candidate, rationale });
        added.push(node);
      }
      await evaluate(added, 'screen', 1);
      return true;
    },

    /** Finalists, references and aggregates on the same fresh seeds, with the hidden test set. */
    async finalise(): Promise<void> {
      const confirmed = await ofAgents('confirm');
      const finalists = confirmed.slice(0, spec.ladder.finalists).map(({ node }) => node);
      const aggregates = (await ranking('screen')).flatMap(({ node, origin }) => (origin === 'aggregate' ? node : []));
      const nodes = [...finalists, ...aggregates.sort(), ...references];
      if (nodes.length > 0) await evaluate(nodes, 'final', spec.ladder.finalSeeds);
    },

    /** A program that beats the baseline has to do so again on fresh seeds (see statistics/acceptance.ts). */
    async retry(): Promise<void> {
      const [baseline] = references;
      if (spec.space.kind !== 'program' || !baseline) return;
      const trials = (await ranking('final')).map(({ node, origin, seeds }): Trial & { origin: typeof origin } => ({
        id: node,
        origin,
        validation: seeds,
        heldOut: [],
      }));
      const incumbent = trials.find(({ id }) => id === baseline);
      if (!incumbent) return;
      const { finalSeeds } = spec.ladder;
      const challengers = trials.filter(({ origin }) => origin !== 'reference');
      const breakers = recordBreakers(challengers, incumbent, finalSeeds).map(({ id }) => nodeIdSchema.parse(id));
      if (breakers.length > 0) await evaluate([...breakers, baseline], 'final', finalSeeds + freshSeeds);
    },
  };
}
