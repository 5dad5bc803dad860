/** Programs of users that propose: what they are asked, what their replies become, and what becomes of bad ones. */
import { appendFileSync, chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  requireSameSearcher,
  Searchers,
  searcherFiles,
  searcherJsonSchema,
  type ThinkDeps,
  think,
} from '../../src/agents/index.ts';
import { mostFailures } from '../../src/agents/searchers.ts';
import { primitives } from '../../src/domain/architecture.ts';
import { type ModelName, modelSchema } from '../../src/domain/model.ts';
import { unusableAnswer, type View, type ViewNode } from '../../src/domain/node.ts';
import { searchFileSchema } from '../../src/domain/search.ts';
import { Table } from '../../src/evaluators/index.ts';
import { Cassette, Gateway } from '../../src/llm/index.ts';
import { childEnvironment, systemTimers, type Timers } from '../../src/platform/index.ts';
import { runTabulated, studySchema } from '../../src/studies/index.ts';
import { ManualTime } from '../evaluators/support/manualTime.ts';
import { isRunning } from '../evaluators/support/processes.ts';
import { temporaryFolder } from '../support/home.ts';
import { agentSpec } from '../support/specs.ts';
import { plantedTable } from '../support/table.ts';

const python = process.env.AIRA_PYTHON ?? 'python3';
const space = { kind: 'stack' as const, layers: 4, primitives: ['M', 'mA', 'Mb'] };
const shipped = join(import.meta.dirname, '../../searches');

/** A program in Python: `reply(question)` answers questions, the rest of the protocol is filled in. */
const program = (body: string, before = '') => `
import json, os, sys, time
${before}
def say(message):
    print(json.dumps(message))
def proposal(**changes):
    return {"operator": "draft", "candidate": "M mA M mA", "change": "a start", **changes}
for line in sys.stdin:
    message = json.loads(line)
    if message["kind"] == "open":
        opened = message
        say({"kind": "ready", "protocol": 1, "name": "test"})
    if message["kind"] == "propose":
        question = message
        def propose(*each, **more):
            say({"kind": "proposals", "id": question["id"], "proposals": list(each), **more})
${body.replace(/^/gm, '        ')}
`;

function written(text: string): { spec: ReturnType<typeof agentSpec>; path: string } {
  const path = join(temporaryFolder(), 'searcher.py');
  writeFileSync(path, text);
  const model = modelSchema.parse('program/./searcher.py');
  const file = searcherFiles([model], join(path, '..')).get(model);
  if (file) ours.push(file.path);
  return { spec: agentSpec({ model, scaffold: { kind: 'outside' }, program: file, evaluations: 40 }), path };
}

/** Programs that this file wrote. */
const ours: string[] = [];

function opened(
  timers: Timers = systemTimers,
  env: Record<string, string> = {},
  allowed: readonly string[] = ours,
): Searchers {
  const searchers = new Searchers(
    { python, env: { ...childEnvironment(process.env), ...env }, packageRoot: '' },
    timers,
    allowed,
  );
  onTestFinished(() => searchers.close());
  return searchers;
}

const node = (ordinal: number, changes: Partial<Record<keyof ViewNode, unknown>> = {}): ViewNode =>
  ({
    ...{ id: `walker-${ordinal}`, agent: 'walker', ordinal, operator: 'draft', parents: [], candidate: 'M M M M' },
    ...{ status: 'evaluated', reason: null, fitness: ordinal / 10 },
    ...changes,
  }) as ViewNode;
const viewOf = (...nodes: ViewNode[]): View => ({ ordinal: nodes.length + 1, remaining: 40 - nodes.length, nodes });

const thinking = (spec: ReturnType<typeof agentSpec>, more: Partial<ThinkDeps> & { view: View }) =>
  think({ spec, space, seed: 1, topic: { task: 'toy', metric: 'accuracy' }, models: {}, ...more });

describe('a reply', () => {
  it('becomes an attempt with its reasons', async () => {
    const reply = `propose(proposal(operator="improve", parents=["walker-1"], choice="the best", hypothesis="it mixes",
  expected=0.5, evidence=["walker-1", "walker-9"]), lessons=[{"node": "walker-1", "text": "slow"}, {"node": "other-1", "text": "x"}])`;
    const { spec } = written(program(reply));
    const thought = await thinking(spec, { view: viewOf(node(1)), searchers: opened() });
    expect(thought).toEqual({
      operator: 'improve',
      parents: ['walker-1'],
      candidate: 'M mA M mA',
      rationale: {
        ...{ choice: 'the best', change: 'a start', hypothesis: 'it mixes', expected: 0.5 },
        ...{ retrieved: [], evidence: ['walker-1'] },
      },
      lessons: [{ node: 'walker-1', text: 'slow' }],
    });
  });

  it('of several proposals gives the first that is new', async () => {
    const reply = `propose(proposal(candidate="M M M M"), proposal(candidate="M what M M"), proposal(candidate="mA M M M"))`;
    const { spec } = written(program(reply));
    const { candidate, rationale } = await thinking(spec, { view: viewOf(node(1)), searchers: opened() });
    expect(candidate).toBe('mA M M M');
    expect(rationale.choice).toBe(
      'chosen by its program; alternative 3 of 3, the ones before it were not new or near to those of other agents',
    );
  });

  it.each([
    ['a repetition', 'proposal(candidate="M M M M")', 'M M M M'],
    ['no candidate', 'proposal(candidate="M what M M")', 'M what M M'],
  ])('that is %s goes to the archive as it is', async (_, proposal, candidate) => {
    const { spec } = written(program(`propose(${proposal})`));
    const thought = await thinking(spec, { view: viewOf(node(1)), searchers: opened() });
    expect(thought.candidate).toBe(candidate);
  });
});

describe('a question', () => {
  it('has the view, the budget, and what ended since the last one', async () => {
    const { spec, path } = written(program(`open("asked", "a").write(line)\npropose(proposal(candidate="mA M M M"))`));
    const searchers = opened();
    await thinking(spec, { view: viewOf(node(1), node(2, { status: 'pending', fitness: null })), searchers });
    await thinking(spec, { view: { ...viewOf(node(1), node(2), node(3)), left: { minutes: 2 } }, searchers });
    const asked = readFileSync(join(path, '../asked'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(asked).toMatchObject([
      { kind: 'propose', id: 3, attempt: 3, remaining: 38, left: {}, ended: ['walker-1'] },
      { kind: 'propose', id: 4, attempt: 4, left: { minutes: 2 }, ended: ['walker-2', 'walker-3'] },
    ]);
    expect(asked[0].nodes).toHaveLength(2);
    expect(asked[0].seed).not.toBe(asked[1].seed);
  });

  it('comes after the task, the space and the limits of the agent', async () => {
    const { spec } = written(program('propose(proposal(change=json.dumps(opened)))'));
    const { rationale } = await thinking(spec, { view: viewOf(), searchers: opened() });
    expect(JSON.parse(rationale.change)).toEqual({
      ...{ kind: 'open', protocol: 1, agent: 'walker', task: 'toy', metric: 'accuracy', lowerIsBetter: false, space },
      ...{ evaluations: 40, pending: 2, memory: 'own' },
    });
  });
});

describe('a program that fails', () => {
  const bad: readonly (readonly [string, string, RegExp])[] = [
    [
      'crashes',
      program('raise ValueError("no idea")'),
      /crashed\): it ended with exit status 1: .*ValueError: no idea/,
    ],
    ['ends before it is asked', 'import sys\nsys.exit(3)\n', /crashed\): it ended with exit status 3/],
    ['is killed', program('os.kill(os.getpid(), 9)'), /crashed\): it ended with killed by SIGKILL/],
    ['prints what is no JSON', program('print("hello \\u202e there")'), /malformed\): a line that is not JSON: "hello/],
    [
      'nests without end',
      program('print("[" * 100_000)'),
      /malformed\): a line beyond its bounds, nesting is deeper than 12/,
    ],
    ['speaks another protocol', program('').replace('"protocol": 1', '"protocol": 7'), /malformed\): protocol/],
    [
      'answers another question',
      program('question = {"id": 9}\npropose(proposal())'),
      /reply to question 9 instead of 1/,
    ],
    ['misspells a key', program('propose(proposal(parent=[]))'), /malformed\): .*parent/],
    ['has no change', program('propose(proposal(change=""))'), /malformed\): .*change/],
    [
      'invents a parent',
      program('propose(proposal(operator="improve", parents=["other-1"]))'),
      /other-1 is not in the view/,
    ],
    ['forgets a parent', program('propose(proposal(operator="crossover"))'), /crossover takes 2 different parents/],
    [
      'floods stdout',
      program('sys.stdout.write("x" * 9_000_000)\nsys.stdout.flush()\ntime.sleep(60)'),
      /more than 8388608/,
    ],
    ['floods stderr', program('sys.stderr.write("x\\n" * 3_000_000)\nraise ValueError("after")'), /ValueError: after/],
  ];

  it.each(bad)('because it %s has made an attempt that says so', async (_, text, message) => {
    const { spec } = written(text);
    const thought = await thinking(spec, { view: viewOf(), searchers: opened() });
    expect(unusableAnswer(thought.candidate)).toBe(true);
    expect(thought.rationale.change).toMatch(message);
    expect(thought.rationale.change.length).toBeLessThan(2000);
  });

  it('is stopped where it is silent, with what it started, and started again', async () => {
    const text = program(
      `import subprocess
if question["attempt"] == 1:
    child = subprocess.Popen(["sleep", "1000"])
    open("pids", "w").write(f"{os.getpid()} {child.pid}")
    time.sleep(1000)
propose(proposal(change=str(os.getpid())))`,
    );
    const { spec, path } = written(text);
    const time = new ManualTime();
    const searchers = opened(time);
    const first = thinking({ ...spec, replySeconds: 7 }, { view: viewOf(), searchers });
    const pids = join(path, '../pids');
    while (!existsSync(pids) || !/\d \d/.test(readFileSync(pids, 'utf8'))) await new Promise((go) => setImmediate(go));
    time.advance(7000);
    const { rationale } = await first;
    expect(rationale.change).toBe('no usable reply (silent): no reply within 7 s');
    const [own, child] = readFileSync(pids, 'utf8').split(' ').map(Number) as [number, number];
    const failed = node(1, { status: 'rejected', candidate: '(silent) ', fitness: null });
    const second = await thinking(spec, { view: viewOf(failed), searchers });
    expect(Number(second.rationale.change)).not.toBe(own);
    expect(isRunning(own)).toBe(false);
    expect(isRunning(child)).toBe(false);
  });

  it(`${mostFailures} times in a row ends its agent, and a candidate in between starts the count again`, async () => {
    const { spec } = written(program('propose(proposal())'));
    const failed = (ordinal: number) =>
      node(ordinal, { status: 'rejected', candidate: '(crashed) ', fitness: null, message: `reason ${ordinal}` });
    const all = Array.from({ length: mostFailures }, (_, index) => failed(index + 1));
    const searchers = opened();
    await expect(thinking(spec, { view: viewOf(...all), searchers })).rejects.toThrow(
      `its program failed ${mostFailures} times in a row, at last: reason ${mostFailures}`,
    );
    const between = all.map((each, index) => (index === 1 ? node(2) : each));
    await expect(thinking(spec, { view: viewOf(...between), searchers })).resolves.toMatchObject({ operator: 'draft' });
  });

  it('or whose agent is stopped, ends at once', async () => {
    const { spec, path } = written(program('open("pid", "w").write(str(os.getpid()) + " ")\ntime.sleep(1000)'));
    const stop = new AbortController();
    const thought = thinking(spec, { view: viewOf(), searchers: opened(), signal: stop.signal });
    const pid = join(path, '../pid');
    while (!existsSync(pid) || !readFileSync(pid, 'utf8').endsWith(' ')) await new Promise((go) => setImmediate(go));
    stop.abort(new Error('the search ended'));
    await expect(thought).rejects.toThrow('the search ended');
    expect(isRunning(Number(readFileSync(pid, 'utf8')))).toBe(false);
  });
});

describe('its process', () => {
  it('has the folder of the program, and no variable that could be a secret (I7)', async () => {
    process.env.OPENAI_API_KEY = 'sk-canary';
    onTestFinished(() => {
      delete process.env.OPENAI_API_KEY;
    });
    const { spec, path } = written(program('propose(proposal(change=" ".join([os.getcwd(), *sorted(os.environ)])))'));
    const { rationale } = await thinking(spec, { view: viewOf(), searchers: opened() });
    const [cwd, ...names] = rationale.change.split(' ');
    expect(cwd).toBe(join(path, '..'));
    expect(names).toContain('PATH');
    expect(names.filter((name) => /KEY|TOKEN|SECRET|AIRA|NATS/.test(name))).toEqual([]);
  });

  it('is that of any executable file', async () => {
    const { spec, path } = written(`#!/usr/bin/env -S ${python} -u\n${program('propose(proposal())')}`);
    chmodSync(path, 0o755);
    await expect(thinking(spec, { view: viewOf(), searchers: opened() })).resolves.toMatchObject({ operator: 'draft' });
  });

  it('runs only the file that the search started with', async () => {
    const { spec, path } = written(program('propose(proposal())'));
    requireSameSearcher(spec);
    appendFileSync(path, '# another policy\n');
    expect(() => requireSameSearcher(spec)).toThrow(/has changed since the search started/);
    await expect(thinking(spec, { view: viewOf(), searchers: opened() })).rejects.toThrow(/has changed/);
  });

  it('is not started because a specification names it: that may come from elsewhere (SEA-3)', async () => {
    const { spec, path } = written(program('open("ran", "w")\npropose(proposal())'));
    const searchers = opened(systemTimers, {}, []);
    await expect(thinking(spec, { view: viewOf(), searchers })).rejects.toThrow(/which nothing on this machine allows/);
    expect(existsSync(join(path, '../ran'))).toBe(false);
    await thinking(spec, { view: viewOf(), searchers: opened() });
    expect(existsSync(join(path, '../ran'))).toBe(true);
  });

  it.each([
    ['program/./missing.py', /missing\.py does not exist/],
    ['program/./notes.txt', /notes\.txt is not executable/],
  ])('cannot be that of %s', (model, message) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'notes.txt'), 'hello');
    expect(() => searcherFiles([model as ModelName], folder)).toThrow(message);
  });
});

describe('a recorded reply', () => {
  it('answers a resumed attempt and a replay, and the program is not asked again (I5)', async () => {
    const path = join(temporaryFolder(), 'calls.jsonl');
    const { spec, path: file } = written(
      program('open("asked", "a").write("x")\npropose(proposal(change=str(time.time())))'),
    );
    const never = (): never => {
      throw new Error('not part of this test');
    };
    const gatewayOf = (cassette: Cassette) =>
      new Gateway({
        ...{ search: 'trial-1' as never, cassette, clock: new ManualTime(), timers: new ManualTime(), model: never },
        ...{ ledger: { reserve: never, settle: never }, prices: never as never, redact: (text: string) => text },
        ...{ retries: { attempts: 1 } as never, ids: () => 'x' },
      });
    const view = viewOf(node(1));
    const asks = { searchers: opened(), view: { ...view, left: { minutes: 9 } } };
    const recording = Cassette.record(path, (text) => text);
    const chat = { search: 'trial-1' as never, gateway: gatewayOf(recording) };
    const first = await thinking(spec, { ...asks, chat });
    // The budget that is left differs when the attempt is repeated.
    expect(await thinking(spec, { ...asks, view: { ...view, left: { minutes: 3 } }, chat })).toEqual(first);
    recording.close();
    const replayed = { search: 'trial-1' as never, gateway: gatewayOf(Cassette.replay(path)) };
    expect(await thinking(spec, { view, chat: replayed })).toEqual(first);
    expect(readFileSync(join(file, '../asked'), 'utf8')).toBe('x');
    await expect(thinking(spec, { view: viewOf(node(1), node(2)), chat: replayed })).rejects.toThrow(/no answer/);
  });
});

describe('the shipped example', () => {
  const table = new Table(plantedTable({ layers: 5, primitives: [...primitives] }, 10));
  const model = modelSchema.parse('program/./searchers/evolution.py');

  it('searches a tabular benchmark like an agent of ours, repeatably, and better than chance', {
    timeout: 60_000,
  }, async () => {
    const agents = [{ name: 'own', model, scaffold: 'outside' }];
    const study = studySchema.parse({
      question: 'Does it search?',
      tasks: [{ table: 'planted' }],
      seeds: 6,
      budget: { evaluations: 40 },
      arms: [
        { name: 'chance', agents: [{ name: 'own', model: 'local/random', scaffold: 'one-shot' }] },
        { name: 'own', agents },
      ],
    });
    const { createModel } = await import('../../src/agents/index.ts');
    const programs = searcherFiles([model], shipped);
    const openSearchers = () =>
      opened(
        systemTimers,
        {},
        [...programs.values()].map(({ path }) => path),
      );
    const run = () =>
      runTabulated({
        ...{ study, table, lanes: 2, onRun: () => undefined, signal: new AbortController().signal },
        ...{ programs, openSearchers },
        createModel: (name) => createModel(name, { python, env: {}, packageRoot: '' }, null as never) as never,
      });
    const results = await run();
    const own = results.filter(({ arm }) => arm === 'own');
    expect(own).toHaveLength(6);
    for (const each of own) expect(each).toMatchObject({ evaluated: 40, failed: 0, rejected: 0, duplicate: 0 });
    const mean = (arm: string) =>
      results.filter((each) => each.arm === arm).reduce((sum, { worth }) => sum + (worth ?? 0), 0);
    expect(mean('own')).toBeGreaterThan(mean('chance'));
    expect(await run()).toEqual(results);
  });

  it('is named by a search file that parses', () => {
    const text = readFileSync(join(shipped, 'own-searcher.yaml'), 'utf8');
    expect(text).toContain(`model: ${model}`);
  });
});

describe('the model of a program', () => {
  const file = (agent: object) =>
    searchFileSchema.safeParse({ task: 'toy', budget: { evaluations: 4 }, agents: [{ name: 'own', ...agent }] });
  it.each([
    [{ model: 'program/./a.py', scaffold: 'greedy' }, /scaffold: outside need each other/],
    [{ model: 'program/./a.py', scaffold: 'outside', role: 'you' }, /not a language model/],
    [{ model: 'local/mutate', scaffold: 'greedy', replySeconds: 5 }, /not a program\/ model/],
    [{ model: 'program/', scaffold: 'outside' }, /not a model/],
    [{ model: 'program/a\u0000b', scaffold: 'outside' }, /no control characters/],
  ])('%j is refused', (agent, message) => {
    expect(file(agent).error?.message).toMatch(message);
  });
});

it('has the schema that its page links', () => {
  const published = readFileSync(join(import.meta.dirname, '../../schemas/searcher.schema.json'), 'utf8');
  expect(JSON.parse(published)).toEqual(searcherJsonSchema());
});
