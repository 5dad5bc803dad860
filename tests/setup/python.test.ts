import { symlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Machine } from './machine.ts';

const isPython = (call: string) => call.startsWith('python ');

describe('the choice of the Python', () => {
  let machine: Machine;
  let environment: string;
  beforeEach(() => {
    machine = Machine.complete();
    environment = join(machine.folder, 'env');
  });
  afterEach(() => machine.remove());

  it('falls on an active virtual environment with torch before the system', async () => {
    const python = machine.virtualEnvironment(environment, 'torch', 'numpy', 'sklearn', 'yaml');
    machine.env.VIRTUAL_ENV = environment;
    expect((await machine.setUp()).code).toBe(0);
    expect(machine.toolchain()).toMatchObject({ python });
  });

  it('passes over an active virtual environment without torch', async () => {
    machine.virtualEnvironment(environment, 'numpy');
    machine.env.VIRTUAL_ENV = environment;
    expect((await machine.setUp()).code).toBe(0);
    expect(machine.toolchain()).toMatchObject({ python: join(machine.system, 'usr/bin/python3') });
  });

  it('passes over a Python whose torch is there but does not load', async () => {
    machine.virtualEnvironment(environment, 'numpy', 'sklearn');
    machine.module(
      join(environment, 'site-packages'),
      'torch',
      'raise ImportError("libcudart.so.12: cannot open shared object file")',
    );
    machine.env.VIRTUAL_ENV = environment;
    expect((await machine.setUp()).code).toBe(0);
    expect(machine.toolchain()).toMatchObject({ python: join(machine.system, 'usr/bin/python3') });
  });

  it('passes over a Python that dies while it imports torch, and over one that does not start', async () => {
    machine.virtualEnvironment(environment, 'numpy', 'sklearn');
    machine.module(join(environment, 'site-packages'), 'torch', 'import os\nos.abort()');
    machine.env.VIRTUAL_ENV = environment;
    machine.program('python3', 'exit 127');
    expect((await machine.setUp()).code).toBe(0);
    expect(machine.toolchain()).toMatchObject({ python: join(machine.system, 'usr/bin/python3') });
  });

  it('is not confused by what torch prints while it is imported', async () => {
    machine.module(machine.distPackages, 'torch', 'print("{\\"welcome\\": true}")');
    expect((await machine.setUp()).code).toBe(0);
  });

  it('falls on a versioned interpreter of the system when the default one has no torch', async () => {
    machine.python(join(machine.system, 'usr/bin/python3'), join(machine.folder, 'bare'));
    const versioned = machine.python(join(machine.system, 'usr/bin/python3.12'), machine.distPackages);
    expect((await machine.setUp()).code).toBe(0);
    expect(machine.toolchain()).toMatchObject({ python: versioned });
  });

  it('asks an interpreter with two names once', async () => {
    machine.python(join(machine.system, 'usr/bin/python3'), join(machine.folder, 'bare'));
    symlinkSync('python3', join(machine.system, 'usr/bin/python3.9'));
    machine.virtualEnvironment(join(machine.root, '.venv'), 'torch', 'numpy', 'sklearn', 'yaml');
    const { calls } = await machine.setUp({ dev: true });
    expect(calls.filter(isPython)).toHaveLength(2);
  });

  it('honours AIRA_PYTHON before everything else', async () => {
    const python = machine.python(
      join(machine.folder, 'mine/python'),
      join(machine.folder, 'mine/lib'),
      'torch',
      'numpy',
      'sklearn',
      'yaml',
    );
    machine.virtualEnvironment(environment, 'torch', 'numpy', 'sklearn', 'yaml');
    machine.env.VIRTUAL_ENV = environment;
    machine.env.AIRA_PYTHON = python;
    expect((await machine.setUp()).code).toBe(0);
    expect(machine.toolchain()).toMatchObject({ python });
  });

  it('refuses an AIRA_PYTHON without torch instead of taking another', async () => {
    const python = machine.python(join(machine.folder, 'mine/python'), join(machine.folder, 'mine/lib'), 'numpy');
    machine.env.AIRA_PYTHON = python;
    const { code, said } = await machine.setUp();
    expect(code).toBe(2);
    expect(said[0]).toContain(`run \`${python} -m pip install torch scikit-learn pyyaml\``);
  });

  it('refuses an AIRA_PYTHON that does not exist', async () => {
    machine.env.AIRA_PYTHON = 'python9';
    const { code, said } = await machine.setUp();
    expect(code).toBe(2);
    expect(said[0]).toContain('AIRA_PYTHON is python9, which does not run');
  });

  it('starts the interpreter behind a version manager, not its shim', async () => {
    machine.python(
      join(machine.folder, 'manager/shims/python3'),
      join(machine.folder, 'manager/lib'),
      'torch',
      'numpy',
      'sklearn',
      'yaml',
    );
    machine.env.PATH = `${join(machine.folder, 'manager/shims')}:${machine.env.PATH}`;
    expect((await machine.setUp()).code).toBe(0);
    const { python } = machine.toolchain() as { python: string };
    expect(python).not.toContain('shims');
    expect(python).toMatch(/^\/.*python/);
  });
});

describe('what is missing from the chosen Python', () => {
  let machine: Machine;
  beforeEach(() => {
    machine = Machine.complete();
  });
  afterEach(() => machine.remove());

  it('is asked of its owner, when it is not the one of Debian', async () => {
    const environment = join(machine.folder, 'env');
    const python = machine.virtualEnvironment(environment, 'torch', 'numpy', 'yaml');
    machine.env.VIRTUAL_ENV = environment;
    const { code, said, calls } = await machine.setUp();
    expect(code).toBe(2);
    expect(said).toContain(`  ${python} -m pip install scikit-learn`);
    expect(calls.filter((call) => !isPython(call))).toEqual([]);
  });

  it('is noticed as soon as the owner has installed it', async () => {
    const environment = join(machine.folder, 'env');
    const python = machine.virtualEnvironment(environment, 'torch', 'numpy', 'yaml');
    machine.env.VIRTUAL_ENV = environment;
    expect((await machine.setUp()).code).toBe(2);
    machine.module(join(environment, 'site-packages'), 'sklearn');
    // Two changes within one tick of the file system's clock would look like one.
    utimesSync(join(environment, 'site-packages'), new Date(), new Date(Date.now() + 1000));
    expect((await machine.setUp()).code).toBe(0);
    expect(machine.toolchain()).toMatchObject({ python });
  });

  it('comes from Debian, when the Python does', async () => {
    machine.remove();
    machine = new Machine();
    machine.installNatsServer();
    machine.selectBlas('openblas-pthread');
    machine.systemPython('torch', 'numpy');
    const { code, calls } = await machine.setUp({ dev: true });
    expect(code).toBe(0);
    const apt = calls.filter((call) => call.startsWith('apt-get'));
    expect(apt).toHaveLength(1);
    expect(apt[0]).toMatch(/ python3-sklearn python3-yaml python3-pytest python3-pytest-xdist$/);
  });

  it('is not pytest, as long as another Python has all the tests need', async () => {
    const environment = join(machine.folder, 'env');
    const python = machine.virtualEnvironment(environment, 'torch', 'numpy', 'sklearn', 'yaml');
    machine.env.VIRTUAL_ENV = environment;
    expect((await machine.setUp({ dev: true })).code).toBe(0);
    expect(machine.toolchain()).toMatchObject({ python });
  });

  it('is pytest, when no Python has it', async () => {
    machine.remove();
    machine = new Machine();
    machine.installNatsServer();
    const environment = join(machine.folder, 'env');
    const python = machine.virtualEnvironment(environment, 'torch', 'numpy', 'sklearn', 'yaml');
    machine.env.VIRTUAL_ENV = environment;
    expect((await machine.setUp()).code).toBe(0);
    const { code, said } = await machine.setUp({ dev: true });
    expect(code).toBe(2);
    expect(said).toContain(`  ${python} -m pip install pytest pytest-xdist`);
  });
});
