/** Defects of AIRA-dojo's accounts, D5, D14, D16b, D16c and D17 of docs/defects.md. */
import { describe, expect, it } from 'vitest';
import { think } from '../../src/agents/index.ts';
import { mutateModel } from '../../src/agents/models/mutate.ts';
import { candidateText } from '../../src/domain/candidate.ts';
import { BudgetError, RetryableError } from '../../src/domain/errors.ts';
import type { Job } from '../../src/domain/evaluation.ts';
import { defaultTimeouts } from '../../src/llm/wire.ts';
import { Archive } from '../../src/memory/archive.ts';
import { space16, viewOf } from '../agents/support.ts';
import { bench, patient, question } from '../llm/support.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { proposer } from '../support/llm-server/brain.ts';
import { startLlmServer } from '../support/llm-server/server.ts';
import { agentSpec, measurement, resultOf, searchSpec } from '../support/specs.ts';

const rationale = { choice: 'test', change: 'test', expected: null, retrieved: [], evidence: [] };
const proposal = (ordinal: number, candidate: string) => ({
  ...{ search: searchSpec().id, agent: agentSpec().name, ordinal, operator: 'draft' as const },
  ...{ parents: [], candidate, rationale },
});
const jobsOf = (archive: Archive): Job[] =>
  archive.unsent(1000).flatMap((entry) => (entry.kind === 'job' ? [entry.body] : []));

describe('D5 scores survive a resume, the hidden ones too', () => {
  it('finds both in an archive that was closed and opened again', () => {
    const home = temporaryFolder();
    const clock = manualClock();
    const search = searchSpec().id;
    let archive = Archive.open(home, clock);
    archive.handlers['search-open']({ spec: searchSpec(), source: '' });
    archive.handlers['agent-submit'](proposal(1, 'M M M M'));
    archive.handlers['agent-submit'](proposal(2, 'mA M M M'));
    for (const job of jobsOf(archive)) {
      archive.record(resultOf(job, measurement(candidateText(job.candidate) === 'M M M M' ? 0.4 : 0.7)));
    }
    archive.handlers['search-phase']({ search, phase: 'finalising' });
    const nodes = ['walker-1', 'walker-2'] as never;
    archive.handlers['node-evaluate']({ search, nodes, rung: 'final', seeds: 2 });
    for (const job of jobsOf(archive).filter(({ rung }) => rung === 'final')) {
      archive.record(
        resultOf(job, measurement(candidateText(job.candidate) === 'M M M M' ? 0.4 : 0.7, { test: 0.55 })),
      );
    }
    archive.close();
    archive = Archive.open(home, clock);
    expect(archive.handlers['search-status']({ search }).best).toMatchObject({ node: 'walker-2', validation: 0.7 });
    archive.handlers['search-phase']({ search, phase: 'finished' });
    const { scores } = archive.handlers['search-tests']({ search, purpose: 'report' });
    archive.close();
    expect(scores.map(({ node, score }) => [node, score])).toEqual([
      ['walker-1', 0.55],
      ['walker-1', 0.55],
      ['walker-2', 0.55],
      ['walker-2', 0.55],
    ]);
  });
});

describe('D14 every call has its price, and money is a limit', () => {
  it('charges what the price file says of the tokens that the provider counted', async () => {
    const server = await startLlmServer({ brain: () => '{"answer": 1}' });
    const at = bench(server, {
      timeouts: defaultTimeouts,
      spec: searchSpec({ agents: [agentSpec({ model: 'openai/gpt-5.6-luna' })], space: space16 }),
    });
    const answer = await at.gateway.ask(question(server, 'openai/gpt-5.6-luna'), patient());
    expect(answer.dollars).toBeGreaterThan(0);
    const { spend } = at.archive.handlers['search-status']({ search: at.spec.id });
    const [billed] = server.served;
    expect(spend).toEqual({
      calls: 1,
      dollars: answer.dollars,
      tokens: (billed?.usage?.input ?? 0) + (billed?.usage?.output ?? 0),
    });
  });

  it('asks nobody where the money might not reach', async () => {
    const server = await startLlmServer({ brain: proposer });
    const spec = searchSpec({
      agents: [agentSpec({ model: 'openai/gpt-5.6-luna' })],
      budget: { evaluations: 4, dollars: 1e-6 },
    });
    const at = bench(server, { timeouts: defaultTimeouts, spec });
    await expect(at.gateway.ask(question(server, 'openai/gpt-5.6-luna'), patient())).rejects.toThrow(BudgetError);
    expect(server.served).toEqual([]);
  });
});

describe('D16b the time limit is checked before each step and not after it', () => {
  it('when it is over nothing is proposed, asked or begun any more', async () => {
    const clock = manualClock();
    const archive = Archive.open(temporaryFolder(), clock);
    const spec = searchSpec({
      agents: [agentSpec({ model: 'openai/gpt-5.6-luna' })],
      budget: { evaluations: 4, minutes: 1 },
    });
    const { handlers: ask } = archive;
    const [search, agent] = [spec.id, agentSpec().name];
    ask['search-open']({ spec, source: '' });
    expect(ask['agent-submit'](proposal(1, 'M M M M'))).toMatchObject({ verdict: 'accepted' });
    const [job] = jobsOf(archive);
    // The laboratory's own clock counts while somebody is there to look at it.
    for (let second = 0; second <= 60; second++) {
      clock.advance(1000);
      ask['search-status']({ search });
    }
    expect(ask['agent-view']({ search, agent, ordinal: 2 })).toMatchObject({ state: 'closed' });
    expect(ask['agent-submit'](proposal(2, 'mA M M M'))).toMatchObject({ verdict: 'refused', reason: 'budget' });
    const call = {
      search,
      agent,
      call: 'one',
      ordinal: 2,
      purpose: 'draft' as const,
      model: 'openai/gpt-5.6-luna' as const,
    };
    expect(ask['call-reserve']({ ...call, request: 'a'.repeat(64), dollars: 0, tokens: 0 })).toMatchObject({
      state: 'closed',
    });
    const claim = { key: (job as Job).key, worker: resultOf(job as Job, measurement(0.5)).worker, attempt: 1 };
    expect(ask['job-claim'](claim)).toEqual({ go: false, reason: 'withdrawn' });
    archive.close();
  });
});

describe('D16c a call that fails ends no search', () => {
  it('a provider that is away is a reason to rest: the same thought is had later, with the answers it had bought', async () => {
    let down = true;
    const server = await startLlmServer({
      brain: proposer,
      fault: () => (down ? { kind: 'status', status: 500 } : null),
    });
    const spec = agentSpec({ model: 'openai/gpt-5.6-luna' });
    const at = bench(server, {
      timeouts: defaultTimeouts,
      spec: searchSpec({ agents: [spec], space: space16 }),
    });
    const topic = { task: 'compose-mad-3p', metric: 'accuracy' };
    const thinking = () => think({ spec, view: viewOf([]), space: space16, seed: 1, topic, models: {}, chat: at.chat });
    await expect(thinking()).rejects.toThrow(RetryableError);
    down = false;
    at.clock.advance(60_000);
    expect(await thinking()).toMatchObject({ operator: 'draft' });
  });
});

describe('D17 candidates are trained while others are thought of', () => {
  it('an agent has as many in flight as it is told, and decides without their results', async () => {
    const archive = Archive.open(temporaryFolder(), manualClock());
    const self = agentSpec({ model: 'local/mutate', pending: 4, evaluations: 8 });
    const spec = searchSpec({ agents: [self], budget: { evaluations: 8 } });
    const { handlers: ask } = archive;
    ask['search-open']({ spec, source: '' });
    const models = { 'local/mutate': mutateModel() };
    const states: string[] = [];
    for (let ordinal = 1; ordinal <= 5; ordinal++) {
      const reply = ask['agent-view']({ search: spec.id, agent: self.name, ordinal });
      states.push(reply.state);
      if (reply.state !== 'ready') break;
      const topic = { task: 'toy', metric: 'accuracy' };
      const thought = await think({ spec: self, view: reply.view, space: spec.space, seed: 1, topic, models });
      ask['agent-submit']({ search: spec.id, agent: self.name, ordinal, ...thought });
    }
    expect(states).toEqual(['ready', 'ready', 'ready', 'ready', 'waiting']);
    expect(jobsOf(archive)).toHaveLength(4);
    archive.close();
  });
});
