import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CallReservation, CallSettlement } from '../../src/domain/agent.ts';
import type { AgentName, NodeId } from '../../src/domain/ids.ts';
import { Archive } from '../../src/memory/archive.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { agentSpec, measurement, resultOf, searchSpec } from '../support/specs.ts';

const model = 'openai/gpt-5.6-luna' as const;
const [walker, rival] = ['walker', 'rival'] as AgentName[] as [AgentName, AgentName];

function opened(budget: object = {}, own: object = {}) {
  const home = temporaryFolder();
  const clock = manualClock();
  const archive = Archive.open(home, clock);
  onTestFinished(() => archive.close());
  const agents = [agentSpec({ model, ...own }), agentSpec({ name: rival, model })];
  const spec = searchSpec({ agents, budget: { evaluations: 8, ...budget } });
  archive.handlers['search-open']({ spec, source: '' });
  const search = spec.id;
  let count = 0;
  const reserve = (given: Partial<CallReservation> = {}) =>
    archive.handlers['call-reserve']({
      ...{ search, agent: walker, call: `call-${++count}`, ordinal: 1, purpose: 'draft', model },
      ...{ request: 'a'.repeat(64), dollars: 1, tokens: 100 },
      ...given,
    });
  const settle = (call: string, given: Partial<CallSettlement> = {}) =>
    archive.handlers['call-settle']({
      ...{
        search,
        call,
        outcome: 'complete',
        served: null,
        dollars: 0.25,
        estimated: false,
        latencyMs: 5,
        message: null,
      },
      usage: { input: 20, cached: 0, written: 0, output: 5 },
      ...given,
    });
  return {
    archive,
    home,
    clock,
    spec,
    search,
    reserve,
    settle,
    searchStatus: () => archive.handlers['search-status']({ search }),
  };
}

describe('calls', () => {
  it('are granted while the most that they can cost fits, and what they did not need comes back (I9)', () => {
    const { reserve, settle, searchStatus } = opened({ dollars: 2 });
    expect(reserve({ call: 'one' })).toEqual({ state: 'granted' });
    expect(reserve({ call: 'two', agent: rival })).toEqual({ state: 'granted' });
    expect(searchStatus().spend).toEqual({ calls: 2, dollars: 2, tokens: 200 });
    settle('one');
    // 0.25 spent and 1 held: another dollar does not fit, but would if the other came out cheaper.
    expect(reserve({ call: 'three' })).toMatchObject({ state: 'waiting' });
    settle('two', { agent: rival } as never);
    expect(searchStatus().spend).toEqual({ calls: 2, dollars: 0.5, tokens: 50 });
    expect(reserve({ call: 'three' })).toEqual({ state: 'granted' });
    settle('three', { dollars: 1 });
    expect(reserve({ call: 'four' })).toMatchObject({
      state: 'spent',
      reason: expect.stringContaining('$2 of the search'),
    });
  });

  it.each([
    [{ dollars: 1.5 }, {}, 'the $1.5 of the search'],
    [{ tokens: 150 }, {}, 'the 150 tokens of the search'],
    [{}, { dollars: 1.5 }, 'the $1.5 of walker'],
    [{}, { tokens: 150 }, 'the 150 tokens of walker'],
  ])('stop at %o of the search and %o of the agent', (budget, own, named) => {
    const { reserve, settle } = opened(budget, own);
    expect(reserve({ call: 'one' }).state).toBe('granted');
    settle('one', { dollars: 1, usage: { input: 90, cached: 0, written: 0, output: 10 } });
    expect(reserve()).toMatchObject({ state: 'spent', reason: expect.stringContaining(named) });
    if ('dollars' in own || 'tokens' in own) expect(reserve({ agent: rival }).state).toBe('granted');
  });

  it('may be reserved and settled twice without being counted twice (I2)', () => {
    const { reserve, settle, searchStatus } = opened({ dollars: 1 });
    expect(reserve({ call: 'one' })).toEqual({ state: 'granted' });
    expect(reserve({ call: 'one' })).toEqual({ state: 'granted' });
    expect(settle('one')).toEqual({ recorded: true });
    expect(settle('one', { dollars: 9 })).toEqual({ recorded: false });
    expect(searchStatus().spend).toEqual({ calls: 1, dollars: 0.25, tokens: 25 });
    expect(() => settle('never')).toThrow('never reserved');
  });

  it('that were lost with their process are charged in full, as soon as the agent asks for another (CAL-2)', () => {
    const { reserve, home, search } = opened();
    reserve({ call: 'one' });
    reserve({ call: 'two' });
    const reader = readArchive(home);
    expect(reader.calls.of(search).map(({ id, outcome, dollars }) => [id, outcome, dollars])).toEqual([
      ['one', 'lost', 1],
      ['two', null, null],
    ]);
    reader.close();
  });

  it('that were lost cost what answered calls of the model cost at most, for the same purpose if there are any', () => {
    const { reserve, settle, home, search } = opened();
    reserve({ call: 'draft' });
    settle('draft', { dollars: 0.02 });
    reserve({ call: 'lost-1', purpose: 'improve' });
    reserve({ call: 'improve', purpose: 'improve' });
    settle('improve', { dollars: 0.05 });
    reserve({ call: 'lost-2', purpose: 'draft' });
    reserve({ call: 'lost-3', purpose: 'improve' });
    reserve({ call: 'last' });
    const reader = readArchive(home);
    const charged = reader.calls.of(search).map(({ id, dollars }) => [id, dollars]);
    reader.close();
    expect(Object.fromEntries(charged)).toMatchObject({ 'lost-1': 0.02, 'lost-2': 0.02, 'lost-3': 0.05, last: null });
  });

  it('of an agent that never came back do not hold the others up for ever', () => {
    const { reserve, clock } = opened({ dollars: 1.5 });
    reserve({ call: 'one' });
    expect(reserve({ agent: rival }).state).toBe('waiting');
    clock.advance(16 * 60_000);
    expect(reserve({ agent: rival }).state).toBe('spent');
  });

  it('are not made once proposals are no longer taken', () => {
    const { archive, reserve, search } = opened();
    archive.handlers['search-phase']({ search, phase: 'confirming' });
    expect(reserve().state).toBe('closed');
  });

  it('never cross a limit, whatever is asked in whatever order', () => {
    const step = fc.record({
      agent: fc.constantFrom(walker, rival),
      dollars: fc.double({ min: 0, max: 2, noNaN: true }),
      paid: fc.double({ min: 0, max: 1, noNaN: true }),
      settles: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const { reserve, settle, searchStatus } = opened({ dollars: 5 }, { dollars: 3 });
        let mine = 0;
        let open: number[] = [];
        let highest = Number.POSITIVE_INFINITY;
        for (const [index, { agent, dollars, paid, settles }] of steps.entries()) {
          const call = `step-${index}`;
          const { state } = reserve({ call, agent, dollars });
          if (agent === walker) {
            // An agent that asks again has lost the calls without an end: each costs at most what a like call has cost.
            mine += open.reduce((sum, each) => sum + Math.min(each, highest), 0);
            open = [];
          }
          if (state !== 'granted') continue;
          const cost = dollars * paid;
          if (settles) {
            settle(call, { dollars: cost });
            highest = Math.max(Number.isFinite(highest) ? highest : 0, cost);
          }
          if (agent === walker && settles) mine += cost;
          if (agent === walker && !settles) open.push(dollars);
          expect(searchStatus().spend.dollars).toBeLessThanOrEqual(5);
          expect(mine + open.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(3 + 1e-9);
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe('a view', () => {
  it('tells what was changed, what was said, what was learned, and what is left', () => {
    const { archive, search, reserve, settle, clock } = opened(
      { dollars: 2, minutes: 10 },
      { pending: 1, dollars: 1.5 },
    );
    const ask = archive.handlers;
    const submit = (ordinal: number, candidate: string, lessons?: { node: NodeId; text: string }[]) =>
      ask['agent-submit']({
        ...{ search, agent: walker, ordinal, operator: 'draft', parents: [], candidate },
        rationale: {
          choice: 'because',
          change: `change ${ordinal}`,
          expected: null,
          retrieved: [],
          hypothesis: 'h',
          evidence: ['p1'],
        },
        ...(lessons ? { lessons } : {}),
      });
    submit(1, 'M M M M');
    const [job] = archive.unsent(100).flatMap((entry) => (entry.kind === 'job' ? [entry.body] : []));
    if (!job) throw new Error('no job');
    archive.record(resultOf(job, measurement(0.5)));
    submit(2, '(malformed) {', [{ node: 'walker-1' as NodeId, text: 'plain MLPs are weak' }]);
    reserve({ call: 'one' });
    settle('one', { dollars: 0.5 });
    clock.advance(60_000);
    submit(3, 'mA M M M');
    const view = ask['agent-view']({ search, agent: walker, ordinal: 3 });
    if (view.state !== 'ready') throw new Error(view.state);
    expect(view.view.left).toEqual({ minutes: 9, dollars: 1 });
    expect(view.view.nodes).toMatchObject([
      { change: 'change 1', lesson: 'plain MLPs are weak', fitness: 0.5 },
      { change: 'change 2', status: 'rejected', message: 'change 2' },
    ]);
    // A lesson is known from the attempt on that was made after it, also when the view is asked for again.
    const earlier = ask['agent-view']({ search, agent: walker, ordinal: 2 });
    expect(earlier.state === 'ready' && earlier.view.nodes[0]).not.toHaveProperty('lesson');
    expect(() => submit(4, 'mA mA M M', [{ node: 'rival-1' as NodeId, text: 'not mine' }])).toThrow(
      'not a node of walker',
    );
  });
});
