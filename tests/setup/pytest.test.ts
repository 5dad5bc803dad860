import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Machine, repository } from './machine.ts';

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
    record(environment('recorded', 'pytest'));
    const { status, stdout, stderr } = pytest('-k', 'muon');
    expect(stdout.split('\n')).toEqual([
      'arguments gpu-workers/tests -q -k muon',
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
    const other = environment('other', 'pytest');
    const { status, stdout } = pytest();
    expect(stdout).toContain('1 failed in 0.01s');
    expect(status).toBe(5);
    expect(machine.calls().at(-1)).toBe(`python ${other}`);
  });

  it('finds a Python by itself when none is recorded', () => {
    machine.env.VIRTUAL_ENV = join(machine.folder, 'active');
    environment('active', 'pytest');
    expect(pytest().status).toBe(5);
  });
});
