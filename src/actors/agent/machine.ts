import { assign, fromPromise, setup } from 'xstate';
import type { Thought, Topic } from '../../agents/index.ts';
import type { Bus } from '../../bus/index.ts';
import type { AgentSpec } from '../../domain/agent.ts';
import { BudgetError, RetryableError, toError } from '../../domain/errors.ts';
import type { AgentName, SearchId } from '../../domain/ids.ts';
import type { AgentState, ReplyOf } from '../../domain/messages.ts';
import type { View } from '../../domain/node.ts';
import type { Space } from '../../domain/space.ts';
import type { Logger } from '../../platform/log.ts';
import { pause, type Timers } from '../../platform/timers.ts';
import { held } from '../held.ts';
import { type Broken, kept } from '../kept.ts';
import { patiently } from '../patiently.ts';

/** One thought: from the view to a proposal. The same view, seed and agent always give the same proposal (I5). */
export type Think = (input: {
  spec: AgentSpec;
  view: View;
  space: Space;
  seed: number;
  topic: Topic;
  signal: AbortSignal;
}) => Promise<Thought>;

export interface AgentParts {
  readonly search: SearchId;
  readonly name: AgentName;
  readonly bus: Bus;
  readonly think: Think;
  readonly timers: Timers;
  readonly log: Logger;
}

interface Context {
  joined: ReplyOf<'agent-join'> | null;
  ordinal: number;
  view: View | null;
  thought: Thought | null;
  note: string;
  /** Thoughts in a row that ended because a provider was away. */
  troubles: number;
  error: Error | null;
}

type AgentEvent = { type: 'NEWS' } | { type: 'STOP' } | Broken;

/** A result that no announcement told of is found at the latest after so long. */
const lookAgainMs = 5000;

/** With half a minute's rest after each, a provider may be away for about ten minutes before its agents give up. */
const mostTroubles = 20;

/**
 * An agent: one searcher of an ensemble.
 *
 * Role: asks for its view, has one thought about it, submits the proposal, and so on until its budget is used. Non-role:
 * choosing (scaffold and model, called through `think`), remembering (the ledger).
 *
 * G1. It holds no memory of its own: an agent started anew asks for its next attempt and decides as the killed one would
 *     have (I5).
 * G2. A submission is repeated until it is answered; the ordinal makes the repetition harmless (I2).
 * G3. It waits for news of the results that its next decision must know, never for its own latest proposal.
 */
export function agentMachine({ search, name, bus, think, timers, log }: AgentParts) {
  const announce = (state: AgentState['state'], note = ''): void =>
    bus.announceAgent({ search, agent: name, state, note: note.slice(0, 200) });

  const retrying = (signal: AbortSignal) => ({ signal, timers, log });

  return setup({
    types: { context: {} as Context, events: {} as AgentEvent },
    actors: {
      listen: kept<AgentEvent>(
        (send) =>
          bus.consumeEvents({ search, from: 'new' }, (event) => {
            const mine = (event.kind === 'node-evaluated' || event.kind === 'node-failed') && event.agent === name;
            if (mine || event.kind === 'phase-changed') send({ type: 'NEWS' });
          }),
        { timers, log },
      ),
      join: fromPromise<ReplyOf<'agent-join'>>(({ signal }) =>
        patiently(() => bus.ask('agent-join', { search, agent: name }), retrying(signal)),
      ),
      look: fromPromise(({ input, signal }: { input: number; signal: AbortSignal }) =>
        patiently(() => bus.ask('agent-view', { search, agent: name, ordinal: input }), retrying(signal)),
      ),
      wait: fromPromise(({ signal }) => pause(timers, lookAgainMs, signal)),
      think: fromPromise(
        ({ input, signal }: { input: { joined: ReplyOf<'agent-join'>; view: View }; signal: AbortSignal }) => {
          const { spec, space, seed, next: _, ...topic } = input.joined;
          return think({ spec, view: input.view, space, seed, topic, signal });
        },
      ),
      rest: fromPromise(({ input, signal }: { input: number; signal: AbortSignal }) => pause(timers, input, signal)),
      submit: fromPromise(({ input, signal }: { input: { ordinal: number; thought: Thought }; signal: AbortSignal }) =>
        patiently(
          () => bus.ask('agent-submit', { search, agent: name, ordinal: input.ordinal, ...input.thought }),
          retrying(signal),
        ),
      ),
    },
    actions: {
      keepError: assign({ error: ({ event }) => toError((event as { error?: unknown }).error) }),
    },
  }).createMachine({
    id: 'agent',
    initial: 'joining',
    context: { joined: null, ordinal: 0, view: null, thought: null, note: '', troubles: 0, error: null },
    invoke: { src: 'listen' },
    on: {
      STOP: '.stopped',
      BROKEN: { target: '.failed', actions: assign({ error: ({ event }) => event.error }) },
    },
    states: {
      joining: {
        entry: () => announce('joining'),
        invoke: {
          src: 'join',
          onDone: {
            target: 'looking',
            actions: assign({ joined: ({ event }) => event.output, ordinal: ({ event }) => event.output.next }),
          },
          onError: { target: 'failed', actions: 'keepError' },
        },
      },
      looking: {
        invoke: {
          src: 'look',
          input: ({ context }) => context.ordinal,
          onDone: [
            {
              guard: ({ event }) => event.output.state === 'ready',
              target: 'thinking',
              actions: assign({ view: ({ event }) => (event.output.state === 'ready' ? event.output.view : null) }),
            },
            { guard: ({ event }) => event.output.state === 'waiting', target: 'waiting' },
            {
              target: 'finished',
              actions: assign({ note: ({ event }) => (event.output.state === 'closed' ? event.output.reason : '') }),
            },
          ],
          onError: { target: 'failed', actions: 'keepError' },
        },
        // News that arrives while the answer is on its way may be newer than the answer.
        on: { NEWS: { target: 'looking', reenter: true } },
      },
      waiting: {
        entry: ({ context }) => announce('waiting', `for a result before attempt ${context.ordinal}`),
        invoke: { src: 'wait', onDone: 'looking', onError: 'looking' },
        on: { NEWS: 'looking' },
      },
      thinking: {
        entry: ({ context }) => announce('thinking', `attempt ${context.ordinal}`),
        invoke: {
          src: 'think',
          input: ({ context }) => ({ joined: held(context.joined), view: held(context.view) }),
          onDone: { target: 'submitting', actions: assign({ thought: ({ event }) => event.output, troubles: 0 }) },
          onError: [
            {
              guard: ({ event }) => event.error instanceof BudgetError,
              target: 'finished',
              actions: assign({ note: ({ event }) => toError(event.error).message }),
            },
            {
              guard: ({ context, event }) => event.error instanceof RetryableError && context.troubles < mostTroubles,
              target: 'resting',
              actions: [assign({ troubles: ({ context }) => context.troubles + 1 }), 'keepError'],
            },
            { target: 'failed', actions: 'keepError' },
          ],
        },
      },
      /** What it thinks with is away. The view is asked for again afterwards, since the search may have ended meanwhile. */
      resting: {
        entry: ({ context }) => announce('waiting', context.error?.message ?? ''),
        invoke: {
          src: 'rest',
          input: ({ context }) => (context.error instanceof RetryableError ? context.error.retryAfterMs : lookAgainMs),
          onDone: { target: 'looking', actions: assign({ error: null }) },
          onError: { target: 'looking', actions: assign({ error: null }) },
        },
      },
      submitting: {
        entry: ({ context }) => announce('submitting', `${context.thought?.operator ?? ''} ${context.ordinal}`),
        invoke: {
          src: 'submit',
          input: ({ context }) => ({ ordinal: context.ordinal, thought: held(context.thought) }),
          onDone: [
            {
              guard: ({ event }) => event.output.verdict === 'accepted' || event.output.node !== null,
              target: 'looking',
              actions: assign({ ordinal: ({ context }) => context.ordinal + 1, view: null, thought: null }),
            },
            {
              target: 'finished',
              actions: assign({
                note: ({ event }) => (event.output.verdict === 'refused' ? event.output.message : ''),
              }),
            },
          ],
          onError: { target: 'failed', actions: 'keepError' },
        },
      },
      finished: { type: 'final', entry: ({ context }) => announce('finished', context.note) },
      stopped: { type: 'final' },
      failed: {
        type: 'final',
        entry: ({ context }) => {
          announce('failed', context.error?.message ?? '');
          log.error({ agent: name, error: context.error?.message }, 'the agent gives up');
        },
      },
    },
  });
}
