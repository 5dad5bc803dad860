import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Check, examineMachine } from '../../src/evaluators/index.ts';
import { machinePaths } from '../../src/platform/installation.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'aira-doctor-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const named = (checks: Check[], name: string) => checks.find((check) => check.name === name);

function program(name: string, script: string): string {
  const path = join(root, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return path;
}

describe('the examination of the machine', () => {
  it('finds what this machine has, and leaves the home as it was', async () => {
    const home = join(root, 'home');
    const checks = await examineMachine({ home });
    const unmet = checks.filter(({ ok }) => !ok);
    // How fast the BLAS is, whether there is a compiler and what a container permits is the machine's affair; all else the
    // tests need anyway.
    expect(unmet.filter(({ name }) => !['blas', 'c++ compiler', 'gpu', 'sandbox'].includes(name))).toEqual([]);
    expect(checks.map(({ name }) => name)).toEqual([
      'node',
      'python',
      'torch',
      'numpy',
      'sklearn',
      'gpu',
      'trainer',
      'blas',
      'sandbox',
      'nats-server',
      'c++ compiler',
      'home',
      'disk',
    ]);
    expect(named(checks, 'node')?.detail).toBe(process.versions.node);
    expect(named(checks, 'torch')?.detail).toMatch(/^\d+\.\d+/);
    expect(named(checks, 'trainer')?.detail).toMatch(/^(native|torch)-[0-9a-f]{12} on /);
    expect(named(checks, 'blas')?.detail).toMatch(/^\d+\.\d GFLOP\/s on one core/);
    expect(named(checks, 'nats-server')?.detail).toMatch(/v?2\.\d+/);
    expect(readdirSync(home)).toEqual([]);
  });

  it('reports each missing part with its remedy, and continues', async () => {
    const file = join(root, 'file');
    writeFileSync(file, '');
    const places = {
      ...machinePaths({ PATH: join(root, 'bin') }),
      packageRoot: root,
      systemPython: [],
      systemNatsServer: [],
    };
    const checks = await examineMachine({ home: join(file, 'home'), places, nodeVersion: '20.18.3' });
    expect(checks.map(({ name, ok }) => [name, ok])).toEqual([
      ['node', false],
      ['python', false],
      ['nats-server', false],
      ['c++ compiler', false],
      ['home', false],
    ]);
    for (const { remedy } of checks) expect(remedy).toBeTruthy();
    expect(named(checks, 'node')?.remedy).toBe('install Node 20.19 or newer');
  });

  it('says plainly that a trainer is slow, that a module does not load, that torch cannot use the GPU', async () => {
    const hello = {
      event: 'hello',
      v: 1,
      evaluator: 'torch-0123456789ab',
      engine: 'torch',
      populationSize: 1,
      primitives: {},
      device: 'cpu',
      deviceName: 'slow processor',
      torch: '2.0',
      python: '3.11',
      memoryBytes: 1,
      calibratedFlops: 2.4e9,
    };
    const imports = {
      python: '3.11.2',
      torch: '2.0',
      numpy: '1.24',
      sklearn: { error: 'ImportError: no BLAS' },
      cuda: null,
      gpus: [],
      fault: null,
    };
    const probe = { executable: join(root, 'bin/python3'), missing: [] };
    // Answers the look for modules, the imports, and a start as trainer, each as the real interpreter would.
    program(
      'bin/python3',
      `case "$*" in
  *find_spec*) echo '${JSON.stringify(probe)}' ;;
  *import_module*) echo '${JSON.stringify(imports)}' ;;
  *aira_workers*) echo '${JSON.stringify(hello)}'; read order ;;
esac`,
    );
    program('bin/nvidia-smi', `echo 'GPU 0: NVIDIA H200 (UUID: GPU-1)'`);
    program('bin/nats-server', 'echo "cannot execute" >&2; exit 1');
    const places = { ...machinePaths({ PATH: join(root, 'bin') }), packageRoot: root, systemNatsServer: [] };
    const checks = await examineMachine({ home: root, places });
    expect(named(checks, 'sklearn')).toMatchObject({ ok: false, detail: 'ImportError: no BLAS' });
    expect(named(checks, 'gpu')).toMatchObject({ ok: false, detail: expect.stringContaining('torch can use none') });
    expect(named(checks, 'gpu')?.remedy).toContain('--python venv');
    expect(named(checks, 'trainer')).toMatchObject({ ok: true });
    expect(named(checks, 'blas')).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/^2\.4 GFLOP\/s on one core: probably the reference BLAS/),
    });
    expect(named(checks, 'sandbox')).toMatchObject({ ok: false, remedy: 'run `npm run setup`' });
    expect(named(checks, 'nats-server')).toMatchObject({
      ok: false,
      detail: expect.stringContaining('cannot execute'),
    });
  });

  it('describes each GPU that torch can use: driver, build, capability, memory, measured speed', async () => {
    const card = { name: 'NVIDIA H200', capability: '9.0', memoryBytes: 139 * 1024 ** 3, flops: 612e12 };
    const imports = {
      ...{ python: '3.12.1', torch: '2.14.1', numpy: '2.4', sklearn: '1.9' },
      ...{ cuda: '13.0', gpus: [card, card], fault: null },
    };
    const probe = { executable: join(root, 'bin/python3'), missing: [] };
    program(
      'bin/python3',
      `case "$*" in *find_spec*) echo '${JSON.stringify(probe)}' ;; *import_module*) echo '${JSON.stringify(imports)}' ;; esac`,
    );
    program(
      'bin/nvidia-smi',
      `case "$1" in
  -L) echo 'GPU 0: NVIDIA H200 (UUID: GPU-1)'; echo 'GPU 1: NVIDIA H200 (UUID: GPU-2)'; echo 'GPU 2: NVIDIA H200 (UUID: GPU-3)' ;;
  --query-gpu=driver_version) echo 580.65.06; echo 580.65.06 ;;
esac`,
    );
    const env = { PATH: join(root, 'bin'), CUDA_VISIBLE_DEVICES: '0,2' };
    const places = { ...machinePaths(env), packageRoot: root, systemNatsServer: [] };
    const checks = await examineMachine({ home: root, places });
    expect(named(checks, 'gpu')).toMatchObject({
      ok: true,
      detail: expect.stringMatching(
        /GPU-3\); driver 580\.65\.06; torch is built for CUDA 13\.0; CUDA_VISIBLE_DEVICES=0,2; torch can use 2$/,
      ),
    });
    const detail = 'NVIDIA H200, compute capability 9.0, 139 GB, 612 TFLOP/s measured in bfloat16';
    expect(named(checks, 'cuda:0')).toMatchObject({ ok: true, detail });
    expect(named(checks, 'cuda:1')).toMatchObject({ ok: true, detail });

    // A torch with CUDA that cannot use the driver is no torch without CUDA.
    const fault = { ...imports, gpus: [], fault: 'RuntimeError: The NVIDIA driver on your system is too old' };
    program(
      'bin/python3',
      `case "$*" in *find_spec*) echo '${JSON.stringify(probe)}' ;; *import_module*) echo '${JSON.stringify(fault)}' ;; esac`,
    );
    const unusable = named(await examineMachine({ home: root, places }), 'gpu');
    expect(unusable).toMatchObject({ ok: false, remedy: expect.stringContaining('update the driver') });
    expect(unusable?.detail).toContain('driver on your system is too old');
  });
});
