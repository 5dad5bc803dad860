/** Scripts of tasks by others: what they see, what they may write, what they may take. */
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Job, Outcome } from '../../src/domain/evaluation.ts';
import { openEvaluator, versionFor } from '../../src/evaluators/index.ts';
import { findPython } from '../../src/platform/installation.ts';
import { systemClock, systemTimers } from '../../src/platform/timers.ts';
import { probeSandbox, Sandbox } from '../../src/sandbox/index.ts';
import { checkTask } from '../../src/tasks/airs/check.ts';
import { loadTask, profileOf } from '../../src/tasks/catalogue.ts';
import { contentOf } from '../../src/tasks/content.ts';
import { runTaskScript, type ScriptOptions } from '../../src/tasks/taskScripts.ts';
import { importSeries, syntheticTask } from '../airs/series.ts';
import { key } from '../evaluators/support/jobs.ts';

let root: string;
let python: string;
let sandbox: Sandbox;
beforeAll(async () => {
  // Closed to everybody, and not below /tmp, which is a script's own.
  root = mkdtempSync('/var/tmp/aira-scripts-');
  python = await findPython();
  sandbox = new Sandbox({ capability: await probeSandbox({ python }) });
  await importSeries(join(root, 'raw'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

let folders = 0;

/** Runs a text as prepare.py of a task, in a sandbox of its own; answers how it ended and where it wrote. */
async function run(text: string, more: Partial<ScriptOptions> = {}, where = sandbox) {
  folders += 1;
  const place = join(root, String(folders));
  const [task, out, secret] = ['task', 'out', 'secret'].map((name) => join(place, name)) as [string, string, string];
  for (const folder of [task, out]) mkdirSync(folder, { recursive: true });
  writeFileSync(secret, 'the secret of the laboratory', { mode: 0o600 });
  writeFileSync(join(place, 'private'), 'private');
  writeFileSync(join(task, 'prepare.py'), text);
  writeFileSync(join(task, 'helper.py'), 'HELP = 1\n');
  const folderArguments = ['--global-shared-data-dir', join(root, 'raw'), '--agent-data-mount-dir', out];
  const argv = [python, join(task, 'prepare.py'), ...folderArguments, '--secret', secret] as const;
  const end = await runTaskScript(where, { argv, seconds: 30, memoryBytes: 2 ** 30, ...more });
  return { ...end, place, task, out };
}

describe('a script of a task by others', () => {
  it.each([
    ['as whoever runs the tests', {}],
    ['as an ordinary user does', { identity: 'own', groups: null }],
    ['without a sandbox, where a person has said so', { mode: 'unsafe' }],
  ] as const)('%s reads the data and its directory, and writes where it is told to', async (_, way) => {
    const where = new Sandbox({ capability: { ...sandbox.capability, ...way } });
    const text = `
import os, sys, helper
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert os.listdir(options["--global-shared-data-dir"])
os.makedirs(options["--agent-data-mount-dir"] + "/train/a b")
open(options["--agent-data-mount-dir"] + "/train/a b/ä.txt", "w").write("x" * helper.HELP)
open(os.environ["TMPDIR"] + "/scratch", "wb").write(bytes(2 ** 28)); print("prepared")`;
    const { code, stdout, stderr, out } = await run(text, {}, where);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'prepared\n', stderr: '' });
    expect(readFileSync(join(out, 'train', 'a b', 'ä.txt'), 'utf8')).toBe('x');
    expect(statSync(join(out, 'train')).uid).toBe(process.getuid?.());
  });

  it('sees nothing else of the machine, no network, no key, and not the secret of the hidden rows', async () => {
    process.env.AIRA_TEST_KEY = 'a-key';
    const text = `
import os, socket, sys
def can(action):
    try: action()
    except OSError: return False
    return True
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
place = os.path.dirname(os.path.dirname(__file__))
found = {
    "private": can(lambda: open(place + "/private")),
    "place": sorted(os.listdir(place)),
    "task": can(lambda: open(os.path.dirname(__file__) + "/left", "w")),
    "raw": can(lambda: open(options["--global-shared-data-dir"] + "/left", "w")),
    "passwd": can(lambda: open("/etc/passwd")),
    "network": can(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)),
    "key": "a-key" in str(os.environ),
    "secret": b"laboratory" in open(options["--secret"], "rb").read(),
}
print(found)`;
    const { stdout, stderr } = await run(text);
    const none = "'task': False, 'raw': False, 'passwd': False, 'network': False, 'key': False, 'secret': False";
    expect(stderr).toBe('');
    expect(stdout.trim()).toBe(`{'private': False, 'place': ['out', 'task'], ${none}}`);
  });

  it('leaves no link through which Aira would read or change another file', async () => {
    const victim = join(root, 'victim');
    writeFileSync(victim, 'x');
    chmodSync(victim, 0o600);
    const text = `
import os, socket, sys
out = dict(zip(sys.argv[1::2], sys.argv[2::2]))["--agent-data-mount-dir"]
os.symlink(${JSON.stringify(victim)}, out + "/train"); socket.socket(socket.AF_UNIX).bind(out + "/socket"); open(out + "/plain", "w"); os.chmod(out + "/plain", 0o6755)`;
    const { code, stderr, out } = await run(text);
    expect(code).toBeNull();
    expect(stderr).toBe('left the link train; copy files instead of linking them');
    expect(readdirSync(out)).toEqual(['plain']);
    expect(lstatSync(join(out, 'plain')).mode & 0o7777).toBe(0o755);
    expect(lstatSync(victim).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['memory', 'held = bytearray(2 ** 30); print(len(held))', { memoryBytes: 2 ** 28 }, /MB of memory|MemoryError/],
    ['time', 'while True: pass', { seconds: 1 }, /timed out after 1 s/],
    ['text', 'while True: print("x" * 10000)', {}, /exceeded the limit of output text/],
  ] as const)('is limited in %s', async (_, text, limits, wanted) => {
    const { code, stderr } = await run(text, limits);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(wanted);
  });

  it('is ended when it writes more into a folder of the host than it may', async () => {
    const [folder, directory] = ['full', 'nothing'].map((name) => join(root, name)) as [string, string];
    for (const each of [folder, directory]) mkdirSync(each);
    // Without end, and slowly enough that few files are written between two looks of the host.
    const text =
      'import itertools, time\nfor n in itertools.count(): open(f"a{n}", "wb").write(bytes(2 ** 20)); time.sleep(0.01)';
    const { end } = await sandbox.run({
      argv: [python, '-I', '-S', '-c', text],
      ...{ readOnly: [], directory: folder, output: { directory, maxBytes: 2 ** 20 } },
      writable: [{ source: folder, target: folder, maxBytes: 2 ** 24 }],
      limits: { seconds: 20, memoryBytes: 2 ** 28, processes: 8, scratchBytes: 2 ** 28 },
    });
    expect(end).toBe('full');
    expect(existsSync(join(folder, 'a0'))).toBe(true);
  });
});

/** A copy of a task in which one text of one file is another. */
function mutated(file: string, from: string, to: string): string {
  folders += 1;
  const directory = join(root, String(folders), basename(syntheticTask));
  cpSync(syntheticTask, directory, { recursive: true });
  const text = readFileSync(join(directory, file), 'utf8');
  expect(text).toContain(from);
  writeFileSync(join(directory, file), text.replace(from, to));
  return directory;
}

describe('the check of a task directory', () => {
  it('runs its scripts where they cannot reach the machine', { timeout: 120_000 }, async () => {
    const reached = join(root, 'reached');
    const directory = mutated('prepare.py', 'print(f', `open(${JSON.stringify(reached)}, "w")\n    print(f`);
    const host = { python, env: process.env, data: join(root, 'raw'), seconds: 60 };
    const found: string[] = [];
    for await (const { check, outcome, detail } of checkTask({ directory, host })) {
      if (outcome === 'failed') found.push(`${check}: ${detail}`);
    }
    expect(found.join()).toMatch(/^prepare: status 1: .*(No such file|Read-only|Permission denied)/);
    expect(existsSync(reached)).toBe(false);
  });
});

describe('the scorer of a task by others', () => {
  async function judge(directory: string, memoryLimitBytes: number): Promise<Outcome> {
    const task = loadTask(directory, []);
    const profile = profileOf(task, 'nano');
    const { settings } = profile.rungs.screen;
    const program = readFileSync('gpu-workers/aira_tasks/constant_baseline.py', 'utf8');
    const device = { name: 'cpu', memoryLimitBytes } as never;
    const log = pino({ level: 'silent' });
    const setting = { device, python, data: join(root, 'raw'), unsafe: false, tasks: [directory], log };
    const evaluator = openEvaluator('program', { ...setting, clock: systemClock, timers: systemTimers });
    const outcomes: Outcome[] = [];
    const content = await contentOf(task, profile, join(root, 'raw'));
    const job: Job = {
      ...{ key: key('scorer'), task: task.name, taskVersion: '0', evaluator: versionFor('program', 'cpu') },
      ...{
        deviceClass: 'cpu',
        content,
        rung: 'screen',
        space: task.space,
        settings,
        lowerIsBetter: task.lowerIsBetter,
      },
      candidate: { kind: 'program', files: { 'solution.py': program } },
      ...{ seed: 5, measure: 'validation', timeoutSeconds: 120 },
    };
    await evaluator.evaluate([job], { onOutcome: (_, outcome) => outcomes.push(outcome) });
    await evaluator.stop();
    return outcomes[0] as Outcome;
  }

  it('takes no more memory than the program may', { timeout: 120_000 }, async () => {
    const directory = mutated('evaluate.py', 'import numpy as np', 'import numpy as np\n\nheld = bytearray(2 ** 30)');
    const outcome = await judge(directory, 400 * 2 ** 20);
    expect(outcome).toMatchObject({ status: 'failed' });
    expect(['oom', 'invalid']).toContain(outcome.status === 'failed' ? outcome.reason : '');
  });

  it('and scores as before where it takes less', { timeout: 120_000 }, async () => {
    expect(
      await judge(mutated('evaluate.py', 'import numpy as np', 'import numpy as np\n'), 400 * 2 ** 20),
    ).toMatchObject({
      status: 'ok',
    });
  });
});
