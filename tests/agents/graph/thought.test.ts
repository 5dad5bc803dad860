import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { SqliteSaver } from '@langchain/langgraph-checkpoint-sqlite';
import { describe, expect, it } from 'vitest';
import { think } from '../../../src/agents/index.ts';
import type { AgentSpec } from '../../../src/domain/agent.ts';
import { canonicalText, parseArchitecture } from '../../../src/domain/architecture.ts';
import type { View } from '../../../src/domain/node.ts';
import { type Bench, bench } from '../../llm/support.ts';
import { proposer } from '../../support/llm-server/brain.ts';
import { type Fault, type LlmServer, startLlmServer } from '../../support/llm-server/server.ts';
import { agentSpec, searchSpec } from '../../support/specs.ts';
import { notes } from '../reading/support.ts';
import { space16, viewNode, viewOf } from '../support.ts';

const topic = { task: 'compose-mad-3p', metric: 'accuracy' };
const arranged = (text: string) => canonicalText(parseArchitecture(text));
const reasons = {
  hypothesis: 'mixing early helps',
  change: 'attention first',
  expected_fitness: 0.7,
  evidence: ['walker-1'],
};
const whole = (architecture: string, more: object = {}) => JSON.stringify({ ...reasons, architecture, ...more });
const chatting = (given: object = {}): AgentSpec =>
  agentSpec({ model: 'openai/gpt-5.6-luna', scaffold: { kind: 'greedy', drafts: 1 }, ...given });

const first = viewNode(1, { fitness: 0.5, candidate: arranged('8mA+8M'), lesson: 'a known thing' });
const learned = viewOf([first]);
const fresh = viewOf([viewNode(1, { fitness: 0.5, candidate: arranged('8mA+8M') })]);
const empty = viewOf([]);

/** A server that gives these answers in turn, then repeats the last one. */
const answering = (answers: string[], fault: (number: number) => Fault | null = () => null) =>
  startLlmServer({ brain: (_, number) => answers[Math.min(number, answers.length - 1)] ?? '', fault });

const has = (server: LlmServer, given: { spec?: AgentSpec; view?: View; at?: Bench; signal?: AbortSignal } = {}) => {
  const spec = given.spec ?? chatting();
  const { chat } = given.at ?? bench(server, { spec: searchSpec({ agents: [spec], space: space16 }) });
  const view = given.view ?? empty;
  return think({
    spec,
    view,
    space: space16,
    seed: 1,
    topic,
    models: {},
    chat,
    openRetriever: notes,
    signal: given.signal,
  });
};

describe('a thought of a language model', () => {
  it('becomes an attempt with its reasons; it may cite only what it was shown', async () => {
    const server = await answering([whole('2mA+14M', { evidence: ['walker-1', 'invented'] })]);
    const thought = await has(server);
    expect(thought).toEqual({
      operator: 'draft',
      parents: [],
      candidate: arranged('2mA+14M'),
      rationale: {
        choice: 'draft 1 of 1',
        change: 'attention first',
        expected: 0.7,
        hypothesis: 'mixing early helps',
        retrieved: [],
        evidence: [],
      },
    });
    expect(server.served[0]?.asked.tools).toEqual([]);
  });

  it('may be a few edits of the parent', async () => {
    const edits = [{ layer: 15, primitive: 'Mb' }];
    const server = await answering([JSON.stringify({ ...reasons, architecture: null, edits })]);
    const thought = await has(server, { view: learned });
    expect(thought).toMatchObject({ operator: 'improve', parents: ['walker-1'], candidate: arranged('8mA+7M+1Mb') });
    expect(thought.rationale.evidence).toEqual(['walker-1']);
  });

  it.each([
    ['is not JSON', 'hm', /not JSON/],
    ['is too short', whole('15M'), /15 layers; this task needs 16/],
    ['invents a layer', whole('16Conv'), /"16Conv" is not a layer/],
    [
      'edits a layer that is not there',
      JSON.stringify({ ...reasons, architecture: null, edits: [{ layer: 16, primitive: 'M' }] }),
      /layers are 0 to 15/,
    ],
    [
      'was tried before',
      JSON.stringify({ ...reasons, architecture: '8mA+8M', edits: null }),
      /walker-1 is the same candidate/,
    ],
  ])('is repaired once when its answer %s', async (_, answer, problem) => {
    const good = JSON.stringify({ ...reasons, architecture: '16Mb', edits: null });
    const drafting = !/edits/.test(answer);
    const server = await answering([answer, drafting ? whole('16Mb') : good]);
    const thought = await has(server, drafting ? {} : { view: learned });
    expect(thought.candidate).toBe(arranged('16Mb'));
    const [, repair] = server.served;
    expect(repair?.asked.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user']);
    expect(repair?.asked.messages[1]?.text).toBe(answer);
    expect(repair?.asked.messages[2]?.text).toMatch(problem);
    expect(server.served).toHaveLength(2);
  });

  it('that cannot be repaired is stored as a failed attempt', async () => {
    const server = await answering(['hm']);
    const spec = searchSpec({ agents: [chatting()], space: space16 });
    const at = bench(server, { spec });
    const thought = await has(server, { at });
    expect(server.served).toHaveLength(2);
    expect(thought.rationale.change).toMatch(/^no usable answer after 2 tries \(malformed\): the answer is not JSON/);
    const reply = at.archive.handlers['agent-submit']({
      search: spec.id,
      agent: chatting().name,
      ordinal: 1,
      ...thought,
    });
    expect(reply).toMatchObject({ verdict: 'refused', reason: 'invalid', node: 'walker-1' });
  });

  it('that only repeats an earlier candidate is stored as a duplicate', async () => {
    const server = await answering([whole('8mA+8M')]);
    const spec = chatting({ scaffold: { kind: 'one-shot' } });
    const at = bench(server, { spec: searchSpec({ agents: [spec], space: space16 }) });
    const submit = async (ordinal: number, view: View) =>
      at.archive.handlers['agent-submit']({
        ...{ search: at.spec.id, agent: spec.name, ordinal },
        ...(await has(server, { at, spec, view })),
      });
    expect(await submit(1, empty)).toMatchObject({ verdict: 'accepted' });
    expect(await submit(2, { ...learned, ordinal: 2 })).toMatchObject({ reason: 'duplicate', node: 'walker-2' });
    expect(server.served).toHaveLength(3);
  });

  it.each([
    ['truncated', 2, [1000, 2000]],
    ['empty', 2, [1000, 1000]],
    ['refused', 1, [1000]],
  ] as const)('that was %s is asked %i times', async (kind, times, limits) => {
    const server = await answering([whole('16Mb')], (number) => (number === 0 ? { kind } : null));
    const thought = await has(server, { spec: chatting({ maxTokens: 1000 }) });
    expect(server.served.map(({ asked }) => asked.maxTokens)).toEqual(limits);
    expect(server.served).toHaveLength(times);
    if (kind === 'refused') expect(thought.candidate).toMatch(/^\(refused\) /);
    else expect(thought.candidate).toBe(arranged('16Mb'));
  });

  it('begins with lessons from new results, by the analysis model, and uses them', async () => {
    const server = await startLlmServer({ brain: proposer });
    const spec = chatting({ models: { analyze: 'anthropic/claude-haiku-5-5' }, role: 'You doubt everything.' });
    const thought = await has(server, { spec, view: fresh });
    expect(thought.lessons).toEqual([{ node: 'walker-1', text: 'attention helps less than thought in walker-1' }]);
    const [analysis, proposal] = server.served;
    expect(analysis?.asked).toMatchObject({ format: 'messages', model: 'claude-haiku-5-5' });
    expect(proposal?.asked).toMatchObject({ format: 'responses', model: 'gpt-5.6-luna' });
    expect(proposal?.asked.messages[0]?.text).toContain('lesson: attention helps less than thought in walker-1');
    for (const { asked } of server.served) expect(asked.system).toContain('You doubt everything.');
    expect(server.wrong).toEqual([]);
  });

  it('learns nothing again from what it has learned from, and one-shot agents learn nothing', async () => {
    const server = await startLlmServer({ brain: proposer });
    expect(await has(server, { view: learned })).not.toHaveProperty('lessons');
    expect(await has(server, { view: fresh, spec: chatting({ scaffold: { kind: 'one-shot' } }) })).not.toHaveProperty(
      'lessons',
    );
    expect(server.served).toHaveLength(2);
  });

  it('gets the remaining budget at the end, outside the identity of the question', async () => {
    const server = await startLlmServer({ brain: proposer });
    const at = bench(server, { spec: searchSpec({ agents: [chatting()], space: space16 }) });
    const before = await has(server, { at, view: { ...empty, left: { minutes: 9.5, dollars: 0.5 } } });
    expect(server.served[0]?.asked.messages.at(-1)?.text).toMatch(
      /Remaining budget: 5 evaluations, 9.5 minutes, \$0.500/,
    );
    rmSync(join(at.home, 'thoughts.db'));
    const again = bench(server, { home: at.home, archive: at.archive, spec: at.spec });
    expect(await has(server, { at: again, view: { ...empty, left: { minutes: 2 } } })).toEqual(before);
    expect(server.served).toHaveLength(1);
  });
});

describe('a killed agent', () => {
  /** Dies while the second question is under way, and comes back. */
  async function killed(lose: (home: string) => void) {
    const server = await startLlmServer({
      brain: proposer,
      fault: (number) => (number === 1 ? { kind: 'hang' } : null),
    });
    const spec = searchSpec({ agents: [chatting()], space: space16 });
    const dying = bench(server, { spec });
    const death = new AbortController();
    const ended = has(server, { at: dying, view: fresh, signal: death.signal }).then(
      () => 'survived',
      () => 'died',
    );
    await Promise.race([ended, server.reached(2)]);
    death.abort(new Error('killed'));
    expect(await ended).toBe('died');
    lose(dying.home);
    const next = bench(server, { home: dying.home, archive: dying.archive, spec });
    const thought = await has(server, { at: next, view: fresh });
    return { server, thought, next };
  }
  const lessons = [{ node: 'walker-1', text: 'attention helps less than thought in walker-1' }];

  it('resumes within the thought: finished steps are not repeated', async () => {
    // Without the recording only the checkpoint can know of the lesson.
    const { server, thought } = await killed((home) => rmSync(join(home, 'calls'), { recursive: true }));
    expect(thought.lessons).toEqual(lessons);
    expect(server.served.map(({ asked }) => asked.system.includes('what it teaches'))).toEqual([true, false, false]);
  });

  it('buys no finished call again even where the thought itself was lost', async () => {
    const { server, thought } = await killed((home) => {
      for (const end of ['', '-wal', '-shm']) rmSync(join(home, `thoughts.db${end}`), { force: true });
    });
    expect(thought.lessons).toEqual(lessons);
    expect(server.served).toHaveLength(3);
  });

  it('is given a finished thought as it was, and drops it once the next attempt begins', async () => {
    const { server, thought, next } = await killed(() => undefined);
    expect(await has(server, { at: next, view: fresh })).toEqual(thought);
    expect(server.served).toHaveLength(3);
    const { thoughts } = next;
    const thread = (ordinal: number) => thoughts.thread(next.spec.id, 'walker', ordinal);
    const kept = (ordinal: number) =>
      new SqliteSaver(thoughts.db).getTuple({ configurable: { thread_id: thread(ordinal) } });
    expect(await kept(2)).toBeDefined();
    await has(server, { at: next, view: { ...learned, ordinal: 3 } });
    expect(await kept(2)).toBeUndefined();
  });
});
