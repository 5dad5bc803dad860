import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Machine, repository } from './machine.ts';

/** The pid of a process that has ended, and been waited for. */
function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '0']).pid;
}

describe('the lock', () => {
  let machine: Machine;
  let lock: string;
  beforeEach(() => {
    machine = Machine.complete();
    lock = join(machine.root, 'dist/.setup/lock');
  });
  afterEach(() => machine.remove());

  const broken = () => `removed the lock of a set-up that did not finish (${lock})`;

  it('is gone after a set-up that worked and after one that failed', async () => {
    await machine.setUp();
    expect(existsSync(lock)).toBe(false);
    writeFileSync(join(machine.root, 'src/cli/main.ts'), 'export const = ;\n');
    expect((await machine.setUp()).code).toBe(1);
    expect(existsSync(lock)).toBe(false);
  });

  it('of a dead process is broken', async () => {
    machine.write(lock, JSON.stringify({ pid: deadPid(), started: null, host: hostname() }));
    const { code, said } = await machine.setUp();
    expect(code).toBe(0);
    expect(said[0]).toBe(broken());
  });

  it.runIf(process.platform === 'linux')('of a dead process whose number lives on in another is broken', async () => {
    machine.write(lock, JSON.stringify({ pid: process.pid, started: '1', host: hostname() }));
    const { code, said } = await machine.setUp();
    expect(code).toBe(0);
    expect(said[0]).toBe(broken());
  });

  it('is broken although one who was breaking it died, too', async () => {
    machine.write(lock, JSON.stringify({ pid: deadPid(), started: null, host: hostname() }));
    mkdirSync(`${lock}.breaking`);
    utimesSync(`${lock}.breaking`, 0, 0);
    expect((await machine.setUp()).said[0]).toBe(broken());
    expect(existsSync(`${lock}.breaking`)).toBe(false);
  });

  it('that was left half written is broken once it is old', async () => {
    machine.write(lock, '{"pid"');
    utimesSync(lock, 0, 0);
    expect((await machine.setUp()).said[0]).toBe(broken());
  });

  it('is not looked at when nothing is missing', async () => {
    await machine.setUp();
    machine.write(lock, JSON.stringify({ pid: process.pid, started: null, host: hostname() }));
    expect(await machine.setUp()).toEqual({ code: 0, said: [], calls: [] });
  });
});

describe('two set-ups at once', () => {
  let machine: Machine;
  beforeEach(() => {
    machine = Machine.complete();
    cpSync(join(repository, 'scripts'), join(machine.root, 'scripts'), { recursive: true });
    rmSync(join(machine.root, 'node_modules'), { recursive: true });
    // The programs by name, so that the command looks at nothing else of the real machine.
    const library = join(machine.folder, 'lib');
    machine.env.AIRA_PYTHON = machine.python(
      join(machine.folder, 'python'),
      library,
      'torch',
      'numpy',
      'sklearn',
      'yaml',
    );
    machine.env.AIRA_NATS_SERVER = machine.program('nats-server');
  });
  afterEach(() => machine.remove());

  it('install once: the second waits, and finds everything done', async () => {
    // npm says that it has begun, then waits for the test's word: the second set-up certainly comes in between.
    const gate = join(machine.folder, 'gate');
    expect(spawnSync('mkfifo', [gate]).status).toBe(0);
    const body = readFileSync(join(machine.bin, 'npm'), 'utf8').split('\n').slice(2).join('\n');
    machine.program('npm', `[ "$1" = ci ] && cat '${gate}'\n${body}`);

    const start = () => {
      const child = spawn(process.execPath, ['scripts/setup.mjs'], { cwd: machine.root, env: machine.env });
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      const until = async (text: string) => {
        while (!said.includes(text)) await once(child.stderr, 'data');
      };
      const exit = once(child, 'exit');
      return { until, exit, said: () => said };
    };

    const first = start();
    await first.until('installing npm packages');
    const second = start();
    await second.until('waiting for another set-up to finish');
    writeFileSync(gate, '');
    expect(await first.exit).toEqual([0, null]);
    expect(await second.exit).toEqual([0, null]);
    expect(machine.calls().filter((call) => call.startsWith('npm ci'))).toHaveLength(1);
    expect(second.said().trimEnd().split('\n')).toHaveLength(1);
  });

  it('leave no lock behind when the first is interrupted', async () => {
    const gate = join(machine.folder, 'gate');
    expect(spawnSync('mkfifo', [gate]).status).toBe(0);
    machine.program('npm', `[ "$1" = ci ] && exec cat '${gate}'; echo undefined`);
    const child = spawn(process.execPath, ['scripts/setup.mjs'], { cwd: machine.root, env: machine.env });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    while (!said.includes('installing npm packages')) await once(child.stderr, 'data');
    const lock = join(machine.root, 'dist/.setup/lock');
    expect(existsSync(lock)).toBe(true);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([143, null]);
    expect(existsSync(lock)).toBe(false);
  });
});

describe('the command line', () => {
  it('speaks of an old Node in one sentence and stops', () => {
    const old =
      'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"18.20.4"}})';
    const script = join(repository, 'scripts/setup.mjs');
    const { status, stderr, stdout } = spawnSync(process.execPath, ['--import', old, script], { encoding: 'utf8' });
    expect(stderr).toMatch(/^setup: Aira needs Node \d+\.\d+ or newer and this is Node 18\.20\.4: .*\n$/);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stdout).toBe('');
    expect(status).toBe(2);
  });

  it.each([
    [['--devel'], 'unknown option --devel: there are --dev and --python.'],
    [['--python', 'conda'], '--python takes auto, venv, debian, none, not conda.'],
    [['--python'], '--python takes auto, venv, debian, none, not nothing.'],
  ])('refuses %s', (options, message) => {
    const script = join(repository, 'scripts/setup.mjs');
    const { status, stderr } = spawnSync(process.execPath, [script, ...options], { encoding: 'utf8' });
    expect(stderr).toBe(`setup: ${message}\n`);
    expect(status).toBe(2);
  });

  it('prefixes every line', () => {
    const machine = Machine.complete();
    try {
      mkdirSync(join(machine.root, 'scripts'));
      cpSync(join(repository, 'scripts'), join(machine.root, 'scripts'), { recursive: true });
      const env = { ...machine.env, AIRA_PYTHON: 'nothing' };
      const { status, stderr } = spawnSync(process.execPath, ['scripts/setup.mjs'], {
        cwd: machine.root,
        env,
        encoding: 'utf8',
      });
      expect(status).toBe(2);
      expect(stderr).toMatch(/^setup: AIRA_PYTHON is nothing, which does not run/);
      for (const line of stderr.trimEnd().split('\n')) expect(line).toMatch(/^setup: /);
    } finally {
      machine.remove();
    }
  });
});
