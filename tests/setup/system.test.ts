import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Machine } from './machine.ts';

const APT = 'apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=600';

describe('a machine that has everything', () => {
  let machine: Machine;
  beforeEach(() => {
    machine = Machine.complete();
  });
  afterEach(() => machine.remove());

  it('is found complete without a word and without starting a program, after the first look', async () => {
    const first = await machine.setUp({ dev: true });
    expect(first.code).toBe(0);
    expect(first.said).toEqual(['compiling src/ to dist/: it is not built yet', expect.stringMatching(/^Python 3/)]);
    expect(first.calls.filter((call) => !call.startsWith('python'))).toEqual([]);

    expect(await machine.setUp({ dev: true })).toEqual({ code: 0, said: [], calls: [] });
    expect(await machine.setUp()).toEqual({ code: 0, said: [], calls: [] });
  });

  it('has its programs written down for Aira by absolute path', async () => {
    await machine.setUp();
    expect(machine.toolchain()).toEqual({
      python: join(machine.system, 'usr/bin/python3'),
      natsServer: join(machine.system, 'usr/sbin/nats-server'),
    });
  });

  it('takes the nats-server of AIRA_NATS_SERVER, and refuses one that cannot be run', async () => {
    const own = machine.script(join(machine.folder, 'own/nats'), '');
    machine.env.AIRA_NATS_SERVER = own;
    await machine.setUp();
    expect(machine.toolchain()).toMatchObject({ natsServer: own });

    machine.env.AIRA_NATS_SERVER = '/nowhere/nats-server';
    const refused = await machine.setUp();
    expect(refused.code).toBe(2);
    expect(refused.said.join('\n')).toContain('AIRA_NATS_SERVER is /nowhere/nats-server');
  });

  it('prefers the nats-server on PATH to the one in sbin', async () => {
    const onPath = machine.program('nats-server');
    await machine.setUp();
    expect(machine.toolchain()).toMatchObject({ natsServer: onPath });
  });
});

describe('a Debian that lacks something', () => {
  let machine: Machine;
  beforeEach(() => {
    machine = Machine.complete();
  });
  afterEach(() => machine.remove());
  const apt = (calls: string[]) => calls.filter((call) => call.startsWith('apt-get'));

  it('gets nats-server alone by one call, as root', async () => {
    rmSync(join(machine.system, 'usr/sbin/nats-server'));
    const { code, said, calls } = await machine.setUp();
    expect(code).toBe(0);
    expect(apt(calls)).toEqual([`${APT} nats-server`]);
    expect(said[0]).toMatch(/^installing Debian package nats-server: /);
  });

  it('gets everything by one call when it has nothing, and nothing at the second start', async () => {
    machine.remove();
    machine = new Machine();
    const { code, calls } = await machine.setUp({ dev: true });
    expect(code).toBe(0);
    const python = 'python3-torch python3-numpy python3-sklearn python3-yaml python3-pytest python3-pytest-xdist';
    expect(apt(calls)).toEqual([`${APT} nats-server ${python} libopenblas0-pthread`]);
    expect(machine.toolchain()).toEqual({
      python: join(machine.system, 'usr/bin/python3'),
      natsServer: join(machine.system, 'usr/sbin/nats-server'),
    });
    expect(await machine.setUp({ dev: true })).toEqual({ code: 0, said: [], calls: [] });
  });

  it('fetches the package lists first where there are none', async () => {
    rmSync(join(machine.system, 'usr/sbin/nats-server'));
    rmSync(join(machine.system, 'var/lib/apt/lists'), { recursive: true });
    const { calls } = await machine.setUp();
    expect(apt(calls)).toEqual(['apt-get update', `${APT} nats-server`]);
  });

  it('fetches newer package lists when an installation fails, and tries once more', async () => {
    rmSync(join(machine.system, 'usr/sbin/nats-server'));
    const server = join(machine.system, 'usr/sbin/nats-server');
    const updated = join(machine.folder, 'updated');
    machine.program(
      'apt-get',
      `case "$1" in
         update) touch '${updated}' ;;
         install) [ -e '${updated}' ] || { echo 'E: 404 Not Found' >&2; exit 100; }
                  touch '${server}' && chmod 755 '${server}' ;;
       esac`,
    );
    const { code, calls } = await machine.setUp();
    expect(code).toBe(0);
    expect(apt(calls)).toEqual([`${APT} nats-server`, 'apt-get update', `${APT} nats-server`]);
  });

  it('shows what apt-get said and the commands to try, when the installation keeps failing', async () => {
    rmSync(join(machine.system, 'usr/sbin/nats-server'));
    machine.program('apt-get', "echo 'E: Unable to locate package nats-server' >&2; exit 100");
    const { code, said } = await machine.setUp();
    expect(code).toBe(1);
    expect(said).toContain('E: Unable to locate package nats-server');
    expect(said).toContain('  apt-get install --yes --no-install-recommends nats-server');
  });

  it('is not believed to be complete because apt-get claims success', async () => {
    rmSync(join(machine.system, 'usr/sbin/nats-server'));
    machine.program('apt-get');
    const { code, said } = await machine.setUp();
    expect(code).toBe(1);
    expect(said.at(-1)).toMatch(/^nats-server: /);
  });

  it('is installed through sudo where that asks for no password', async () => {
    rmSync(join(machine.system, 'usr/sbin/nats-server'));
    machine.uid = 1000;
    machine.program('true');
    machine.program('sudo', 'shift; exec "$@"');
    const { code, calls } = await machine.setUp();
    expect(code).toBe(0);
    expect(calls).toContain(`sudo -n env DEBIAN_FRONTEND=noninteractive ${APT} nats-server`);
  });

  it.each(['there is no sudo', 'sudo asks for a password'])(
    'is left alone, with the commands to run, when %s',
    async (reason) => {
      rmSync(join(machine.system, 'usr/sbin/nats-server'));
      machine.uid = 1000;
      if (reason === 'sudo asks for a password') machine.program('sudo', 'exit 1');
      const { code, said, calls } = await machine.setUp();
      expect(code).toBe(2);
      expect(said.join('\n')).toContain(reason);
      expect(said).toContain('  sudo apt-get update');
      expect(said).toContain('  sudo apt-get install --yes --no-install-recommends nats-server');
      expect(apt(calls)).toEqual([]);
    },
  );

  it('names every missing package at once, before it spends time on npm packages', async () => {
    machine.remove();
    machine = new Machine();
    rmSync(join(machine.root, 'node_modules'), { recursive: true });
    machine.uid = 1000;
    const { code, said, calls } = await machine.setUp();
    expect(code).toBe(2);
    const packages = 'nats-server python3-torch python3-numpy python3-sklearn python3-yaml libopenblas0-pthread';
    expect(said).toContain(`  sudo apt-get install --yes --no-install-recommends ${packages}`);
    expect(calls).toEqual([]);
  });

  it('has the service of the installed nats-server switched off, where systemd would have started it', async () => {
    rmSync(join(machine.system, 'usr/sbin/nats-server'));
    mkdirSync(join(machine.system, 'run/systemd/system'), { recursive: true });
    machine.program('systemctl');
    const { calls } = await machine.setUp();
    expect(calls).toContain('systemctl disable --now nats-server');
  });
});

describe('a machine that is not a Debian', () => {
  let machine: Machine;
  beforeEach(() => {
    machine = new Machine();
    rmSync(join(machine.system, 'etc/debian_version'));
  });
  afterEach(() => machine.remove());

  it.each([
    ['linux', '  go install github.com/nats-io/nats-server/v2@latest'],
    ['darwin', '  brew install nats-server'],
  ])('gets the commands to run (%s)', async (platform, nats) => {
    machine.platform = platform;
    const { code, said, calls } = await machine.setUp({ dev: true });
    expect(code).toBe(2);
    expect(said.some((line) => line.startsWith(nats))).toBe(true);
    expect(said).toContain('  node scripts/setup.mjs --python venv --dev');
    expect(said.join('\n')).not.toContain('apt-get');
    expect(calls).toEqual([]);
  });

  it('is complete once those commands were run', async () => {
    machine.program('nats-server');
    const python = machine.virtualEnvironment(
      join(machine.root, '.venv'),
      'torch',
      'numpy',
      'sklearn',
      'yaml',
      'pytest',
      'xdist',
    );
    expect((await machine.setUp({ dev: true })).code).toBe(0);
    expect(machine.toolchain()).toMatchObject({ python });
  });
});

describe('the BLAS of a Debian torch', () => {
  let machine: Machine;
  beforeEach(() => {
    machine = Machine.complete();
  });
  afterEach(() => machine.remove());

  it('is installed when only the reference library is there', async () => {
    rmSync(machine.blasLibrary('openblas-pthread'));
    machine.selectBlas('blas');
    const { code, calls } = await machine.setUp();
    expect(code).toBe(0);
    expect(calls).toContain(`${APT} libopenblas0-pthread`);
    expect(machine.selectedBlas()).toBe(machine.blasLibrary('openblas-pthread'));
  });

  it('is selected when it is installed but the reference library was selected by hand', async () => {
    machine.selectBlas('blas');
    const { code, calls } = await machine.setUp();
    expect(code).toBe(0);
    expect(calls).toContain(`update-alternatives --set ${machine.blasLink} ${machine.blasLibrary('openblas-pthread')}`);
    expect(calls.filter((call) => call.startsWith('apt-get'))).toEqual([]);
    expect(await machine.setUp()).toEqual({ code: 0, said: [], calls: [] });
  });

  it('is selected after its installation, too, when that left the choice by hand in place', async () => {
    const openblas = machine.blasLibrary('openblas-pthread');
    rmSync(openblas);
    machine.selectBlas('blas');
    machine.program('apt-get', `touch '${openblas}'`);
    expect((await machine.setUp()).code).toBe(0);
    expect(machine.selectedBlas()).toBe(openblas);
  });

  it('is left alone when an administrator chose another optimised one', async () => {
    const link = join(machine.system, 'etc/alternatives', machine.blasLink);
    const mkl = machine.write(join(machine.system, 'opt/mkl/libblas.so.3'), '');
    rmSync(link);
    symlinkSync(mkl, link);
    expect((await machine.setUp()).code).toBe(0);
    expect(machine.selectedBlas()).toBe(mkl);
  });

  it('is none of our business when torch is not the Debian one', async () => {
    machine.selectBlas('blas');
    const environment = join(machine.folder, 'env');
    machine.virtualEnvironment(environment, 'torch', 'numpy', 'sklearn', 'yaml');
    machine.env.VIRTUAL_ENV = environment;
    expect((await machine.setUp()).code).toBe(0);
    expect(machine.selectedBlas()).toBe(machine.blasLibrary('blas'));
  });
});
