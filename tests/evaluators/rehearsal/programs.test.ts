import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Files } from '../../../src/domain/program.ts';
import type { Rehearsal, Rehearsed, Rehearsing, Stage } from '../../../src/domain/rehearsal.ts';
import { openRehearsals } from '../../../src/evaluators/index.ts';
import { designVersion } from '../../../src/evaluators/version.ts';
import { packageRoot, preparedFolder, secretFile, systemClock, systemTimers } from '../../../src/platform/index.ts';
import { findPython } from '../../../src/platform/installation.ts';
import { fewBatches, jobFor, tinyArena } from '../../adversarial/support/settings.ts';
import { honestScript } from '../../adversarial/support/submissions.ts';
import { quiet } from '../../bus/support.ts';

let folder = '';
let bench: Rehearsing;
const before = process.env.XDG_CACHE_HOME;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'aira-rehearse-'));
  process.env.XDG_CACHE_HOME = join(folder, 'cache');
  bench = openRehearsals({
    device: { name: 'cpu', class: 'cpu', memoryLimitBytes: 4e9 } as never,
    python: await findPython(),
    ...{ data: null, tasks: [], unsafe: false, clock: systemClock, timers: systemTimers, log: quiet },
  });
});
afterAll(async () => {
  await bench.close();
  if (before === undefined) delete process.env.XDG_CACHE_HOME;
  else process.env.XDG_CACHE_HOME = before;
  rmSync(folder, { recursive: true, force: true });
});

const fullAttention: Files = { 'model.py': readFileSync(join(packageRoot, 'tasks/mixers/full.py'), 'utf8') };
const arena = { ...tinyArena, data: { ...tinyArena.data, train: 200 }, training: { ...tinyArena.training, steps: 40 } };

const stageOf = (files: Files, settings: object): Stage => {
  const { task, taskVersion, deviceClass, space, lowerIsBetter, seed } = jobFor(files, settings as never);
  const evaluator = designVersion();
  return {
    task,
    taskVersion,
    evaluator,
    deviceClass,
    space,
    settings: settings as never,
    seconds: 4,
    lowerIsBetter,
    seed,
  };
};
const rehearse = (
  files: Files,
  settings: object,
  more: Partial<Rehearsal> = {},
  signal = new AbortController().signal,
) =>
  bench.rehearse(
    stageOf(files, settings),
    {
      tool: 'run_experiment',
      candidate: { kind: 'program', files: { ...files } },
      share: 0.5,
      limitSeconds: 60,
      ...more,
    },
    signal,
  );
const okOf = (found: Rehearsed) => {
  expect(found).toMatchObject({ status: 'ok' });
  return found as Extract<Rehearsed, { status: 'ok' }>;
};

describe('rehearsals of programs', () => {
  it('train a mixer for a share of the steps and score it on training rows that were set apart', async () => {
    const found = okOf(await rehearse(fullAttention, arena));
    expect(found.fitness).toBeGreaterThanOrEqual(0);
    // 30 % of 200 training rows, none of the 160 validation rows.
    expect(found.figures.rows).toBe(60);
    expect(found.params).toBeGreaterThan(100);
    expect(okOf(await rehearse(fullAttention, arena)).fitness).toBe(found.fitness);
  });

  it('train a script that is served fewer tokens, and score it on training text that was set apart', async () => {
    const found = okOf(await rehearse(honestScript, fewBatches));
    expect(found.fitness).toBeLessThan(0);
    // Half of the tokens of the task, in whole batches; rows of other documents.
    expect(found.figures.trained_tokens).toBeLessThanOrEqual(fewBatches.script.tokens / 2);
    expect(found.figures.trained_tokens).toBeGreaterThan(0);
  });

  it('check a candidate in a few steps, and say what is wrong with it', async () => {
    expect(okOf(await rehearse(fullAttention, arena, { tool: 'check_candidate' })).params).toBeGreaterThan(100);
    const broken = { 'model.py': 'def build(width, length, heads, seed):\n    return 1 / 0\n' };
    const found = await rehearse(broken, arena, { tool: 'check_candidate' });
    expect(found).toMatchObject({ status: 'failed' });
    expect(found.status === 'failed' && found.message).toContain('ZeroDivisionError');
  });

  it('run a script of the agent on divided training rows, and return the end of what it prints', async () => {
    const script = `
import sys, numpy as np
sys.path.insert(0, "/box/candidate")
import model
train, apart = (np.load(f"/box/data/{part}/targets.npy") for part in ("train", "apart"))
print("rows", len(train), len(apart), callable(model.build))`;
    const found = okOf(await rehearse(fullAttention, arena, { script }));
    expect(found).toMatchObject({ fitness: null, output: 'rows 140 60 True' });
    const failing = await rehearse(fullAttention, arena, { script: 'print("so far")\nraise KeyError("missing")' });
    expect(failing).toMatchObject({ status: 'failed', reason: 'crash' });
    expect(failing.status === 'failed' && failing.message).toMatch(
      /^printed before:\nso far\n[\s\S]*\nKeyError: 'missing'$/,
    );
  });

  it('show a hostile script no row of the evaluator, no secret and no network, and leave nothing behind', async () => {
    const marker = `aira-outlives-${process.pid}`;
    const script = `
import os, socket, subprocess, sys
found = []
for root, _, files in os.walk("/"):
    # Packages of a virtual environment bring arrays of their own tests.
    if root.startswith(("/proc", "/sys", "/usr", "/dev")) or "/site-packages/" in root: continue
    found += [os.path.join(root, name) for name in files if name.endswith((".npy", ".secret", "manifest.json"))]
print(sorted(name for name in found if not name.startswith("/box/data/")))
for path in (${JSON.stringify(preparedFolder(process.env))}, ${JSON.stringify(secretFile(process.env))}, "/etc/passwd"):
    print(path.rsplit("/", 1)[-1], os.path.exists(path))
try:
    socket.create_connection(("127.0.0.1", 22), 1)
except OSError as error:
    print("no network")
try:
    open("/box/data/train/targets.npy", "wb")
except OSError:
    print("read-only")
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)", "${marker}"], start_new_session=True)
print({"fitness": 1.0})`;
    const found = okOf(await rehearse(fullAttention, arena, { script }));
    expect(found.fitness).toBeNull();
    const [files, prepared, secret, passwd, network, written] = (found.output ?? '').split('\n');
    expect(files).toBe('[]');
    expect([prepared, secret, passwd].map((line) => line?.endsWith(' False'))).toEqual([true, true, true]);
    expect([network, written]).toEqual(['no network', 'read-only']);
    const running = readdirSync('/proc').filter((name) => {
      try {
        return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(marker);
      } catch {
        return false;
      }
    });
    expect(running).toEqual([]);
  });

  it('never outlive their limit, and end when the agent does', async () => {
    const script = 'import os, time\nif os.fork() == 0: os.setsid()\ntime.sleep(600)';
    const found = await rehearse(fullAttention, arena, { script, limitSeconds: 2 });
    expect(found).toMatchObject({ status: 'failed', reason: 'timeout' });
    expect(found.seconds).toBeLessThan(10);
    const stopping = new AbortController();
    const running = rehearse(fullAttention, arena, { script }, stopping.signal);
    stopping.abort(new Error('the agent stops'));
    await expect(running).rejects.toThrow('the agent stops');
  });
});
