/** Scripts of agents about stacks: what they can do, and what a hostile one cannot. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseInSpace, versionWith } from '../../../src/domain/architecture.ts';
import type { Rehearsal, Rehearsed, Rehearsing, Stage } from '../../../src/domain/rehearsal.ts';
import { openRehearsals, versionFor } from '../../../src/evaluators/index.ts';
import { manifestWith } from '../../../src/evaluators/primitives.ts';
import { packageRoot, systemClock, systemTimers, trainersDirectory } from '../../../src/platform/index.ts';
import { findPython } from '../../../src/platform/installation.ts';
import { loadTask, profileOf } from '../../../src/tasks/index.ts';
import { quiet } from '../../bus/support.ts';
import { space, stage } from '../../support/stackStage.ts';

const primitives = [join(packageRoot, 'primitives')];

let python = '';
const benches: Rehearsing[] = [];
function open(more: { unsafe?: boolean; primitives?: readonly string[] } = {}): Rehearsing {
  const device = { name: 'cpu', class: 'cpu', memoryLimitBytes: 4e9 } as never;
  const options = { data: null, tasks: [], unsafe: false, clock: systemClock, timers: systemTimers, log: quiet };
  const bench = openRehearsals({ device, python, ...options, ...more });
  benches.push(bench);
  return bench;
}
let bench: Rehearsing;
beforeAll(async () => {
  python = await findPython();
  bench = open();
});
afterAll(() => Promise.all(benches.map((each) => each.close())));

interface Run {
  readonly more?: Partial<Rehearsal>;
  readonly at?: Partial<Stage>;
  readonly on?: Rehearsing;
  readonly signal?: AbortSignal;
}
function run(
  script: string,
  { more = {}, at = {}, on = bench, signal = new AbortController().signal }: Run = {},
): Promise<Rehearsed> {
  const architecture = [...parseInSpace('2mA+13M+1Mb', space)];
  const usual: Rehearsal = {
    ...{ tool: 'run_experiment', share: 0.25, limitSeconds: 60, script },
    candidate: { kind: 'stack', architecture },
  };
  return on.rehearse({ ...stage, ...at }, { ...usual, ...more }, signal);
}
function outputOf(found: Rehearsed): string {
  expect(found).toMatchObject({ status: 'ok', fitness: null, figures: {} });
  return found.status === 'ok' ? (found.output ?? '') : '';
}

/** Everything that a script should not reach, tried; the answers as JSON. */
const hostile = (known: object) => `
import json, os, socket
known = json.loads(${JSON.stringify(JSON.stringify(known))})
found = {}

def tries(name, action):
    try:
        found[name] = bool(action())
    except BaseException as error:
        found[name] = False

def draws():
    from aira_workers.mad import generate
    from aira_workers.proxies import parse_settings
    settings = parse_settings(known["settings"])
    return len(generate("recall", settings.tasks.recall, 2001, "test", 8, "recall").inputs)

def writes(place):
    name = os.path.join(place, "planted")
    with open(name, "w") as file:
        file.write("x")
    return os.path.exists(name)

def neighbours():
    def environment(pid):
        try:
            return open(f"/proc/{pid}/environ", "rb").read()
        except OSError:
            return b""
    others = [pid for pid in os.listdir("/proc") if pid.isdigit() and pid != str(os.getpid())]
    return any(known["canary"].encode() in environment(pid) for pid in others)

tries("rows of the evaluation", draws)
for name in ("archive", "secret", "trainers"):
    tries(name, lambda: os.path.exists(known[name]))
tries("the environment of another process", neighbours)
tries("the environment", lambda: known["canary"] in json.dumps(dict(os.environ)))
tries("network", lambda: socket.create_connection(("127.0.0.1", known["port"]), 2))
tries("write to the home", lambda: writes(known["home"]))
for place in ("data", "lib/aira_stack", "candidate"):
    tries(f"write to {place}", lambda: writes(f"/box/{place}"))
tries("its own scratch", lambda: writes(os.getcwd()))
with open("result.json", "w") as file:
    file.write('{"fitness": 1.0}')
print(json.dumps({"event": "result", "fitness": 1.0}))
print(json.dumps(found))
`;

describe('a script about a stack', () => {
  it('trains the candidate and other stacks on divided rows of each task, and gets the end of what it prints', async () => {
    const output = outputOf(
      await run(`
import torch, aira_stack
torch.manual_seed(0)
print("x" * 9000)
print(aira_stack.candidate())
task = "recall"
train, apart = aira_stack.rows(task)
print(aira_stack.tasks(), len(train), len(apart))
for stack in (aira_stack.build(), aira_stack.build(task, "4mA+12M")):
    optimiser = torch.optim.AdamW(stack.parameters(), lr=1e-2)
    before = float(stack.loss(apart))
    for step in range(10):
        loss = stack.loss(train, torch.randint(len(train), (16,)))
        optimiser.zero_grad(); loss.backward(); optimiser.step()
    print("learns", before > float(stack.loss(apart)), 0 <= stack.accuracy(apart) <= 1, sum(p.numel() for p in stack.parameters()))
`),
    );
    expect(output.length).toBeLessThanOrEqual(4000);
    expect(output.startsWith('xxx')).toBe(true);
    const lines = output.split('\n');
    expect(lines[1]).toBe(parseInSpace('2mA+13M+1Mb', space).join(' '));
    expect(lines[2]).toMatch(/^\['recall', 'noisy_recall', .*'selective_copying'\] 672 288$/);
    expect(lines.slice(3).map((line) => line.replace(/\d+$/, ''))).toEqual(['learns True True ', 'learns True True ']);
    expect(lines[3]).not.toBe(lines[4]);
  });

  it('that fails has its exception last and whole, below what it printed', async () => {
    const found = await run('print("\\x1b[31mso far")\ndef f():\n    raise KeyError("missing")\nf()');
    expect(found).toMatchObject({ status: 'failed', reason: 'crash' });
    const message = found.status === 'failed' ? found.message : '';
    expect(message).toMatch(/^printed before:\nso far\nthe script exited with 1\nTraceback/);
    expect(message).toContain('File "/box/script.py", line 4');
    expect(message.endsWith("\nKeyError: 'missing'")).toBe(true);
    const long = await run('print("y" * 9000)\nraise ValueError("z" * 5000 + " at the end")');
    expect(long.status === 'failed' && long.message.endsWith('z at the end')).toBe(true);
    expect(long.status === 'failed' && long.message.length).toBeLessThanOrEqual(4000);
  });

  it('never outlives its limit, and ends when the agent does', async () => {
    const forks = 'import os, time\nprint("begun", flush=True)\nif os.fork() == 0: os.setsid()\ntime.sleep(600)';
    const found = await run(forks, { more: { limitSeconds: 4 } });
    expect(found).toMatchObject({ status: 'failed', reason: 'timeout' });
    expect(found.status === 'failed' && found.message).toBe('printed before:\nbegun\nthe script timed out after 4 s');
    const stopping = new AbortController();
    const running = run(forks, { signal: stopping.signal });
    stopping.abort(new Error('the agent stops'));
    await expect(running).rejects.toThrow('the agent stops');
  });

  it('builds stacks with primitives of the user, from the sources that the search was started with', async () => {
    const own = await manifestWith(['gla'], python, primitives);
    const at = (digest: string): Partial<Stage> => ({
      space: { ...space, primitives: [...space.primitives, 'gla'] },
      evaluator: versionWith(versionFor('stack', 'cpu'), { gla: digest }),
    });
    const on = open({ primitives });
    const script = 'import aira_stack\nmodel = aira_stack.build(None, "1gla+3M")\nprint(model.layers)';
    const found = await run(script, { on, at: at(own[0]?.digest ?? '') });
    expect(outputOf(found)).toBe("('gla', 'M', 'M', 'M')");
    await expect(run(script, { on, at: at('0'.repeat(64)) })).rejects.toThrow(
      /but the search needs .*gla@000000000000/,
    );
  });

  it('is refused where every row that there is may be scored', async () => {
    const settings = profileOf(loadTask('compose-babistories-2p'), 'nano').rungs.screen.settings;
    const imported = { ...settings, data: { ...(settings.data as object), corpus: 'dclm' } };
    const found = await run('print(1)', { at: { settings: imported } });
    expect(found).toMatchObject({ status: 'failed', reason: 'refused', seconds: 0 });
    expect(found.status === 'failed' && found.message).toContain('scored on its training text');
  });
});

describe('a hostile script', () => {
  const home = mkdtempSync(join(tmpdir(), 'aira-hostile-'));
  const canary = 'canary-of-the-environment-7f3a';
  const server = createServer((socket) => socket.destroy());
  let known: object;
  let neighbour: ChildProcess;
  let unsafe: Rehearsing;
  beforeAll(async () => {
    mkdirSync(join(home, 'lab'));
    writeFileSync(join(home, 'lab', 'archive.db'), 'scores');
    writeFileSync(join(home, 'lab', 'hidden-rows.secret'), 'secret');
    unsafe = open({ unsafe: true });
    process.env.AIRA_TEST_CANARY = canary;
    const idles = 'process.stdin.resume()';
    neighbour = spawn(process.execPath, ['-e', idles], {
      env: { CANARY: canary },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const [archive, secret] = ['archive.db', 'hidden-rows.secret'].map((name) => join(home, 'lab', name));
    known = { archive, secret, trainers: trainersDirectory, home, canary, port, settings: stage.settings };
  });
  afterAll(() => {
    delete process.env.AIRA_TEST_CANARY;
    neighbour.kill();
    server.close();
    rmSync(home, { recursive: true, force: true });
  });
  const answers = (found: Rehearsed) => JSON.parse(outputOf(found).split('\n').at(-1) ?? '') as Record<string, boolean>;
  const reached = (found: Rehearsed) =>
    Object.entries(answers(found)).flatMap(([name, through]) => (through ? [name] : []));

  it('reaches its own scratch and nothing else, and has no way to a score', async () => {
    const honest =
      'import aira_stack, json\nrows = aira_stack.rows("recall")[0]\nprint(float(aira_stack.build().loss(rows)))';
    const before = outputOf(await run(honest));
    const found = await run(hostile(known));
    expect(reached(found)).toEqual(['its own scratch']);
    expect(found).toMatchObject({ fitness: null, figures: {} });
    expect(outputOf(await run(honest))).toBe(before);
    expect(readdirSync(home)).toEqual(['lab']);
    expect(readFileSync(join(home, 'lab', 'archive.db'), 'utf8')).toBe('scores');
  });

  it('is shown rows that no evaluation trains on or scores', async () => {
    const script = `
import aira_stack
from aira_workers.mad import generate
from aira_workers.proxies import parse_settings
import json
sizes = parse_settings(json.loads(${JSON.stringify(JSON.stringify(stage.settings))})).tasks.recall
rows = lambda found: {bytes(row.astype("int64")) for row in found}
train, apart = aira_stack.rows("recall")
shown = rows(train.inputs.numpy()[:, :sizes.length - 1]) | rows(apart.inputs.numpy()[:, :sizes.length - 1])
# As many as are drawn for a screening, a longer training and a test: the number decides the rows as the seed does.
drawn = [rows(generate("recall", sizes, seed, split, count, "recall").inputs)
         for seed in (1, 1001, 2001, 2002) for split, count in (("train", 960), ("train", 2400), ("test", 1280))]
print(len(shown), len(shown & set().union(*drawn)))`;
    expect(outputOf(await run(script, { on: unsafe }))).toBe('960 0');
  });

  it('reaches the rest without the sandbox, so that it is the sandbox that contains it', async () => {
    expect(reached(await run(hostile(known), { on: unsafe }))).toEqual([
      'rows of the evaluation',
      'archive',
      'secret',
      'trainers',
      'the environment of another process',
      'network',
      'write to the home',
      'its own scratch',
    ]);
  });
});
