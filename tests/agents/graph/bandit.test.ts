/** A choice among models where language models are among them: a real server, real SDKs, a real ledger. */
import { describe, expect, it } from 'vitest';
import { type LocalModel, type Thought, think } from '../../../src/agents/index.ts';
import { mutateModel } from '../../../src/agents/models/mutate.ts';
import { candidateText } from '../../../src/domain/candidate.ts';
import { BudgetError, RetryableError } from '../../../src/domain/errors.ts';
import { defaultTimeouts } from '../../../src/llm/wire.ts';
import { readArchive } from '../../../src/memory/reader.ts';
import { type Bench, bench } from '../../llm/support.ts';
import { proposer } from '../../support/llm-server/brain.ts';
import { type Fault, type LlmServer, startLlmServer } from '../../support/llm-server/server.ts';
import { agentSpec, measurement, resultOf, searchSpec } from '../../support/specs.ts';
import { landscape, space16 } from '../support.ts';

const ground = landscape(7, space16, 0.01);
const models: Partial<Record<string, LocalModel>> = { 'local/mutate': mutateModel() };

const three = 'bandit/[anthropic/claude-haiku-5-5, openai/gpt-6-luna, local/mutate]';
const chooser = (given: object = {}) =>
  searchSpec({
    space: space16,
    budget: { evaluations: 12 },
    agents: [agentSpec({ model: three, scaffold: { kind: 'greedy', drafts: 2 }, evaluations: 12, ...given })],
  });

/** All attempts of the one agent, each trained at once. */
async function search(at: Bench): Promise<Thought[]> {
  const { archive, spec, chat } = at;
  const ask = archive.handlers;
  const [self] = spec.agents;
  if (!self) throw new Error('no agent');
  const about = { search: spec.id, agent: self.name };
  const thoughts: Thought[] = [];
  for (let ordinal = ask['agent-join'](about).next; ; ordinal++) {
    const reply = ask['agent-view']({ ...about, ordinal });
    if (reply.state !== 'ready') return thoughts;
    const topic = { task: spec.task, metric: spec.metric };
    const thought = await think({ spec: self, view: reply.view, space: space16, seed: spec.seed, topic, models, chat });
    thoughts.push(thought);
    ask['agent-submit']({ ...about, ordinal, ...thought });
    for (const entry of archive.unsent(1000)) {
      if (entry.kind === 'job') {
        const score = Math.min(1, Math.max(0, ground.measure(candidateText(entry.body.candidate))));
        archive.record(resultOf(entry.body, measurement(score)));
      }
      archive.markSent([entry.seq]);
    }
  }
}

const serving = (fault: (format: string) => Fault | null = () => null) =>
  startLlmServer({ brain: proposer, fault: (_, { format }) => fault(format) });
const modelsOf = (thoughts: readonly Thought[]) => thoughts.map(({ rationale }) => rationale.model);
const nodesOf = ({ home, spec }: Bench) => {
  const reader = readArchive(home);
  const nodes = reader.records.nodes(spec.id).map(({ createdAt: _, evaluations: __, ...node }) => node);
  reader.close();
  return nodes;
};
const formats = ({ served }: LlmServer) => new Set(served.map(({ asked }) => asked.format));

describe('an agent that chooses among language models and local ones', () => {
  it('tries all, writes down what each attempt cost, and is replayed without a network', async () => {
    const server = await serving();
    const live = bench(server, { timeouts: defaultTimeouts, spec: chooser() });
    const thoughts = await search(live);
    expect(new Set(modelsOf(thoughts)).size).toBe(3);
    for (const { rationale } of thoughts) {
      if (rationale.model === 'local/mutate') expect(rationale.dollars).toBe(0);
      else expect(rationale.dollars).toBeGreaterThan(0);
    }
    const reader = readArchive(live.home);
    const paid = reader.calls.of(live.spec.id).filter(({ purpose }) => purpose !== 'analyze');
    reader.close();
    const sum = (values: readonly (number | null | undefined)[]) =>
      values.reduce<number>((all, each) => all + (each ?? 0), 0);
    expect(sum(thoughts.map(({ rationale }) => rationale.dollars))).toBeCloseTo(
      sum(paid.map(({ dollars }) => dollars)),
      12,
    );

    await server.stop();
    const replay = bench({ urls: server.urls }, { timeouts: defaultTimeouts, spec: live.spec, replay: live.recording });
    await search(replay);
    expect(nodesOf(replay)).toEqual(nodesOf(live));
  });

  it.each([
    ['is down', { kind: 'status', status: 500 }],
    ['turns everything down', { kind: 'status', status: 401 }],
  ] as const)('goes on with the others while one of them %s, and a replay does the same', async (_, fault) => {
    const server = await serving((format) => (format === 'messages' ? fault : null));
    const live = bench(server, { timeouts: defaultTimeouts, spec: chooser() });
    const thoughts = await search(live);
    expect(thoughts.length).toBeGreaterThanOrEqual(12);
    expect(new Set(modelsOf(thoughts))).toEqual(new Set(['openai/gpt-6-luna', 'local/mutate']));
    expect(thoughts[0]?.rationale.choice).toMatch(/claude-haiku-5-5 was unavailable; openai\/gpt-6-luna proposes/);

    // The provider is back; what was recorded stands all the same.
    const back = await serving();
    const resumed = bench(back, { timeouts: defaultTimeouts, spec: live.spec, replay: live.recording });
    await search(resumed);
    expect(nodesOf(resumed)).toEqual(nodesOf(live));
    expect(back.served).toEqual([]);
  });

  it('waits where all are down, and asks the first again when they are back', async () => {
    let down = true;
    const server = await serving(() => (down ? { kind: 'status', status: 500 } : null));
    const model = 'bandit/[anthropic/claude-haiku-5-5, openai/gpt-6-luna]';
    const live = bench(server, { timeouts: defaultTimeouts, spec: chooser({ model, evaluations: 1 }) });
    await expect(search(live)).rejects.toThrow(RetryableError);
    expect(formats(server)).toEqual(new Set(['messages', 'responses']));
    down = false;
    live.clock.advance(60_000);
    expect(modelsOf(await search(live))).toEqual(['anthropic/claude-haiku-5-5']);
  });

  it('continues with free models when the budget is used up', async () => {
    const server = await serving();
    const live = bench(server, { timeouts: defaultTimeouts, spec: chooser({ dollars: 0.0005 }) });
    const thoughts = await search(live);
    expect(thoughts.length).toBeGreaterThanOrEqual(12);
    expect(new Set(modelsOf(thoughts).slice(-4))).toEqual(new Set(['local/mutate']));
    expect(live.archive.handlers['search-status']({ search: live.spec.id }).spend.dollars).toBeLessThanOrEqual(0.0005);
    const poor = bench(server, {
      timeouts: defaultTimeouts,
      spec: chooser({ model: 'bandit/[anthropic/claude-haiku-5-5, openai/gpt-6-luna]', dollars: 0.0005 }),
    });
    await expect(search(poor)).rejects.toThrow(BudgetError);
  });

  it('lets the model that answered repair its answer', async () => {
    const server = await startLlmServer({
      brain: proposer,
      fault: (number) => (number === 0 ? { kind: 'malformed' } : null),
    });
    const live = bench(server, { timeouts: defaultTimeouts, spec: chooser({ evaluations: 1 }) });
    const [thought] = await search(live);
    expect(server.served.map(({ asked }) => asked.format)).toEqual(['messages', 'messages']);
    const charged = live.archive.handlers['search-status']({ search: live.spec.id }).spend.dollars;
    expect(thought?.rationale.dollars).toBeCloseTo(charged, 12);
  });
});
