import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Host, Machine, repository, setupModule } from './machine.ts';

const { newestTorch } = await setupModule<{
  newestTorch: (host: Host) => Promise<{ python: string; torch: string }>;
}>('newestTorch.mjs');

/** A pytest that says how it was started and fails with a status of its own. */
const PYTEST = `
import os, sys
print("arguments", *sys.argv[1:])
print("folder", os.getcwd())
print("threads", os.environ["OMP_NUM_THREADS"])
print("trainer", __import__("aira_sample").NAME)
print("1 failed in 0.01s")
sys.exit(5)
`;

describe('scripts/pytest.mjs', () => {
  let machine: Machine;
  beforeEach(() => {
    machine = new Machine();
    cpSync(join(repository, 'scripts'), join(machine.root, 'scripts'), { recursive: true });
    machine.write(join(machine.root, 'gpu-workers/aira_sample.py'), 'NAME = "found"\n');
    mkdirSync(join(machine.root, 'dist'));
  });
  afterEach(() => machine.remove());

  function environment(name: string, ...modules: string[]): string {
    const folder = join(machine.folder, name);
    const python = machine.virtualEnvironment(folder, 'torch', 'numpy', 'sklearn', 'yaml', ...modules);
    if (modules.includes('pytest')) machine.write(join(folder, 'site-packages/pytest/__main__.py'), PYTEST);
    return python;
  }

  function record(python: string): void {
    machine.write(join(machine.root, 'dist/toolchain.json'), JSON.stringify({ python, natsServer: '/nowhere' }));
  }

  function pytest(...args: string[]) {
    const script = join(machine.root, 'scripts/pytest.mjs');
    return spawnSync(process.execPath, [script, ...args], { cwd: '/', env: machine.env, encoding: 'utf8' });
  }

  it('runs the tests with the recorded Python, and its closing line and status are the last word', () => {
    record(environment('recorded', 'pytest', 'xdist'));
    const { status, stdout, stderr } = pytest('-k', 'muon');
    expect(stdout.split('\n')).toEqual([
      'arguments gpu-workers/tests -q -n 2 --dist loadfile -k muon',
      `folder ${machine.root}`,
      'threads 1',
      'trainer found',
      '1 failed in 0.01s',
      '',
    ]);
    expect(stderr).toBe('');
    expect(status).toBe(5);
  });

  it('takes another Python when the recorded one has no pytest', () => {
    record(environment('recorded'));
    machine.env.VIRTUAL_ENV = join(machine.folder, 'other');
    const other = environment('other', 'pytest', 'xdist');
    const { status, stdout } = pytest();
    expect(stdout).toContain('1 failed in 0.01s');
    expect(status).toBe(5);
    expect(machine.calls().at(-1)).toBe(`python ${other}`);
  });

  it('finds a Python by itself when none is recorded', () => {
    machine.env.VIRTUAL_ENV = join(machine.folder, 'active');
    environment('active', 'pytest', 'xdist');
    expect(pytest().status).toBe(5);
  });
});

describe('npm run test:torch', () => {
  let machine: Machine;
  beforeEach(() => {
    machine = new Machine();
  });
  afterEach(() => machine.remove());

  const found = () => newestTorch(machine.host({ dev: true }));

  function environment(folder: string, version: string, ...modules: string[]): string {
    const python = machine.virtualEnvironment(folder, 'numpy', 'sklearn', 'yaml', ...modules);
    machine.torch(join(folder, 'site-packages'), { version });
    return python;
  }

  it('takes the newest torch of the candidates, by both numbers of the version', async () => {
    machine.env.VIRTUAL_ENV = join(machine.folder, 'active');
    machine.env.CONDA_PREFIX = join(machine.folder, 'conda');
    const active = environment(machine.env.VIRTUAL_ENV, '3.0.1', 'pytest', 'xdist');
    environment(machine.env.CONDA_PREFIX, '2.14.1', 'pytest', 'xdist');
    expect(await found()).toEqual({ python: active, torch: '3.0.1' });
  });

  it('takes AIRA_TEST_PYTHON or refuses it, and puts nothing in its place', async () => {
    machine.makesEnvironments('uv');
    machine.env.VIRTUAL_ENV = join(machine.folder, 'active');
    environment(machine.env.VIRTUAL_ENV, '2.14.1', 'pytest', 'xdist');
    machine.env.AIRA_TEST_PYTHON = environment(join(machine.folder, 'own'), '2.3.0');
    await expect(found()).rejects.toThrow(/^AIRA_TEST_PYTHON is .*own\/bin\/python, which lacks torch 2 or/);
    expect(machine.calls().filter((call) => call.startsWith('uv'))).toEqual([]);
    environment(join(machine.folder, 'own'), '2.3.0', 'pytest', 'xdist');
    expect(await found()).toEqual({ python: machine.env.AIRA_TEST_PYTHON, torch: '2.3.0' });
  });

  it('makes an environment from the locks where there is none, and leaves one made by hand alone', async () => {
    const python = machine.makesEnvironments('uv');
    expect(await found()).toEqual({ python, torch: '2.14.1' });
    expect(machine.calls().at(-2)).toContain(`-r ${join(machine.root, 'requirements/tests.txt')}`);

    machine.remove();
    machine = new Machine();
    machine.makesEnvironments('uv');
    environment(join(machine.root, '.venv'), '2.14.1');
    await expect(found()).rejects.toThrow('was not made by set-up');
    expect(readdirSync(join(machine.root, '.venv/site-packages')).sort()).toEqual([
      'numpy',
      'sklearn',
      'torch',
      'yaml',
    ]);
  });
});
