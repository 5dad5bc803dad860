/** A machine with an NVIDIA device: the torch that can use it, the environment that is made for it, and what is said. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Machine } from './machine.ts';

let machine: Machine;
beforeEach(() => {
  machine = Machine.complete();
});
afterEach(() => machine.remove());

const installs = (calls: string[]) => calls.filter((call) => /^(uv|pip) /.test(call));
const requirements = (name: string) => join(machine.root, 'requirements', name);

describe('a machine with an NVIDIA device', () => {
  beforeEach(() => machine.nvidia({ count: 2 }));

  it.each(['uv', 'pip'] as const)('gets an environment with hash-locked CUDA packages, by %s', async (tool) => {
    const python = machine.makesEnvironments(tool, { gpus: 2 });
    const { code, said, calls } = await machine.setUp();
    expect(said.at(-1)).toMatch(
      /^Python 3\.\d+ \(.*\.venv\/bin\/python\) with torch 2\.14\.1, CUDA 13\.0; 2 x NVIDIA H200, driver 580\.65\.06: trainings run on 2 of 2 GPUs$/,
    );
    expect(code).toBe(0);
    expect(machine.toolchain()).toMatchObject({ python });
    expect(installs(calls).at(-1)).toContain(`--require-hashes`);
    expect(installs(calls).at(-1)).toMatch(new RegExp(`-r ${requirements('torch.txt')}$`));
    expect(calls.filter((call) => call.startsWith('apt-get'))).toEqual([]);
    expect(await machine.setUp()).toEqual({ code: 0, said: [], calls: [] });
  });

  it('uses a torch with CUDA that is there, and passes over one without on the way', async () => {
    const environment = join(machine.folder, 'env');
    const active = machine.virtualEnvironment(environment, 'numpy', 'sklearn', 'yaml');
    machine.torch(join(environment, 'site-packages'), { version: '2.14.1', cuda: '13.0', gpus: 2 });
    machine.env.VIRTUAL_ENV = join(machine.folder, 'cpu');
    machine.virtualEnvironment(machine.env.VIRTUAL_ENV, 'numpy', 'sklearn', 'yaml');
    machine.torch(join(machine.env.VIRTUAL_ENV, 'site-packages'), { cuda: null });
    machine.env.CONDA_PREFIX = environment;
    machine.makesEnvironments('uv');
    const { code, calls } = await machine.setUp();
    expect(code).toBe(0);
    expect(machine.toolchain()).toMatchObject({ python: active });
    expect(installs(calls)).toEqual([]);
  });

  it('honours AIRA_PYTHON and --python debian, and says that the device stays idle and what to do', async () => {
    machine.makesEnvironments('uv');
    machine.torch(machine.distPackages, { version: '1.13.0', cuda: null });
    const system = join(machine.system, 'usr/bin/python3');
    const debian = await machine.setUp({ python: 'debian' });
    expect(debian.code).toBe(0);
    expect(debian.said.at(-1)).toContain(
      '2 x NVIDIA H200, driver 580.65.06 STAYS IDLE: this torch is built without CUDA; trainings run on',
    );
    expect(debian.said.at(-1)).toMatch(/to use it, run `node scripts\/setup\.mjs --python venv`$/);
    // The choice holds at the next start, which has no option.
    expect(await machine.setUp()).toEqual({ code: 0, said: [], calls: [] });

    machine.env.AIRA_PYTHON = system;
    const explicit = await machine.setUp({ python: 'auto' });
    expect(explicit.code).toBe(0);
    expect(machine.toolchain()).toMatchObject({ python: system });
    expect(installs(explicit.calls)).toEqual([]);
  });

  it('is left alone where CUDA_VISIBLE_DEVICES hides the devices', async () => {
    machine.makesEnvironments('uv');
    machine.env.CUDA_VISIBLE_DEVICES = '';
    const { said, calls } = await machine.setUp();
    expect(said.at(-1)).toContain('hidden by CUDA_VISIBLE_DEVICES');
    expect(installs(calls)).toEqual([]);
  });

  it('is not given the same environment again when its torch cannot use the device', async () => {
    machine.makesEnvironments('uv', { gpus: 0 });
    // Even where it is not the Python that is then chosen.
    const { code, said } = await machine.setUp();
    expect(code).toBe(0);
    expect(said.at(-1)).toContain('STAYS IDLE');
    expect(await machine.setUp()).toEqual({ code: 0, said: [], calls: [] });
  });

  it('has the environment brought to its locks when they change, and one made by hand left alone', async () => {
    machine.makesEnvironments('uv', { gpus: 2 });
    await machine.setUp();
    writeFileSync(requirements('torch.txt'), '# newer\n');
    expect(installs((await machine.setUp()).calls)).toHaveLength(1);

    rmSync(join(machine.root, '.venv/aira-lock'));
    rmSync(join(machine.root, '.venv/site-packages/torch'), { recursive: true });
    const { code, calls } = await machine.setUp();
    expect(code).toBe(0);
    expect(installs(calls)).toEqual([]);
    expect(existsSync(join(machine.root, '.venv/site-packages/numpy'))).toBe(true);
  });
});

describe('an older driver', () => {
  it('gets the torch of CUDA 12', async () => {
    machine.nvidia({ driver: '550.54.15' });
    machine.makesEnvironments('uv');
    const { code, calls } = await machine.setUp();
    expect(code).toBe(0);
    expect(installs(calls).at(-1)).toContain(requirements('torch-cuda12.txt'));
  });

  it('is read from nvidia-smi where the kernel publishes nothing', async () => {
    machine.program('nvidia-smi', "echo 'NVIDIA GeForce RTX 3090, 552.22'");
    machine.makesEnvironments('uv');
    const { said, calls } = await machine.setUp();
    expect(said.at(-1)).toContain('NVIDIA GeForce RTX 3090, driver 552.22: trainings run on 1 of 1 GPUs');
    expect(installs(calls).at(-1)).toContain(requirements('torch-cuda12.txt'));
  });
});

describe('a Python chosen by hand', () => {
  it('is an environment with --python venv, also without a device, with what the tests need', async () => {
    const python = machine.makesEnvironments('pip', { gpus: 0 });
    const { code, said, calls } = await machine.setUp({ dev: true, python: 'venv' });
    expect(code).toBe(0);
    expect(machine.toolchain()).toMatchObject({ python });
    expect(installs(calls).at(-1)).toContain(`-r ${requirements('tests.txt')}`);
    expect(said.at(-1)).toMatch(/no NVIDIA GPU: trainings run on \d+ CPU cores? with the native engine$/);
    expect(await machine.setUp()).toEqual({ code: 0, said: [], calls: [] });
    // Back to what is found.
    await machine.setUp({ python: 'auto' });
    expect(machine.toolchain()).toMatchObject({ python: join(machine.system, 'usr/bin/python3') });
  });

  it('is none with --python none', async () => {
    machine.remove();
    machine = new Machine();
    machine.installNatsServer();
    const { code, said, calls } = await machine.setUp({ python: 'none' });
    expect(code).toBe(0);
    expect(said.at(-1)).toBe('no Python was set up (--python none): this machine trains nothing');
    expect(machine.toolchain()).toEqual({ natsServer: expect.any(String) });
    expect(calls.filter((call) => call.startsWith('apt-get'))).toEqual([]);
    expect(await machine.setUp()).toEqual({ code: 0, said: [], calls: [] });
  });

  it('does not decide the next start when it could not be carried out, and is repeated where it stopped', async () => {
    machine.makesEnvironments('uv');
    const whole = readFileSync(join(machine.bin, 'uv'), 'utf8');
    writeFileSync(join(machine.bin, 'uv'), whole.replace('case "$1"', '[ "$1" = pip ] && exit 2; case "$1"'));
    const { code, said } = await machine.setUp({ python: 'venv' });
    expect(code).toBe(1);
    expect(said.join('\n')).toContain('uv pip install failed');
    writeFileSync(join(machine.bin, 'uv'), whole);
    expect((await machine.setUp()).code).toBe(0);
    expect(machine.toolchain()).toMatchObject({ python: join(machine.system, 'usr/bin/python3') });
    expect((await machine.setUp({ python: 'venv' })).code).toBe(0);
    expect(machine.toolchain()).toMatchObject({ python: join(machine.root, '.venv/bin/python') });
  });
});

describe('an installed package', () => {
  it('has its environment in the data folder of the user, which is made', async () => {
    rmSync(join(machine.root, 'src'), { recursive: true });
    machine.env.XDG_DATA_HOME = join(machine.folder, 'data');
    const python = machine.makesEnvironments('uv', { folder: join(machine.env.XDG_DATA_HOME, 'aira/.venv') });
    rmSync(machine.env.XDG_DATA_HOME, { recursive: true });
    const { code, said } = await machine.setUp({ python: 'venv' });
    expect(said.join('\n')).toContain(`with torch 2.14.1`);
    expect(code).toBe(0);
    expect(machine.toolchain()).toMatchObject({ python });
  });
});

describe('a Debian whose torch is too old', () => {
  beforeEach(() => {
    machine.remove();
    machine = new Machine();
    machine.installNatsServer();
    machine.program('apt-cache', "echo 'python3-torch:'; echo '  Candidate: 1.8.1-5build2'");
  });

  it('is not given it; the command for an environment is printed', async () => {
    const { code, said, calls } = await machine.setUp();
    expect(code).toBe(2);
    expect(calls.filter((call) => call.startsWith('apt-get'))).toEqual([]);
    expect(said).toContain('  node scripts/setup.mjs --python venv');
  });

  it('is refused with --python debian', async () => {
    const { code, said } = await machine.setUp({ python: 'debian' });
    expect(code).toBe(2);
    expect(said[0]).toContain('no package of torch 1.13 or newer');
  });

  it('does not use a torch that is installed and too old', async () => {
    machine.systemPython('numpy', 'sklearn', 'yaml');
    machine.torch(machine.distPackages, { version: '1.8.1', cuda: null });
    expect((await machine.setUp()).code).toBe(2);
  });
});

describe('a user without root and without torch', () => {
  it('reads the exact commands, with root and without', async () => {
    machine.remove();
    machine = new Machine();
    machine.uid = 1000;
    mkdirSync(join(machine.system, 'home'), { recursive: true });
    const { code, said } = await machine.setUp();
    expect(code).toBe(2);
    const at = said.indexOf('or, without root:');
    expect(said.slice(0, at).join('\n')).toContain('sudo apt-get install');
    expect(said.slice(at + 1)).toEqual([
      '  mkdir -p ~/.local/nats && cd ~/.local/nats && apt-get download nats-server && dpkg-deb -x nats-server_*.deb .',
      '  export AIRA_NATS_SERVER=~/.local/nats/usr/sbin/nats-server && cd -',
      '  node scripts/setup.mjs --python venv   # torch from the package index, about 3 GB',
    ]);
  });

  it('reads how to get a Python where there is none to make an environment from', async () => {
    machine.remove();
    machine = new Machine();
    machine.installNatsServer();
    machine.uid = 1000;
    const { code, said } = await machine.setUp({ python: 'venv' });
    expect(code).toBe(2);
    expect(said).toContain('  sudo apt-get install --yes --no-install-recommends python3 python3-venv');
    expect(said.slice(-2)).toEqual([
      '  curl -LsSf https://astral.sh/uv/install.sh | sh   # uv, which fetches a Python',
      '  node scripts/setup.mjs --python venv   # torch from the package index, about 3 GB',
    ]);
  });
});
