import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { workerCommand } from '../../src/evaluators/index.ts';
import { chooseDevices, inspectMachine } from '../../src/platform/devices.ts';

const gigabyte = 1024 ** 3;
const machine = { cores: 4, memoryBytes: 20 * gigabyte, gpus: 0 };

describe('the choice of devices', () => {
  const names = (workers: 'auto' | number, gpus: number) =>
    chooseDevices(workers, { ...machine, gpus }).map(({ name }) => name);

  it('is one per GPU, else one per core', () => {
    expect(names('auto', 0)).toEqual(['cpu', 'cpu', 'cpu', 'cpu']);
    expect(names('auto', 2)).toEqual(['cuda:0', 'cuda:1']);
  });
  it('is as many as asked for', () => {
    expect(names(0, 0)).toEqual([]);
    expect(names(2, 0)).toEqual(['cpu', 'cpu']);
    expect(names(3, 2)).toEqual(['cuda:0', 'cuda:1', 'cuda:0']);
  });
  it('shares four fifths of the memory out', () => {
    expect(chooseDevices(2, machine)).toEqual([
      { name: 'cpu', class: 'cpu', memoryLimitBytes: 8 * gigabyte },
      { name: 'cpu', class: 'cpu', memoryLimitBytes: 8 * gigabyte },
    ]);
    expect(chooseDevices('auto', { ...machine, gpus: 1 })).toEqual([
      { name: 'cuda:0', class: 'cuda', memoryLimitBytes: 16 * gigabyte },
    ]);
  });
});

describe('GPUs', () => {
  let bin: string;
  beforeEach(() => {
    bin = mkdtempSync(join(tmpdir(), 'aira-devices-'));
  });
  afterEach(() => rmSync(bin, { recursive: true, force: true }));

  const program = (name: string, script: string) => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
    return join(bin, name);
  };
  const listTwo = `echo 'GPU 0: NVIDIA H200 (UUID: GPU-1)'; echo 'GPU 1: NVIDIA H200 (UUID: GPU-2)'`;
  const gpus = async (python: string) => (await inspectMachine(python, { PATH: bin })).gpus;

  it('count as many as torch can use, which is not what the driver lists', async () => {
    const one = program('one', 'echo 1');
    const none = program('none', 'echo 0');
    const broken = program('broken', 'echo "undefined symbol" >&2; exit 1');
    expect(await gpus(one)).toBe(0); // no driver: torch is not even asked
    program('nvidia-smi', listTwo);
    expect(await gpus(one)).toBe(1);
    expect(await gpus(none)).toBe(0);
    expect(await gpus(broken)).toBe(0);
    program(
      'nvidia-smi',
      'echo "NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver."; exit 9',
    );
    expect(await gpus(one)).toBe(0);
  });

  it('divided into parts get a worker per visible part, each of which sees only its own', async () => {
    // Torch shows one device, whatever the number of parts.
    const python = program('python', 'case "$CUDA_VISIBLE_DEVICES" in MIG-*) echo 1 ;; *) echo 0 ;; esac');
    program(
      'nvidia-smi',
      `echo 'GPU 0: NVIDIA H200 (UUID: GPU-1)'
echo '  MIG 3g.71gb     Device  0: (UUID: MIG-aaaa)'
echo '  MIG 3g.71gb     Device  1: (UUID: MIG-bbbb)'`,
    );
    const all = await inspectMachine(python, { PATH: bin });
    expect(all).toMatchObject({ gpus: 1, parts: ['MIG-aaaa', 'MIG-bbbb'] });
    expect(chooseDevices('auto', all).map(({ name, visible }) => [name, visible])).toEqual([
      ['cuda:0', 'MIG-aaaa'],
      ['cuda:0', 'MIG-bbbb'],
    ]);
    const one = await inspectMachine(python, { PATH: bin, CUDA_VISIBLE_DEVICES: 'MIG-bbbb' });
    expect(chooseDevices(2, one).map(({ visible }) => visible)).toEqual(['MIG-bbbb', 'MIG-bbbb']);
  });

  it('apart, the machine has cores and memory', async () => {
    const { cores, memoryBytes } = await inspectMachine('/nonexistent', { PATH: bin });
    expect(cores).toBeGreaterThan(0);
    expect(memoryBytes).toBeGreaterThan(gigabyte / 4);
  });
});

describe('the command of a worker', () => {
  const env = {
    PATH: '/bin',
    HOME: '/root',
    OPENAI_API_KEY: 'sk-canary',
    CUDA_VISIBLE_DEVICES: '1',
    OMP_NUM_THREADS: '64',
  };
  const python = '/usr/bin/python3';

  it('has the settings of its device class and nothing of ours but what it needs', () => {
    const command = workerCommand({ python, device: 'cpu', env, flags: new Set(['avx2']), engine: 'native' });
    expect(command.args).toEqual(['-m', 'aira_workers', '--device', 'cpu', '--engine', 'native']);
    expect(command.env).toMatchObject({
      PATH: '/bin',
      HOME: '/root',
      CUDA_VISIBLE_DEVICES: '1',
      OMP_NUM_THREADS: '1',
      ATEN_CPU_CAPABILITY: 'avx2',
      PYTHONPATH: command.cwd,
    });
    expect(JSON.stringify(command)).not.toContain('sk-canary');
    const cuda = workerCommand({ python, device: 'cuda:1', env, flags: new Set(['avx512f', 'avx2']) });
    expect(cuda.args.slice(-2)).toEqual(['--engine', 'population']);
    expect(cuda.env).toMatchObject({ ATEN_CPU_CAPABILITY: 'avx512', CUBLAS_WORKSPACE_CONFIG: ':4096:8' });
    expect(workerCommand({ python, device: 'cpu', env, flags: new Set() }).env).not.toHaveProperty(
      'ATEN_CPU_CAPABILITY',
    );
  });

  it('cannot be had where the trainers are incomplete', () => {
    expect(() => workerCommand({ python, device: 'cpu', trainers: '/nonexistent' })).toThrow('worker-env.json');
  });
});
