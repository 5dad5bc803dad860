import { assign, fromPromise, setup } from 'xstate';
import { type Attempt, attemptsOf, type TaskDescription, type Thought } from '../agents/index.ts';
import type { Bus } from '../bus/index.ts';
import type { AgentSpec } from '../domain/agent.ts';
import type { Space } from '../domain/candidate.ts';
import type { AgentEnd } from '../domain/ending.ts';
import {
  BudgetError,
  errorMessage,
  PrerequisiteError,
  RetryableError,
  TerminalError,
  toError,
} from '../domain/errors.ts';
import type { AgentName, SearchId } from '../domain/ids.ts';
import type { AgentState, ReplyOf } from '../domain/messages.ts';
import { isOutside } from '../domain/model.ts';
import { mergeNodes, type View, type ViewNode } from '../domain/node.ts';
import { type Logger, pause, type Timers } from '../platform/index.ts';
import { assertPresent, retryTransient, type SubscriptionFailed, subscriptionActor } from './machines.ts';

/** One thought: from the view to a proposal. The same view, seed and agent always give the same proposal (I5). */
export type Think = (input: {
  spec: AgentSpec;
  view: View;
  space: Space;
  seed: number;
  topic: TaskDescription;
  signal: AbortSignal;
}) => Promise<Thought>;

interface AgentDeps {
  readonly search: SearchId;
  readonly name: AgentName;
  /** Proves that this process joined as the agent. */
  readonly token: string;
  readonly bus: Bus;
  readonly think: Think;
  /** What this process needs for the agent, checked before it counts as joined: what is missing is no failure of the agent. */
  readonly prepare?: ((spec: AgentSpec) => Promise<void>) | undefined;
  readonly timers: Timers;
  readonly log: Logger;
}

interface Context {
  joined: ReplyOf<'agent-join'> | null;
  ordinal: number;
  /** The latest view: only changes since then are requested. A cache, lost on restart (AGT-1). */
  view: View | null;
  /** What the agent waits for: nodes by id, attempts of other agents by name. */
  awaited: readonly string[];
  /** A result arrived after the view was requested. */
  stale: boolean;
  thought: Thought | null;
  /** Why it ends; null while it does not. */
  end: AgentEnd | null;
  /** Thoughts in a row that ended because a provider was away. */
  consecutiveFailures: number;
  error: Error | null;
}

/** A node has an outcome or was refused, or the search has moved on. */
type AgentEvent = { type: 'RESULTS_CHANGED'; about: readonly string[] } | { type: 'STOP' } | SubscriptionFailed;

/** A view, or why there is none now. */
type FetchedView = { state: 'ready'; view: View } | Exclude<ReplyOf<'agent-view'>, { state: 'ready' }>;

/** Stands for all that might be waited for. */
const everything = '*';

const remaining = ({ awaited }: Context, about: readonly string[]): readonly string[] =>
  awaited.filter((one) => !about.includes(one));

/** Finds results whose event was lost. */
const refetchMs = 5000;

/** How long a stopped agent waits for its end to be recorded. */
const leaveMs = 1000;

const endOf = (code: AgentEnd['code'], reason: string): AgentEnd => ({ code, reason: reason.slice(0, 500) });

const isSearchClosed = (error: unknown): boolean => error instanceof BudgetError && error.code === 'search-closed';

/** Whether a submission was refused without a record: the search takes no more. */
const isClosed = (reply: ReplyOf<'agent-submit'>): reply is Extract<typeof reply, { verdict: 'refused' }> =>
  reply.verdict === 'refused' && reply.node === null;

/** With half a minute between them: a provider may be unavailable for about ten minutes. */
const maxConsecutiveFailures = 20;

/**
 * An agent: one searcher of an ensemble.
 *
 * Role: requests its view, thinks once, submits the proposal, and repeats until its budget is used. Non-role: choosing
 * (scaffold and model, called through `think`), storing (the ledger).
 *
 * AGT-1. It has no state of its own: a restarted agent requests its next attempt and decides as the killed one would have
 *     (I5).
 * AGT-2. A submission is repeated until it is answered; the ordinal makes the repetition harmless (I2). The candidates of one
 *     thought are submitted one after the other; an agent killed in between thinks and submits them again.
 * AGT-3. It waits for the results that its next decision must know, never for its own latest proposal.
 * AGT-4. It announces its end before it ends, and the absence of its provider when it rests: other agents may be waiting for
 *     its attempts.
 */
export function agentMachine({ search, name, token, bus, think, prepare, timers, log }: AgentDeps) {
  const announce = (state: AgentState['state'], note = ''): void =>
    bus.announceAgent({ search, agent: name, state, note: note.slice(0, 200) });

  const retrying = (signal: AbortSignal) => ({ signal, timers, log });

  /** Requests what changed since the known view, page by page. */
  const fetchView = async (
    { ordinal, view: known }: Pick<Context, 'ordinal' | 'view'>,
    signal: AbortSignal,
  ): Promise<FetchedView> => {
    const since = known ? { since: known.ordinal } : {};
    const changed: ViewNode[] = [];
    for (;;) {
      const request = { search, agent: name, ordinal, ...since, from: changed.length };
      const reply = await retryTransient(() => bus.ask('agent-view', request, { token }), retrying(signal));
      if (reply.state !== 'ready') return reply;
      changed.push(...reply.view.nodes);
      if (!reply.more) {
        return { state: 'ready', view: { ...reply.view, nodes: mergeNodes(known?.nodes ?? [], changed) } };
      }
    }
  };

  /** Submits an attempt. One that does not fit a message is an attempt like others (I8): it loses what it can do without. */
  const submit = async (attempt: Attempt, ordinal: number, signal: AbortSignal): Promise<ReplyOf<'agent-submit'>> => {
    let failure: unknown;
    for (const smaller of smallerAttempts(attempt)) {
      const request = { search, agent: name, ordinal, ...smaller };
      try {
        return await retryTransient(() => bus.ask('agent-submit', request, { token }), retrying(signal));
      } catch (thrown) {
        if (!(thrown instanceof TerminalError) || !tooLarge.includes(thrown.code)) throw thrown;
        failure = thrown;
        log.warn({ agent: name, error: thrown.message }, 'proposal exceeds the message size');
      }
    }
    throw failure;
  };

  return setup({
    types: { context: {} as Context, events: {} as AgentEvent },
    actors: {
      listen: subscriptionActor<AgentEvent>(
        (send) =>
          bus.consumeEvents({ search, from: 'new' }, (event) => {
            if (event.kind === 'node-evaluated' || event.kind === 'node-failed') {
              send({ type: 'RESULTS_CHANGED', about: [event.node, event.agent] });
            } else if (event.kind === 'node-refused') send({ type: 'RESULTS_CHANGED', about: [event.agent] });
            else if (event.kind === 'phase-changed') send({ type: 'RESULTS_CHANGED', about: [everything] });
          }),
        { timers, log },
      ),
      join: fromPromise<ReplyOf<'agent-join'>>(async ({ signal }) => {
        const joined = await retryTransient(
          () => bus.ask('agent-join', { search, agent: name }, { token }),
          retrying(signal),
        );
        if (isOutside(joined.spec.model)) {
          const message = `${name} of ${search} is an agent from outside`;
          throw new PrerequisiteError('outside', message, `connect its client with: aira mcp ${search} ${name}`);
        }
        await prepare?.(joined.spec);
        return joined;
      }),
      fetchView: fromPromise(({ input, signal }: { input: Pick<Context, 'ordinal' | 'view'>; signal: AbortSignal }) =>
        fetchView(input, signal),
      ),
      retire: fromPromise(({ input, signal }: { input: AgentEnd; signal: AbortSignal }) =>
        retryTransient(() => bus.ask('agent-retire', { search, agent: name, ...input }, { token }), retrying(signal)),
      ),
      /** One try: the archive may be ending too. */
      leave: fromPromise(({ input }: { input: AgentEnd }) =>
        bus.ask('agent-retire', { search, agent: name, ...input }, { token, attempts: 1, timeoutMs: leaveMs }),
      ),
      /** One try: the next rest says it again. */
      beAway: fromPromise(({ input }: { input: string }) =>
        bus.ask('agent-away', { search, agent: name, reason: input.slice(0, 500) }, { token, attempts: 1 }),
      ),
      wait: fromPromise(({ signal }) => pause(timers, refetchMs, signal)),
      think: fromPromise(
        ({ input, signal }: { input: { joined: ReplyOf<'agent-join'>; view: View }; signal: AbortSignal }) => {
          const { spec, space, seed, next: _, ...topic } = input.joined;
          return think({ spec, view: input.view, space, seed, topic, signal });
        },
      ),
      rest: fromPromise(({ input, signal }: { input: number; signal: AbortSignal }) => pause(timers, input, signal)),
      submit: fromPromise(
        async ({ input, signal }: { input: { ordinal: number; thought: Thought }; signal: AbortSignal }) => {
          let next = input.ordinal;
          for (const attempt of attemptsOf(input.thought)) {
            const reply = await submit(attempt, next, signal);
            if (isClosed(reply)) return { reply, next };
            next += 1;
          }
          return { reply: null, next };
        },
      ),
    },
    guards: {
      /** Everything that the agent waits for has arrived. */
      enough: ({ context, event }) =>
        event.type === 'RESULTS_CHANGED' &&
        (event.about.includes(everything) || remaining(context, event.about).length === 0),
    },
    actions: {
      keepError: assign({ error: ({ event }) => toError((event as { error?: unknown }).error) }),
      endFailed: assign(({ event }) => {
        const error = toError((event as { error?: unknown }).error);
        return { error, end: endOf('failed', error.message) };
      }),
    },
  }).createMachine({
    id: 'agent',
    initial: 'joining',
    context: {
      joined: null,
      ordinal: 0,
      view: null,
      awaited: [],
      stale: false,
      thought: null,
      end: null,
      consecutiveFailures: 0,
      error: null,
    },
    invoke: { src: 'listen' },
    on: {
      STOP: '.leaving',
      SUBSCRIPTION_FAILED: { target: '.retiring', actions: 'endFailed' },
    },
    states: {
      joining: {
        entry: () => announce('joining'),
        invoke: {
          src: 'join',
          onDone: {
            target: 'fetchingView',
            actions: assign({ joined: ({ event }) => event.output, ordinal: ({ event }) => event.output.next }),
          },
          onError: { target: 'failed', actions: 'keepError' },
        },
      },
      fetchingView: {
        entry: assign({ stale: false }),
        invoke: {
          src: 'fetchView',
          input: ({ context: { ordinal, view } }) => ({ ordinal, view }),
          onDone: [
            {
              guard: ({ event }) => event.output.state === 'ready',
              target: 'thinking',
              actions: assign({ view: ({ event }) => (event.output.state === 'ready' ? event.output.view : null) }),
            },
            {
              guard: ({ context, event }) => event.output.state === 'waiting' && context.stale,
              target: 'fetchingView',
              reenter: true,
            },
            {
              guard: ({ event }) => event.output.state === 'waiting',
              target: 'waiting',
              actions: assign({
                awaited: ({ event: { output } }) =>
                  output.state === 'waiting' ? [...output.nodes, ...output.agents] : [],
              }),
            },
            {
              target: 'retiring',
              actions: assign({
                end: ({ event: { output } }) => (output.state === 'closed' ? endOf(output.code, output.reason) : null),
              }),
            },
          ],
          onError: { target: 'failed', actions: 'keepError' },
        },
        // News that arrives while the answer is on its way may be newer than the answer.
        on: { RESULTS_CHANGED: { actions: assign({ stale: true }) } },
      },
      waiting: {
        entry: ({ context }) => announce('waiting', `for a result before attempt ${context.ordinal}`),
        invoke: { src: 'wait', onDone: 'fetchingView', onError: 'fetchingView' },
        on: {
          RESULTS_CHANGED: [
            { guard: 'enough', target: 'fetchingView' },
            { actions: assign({ awaited: ({ context, event }) => remaining(context, event.about) }) },
          ],
        },
      },
      thinking: {
        entry: ({ context }) => announce('thinking', `attempt ${context.ordinal}`),
        invoke: {
          src: 'think',
          input: ({ context }) => ({ joined: assertPresent(context.joined), view: assertPresent(context.view) }),
          onDone: {
            target: 'submitting',
            actions: assign({ thought: ({ event }) => event.output, consecutiveFailures: 0 }),
          },
          onError: [
            {
              guard: ({ event }) => event.error instanceof BudgetError,
              target: 'retiring',
              actions: assign({
                end: ({ event: { error } }) =>
                  endOf(isSearchClosed(error) ? 'search-closed' : 'money-used', errorMessage(error)),
              }),
            },
            {
              guard: ({ context, event }) =>
                event.error instanceof RetryableError && context.consecutiveFailures < maxConsecutiveFailures,
              target: 'resting',
              actions: [assign({ consecutiveFailures: ({ context }) => context.consecutiveFailures + 1 }), 'keepError'],
            },
            { target: 'retiring', actions: 'endFailed' },
          ],
        },
      },
      /** A provider is unavailable. The view is requested again afterwards, since the search may have ended. */
      resting: {
        entry: ({ context }) => announce('waiting', context.error?.message ?? ''),
        invoke: [
          { src: 'beAway', input: ({ context }) => context.error?.message ?? '', onError: {} },
          {
            src: 'rest',
            input: ({ context }) => (context.error instanceof RetryableError ? context.error.retryAfterMs : refetchMs),
            onDone: { target: 'fetchingView', actions: assign({ error: null }) },
            onError: { target: 'fetchingView', actions: assign({ error: null }) },
          },
        ],
      },
      submitting: {
        entry: ({ context }) => announce('submitting', `${context.thought?.operator ?? ''} ${context.ordinal}`),
        invoke: {
          src: 'submit',
          input: ({ context }) => ({ ordinal: context.ordinal, thought: assertPresent(context.thought) }),
          onDone: [
            {
              guard: ({ event }) => event.output.reply === null,
              target: 'fetchingView',
              actions: assign({ ordinal: ({ event }) => event.output.next, thought: null }),
            },
            {
              target: 'retiring',
              actions: assign({
                end: ({ event: { output } }) => endOf('search-closed', output.reply?.message ?? ''),
              }),
            },
          ],
          onError: { target: 'retiring', actions: 'endFailed' },
        },
      },
      retiring: {
        invoke: {
          src: 'retire',
          input: ({ context }) => assertPresent(context.end),
          onDone: [{ guard: ({ context }) => context.error !== null, target: 'failed' }, { target: 'finished' }],
          onError: { target: 'failed', actions: 'keepError' },
        },
        on: { STOP: 'stopped', SUBSCRIPTION_FAILED: 'failed' },
      },
      leaving: {
        invoke: {
          src: 'leave',
          input: () => endOf('stopped', 'stopped while working'),
          onDone: 'stopped',
          onError: 'stopped',
        },
        on: { STOP: 'stopped', SUBSCRIPTION_FAILED: 'stopped' },
      },
      finished: { type: 'final', entry: ({ context }) => announce('finished', context.end?.reason) },
      stopped: { type: 'final' },
      failed: {
        type: 'final',
        entry: ({ context }) => {
          announce('failed', context.error?.message ?? '');
          log.error({ agent: name, error: context.error?.message }, 'agent failed');
        },
      },
    },
  });
}

/** The bus's codes for a message that is longer than it may be. */
const tooLarge: readonly string[] = ['message-too-large', 'message-invalid'];

/** Characters of a truncated candidate; it is then rejected, with a reason that says so. */
const cutCharacters = 20_000;

/** The attempt, then smaller versions of it: without readings and lessons, and finally with a truncated candidate. */
function* smallerAttempts(attempt: Attempt): Generator<Attempt> {
  yield attempt;
  const { works: _, readings: __, ...rationale } = attempt.rationale;
  const { lessons: ___, insights: ____, ...bare } = { ...attempt, rationale };
  yield bare;
  yield { ...bare, candidate: `${attempt.candidate.slice(0, cutCharacters)} ... (cut: too long for a message)` };
}
