import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Check, examineMachine } from '../../src/evaluators/index.ts';
import { machinePaths } from '../../src/platform/toolchain.ts';

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
      gpus: 0,
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
});
