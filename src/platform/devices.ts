import { availableParallelism, totalmem } from 'node:os';
import type { DeviceClass } from '../domain/task.ts';
import { allOnPath, type Environment, runProgram } from './childProcess.ts';

/** A device that a worker trains on. */
export interface Device {
  /** Torch's name: `cpu`, `cuda:0`. */
  readonly name: string;
  readonly class: DeviceClass;
  /** Resident host memory above which the device's worker is stopped. */
  readonly memoryLimitBytes: number;
}

/** Device class of a name. */
export const deviceClassOf = (name: string): DeviceClass => (name === 'cpu' ? 'cpu' : 'cuda');

/** Machine facts behind the choice of devices. */
export interface Machine {
  readonly cores: number;
  readonly memoryBytes: number;
  /** GPUs that torch can use. */
  readonly gpus: number;
}

/** Share of host memory for all workers; the rest is for the system and other components. */
const memoryShare = 0.8;

/** GPUs listed by the NVIDIA driver; none if it is not installed. */
export async function listedGpus(env: Environment = process.env): Promise<readonly string[]> {
  const [smi] = allOnPath('nvidia-smi', env);
  if (smi === undefined) return [];
  const { ok, stdout } = await runProgram(smi, ['-L'], env, 20_000);
  return ok ? stdout.split('\n').filter((line) => /^GPU \d+:/.test(line)) : [];
}

const countUsable = 'import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0)';

/**
 * GPUs that torch can use. The driver is queried first, since importing torch takes seconds; torch decides, since it may be
 * built without CUDA, and CUDA_VISIBLE_DEVICES hides GPUs from torch only.
 */
async function usableGpus(python: string, env: Environment): Promise<number> {
  if ((await listedGpus(env)).length === 0) return 0;
  const { ok, stdout } = await runProgram(python, ['-c', countUsable], env, 120_000);
  const count = Number(stdout.trim());
  return ok && Number.isInteger(count) && count > 0 ? count : 0;
}

export async function inspectMachine(python: string, env: Environment = process.env): Promise<Machine> {
  const memory = totalmem();
  // The container's own limit; 0 where there is none, a huge number where it is unlimited.
  const limit = process.constrainedMemory();
  return {
    cores: availableParallelism(),
    memoryBytes: limit > 0 ? Math.min(limit, memory) : memory,
    gpus: await usableGpus(python, env),
  };
}

/** Devices of the workers. `auto`: one per usable GPU, else one per core. A number of workers is spread over the GPUs in turn. */
export function chooseDevices(workers: 'auto' | number, machine: Machine): Device[] {
  const count = workers === 'auto' ? (machine.gpus > 0 ? machine.gpus : machine.cores) : workers;
  const memoryLimitBytes = Math.floor((machine.memoryBytes * memoryShare) / Math.max(1, count));
  return Array.from({ length: count }, (_, index) => {
    const name = machine.gpus > 0 ? `cuda:${index % machine.gpus}` : 'cpu';
    return { name, class: deviceClassOf(name), memoryLimitBytes };
  });
}
