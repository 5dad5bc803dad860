/** Thoughts that give several candidates: one question, an attempt for each. */
import { describe, expect, it } from 'vitest';
import { runSteps } from '../../../src/agents/graph/steps.ts';
import { attemptsOf, createModel, think } from '../../../src/agents/index.ts';
import { type AgentSpec, agentEntrySchema } from '../../../src/domain/agent.ts';
import { canonicalText, parseArchitecture } from '../../../src/domain/architecture.ts';
import type { Space } from '../../../src/domain/candidate.ts';
import type { View } from '../../../src/domain/node.ts';
import { type Brief, parseProgram, programText } from '../../../src/domain/program.ts';
import { rowsOf } from '../../../src/export/tables.ts';
import { defaultTimeouts } from '../../../src/llm/wire.ts';
import { readArchive } from '../../../src/memory/reader.ts';
import { storyOf } from '../../../src/views/trace/story.ts';
import { type Bench, bench } from '../../llm/support.ts';
import { type LlmServer, startLlmServer } from '../../support/llm-server/server.ts';
import { agentSpec, searchSpec } from '../../support/specs.ts';
import { space16, viewNode, viewOf } from '../support.ts';

const reasons = { hypothesis: 'mixing early helps', change: 'attention first', expected_fitness: 0.7, evidence: [] };
const one = (architecture: string, more: object = {}) => ({ ...reasons, architecture, ...more });
const list = (...proposals: object[]) => JSON.stringify({ proposals });
const arranged = (text: string) => canonicalText(parseArchitecture(text));
const topic = { task: 'compose-mad-3p', metric: 'accuracy' };

const chatting = (given: object = {}): AgentSpec =>
  agentSpec({
    ...{ model: 'openai/gpt-5.6-luna', scaffold: { kind: 'one-shot' }, proposals: 3, evaluations: 8 },
    ...given,
  });
const searching = (spec: AgentSpec, given: object = {}) =>
  searchSpec({ agents: [spec], space: space16, budget: { evaluations: 8 }, ...given });
const answering = (...answers: string[]) =>
  startLlmServer({ brain: (_, number) => answers[Math.min(number, answers.length - 1)] ?? '', fault: () => null });

interface Given {
  readonly view?: View;
  readonly at?: Bench;
  readonly space?: Space;
  readonly brief?: Brief;
}

function thinks(server: LlmServer, spec: AgentSpec, { view, at, space, brief }: Given = {}) {
  const given = space ? { space, brief } : {};
  const { chat } = at ?? bench(server, { spec: searching(spec, given), timeouts: defaultTimeouts });
  const about = { spec, view: view ?? { ...viewOf([]), remaining: 8 }, space: space ?? space16, seed: 1 };
  return think({ ...about, topic: { ...topic, brief }, models: {}, chat });
}

/** Submits all attempts of a thought from `ordinal` on. */
const submitted = ({ archive, spec }: Bench, ordinal: number, thought: Awaited<ReturnType<typeof think>>) =>
  attemptsOf(thought).map((attempt, index) =>
    archive.handlers['agent-submit']({
      ...{ search: spec.id, agent: chatting().name, ordinal: ordinal + index },
      ...attempt,
    }),
  );

describe('a language model that is asked for several candidates', () => {
  it('answers once; each becomes an attempt of the same thought, with reasons of its own', async () => {
    const server = await answering(
      list(one('16M'), one('16Mb', { change: 'all Mb', expected_fitness: 0.2 }), one('16mA')),
    );
    const thought = await thinks(server, chatting());
    expect(server.served).toHaveLength(1);
    expect(
      attemptsOf(thought).map(({ candidate, rationale }) => [candidate, rationale.change, rationale.thought]),
    ).toEqual([
      [arranged('16M'), 'attention first', { first: 1, place: 1, of: 3 }],
      [arranged('16Mb'), 'all Mb', { first: 1, place: 2, of: 3 }],
      [arranged('16mA'), 'attention first', { first: 1, place: 3, of: 3 }],
    ]);
    expect(attemptsOf(thought).map(({ rationale }) => rationale.expected)).toEqual([0.7, 0.2, 0.7]);
    const { system, messages } = server.served[0]?.asked ?? { system: '', messages: [] };
    expect(system).toContain('in the list "proposals"');
    expect(messages.at(-1)?.text).toContain('Give 3 candidates, each different from the others.');
  });

  it('is paid once, in the ledger too, and the archive numbers the attempts in a row', async () => {
    const server = await answering(list(one('16M'), one('16Mb'), one('16mA')));
    const spec = searching(chatting());
    const at = bench(server, { spec, timeouts: defaultTimeouts });
    expect(
      submitted(at, 1, await thinks(server, chatting(), { at })).map(({ node, verdict }) => [node, verdict]),
    ).toEqual([
      ['walker-1', 'accepted'],
      ['walker-2', 'accepted'],
      ['walker-3', 'accepted'],
    ]);
    const reader = readArchive(at.home);
    expect(reader.calls.of(spec.id).map(({ ordinal }) => ordinal)).toEqual([1]);
    const story = storyOf(reader, spec.id, null);
    expect(story.agents[0]?.steps.map(({ thought, calls }) => [thought?.node, thought?.place, calls.calls])).toEqual([
      ['walker-1', 1, 1],
      ['walker-1', 2, 0],
      ['walker-1', 3, 0],
    ]);
    expect(rowsOf(reader, spec.id, []).nodes.map(({ attempt, thought }) => [attempt, thought])).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
    ]);
    expect(reader.views.next(spec.id, chatting().name)).toBe(4);
    expect(reader.views.past(spec.id, chatting().name, 4).nodes.map(({ thought }) => thought)).toEqual([
      undefined,
      1,
      1,
    ]);
    reader.close();
  });

  it('is not asked again for one that is invalid or repeated: each is recorded with the reason', async () => {
    const answer = list(one('16M'), one('15M'), { architecture: '16Mb' }, one('16M'), one('8mA+8M'));
    const server = await answering(answer);
    const spec = searching(chatting({ proposals: 5 }));
    const at = bench(server, { spec, timeouts: defaultTimeouts });
    const self = spec.agents[0] as AgentSpec;
    const known = viewNode(1, { fitness: 0.5, candidate: arranged('8mA+8M') });
    const before = { choice: '', change: '', expected: null, retrieved: [], evidence: [] };
    const draft = { search: spec.id, agent: self.name, operator: 'draft' as const, parents: [] };
    at.archive.handlers['agent-submit']({ ...draft, ordinal: 1, candidate: known.candidate, rationale: before });
    const view = { ...viewOf([known]), remaining: 7 };
    const replies = submitted(at, 2, await thinks(server, self, { at, view }));
    expect(server.served).toHaveLength(1);
    expect(replies.map((reply) => (reply.verdict === 'refused' ? reply.reason : reply.verdict))).toEqual([
      'accepted',
      'invalid',
      'invalid',
      'duplicate',
      'duplicate',
    ]);
    const reader = readArchive(at.home);
    const nodes = reader.records.nodes(spec.id).slice(1);
    expect(nodes.map(({ message }) => message)).toEqual([
      null,
      expect.stringMatching(/^candidate 2 of 5 is not usable \(invalid\): .*15 layers/),
      expect.stringMatching(/^candidate 3 of 5 is not usable \(malformed\): .*hypothesis/),
      'walker-2 is the same candidate',
      'walker-1 is the same candidate',
    ]);
    expect(nodes[3]?.rationale.hypothesis).toBe('mixing early helps');
    reader.close();
  });

  it('gets its one repair where the answer as a whole is unusable', async () => {
    const server = await answering('hm', list(one('16M'), one('16Mb')));
    const thought = await thinks(server, chatting());
    expect(server.served).toHaveLength(2);
    expect(attemptsOf(thought).map(({ rationale }) => rationale.thought?.of)).toEqual([2, 2]);
    const silent = await answering('hm');
    const lost = await thinks(silent, chatting());
    expect(attemptsOf(lost)).toMatchObject([
      { rationale: { change: expect.stringMatching(/^no usable answer after 2 tries/) } },
    ]);
    expect(lost.rationale.thought).toBeUndefined();
    const bare = await answering(JSON.stringify(one('16M')));
    expect(attemptsOf(await thinks(bare, chatting()))).toHaveLength(1);
    const unwrapped = await answering(JSON.stringify([one('16M'), one('16Mb')]));
    expect(attemptsOf(await thinks(unwrapped, chatting()))).toHaveLength(2);
    expect([bare.served.length, unwrapped.served.length]).toEqual([1, 1]);
    const short = await answering(list(one('15M')));
    expect((await thinks(short, chatting())).rationale.change).toMatch(/^no usable answer after one try \(invalid\)/);
    expect(short.served).toHaveLength(1);
  });

  it('never gives more than evaluations or drafts are left, and one where it repairs', async () => {
    const five = list(...['16M', '16Mb', '16mA', '8M+8mA', '8Mb+8mA'].map((each) => one(each)));
    const asks = async (spec: AgentSpec, view: View, answer = five) => {
      const server = await answering(answer);
      const given = attemptsOf(await thinks(server, spec, { view }));
      return [server.served[0]?.asked.messages[0]?.text.match(/Give (\d)/)?.[1] ?? null, given.length];
    };
    const fresh = viewOf([]);
    expect(await asks(chatting(), { ...fresh, remaining: 2 })).toEqual(['2', 2]);
    // The last evaluation is the ordinary question.
    expect(await asks(chatting(), { ...fresh, remaining: 1 }, JSON.stringify(one('16M')))).toEqual([null, 1]);
    const greedy = chatting({ proposals: 4, scaffold: { kind: 'greedy', drafts: 3, debugProbability: 1 } });
    expect(await asks(greedy, { ...fresh, remaining: 8 })).toEqual(['3', 3]);
    const failed = viewNode(1, { status: 'failed', candidate: arranged('16M') });
    const repairing = chatting({ scaffold: { kind: 'greedy', drafts: 1, debugProbability: 1 } });
    const repair = JSON.stringify({ ...one('16Mb'), edits: null });
    expect(await asks(repairing, { ...viewOf([failed]), remaining: 7 }, repair)).toEqual([null, 1]);
  });

  it('may improve by edits of the parent, each for itself', async () => {
    const edits = (layer: number) => ({ ...reasons, architecture: null, edits: [{ layer, primitive: 'Mb' }] });
    const server = await answering(list(edits(0), edits(16), edits(15)));
    const view = { ...viewOf([viewNode(1, { fitness: 0.5, candidate: arranged('16M') })]), remaining: 7 };
    const thought = await thinks(server, chatting({ scaffold: { kind: 'greedy', drafts: 1 } }), { view });
    const parent = arranged('16M');
    expect(attemptsOf(thought).map(({ operator, candidate }) => [operator, candidate.slice(0, 60)])).toEqual([
      ['improve', `Mb${parent.slice(1)}`.slice(0, 60)],
      ['improve', expect.stringMatching(/^\(invalid\) /)],
      ['improve', `${parent.slice(0, -1)}Mb`.slice(0, 60)],
    ]);
    expect(thought.further?.[0]?.rationale.change).toMatch(/edit of layer 16: the layers are 0 to 15/);
  });

  it('writes several programs, each after its reasons', async () => {
    const files = { 'model.py': 'a = 1\n' };
    const brief: Brief = { contract: 'Write a.', baseline: files, library: [] };
    const space: Space = { kind: 'program', files: [{ name: 'model.py', maxBytes: 100 }] };
    const block = (change: string, text: string) =>
      `\`\`\`json\n${JSON.stringify({ ...reasons, change })}\n\`\`\`\n\n\`\`\`\`python model.py\n${text}\n\`\`\`\``;
    const server = await answering(
      `Three.\n\n${block('two', 'a = 2')}\n\n${block('long', 'a'.repeat(200))}\n${block('four', 'a = 4')}`,
    );
    const attempts = attemptsOf(await thinks(server, chatting(), { space, brief }));
    expect(server.served[0]?.asked.system).toContain('one candidate after');
    expect(attempts.map(({ rationale }) => rationale.change)).toEqual([
      'two',
      expect.stringMatching(/^candidate 2 of 3 is not usable \(invalid\)/),
      'four',
    ]);
    expect([attempts[0], attempts[2]].map((each) => parseProgram(each?.candidate ?? ''))).toEqual([
      { 'model.py': 'a = 2\n' },
      { 'model.py': 'a = 4\n' },
    ]);
    expect(attempts[0]?.candidate).toBe(programText({ 'model.py': 'a = 2\n' }));
  });

  it('shares the cost among the candidates, where a bandit weighs it', async () => {
    const server = await answering(list(one('16M'), one('16Mb'), one('16mA')));
    const spec = chatting({
      model: 'bandit/[openai/gpt-5.6-luna, local/mutate]',
      scaffold: { kind: 'greedy', drafts: 5 },
    });
    const at = bench(server, { spec: searching(spec), timeouts: defaultTimeouts });
    const thought = await thinks(server, spec, { at });
    const paid = attemptsOf(thought).map(({ rationale }) => rationale.dollars ?? 0);
    const reader = readArchive(at.home);
    expect(paid[0]).toBeGreaterThan(0);
    expect(paid.reduce((sum, each) => sum + each, 0)).toBeCloseTo(reader.calls.spend(at.spec.id).dollars, 12);
    reader.close();
  });
});

describe('candidates near to ideas of others', () => {
  const space = { kind: 'stack' as const, layers: 4, primitives: ['M', 'mA', 'Mb'] };
  const spec = agentSpec({ claims: { distance: 2, minutes: 30 }, proposals: 3 });
  const view: View = { ordinal: 1, remaining: 4, nodes: [] };
  const results = ['M M M M', 'Mb Mb Mb Mb', 'mA mA mA mA'].map((candidate) => ({
    ...{ proposal: { candidate, change: 'c', expected: null }, text: candidate },
  }));
  const proposer = {
    ...{ name: 'openai/test' as never, canRepair: true, toolbox: null },
    propose: async () => ({ several: results }),
    learn: async () => ({ lessons: [], insights: [] }),
  };
  const taken = { state: 'taken', by: 'pending', agent: 'two', node: 'two-3', distance: 1 } as never;
  const granted = { state: 'granted', leaseSeconds: 60 } as const;
  const run = (claim: (candidate: string) => typeof granted) =>
    runSteps(
      { spec, space, seed: 1, proposer, claim: async (each) => claim(each), signal: new AbortController().signal },
      view,
    );

  it('are not bought while another one of the thought is free', async () => {
    const thought = await run((candidate) => (candidate === 'Mb Mb Mb Mb' ? granted : taken));
    expect(attemptsOf(thought).map(({ candidate }) => candidate)).toEqual([
      '(duplicate) M M M M',
      'Mb Mb Mb Mb',
      '(duplicate) mA mA mA mA',
    ]);
  });

  it('end no agent where all are taken: the first is submitted', async () => {
    const thought = await run(() => taken);
    expect(attemptsOf(thought).map(({ candidate }) => candidate)).toEqual([
      'M M M M',
      '(duplicate) Mb Mb Mb Mb',
      '(duplicate) mA mA mA mA',
    ]);
  });
});

describe('a local model with several candidates', () => {
  const space = { kind: 'stack' as const, layers: 4, primitives: ['M', 'mA', 'Mb'] };
  const random = createModel('local/random', { python: '', env: {}, packageRoot: '' }, null as never);
  const local = (given: object, claim?: (candidate: string) => Promise<never>) =>
    think({
      ...{ spec: agentSpec(given), view: { ordinal: 1, remaining: 4, nodes: [] }, space, seed: 1, topic },
      ...{ models: { 'local/random': random }, claim },
    });

  it('draws different ones, the first as it would alone', async () => {
    const alone = await local({});
    expect(alone.rationale.thought).toBeUndefined();
    const three = attemptsOf(await local({ proposals: 3 }));
    expect(three).toHaveLength(3);
    expect(three[0]?.candidate).toBe(alone.candidate);
    expect(new Set(three.map(({ candidate }) => candidate)).size).toBe(3);
  });

  it('keeps the distance that novelty asks for between them, and claims no more than an attempt may', async () => {
    const far = attemptsOf(await local({ proposals: 3, novelty: { distance: 3 } })).map(({ candidate }) =>
      candidate.split(' '),
    );
    expect(far).toHaveLength(3);
    for (const [index, a] of far.entries())
      for (const b of far.slice(index + 1))
        expect(a.filter((layer, at) => layer !== b[at]).length).toBeGreaterThanOrEqual(3);
    const claimed: string[] = [];
    const taken = async (candidate: string) => {
      claimed.push(candidate);
      return { state: 'taken', by: 'claim', agent: 'two', node: null, distance: 0 } as never;
    };
    await local({ proposals: 8, evaluations: 8, claims: { distance: 2, minutes: 30 } }, taken);
    expect(claimed.length).toBeLessThanOrEqual(16);
  });
});

describe('the setting', () => {
  const entry = { name: 'a', scaffold: 'greedy' };
  it('is for agents that decide by a policy of ours', () => {
    expect(agentEntrySchema.safeParse({ ...entry, model: 'local/random', proposals: 8 }).success).toBe(true);
    for (const proposals of [0, 9, 1.5]) {
      expect(agentEntrySchema.safeParse({ ...entry, model: 'local/random', proposals }).success).toBe(false);
    }
    for (const model of ['outside/mcp', 'program/mine.py']) {
      const { error } = agentEntrySchema.safeParse({ ...entry, model, scaffold: 'outside', proposals: 2 });
      expect(error?.issues[0]?.message).toMatch(/one candidate per view; remove proposals/);
    }
  });
});
