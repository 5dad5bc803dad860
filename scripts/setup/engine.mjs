import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { run } from './command.mjs';
import { setupCommand } from './host.mjs';
import { describeNvidia } from './nvidia.mjs';
import { findCompiler } from './optional.mjs';
import { writeWhole } from './toolchain.mjs';

/** @typedef {import('./host.mjs').Host} Host */
/** @typedef {{ engine: 'native' | 'torch', reason: string | null }} Finding */

const TIMEOUT_MS = 600_000;

/** @param {Host} host */
function recordPath(host) {
  return join(host.root, 'dist', 'engine.json');
}

/**
 * A hash of what the finding depends on: the interpreter, the compiler that is found, the sources of the engine and of
 * what builds it, the processor.
 *
 * @param {Host} host @param {string} python
 */
function stamp(host, python) {
  const hash = createHash('sha256').update(`${python}\0${findCompiler(host) ?? ''}\0${processor()}\0`);
  for (const folder of ['gpu-workers/engine', 'gpu-workers/aira_workers/native']) {
    for (const name of readdirSync(join(host.root, folder)).sort()) {
      if (/\.(cpp|hpp|py)$/.test(name)) hash.update(`${name}\0`).update(readFileSync(join(host.root, folder, name)));
    }
  }
  return hash.digest('hex');
}

function processor() {
  try {
    return /^model name\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
  } catch {
    return '';
  }
}

/** Whether the engine was tried with the present sources. @param {Host} host @param {string} python */
export function isEngineTried(host, python) {
  try {
    return JSON.parse(readFileSync(recordPath(host), 'utf8')).stamp === stamp(host, python);
  } catch {
    return false;
  }
}

/**
 * Compiles the native engine and tests it against torch. Where that fails, CPU workers train with torch: one line says
 * why, and set-up goes on.
 *
 * @param {Host} host @param {string} python
 */
export async function tryEngine(host, python) {
  const env = { PYTHONPATH: join(host.root, 'gpu-workers'), OMP_NUM_THREADS: '1' };
  const args = ['-m', 'aira_workers', '--check-engine'];
  const { code, stdout, tail } = await run(host, 'compiling the engine', python, args, { env, timeoutMs: TIMEOUT_MS });
  const found = code === 0 ? finding(stdout) : null;
  const { engine, reason } = found ?? {
    engine: 'torch',
    reason: `the check of the engine failed: ${tail.at(-1) ?? code}`,
  };
  if (reason !== null) host.say(`CPU workers will train with torch, which is slower: ${reason}`);
  writeWhole(recordPath(host), `${JSON.stringify({ engine, reason, stamp: stamp(host, python) }, null, 2)}\n`);
}

/**
 * One line: the Python that was chosen, the devices, and what trainings will run on. A GPU is never left idle without a
 * reason and a remedy.
 *
 * @param {Host} host
 * @param {import('./pythonProbe.mjs').Probe | null} probe
 * @param {import('./nvidia.mjs').Nvidia} nvidia
 */
export function describeTraining(host, probe, nvidia) {
  if (!probe) return 'no Python was set up (--python none): this machine trains nothing';
  const { version, cuda, gpus = 0 } = probe.torch ?? {};
  const build = [version ?? 'of an unknown version', ...(cuda ? [`CUDA ${cuda}`] : [])].join(', ');
  const python = `Python ${probe.version.join('.')} (${probe.python}) with torch ${build}`;
  if (nvidia.names.length === 0) return `${python}; no NVIDIA GPU: trainings run on ${cpus(host)}`;
  const devices = `${describeNvidia(nvidia)}${nvidia.driver ? `, driver ${nvidia.driver}` : ''}`;
  if (nvidia.hidden) return `${python}; ${devices}, hidden by CUDA_VISIBLE_DEVICES: trainings run on ${cpus(host)}`;
  if (gpus > 0) return `${python}; ${devices}: trainings run on ${gpus} of ${nvidia.names.length} GPUs`;
  const fault = cuda ? 'this torch cannot use it (is the driver new enough?)' : 'this torch is built without CUDA';
  const remedy = host.env.AIRA_PYTHON ? 'unset AIRA_PYTHON' : `run \`${setupCommand(host)} --python venv\``;
  return `${python}; ${devices} STAYS IDLE: ${fault}; trainings run on ${cpus(host)}; to use it, ${remedy}`;
}

/** @param {Host} host */
function cpus(host) {
  const cores = availableParallelism();
  return `${cores} CPU ${cores === 1 ? 'core' : 'cores'} with ${engineInUse(host)}`;
}

/** @param {Host} host */
function engineInUse(host) {
  try {
    const { engine } = JSON.parse(readFileSync(recordPath(host), 'utf8'));
    return engine === 'native' ? 'the native engine' : 'torch';
  } catch {
    return 'torch';
  }
}

/** @param {string} stdout @returns {Finding | null} */
function finding(stdout) {
  try {
    const { engine, reason } = JSON.parse(stdout);
    return engine === 'native' || engine === 'torch' ? { engine, reason: reason ?? null } : null;
  } catch {
    return null;
  }
}
