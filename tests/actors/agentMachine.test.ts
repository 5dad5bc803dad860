/** The life of an agent against an archive of answers, with thoughts that the test decides. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { createActor } from 'xstate';
import { agentMachine, type Think } from '../../src/actors/agent.ts';
import { BudgetError, RetryableError, TerminalError } from '../../src/domain/errors.ts';
import type { AgentName, NodeId, SearchId } from '../../src/domain/ids.ts';
import type { ReplyOf } from '../../src/domain/messages.ts';
import { ManualTime } from '../evaluators/support/manualTime.ts';
import { agentSpec } from '../support/specs.ts';
import { type Answers, quiet, ScriptedBus, settle } from './support.ts';

const search = 'trial-1' as SearchId;
const name = 'walker' as AgentName;
const space = { kind: 'stack', layers: 2, primitives: ['M', 'mA'] } as const;
const rationale = { choice: 'chance', change: 'at random', expected: null, retrieved: [], evidence: [] };
const thought = { operator: 'draft', parents: [], candidate: 'M mA', rationale } as Awaited<ReturnType<Think>>;
const closed = { state: 'closed', code: 'budget-used', reason: 'all 2 evaluations are used' } as const;

const ready = (ordinal: number): ReplyOf<'agent-view'> =>
  ({ state: 'ready', view: { ordinal, nodes: [], remaining: 5 }, more: false }) as unknown as ReplyOf<'agent-view'>;
const waitingFor = (...nodes: string[]): ReplyOf<'agent-view'> => ({
  state: 'waiting',
  nodes: nodes as NodeId[],
  agents: [],
});

/** An agent that makes two attempts and is then told that its budget is used, unless the answers say otherwise. */
function begun(answers: Answers = {}, think: Think = async () => thought) {
  const time = new ManualTime();
  const scripted = new ScriptedBus({
    'agent-join': () =>
      ({ spec: agentSpec(), space, seed: 1, task: 'toy', metric: 'accuracy', lowerIsBetter: false, next: 1 }) as never,
    'agent-view': ({ ordinal }) => (ordinal <= 2 ? ready(ordinal) : closed),
    'agent-submit': ({ ordinal }) => ({ verdict: 'accepted', node: `walker-${ordinal}` }) as never,
    'agent-retire': () => ({}),
    'agent-away': () => ({}),
    ...answers,
  });
  const actor = createActor(
    agentMachine({ search, name, token: 't', bus: scripted.bus, think, timers: time, log: quiet }),
  );
  actor.start();
  onTestFinished(() => {
    actor.stop();
  });
  return { actor, scripted, time, state: () => actor.getSnapshot().value };
}

const failing =
  (error: Error): Think =>
  async () => {
    throw error;
  };

describe('an agent', () => {
  it('that proposes from outside is not ours to run', async () => {
    const spec = agentSpec({ model: 'outside/mcp', scaffold: { kind: 'outside' } });
    const { actor, scripted, state } = begun({ 'agent-join': () => ({ spec, space, seed: 1, next: 1 }) as never });
    await settle();
    expect(state()).toBe('failed');
    expect(actor.getSnapshot().context.error).toMatchObject({
      code: 'outside',
      remedy: expect.stringMatching(/aira mcp/),
    });
    expect(scripted.of('agent-retire')).toEqual([]);
  });

  it('proposes attempt after attempt, and retires with the reason it was given', async () => {
    const { scripted, state } = begun();
    await settle();
    expect(state()).toBe('finished');
    expect(scripted.of('agent-submit').map(({ ordinal }) => ordinal)).toEqual([1, 2]);
    expect(scripted.of('agent-retire')).toEqual([{ search, agent: name, code: closed.code, reason: closed.reason }]);
    expect(scripted.announced.at(-1)).toEqual({ state: 'finished', note: closed.reason });
  });

  const several: Think = async () => ({
    ...thought,
    lessons: [{ node: 'walker-0' as NodeId, text: 'a lesson' }],
    further: [
      { candidate: 'M M', rationale },
      { candidate: 'mA mA', rationale },
    ],
  });

  it('submits the candidates of one thought in a row, and thinks next about the attempt after them', async () => {
    const { scripted, state } = begun({}, several);
    await settle();
    expect(state()).toBe('finished');
    expect(scripted.of('agent-submit').map(({ ordinal, candidate, lessons }) => [ordinal, candidate, lessons])).toEqual(
      [
        [1, 'M mA', [{ node: 'walker-0', text: 'a lesson' }]],
        [2, 'M M', undefined],
        [3, 'mA mA', undefined],
      ],
    );
    expect(scripted.of('agent-view').map(({ ordinal, since }) => [ordinal, since])).toEqual([
      [1, undefined],
      [4, 1],
    ]);
  });

  it('ends where the search closes between two candidates, and goes on after one that is refused for itself', async () => {
    const refused = { verdict: 'refused', reason: 'duplicate', message: 'walker-1 is the same candidate' };
    const { scripted, state } = begun(
      {
        'agent-submit': ({ ordinal }) =>
          (ordinal === 1
            ? { ...refused, node: 'walker-1' }
            : { ...refused, node: null, reason: 'closed', message: 'the search is closed' }) as never,
      },
      several,
    );
    await settle();
    expect(state()).toBe('finished');
    expect(scripted.of('agent-submit').map(({ ordinal }) => ordinal)).toEqual([1, 2]);
    expect(scripted.of('agent-retire')).toEqual([
      { search, agent: name, code: 'search-closed', reason: 'the search is closed' },
    ]);
  });

  it('asks for what changed since its last view', async () => {
    const { scripted } = begun();
    await settle();
    expect(scripted.of('agent-view').map(({ ordinal, since }) => [ordinal, since])).toEqual([
      [1, undefined],
      [2, 1],
      [3, 2],
    ]);
  });

  it('waits for the results that its next decision must know, and no longer', async () => {
    let known = false;
    const { scripted, state } = begun({
      'agent-view': ({ ordinal }) =>
        ordinal === 1 && !known ? waitingFor('walker-0', 'other-1') : ordinal <= 1 ? ready(1) : closed,
    });
    await settle();
    expect(state()).toBe('waiting');
    scripted.publish({ kind: 'node-evaluated', node: 'walker-0', agent: 'walker' });
    await settle();
    expect(state()).toBe('waiting');
    expect(scripted.of('agent-view')).toHaveLength(1);
    known = true;
    scripted.publish({ kind: 'node-failed', node: 'other-1', agent: 'other' });
    await settle();
    expect(state()).toBe('finished');
  });

  it('looks again where a result arrived while the view was on its way', async () => {
    let answer: (reply: ReplyOf<'agent-view'>) => void = () => {};
    let asked = 0;
    const { scripted, state } = begun({
      'agent-view': () => {
        asked += 1;
        return asked === 1 ? new Promise((resolve) => (answer = resolve)) : closed;
      },
    });
    await settle();
    scripted.publish({ kind: 'node-evaluated', node: 'walker-0', agent: 'walker' });
    answer(waitingFor('walker-0'));
    await settle();
    expect(asked).toBe(2);
    expect(state()).toBe('finished');
  });

  it('finds a result that was never announced', async () => {
    let asked = 0;
    const { time, state } = begun({
      'agent-view': () => {
        asked += 1;
        return asked === 1 ? waitingFor('walker-0') : closed;
      },
    });
    await settle();
    expect(state()).toBe('waiting');
    time.advance(5000);
    await settle();
    expect(state()).toBe('finished');
  });

  it.each([
    ['its money is used', new BudgetError('$1 is used'), 'money-used', 'finished'],
    ['the search is closed', new BudgetError('screening is over', 'search-closed'), 'search-closed', 'finished'],
    ['its model cannot answer', new TerminalError('model', 'no such model'), 'failed', 'failed'],
  ] as const)('retires with a reason where %s', async (_, error, code, state) => {
    const { scripted, state: now } = begun({}, failing(error));
    await settle();
    expect(scripted.of('agent-retire')).toMatchObject([{ code, reason: error.message }]);
    expect(now()).toBe(state);
  });

  it('rests while a provider is away, and gives up after twenty failures in a row', async () => {
    let thoughts = 0;
    const { time, scripted, state } = begun({}, async () => {
      thoughts += 1;
      throw new RetryableError('provider-down', 'no answer', 30_000);
    });
    await settle();
    for (let rest = 1; rest <= 20; rest++) {
      expect(state()).toBe('resting');
      time.advance(30_000);
      await settle();
    }
    expect(thoughts).toBe(21);
    expect(state()).toBe('failed');
    expect(scripted.of('agent-retire')).toMatchObject([{ code: 'failed' }]);
    // Others may wait for its attempts: they learn from the first rest that none will come for now.
    expect(scripted.of('agent-away')).toHaveLength(20);
    expect(scripted.of('agent-away')[0]).toEqual({ search, agent: name, reason: 'no answer' });
  });

  it('counts failures in a row only', async () => {
    let thoughts = 0;
    const { time, actor } = begun({}, async () => {
      thoughts += 1;
      if (thoughts === 1) throw new RetryableError('provider-down', 'no answer', 1000);
      return thought;
    });
    await settle();
    expect(actor.getSnapshot().context.consecutiveFailures).toBe(1);
    time.advance(1000);
    await settle();
    expect(actor.getSnapshot().context.consecutiveFailures).toBe(0);
  });

  it('submits a proposal that does not fit a message without what it can spare', async () => {
    const long = {
      ...thought,
      rationale: { ...rationale, works: ['arxiv:1'] as never },
      lessons: [],
    } as typeof thought;
    const { scripted } = begun(
      {
        'agent-submit': (request) => {
          if ('works' in request.rationale) throw new TerminalError('message-too-large', 'too long');
          return { verdict: 'accepted', node: `walker-${request.ordinal}` } as never;
        },
      },
      async () => long,
    );
    await settle();
    const [first, second] = scripted.of('agent-submit');
    expect(first).toMatchObject({ ordinal: 1, rationale: { works: ['arxiv:1'] } });
    expect(second).toMatchObject({ ordinal: 1, candidate: 'M mA' });
    expect(second).not.toHaveProperty('rationale.works');
  });

  it('leaves a word where it is stopped at work', async () => {
    const { actor, scripted, state } = begun({}, () => new Promise(() => {}));
    await settle();
    expect(state()).toBe('thinking');
    actor.send({ type: 'STOP' });
    await settle();
    expect(scripted.of('agent-retire')).toMatchObject([{ code: 'stopped' }]);
    expect(state()).toBe('stopped');
  });
});
