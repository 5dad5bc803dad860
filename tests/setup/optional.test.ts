import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Machine } from './machine.ts';

const install = 'apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=600 bubblewrap';

describe('a Debian without a C++ compiler', () => {
  let machine: Machine;
  const packages = 'g++ make python3';
  const compiler = install.replace('bubblewrap', packages);
  const started = (calls: string[]) => calls.filter((call) => /^(apt-get|npm ci)/.test(call));
  beforeEach(() => {
    machine = Machine.complete();
    for (const tool of ['g++', 'make']) machine.removeProgram(tool);
    rmSync(join(machine.system, 'usr/bin/python3'));
    rmSync(join(machine.root, 'node_modules'), { recursive: true });
  });
  afterEach(() => machine.remove());

  it('gets one, as root, before npm packages that may have to be compiled', async () => {
    const { code, said, calls } = await machine.setUp();
    expect(code).toBe(0);
    const [first, ...others] = started(calls);
    expect(first).toBe(compiler);
    expect(others).toContain('npm ci --include=dev --no-audit --no-fund --loglevel=http');
    expect(said[0]).toMatch(/^installing Debian package g\+\+: the native engine is compiled/);
    expect(await machine.setUp()).toEqual({ code: 0, said: [], calls: [] });
  });

  it('that has one already gets make alone', async () => {
    machine.program('g++');
    expect(started((await machine.setUp()).calls)[0]).toBe(install.replace('bubblewrap', 'make python3'));
  });

  it('goes on without one where it cannot be installed, and tries the engine again once there is one', async () => {
    machine.systemPython();
    machine.uid = 1000;
    const { code, said, calls } = await machine.setUp();
    expect(code).toBe(0);
    expect(started(calls)).toEqual(['npm ci --include=dev --no-audit --no-fund --loglevel=http']);
    expect(said).toContain(
      'npm packages without a binary for this machine cannot be built, since there is no C++ compiler with make (this is not root, and there is no sudo)',
    );
    expect(await machine.setUp()).toEqual({ code: 0, said: [], calls: [] });
    for (const tool of ['g++', 'make']) machine.program(tool);
    expect((await machine.setUp()).calls.filter((call) => call.startsWith('python'))).not.toEqual([]);
  });

  it('ends with status 2 and the packages to install where npm needs one', async () => {
    machine.systemPython();
    machine.uid = 1000;
    machine.program('npm', '[ "$1" = config ] || { echo "gyp ERR! not found: make" >&2; exit 1; }');
    const { code, said } = await machine.setUp();
    expect(code).toBe(2);
    expect(said.at(-1)).toMatch(/apt-get install g\+\+ make/);
  });

  it('needs none that a person names', async () => {
    machine.systemPython();
    machine.env.CXX = machine.script(join(machine.folder, 'own/c++'), '');
    machine.program('make');
    expect(started((await machine.setUp()).calls)).toEqual([
      'npm ci --include=dev --no-audit --no-fund --loglevel=http',
    ]);
  });
});

describe('a machine without bubblewrap', () => {
  let machine: Machine;
  const apt = (calls: string[]) => calls.filter((call) => call.startsWith('apt-get'));
  beforeEach(() => {
    machine = Machine.complete();
    machine.removeProgram('bwrap');
  });
  afterEach(() => machine.remove());

  it('gets it, as root', async () => {
    const { code, said, calls } = await machine.setUp();
    expect(code).toBe(0);
    expect(apt(calls)).toEqual([install]);
    expect(said).toContain('installing Debian package bubblewrap: programs that agents write are run in a sandbox');
    expect(await machine.setUp()).toEqual({ code: 0, said: [], calls: [] });
  });

  it('goes on without it where it cannot be installed, says so once, and does not try again', async () => {
    machine.program('apt-get', "echo 'E: no network' >&2; exit 100");
    const { code, said } = await machine.setUp();
    expect(code).toBe(0);
    expect(said.at(-2)).toMatch(
      /^programs that agents write cannot be run here, since there is no bubblewrap \(apt-get/,
    );
    expect(await machine.setUp()).toEqual({ code: 0, said: [], calls: [] });
  });

  it('goes on without it for a user without rights', async () => {
    machine.uid = 1000;
    const { code, said, calls } = await machine.setUp();
    expect(code).toBe(0);
    expect(apt(calls)).toEqual([]);
    expect(said.at(-2)).toContain('this is not root, and there is no sudo');
  });

  it('needs none on a system that is no Debian', async () => {
    machine.platform = 'darwin';
    const { code, calls } = await machine.setUp();
    expect(code).toBe(0);
    expect(apt(calls)).toEqual([]);
  });
});
