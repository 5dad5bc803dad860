/** The life of a search, step by step, against an archive of answers and a clock that the test moves. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { createActor } from 'xstate';
import { searchMachine } from '../../src/actors/search.ts';
import { RetryableError, TerminalError } from '../../src/domain/errors.ts';
import type { ReplyOf, SearchStatus } from '../../src/domain/messages.ts';
import { nodeStatusSchema } from '../../src/domain/node.ts';
import type { Phase, SearchSpec } from '../../src/domain/search.ts';
import { ManualTime } from '../evaluators/support/manualTime.ts';
import { agentSpec, searchSpec } from '../support/specs.ts';
import { type Answers, quiet, ScriptedBus, settle } from './support.ts';

const none = { screen: 0, confirm: 0, final: 0 };
const counts = Object.fromEntries(['proposed', ...nodeStatusSchema.options].map((name) => [name, 0]));

/** A status in which an agent is done or not, and so many evaluations are pending. */
const statusOf = (changes: Partial<SearchStatus> = {}, done = false): SearchStatus =>
  ({
    phase: 'screening',
    proposals: counts,
    trainings: { pending: 0, done: 0, failed: 0, cached: 0 },
    pendingOn: none,
    doneOn: none,
    timedOn: none,
    training: 0,
    deviceSeconds: 0,
    meanSeconds: {},
    elapsedMs: 0,
    best: null,
    spend: { calls: 0, dollars: 0, tokens: 0 },
    agents: [{ agent: 'walker', done }],
    ...changes,
  }) as unknown as SearchStatus;

const ranked = (names: readonly string[]): ReplyOf<'search-ranking'> =>
  ({
    nodes: names.map((node, index) => ({ node, origin: 'draft', candidate: 'M M mA mA', validation: 1 - index / 10 })),
    more: false,
  }) as unknown as ReplyOf<'search-ranking'>;

/** A search whose archive says `status`, with what it was asked. */
function begun(spec: SearchSpec = searchSpec(), phase: Phase = 'screening', answers: Answers = {}, workers = 1) {
  const time = new ManualTime();
  const world = { status: statusOf() };
  const scripted = new ScriptedBus({
    'search-open': () => ({ resumed: phase !== 'screening', phase }),
    'search-status': () => world.status,
    'search-phase': (request) => ({ phase: request.phase }),
    'search-ranking': ({ rung }) => ranked(rung === 'screen' ? ['walker-1', 'walker-2', 'walker-3'] : ['walker-1']),
    'node-add': ({ node }) => ({ node }),
    'node-evaluate': ({ nodes }) => ({ asked: nodes.length, saved: 0, refused: 0 }),
    ...answers,
  });
  const machine = searchMachine({ spec, source: 'file', workers, bus: scripted.bus, timers: time, log: quiet });
  const actor = createActor(machine);
  actor.start();
  onTestFinished(() => {
    actor.stop();
  });
  /** The next status arrives: the search polls each half second. */
  const poll = async (status: SearchStatus): Promise<void> => {
    world.status = status;
    time.advance(500);
    await settle();
  };
  const phases = () => scripted.of('search-phase').map((request) => request.phase);
  const state = () => JSON.stringify(actor.getSnapshot().value).replaceAll(/[{}"]/g, '');
  return { actor, scripted, time, poll, phases, state };
}

describe('a search', () => {
  it('climbs its ladder, one phase after the other, and records each before its step', async () => {
    const { scripted, poll, phases, state } = begun();
    await settle();
    expect(state()).toBe('running:screening');
    await poll(statusOf({}, true));
    await poll(statusOf({}, true));
    await poll(statusOf({}, true));
    await poll(statusOf({}, true));
    await poll(statusOf({}, true));
    await poll(statusOf({}, true));
    expect(state()).toBe('finished');
    expect(phases()).toEqual(['confirming', 'aggregating', 'finalising', 'finished']);
    const order = scripted.requests
      .filter(({ verb }) => ['search-phase', 'node-evaluate'].includes(verb))
      .map(({ verb, request }) => (verb === 'search-phase' ? request.phase : `${request.rung} x ${request.seeds}`));
    expect(order).toEqual([
      'confirming',
      'confirm x 1',
      'aggregating',
      'screen x 1',
      'finalising',
      'final x 2',
      'finished',
    ]);
  });

  it('promotes nothing while a screening is pending', async () => {
    const { poll, state, scripted } = begun();
    await settle();
    await poll(statusOf({ pendingOn: { ...none, screen: 1 } }, true));
    await poll(statusOf({ pendingOn: { ...none, screen: 1 } }, true));
    expect(state()).toBe('running:awaitingScreen');
    expect(scripted.of('search-ranking')).toEqual([]);
    await poll(statusOf({}, true));
    expect(scripted.of('node-evaluate')).toMatchObject([{ rung: 'confirm', nodes: ['walker-1'] }]);
  });

  it('does not take a status from before a step for one after it', async () => {
    const { poll, state } = begun();
    await settle();
    await poll(statusOf({}, true));
    // The step has requested confirmations; only the next poll may say that they are done.
    expect(state()).toBe('running:awaitingScreen');
  });

  it('waits for agents that are neither done nor retired', async () => {
    const spec = searchSpec({ agents: [agentSpec(), agentSpec({ name: 'other' })] });
    const agents = [
      { agent: 'walker', done: true },
      { agent: 'other', done: false },
    ] as unknown as SearchStatus['agents'];
    const { poll, state, scripted } = begun(spec);
    await settle();
    await poll(statusOf({ agents }));
    expect(state()).toBe('running:screening');
    scripted.beat({ kind: 'agent', state: { search: 'another-1', agent: 'other', state: 'finished' } });
    await poll(statusOf({ agents }));
    expect(state()).toBe('running:screening');
    scripted.beat({ kind: 'agent', state: { search: spec.id, agent: 'other', state: 'failed' } });
    await poll(statusOf({ agents }));
    expect(state()).toBe('running:awaitingScreen');
  });

  it('waits 15 minutes for a client from outside, from the start or its last call, and no longer (SRC-4)', async () => {
    const outside = agentSpec({ name: 'guest', model: 'outside/mcp', scaffold: { kind: 'outside' } });
    const agents = [{ agent: 'guest', done: false }] as unknown as SearchStatus['agents'];
    const minutes = (elapsed: number) => statusOf({ agents, elapsedMs: elapsed * 60_000 });
    // A resumed search starts with the time of its earlier sessions.
    let status = minutes(100);
    const spec = searchSpec({ agents: [outside] });
    const { poll: pass, state, scripted } = begun(spec, 'screening', { 'search-status': () => status });
    const poll = async (now: SearchStatus): Promise<void> => {
      status = now;
      await pass(now);
    };
    const beat = (word: string) =>
      scripted.beat({ kind: 'agent', state: { search: 'trial-1', agent: 'guest', state: word } });
    await settle();
    await poll(minutes(114));
    beat('thinking');
    await poll(minutes(128));
    expect(state()).toBe('running:screening');
    await poll(minutes(129));
    expect(state()).toBe('running:awaitingScreen');
  });

  it('waits again for an agent that returns', async () => {
    const { poll, state, scripted } = begun();
    const beat = (word: string) =>
      scripted.beat({ kind: 'agent', state: { search: 'trial-1', agent: 'walker', state: word } });
    await settle();
    beat('finished');
    beat('thinking');
    await poll(statusOf({ elapsedMs: 3_600_000 }));
    expect(state()).toBe('running:screening');
    beat('finished');
    await poll(statusOf());
    expect(state()).toBe('running:awaitingScreen');
  });

  it('ends its screening when the upper rungs need the time that is left, and records why', async () => {
    const spec = searchSpec({ budget: { evaluations: 40, minutes: 10 } });
    const { poll, scripted, state } = begun(spec);
    await settle();
    const slow = {
      doneOn: { ...none, screen: 20 },
      timedOn: { ...none, screen: 20 },
      meanSeconds: { screen: 20, confirm: 60, final: 100 },
    };
    // A shortage counts once it has lasted for the window of 15 s.
    for (const seconds of [500, 505, 510, 516]) await poll(statusOf({ ...slow, elapsedMs: seconds * 1000 }));
    expect(state()).toBe('running:awaitingScreen');
    expect(scripted.of('search-phase')).toMatchObject([
      { phase: 'confirming', ending: { of: 'search', figures: { screened: 20, evaluations: 40 } } },
    ]);
  });

  it.each([
    ['confirming', 'running:awaitingConfirmation', []],
    ['aggregating', 'running:awaitingAggregate', ['aggregating']],
    ['finalising', 'running:awaitingFinals', ['finalising']],
    ['finished', 'finished', []],
  ] as const)('resumes in the phase that was recorded: %s', async (phase, expected, recorded) => {
    const { state, phases } = begun(searchSpec(), phase);
    await settle();
    expect(state()).toBe(expected);
    expect(phases()).toEqual(recorded);
  });

  it('drains: it is stopped in the ledger first, and ends with the last training', async () => {
    const { actor, poll, phases, state } = begun();
    await settle();
    await poll(statusOf({ training: 1 }));
    actor.send({ type: 'DRAIN' });
    await poll(statusOf({ training: 1 }));
    expect(phases()).toEqual(['stopped']);
    expect(state()).toBe('drained');
    await poll(statusOf({ training: 0 }));
    expect(state()).toBe('stopped');
  });

  it('waits out an archive that is away, and fails on an answer that waiting cannot change', async () => {
    let calls = 0;
    const answers: Answers = {
      'search-open': () => {
        calls += 1;
        if (calls === 1) throw new RetryableError('archive-away', 'no archivist answers', 250);
        throw new TerminalError('search-exists', 'this search is another');
      },
    };
    const { time, state, actor } = begun(searchSpec(), 'screening', answers);
    await settle();
    expect(state()).toBe('opening');
    time.advance(249);
    await settle();
    expect(calls).toBe(1);
    time.advance(1);
    await settle();
    expect(state()).toBe('failed');
    expect(actor.getSnapshot().context.error).toMatchObject({ code: 'search-exists' });
  });

  it('leaves no timer behind', async () => {
    const { actor, time } = begun();
    await settle();
    expect(time.armed).toBe(1);
    actor.send({ type: 'STOP' });
    await settle();
    expect(time.armed).toBe(0);
  });
});
