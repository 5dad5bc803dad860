import { availableParallelism, totalmem } from 'node:os';
import type { DeviceClass } from '../domain/task.ts';
import { allOnPath, type Environment, runProgram } from './processes.ts';

/** A device that a worker trains on. */
export interface Device {
  /** Torch's name: `cpu`, `cuda:0`. */
  readonly name: string;
  readonly class: DeviceClass;
  /** The part of a divided GPU (MIG) that the worker may see, by its UUID; the worker knows it as `cuda:0`. */
  readonly visible?: string;
  /** Resident host memory above which the device's worker is stopped. */
  readonly memoryLimitBytes: number;
}

/** Device class of a name. */
export const deviceClassOf = (name: string): DeviceClass => (name === 'cpu' ? 'cpu' : 'cuda');

/** The GPU that programs and scripts of agents may use on a device; null on a CPU. */
export const gpuOf = ({ name }: Pick<Device, 'name'>): number | null =>
  name === 'cpu' ? null : Number(/:(\d+)$/.exec(name)?.[1] ?? 0);

/** Machine facts behind the choice of devices. */
export interface Machine {
  readonly cores: number;
  readonly memoryBytes: number;
  /** GPUs that torch can use. */
  readonly gpus: number;
  /** UUIDs of the parts of divided GPUs (MIG); CUDA gives a process only one of them. */
  readonly parts?: readonly string[];
}

/** Share of host memory for all workers; the rest is for the system and other components. */
const memoryShare = 0.8;

/** What nvidia-smi answers; null without it, or where it fails. */
async function askNvidia(args: readonly string[], env: Environment): Promise<string | null> {
  const [smi] = allOnPath('nvidia-smi', env);
  if (smi === undefined) return null;
  const { ok, stdout } = await runProgram(smi, args, env, 20_000);
  return ok ? stdout : null;
}

const listing = async (env: Environment): Promise<readonly string[]> =>
  (await askNvidia(['-L'], env))?.split('\n') ?? [];

const isGpu = (line: string): boolean => /^GPU \d+:/.test(line);

/** GPUs listed by the NVIDIA driver; none if it is not installed. */
export async function listedGpus(env: Environment = process.env): Promise<readonly string[]> {
  return (await listing(env)).filter(isGpu);
}

/** UUIDs of the parts of divided GPUs that CUDA_VISIBLE_DEVICES leaves visible. */
function visibleParts(lines: readonly string[], visible: string | undefined): string[] {
  const all = lines.flatMap((line) => /^\s+MIG .*\(UUID: (MIG-[^)]+)\)/.exec(line)?.[1] ?? []);
  if (visible === undefined) return all;
  const named = visible.split(',').map((entry) => entry.trim());
  return all.filter((uuid) => named.includes(uuid));
}

/** Memory of the smallest GPU in bytes, as the driver says; null if it does not. */
export async function gpuMemoryBytes(env: Environment = process.env): Promise<number | null> {
  const answer = await askNvidia(['--query-gpu=memory.total', '--format=csv,noheader,nounits'], env);
  const mebibytes = (answer ?? '').trim().split('\n').map(Number);
  if (mebibytes.some((each) => !(each > 0))) return null;
  return Math.min(...mebibytes) * 1024 * 1024;
}

/** Version of the NVIDIA driver; null if it cannot be asked. */
export async function driverVersion(env: Environment): Promise<string | null> {
  const answer = await askNvidia(['--query-gpu=driver_version', '--format=csv,noheader'], env);
  return /^\d+(\.\d+)+$/m.exec(answer ?? '')?.[0] ?? null;
}

const countUsable = 'import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0)';

/** GPUs that torch can use. */
async function usableGpus(python: string, env: Environment): Promise<number> {
  const { ok, stdout } = await runProgram(python, ['-c', countUsable], env, 120_000);
  const count = Number(stdout.trim());
  return ok && Number.isInteger(count) && count > 0 ? count : 0;
}

/**
 * Cores, memory and devices. The driver is queried first, since importing torch takes seconds; torch decides, since it may be
 * built without CUDA, and CUDA_VISIBLE_DEVICES hides GPUs from torch only.
 */
export async function inspectMachine(python: string, env: Environment = process.env): Promise<Machine> {
  const memory = totalmem();
  // The container's own limit; 0 where there is none, a huge number where it is unlimited.
  const limit = process.constrainedMemory();
  const lines = await listing(env);
  const [first, ...others] = visibleParts(lines, env.CUDA_VISIBLE_DEVICES);
  const visible = first === undefined ? env : { ...env, CUDA_VISIBLE_DEVICES: first };
  const gpus = lines.some(isGpu) ? await usableGpus(python, visible) : 0;
  return {
    cores: availableParallelism(),
    memoryBytes: limit > 0 ? Math.min(limit, memory) : memory,
    gpus,
    ...(first !== undefined && gpus > 0 ? { parts: [first, ...others] } : {}),
  };
}

/**
 * Devices of the workers. `auto`: one per usable GPU or part of one, else one per core. A number of workers is spread over
 * them in turn.
 */
export function chooseDevices(workers: 'auto' | number, machine: Machine): Device[] {
  const { parts = [] } = machine;
  const units = machine.gpus > 0 ? Math.max(machine.gpus, parts.length) : machine.cores;
  const count = workers === 'auto' ? units : workers;
  const memoryLimitBytes = Math.floor((machine.memoryBytes * memoryShare) / Math.max(1, count));
  return Array.from({ length: count }, (_, index) => {
    const visible = machine.gpus > 0 ? parts[index % parts.length] : undefined;
    const name = machine.gpus === 0 ? 'cpu' : `cuda:${visible === undefined ? index % machine.gpus : 0}`;
    return { name, class: deviceClassOf(name), memoryLimitBytes, ...(visible === undefined ? {} : { visible }) };
  });
}
