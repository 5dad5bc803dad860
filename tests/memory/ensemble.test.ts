import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Attempt, attemptsOf, createModel, think } from '../../src/agents/index.ts';
import type { AgentSpec } from '../../src/domain/agent.ts';
import { candidateText } from '../../src/domain/candidate.ts';
import type { Job } from '../../src/domain/evaluation.ts';
import type { AgentName } from '../../src/domain/ids.ts';
import { horizonOf } from '../../src/domain/nearDuplicates.ts';
import { mergeNodes, type View } from '../../src/domain/node.ts';
import { type Rng, rngFor } from '../../src/domain/rng.ts';
import { scaffoldKinds } from '../../src/domain/scaffold.ts';
import type { SearchSpec } from '../../src/domain/search.ts';
import { Archive } from '../../src/memory/archive.ts';
import { silenceLimitMs } from '../../src/memory/ensemble.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { simulate } from '../../src/studies/tabulated.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { agentSpec, measurement, resultOf, searchSpec } from '../support/specs.ts';

const setting = { python: 'none', env: {}, packageRoot: '.' };
const models = {
  'local/mutate': createModel('local/mutate', setting, () => {
    throw new Error('nobody reads here');
  }),
};

/** A score that is a function of the candidate; every seventh fails. */
function scoreOf(candidate: string): number | null {
  const drawn = rngFor('score', candidate).float();
  return drawn < 1 / 7 ? null : drawn;
}

interface Course {
  readonly nodes: readonly { id: string; candidate: string; parents: readonly string[]; verdict: string }[];
  /** The whole view of each thought as it was decided upon, by the id of its first node. */
  readonly views: ReadonlyMap<string, View>;
  readonly home: string;
}

/** An agent that ends by itself before an attempt, with or without a word, and comes back when all others have ended. */
interface Leaving {
  readonly agent: string;
  readonly before: number;
  readonly word: 'none' | 'retires' | 'away';
}

/**
 * A search on a real ledger, in which chance decides who goes on next: an agent, or a result that comes in, also between two
 * candidates of one thought, where agents are killed as well. Fails where nobody could go on although somebody has not ended.
 */
async function course(spec: SearchSpec, order: Rng, leaving?: Leaving): Promise<Course> {
  const home = temporaryFolder();
  const clock = manualClock();
  const archive = Archive.open(home, clock);
  onTestFinished(() => archive.close());
  const ask = archive.handlers;
  ask['search-open']({ spec, source: '' });
  const queue: Job[] = [];
  const views = new Map<string, View>();
  const known = new Map<AgentName, View>();
  const going = new Map(spec.agents.map((self) => [self.name, self]));
  /** What agents have thought and not submitted yet. */
  const unsent = new Map<AgentName, { ordinal: number; attempts: Attempt[] }>();
  let away: AgentSpec | null = null;
  const topic = { task: spec.task, metric: spec.metric, lowerIsBetter: spec.lowerIsBetter };

  /** Submits the next candidate of what an agent has thought. */
  const submitNext = (self: AgentSpec, { ordinal, attempts }: { ordinal: number; attempts: Attempt[] }) => {
    const [attempt, ...others] = attempts;
    if (!attempt) throw new Error('a thought without attempts');
    const answer = ask['agent-submit']({ search: spec.id, agent: self.name, ordinal, ...attempt });
    expect(answer.node).toBe(`${self.name}-${ordinal}`);
    if (others.length > 0) unsent.set(self.name, { ordinal: ordinal + 1, attempts: others });
    else unsent.delete(self.name);
    for (const { seq, kind, body } of archive.unsent(1000)) {
      if (kind === 'job') queue.push(body);
      archive.markSent([seq]);
    }
  };

  /** One step of an agent; false where it has to wait. */
  const advance = async (self: AgentSpec): Promise<boolean> => {
    const rest = unsent.get(self.name);
    if (rest && order.float() < 0.7) {
      submitNext(self, rest);
      return true;
    }
    // Killed between two candidates: it has forgotten everything.
    if (rest) known.delete(self.name);
    unsent.delete(self.name);
    const { next: ordinal } = ask['agent-join']({ search: spec.id, agent: self.name });
    if (self.name === leaving?.agent && ordinal === leaving.before && away === null) {
      away = self;
      going.delete(self.name);
      if (leaving.word === 'away') ask['agent-away']({ search: spec.id, agent: self.name, reason: 'no answer' });
      if (leaving.word === 'retires')
        ask['agent-retire']({ search: spec.id, agent: self.name, code: 'failed', reason: 'tired' });
      return true;
    }
    const before = known.get(self.name);
    const request = { search: spec.id, agent: self.name, ordinal };
    const reply = ask['agent-view']({ ...request, ...(before ? { since: before.ordinal } : {}) });
    if (reply.state === 'waiting') return false;
    if (reply.state === 'closed') {
      going.delete(self.name);
      return true;
    }
    const view = { ...reply.view, nodes: mergeNodes(before?.nodes ?? [], reply.view.nodes) };
    expect(ask['agent-view'](request)).toEqual({ state: 'ready', view, more: false });
    known.set(self.name, view);
    const thought = await think({ spec: self, view, space: spec.space, seed: spec.seed, topic, models });
    views.set(`${self.name}-${ordinal}`, view);
    submitNext(self, { ordinal, attempts: attemptsOf(thought) });
    return true;
  };
  const record = (): void => {
    const [job] = queue.splice(order.below(queue.length), 1);
    if (!job) return;
    const score = scoreOf(candidateText(job.candidate));
    const failed = { status: 'failed', reason: 'nan', message: 'diverged', seconds: 1, device: 'cpu' } as const;
    archive.record(resultOf(job, score === null ? failed : measurement(score)));
  };

  for (let stuck = 0; going.size > 0 || away !== null; ) {
    if (going.size === 0 && away !== null) {
      going.set((away as AgentSpec).name, away);
      leaving = undefined;
      away = null;
    }
    const isResultNext = queue.length > 0 && order.float() < 0.3;
    if (isResultNext) record();
    const moved = isResultNext || (await advance(order.pick([...going.values()])));
    stuck = moved ? 0 : stuck + 1;
    if (going.size === 0 || stuck < 8 * going.size) continue;
    // Nobody may go on by itself: then something must be in training, or somebody is silent.
    if (queue.length > 0) record();
    else {
      expect(away !== null && leaving?.word === 'none', 'deadlock').toBe(true);
      clock.advance(silenceLimitMs);
    }
    stuck = 0;
  }
  const reader = readArchive(home);
  expect(ask['search-status']({ search: spec.id })).toEqual(reader.searchStatus.of(spec.id));
  const nodes = reader.records.nodes(spec.id).map(({ id, candidate, parents, verdict }) => ({
    ...{ id, candidate, parents, verdict },
  }));
  for (const [id, view] of views) {
    const cut = id.lastIndexOf('-');
    const { left: _, ...decided } = view;
    expect(reader.views.past(spec.id, id.slice(0, cut) as AgentName, Number(id.slice(cut + 1)))).toEqual(decided);
  }
  reader.close();
  return { nodes: nodes.sort((a, b) => (a.id < b.id ? -1 : 1)), views, home };
}

const anyAgent = fc.record(
  {
    scaffold: fc.constantFrom(...scaffoldKinds.map((kind) => ({ kind }))),
    pending: fc.integer({ min: 1, max: 4 }),
    evaluations: fc.integer({ min: 1, max: 9 }),
    memory: fc.constantFrom('ensemble', 'ensemble', 'own'),
    novelty: fc.record({ distance: fc.integer({ min: 1, max: 3 }) }),
    proposals: fc.integer({ min: 2, max: 4 }),
  },
  { requiredKeys: ['scaffold', 'pending', 'evaluations', 'memory'] },
);

const anySpec = fc
  .tuple(fc.array(anyAgent, { minLength: 2, maxLength: 4 }), fc.nat(1000), fc.integer({ min: 3, max: 6 }))
  .map(([drawn, seed, layers]) =>
    searchSpec({
      ...{ seed, budget: { evaluations: 100 }, space: { kind: 'stack', layers, primitives: ['M', 'mA', 'Mb'] } },
      agents: drawn.map((each, index) =>
        agentSpec({ ...each, name: ['ada', 'bob', 'cyd', 'dan'][index], model: 'local/mutate' }),
      ),
    }),
  );

describe('agents that remember the ensemble', () => {
  it('make the same nodes in whatever order they and the results come, as a simulation does, and none waits for ever', {
    timeout: 180_000,
  }, async () => {
    let foreignParents = 0;
    let further = 0;
    await fc.assert(
      fc.asyncProperty(anySpec, fc.nat(), fc.nat(), async (spec, first, second) => {
        const one = await course(spec, rngFor('order', first));
        const other = await course(spec, rngFor('order', second, 'again'));
        expect(other.nodes).toEqual(one.nodes);
        expect(Object.fromEntries(other.views)).toEqual(Object.fromEntries(one.views));
        further += one.nodes.length - one.views.size;
        const look = (candidate: string) => ({ score: scoreOf(candidate), worth: null, seconds: 1 }) as never;
        const simulated = [...(await simulate(spec, { models, look })).values()].flat().map(({ node }) => node);
        expect(simulated.map(({ id, candidate, parents }) => ({ id, candidate, parents })).sort(byId)).toEqual(
          one.nodes.map(({ id, candidate, parents }) => ({ id, candidate, parents })),
        );
        for (const { id, parents } of one.nodes) {
          foreignParents += parents.filter((parent) => parent.split('-')[0] !== id.split('-')[0]).length;
        }
      }),
      { numRuns: 8, seed: 7 },
    );
    expect(foreignParents).toBeGreaterThan(10);
    expect(further).toBeGreaterThan(10);
  });

  it('see of others what is older than their horizon, all of it, and of themselves what they would see alone', async () => {
    await fc.assert(
      fc.asyncProperty(anySpec, fc.nat(), async (spec, seed) => {
        const { nodes, views } = await course(spec, rngFor('order', seed));
        const ids = new Set(nodes.map(({ id }) => id));
        for (const [id, view] of views) {
          const self = spec.agents.find(({ name }) => id.startsWith(`${name}-`)) as AgentSpec;
          const horizon = horizonOf(view.ordinal, self);
          const own = view.nodes.filter(({ foreign }) => !foreign);
          expect(own.map(({ ordinal }) => ordinal)).toEqual(own.map((_, index) => index + 1));
          expect(own).toHaveLength(view.ordinal - 1);
          for (const other of spec.agents.filter(({ name }) => name !== self.name)) {
            const wanted = Array.from({ length: horizon }, (_, index) => `${other.name}-${index + 1}`);
            const expected = self.memory === 'ensemble' ? wanted.filter((each) => ids.has(each)) : [];
            const seen = view.nodes.filter(({ agent }) => agent === other.name);
            expect(seen.map((node) => node.id)).toEqual(expected);
            expect(seen.every(({ foreign, status }) => foreign && status !== 'pending')).toBe(true);
          }
        }
      }),
      { numRuns: 4, seed: 3 },
    );
  });

  it('wait for nobody who has ended early, with a word or without, and know later what they knew then', async () => {
    const leaving = fc.record({
      agent: fc.constant('bob'),
      before: fc.integer({ min: 1, max: 4 }),
      word: fc.constantFrom('none' as const, 'retires' as const, 'away' as const),
    });
    await fc.assert(
      fc.asyncProperty(anySpec, leaving, fc.nat(), async (spec, left, seed) => {
        // That all end, that no view changes afterwards, and that nobody else is cut, is checked within.
        const { nodes, home } = await course(spec, rngFor('order', seed), left);
        const reader = readArchive(home);
        const cut = reader.db.prepare<[], { other: string }>('SELECT DISTINCT other FROM horizons').all();
        reader.close();
        expect(cut.every(({ other }) => other === 'bob')).toBe(true);
        expect(nodes.some(({ id }) => id.startsWith('ada-'))).toBe(true);
      }),
      { numRuns: 6, seed: 5 },
    );
  });
});

describe('candidates of one thought', () => {
  const rationale = { choice: '', change: '', expected: null, retrieved: [], evidence: [] };
  const open = () => {
    const agents = ['ada', 'bob'].map((name) => agentSpec({ name, memory: 'ensemble', pending: 1, proposals: 3 }));
    const spec = searchSpec({ agents, budget: { evaluations: 8 } });
    const archive = Archive.open(temporaryFolder(), manualClock());
    onTestFinished(() => archive.close());
    archive.handlers['search-open']({ spec, source: '' });
    const [ada, bob] = spec.agents.map(({ name }) => name) as [AgentName, AgentName];
    const submit = (agent: AgentName, ordinal: number, candidate: string, place?: [place: number, of: number]) =>
      archive.handlers['agent-submit']({
        ...{ search: spec.id, agent, ordinal, operator: 'draft', parents: [], candidate },
        rationale: place
          ? { ...rationale, thought: { first: ordinal - place[0] + 1, place: place[0], of: place[1] } }
          : rationale,
      });
    const next = (agent: AgentName) => archive.handlers['agent-join']({ search: spec.id, agent }).next;
    const claim = (agent: AgentName, candidate: string) =>
      archive.handlers['idea-claim']({ search: spec.id, agent, ordinal: next(agent), candidate });
    const retire = (agent: AgentName) =>
      archive.handlers['agent-retire']({ search: spec.id, agent, code: 'failed', reason: 'killed' });
    return { ada, bob, submit, next, claim, retire };
  };

  it('know of other agents what their thought knew: a candidate that came later makes none a duplicate', () => {
    const { ada, bob, submit } = open();
    submit(bob, 1, 'mA mA mA mA');
    expect(submit(ada, 1, 'M M M M', [1, 2])).toMatchObject({ verdict: 'accepted' });
    // By its own number it would know bob-1, which the thought of ada-1 did not wait for.
    expect(submit(ada, 2, 'mA mA mA mA', [2, 2])).toMatchObject({ verdict: 'accepted' });
    expect(submit(ada, 3, 'mA mA mA mA')).toMatchObject({ verdict: 'refused', reason: 'duplicate' });
  });

  it('are all asked for before the next thought', () => {
    const { ada, submit, next } = open();
    for (const [ordinal, expected] of [
      [1, 1],
      [2, 1],
      [3, 4],
    ] as const) {
      submit(ada, ordinal, ['M M M M', 'mA M M M', 'mA mA M M'][ordinal - 1] as string, [ordinal, 3]);
      expect(next(ada)).toBe(expected);
    }
    submit(ada, 4, 'Mb M M M');
    expect(next(ada)).toBe(5);
  });

  it('are claimed until the last of them is submitted', () => {
    const { ada, bob, submit, claim } = open();
    for (const candidate of ['M M M M', 'mA mA mA mA'])
      expect(claim(ada, candidate)).toMatchObject({ state: 'granted' });
    submit(ada, 1, 'M M M M', [1, 2]);
    expect(claim(bob, 'mA mA mA mA')).toMatchObject({ state: 'taken', by: 'claim', agent: ada });
    submit(ada, 2, 'mA mA mA mA', [2, 2]);
    // Near to that node, and another request: replies are recorded.
    expect(claim(bob, 'mA mA mA M')).toMatchObject({ state: 'taken', by: 'pending', node: 'ada-2' });
  });

  it('are claimed no longer than their agent is there, also where it leaves between two of them', () => {
    const { ada, bob, submit, claim, retire } = open();
    claim(ada, 'M M M M');
    claim(ada, 'mA mA mA mA');
    submit(ada, 1, 'M M M M', [1, 2]);
    retire(ada);
    expect(claim(bob, 'mA mA mA mA')).toMatchObject({ state: 'granted' });
  });

  it('follow each other, and are no more than the agent may give', () => {
    const { ada, bob, submit, next } = open();
    expect(() => submit(bob, 1, 'M M M M', [1, 4])).toThrow(/attempt 1 of bob is not candidate 1 of 4 of attempt 1/);
    expect(() => submit(ada, 2, 'M M M M', [2, 2])).toThrow(/attempt 2 of ada is not candidate 2 of 2 of attempt 1/);
    submit(ada, 1, 'M M M M', [1, 3]);
    expect(() => submit(ada, 2, 'mA M M M', [1, 4])).toThrow(/not candidate 1 of 4/);
    // Where the recording was lost, another answer may have fewer.
    expect(submit(ada, 2, 'mA M M M', [2, 2])).toMatchObject({ verdict: 'accepted' });
    expect(next(ada)).toBe(3);
  });
});

const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
