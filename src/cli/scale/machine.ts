import { PrerequisiteError } from '../../domain/errors.ts';
import type { ScalePoint } from '../../domain/scale.ts';
import type { DeviceClass } from '../../domain/task.ts';
import type { ScaleWorkerOptions } from '../../evaluators/index.ts';
import { chooseDevices, type Device, gpuMemoryBytes, inspectMachine, type Machine } from '../../platform/index.ts';
import type { PlanMachine, ScaleFile } from '../../scale/index.ts';

/** Sustained FLOP/s of a device where a plan says nothing: one core with AVX-512 at micro sizes, and 40 % of an H200. */
const sustained: Readonly<Record<DeviceClass, number>> = { cpu: 2e10, cuda: 4e14 };
/** Peak of dense bfloat16 of an H200; a CPU's is unknown. */
const peak: Readonly<Record<DeviceClass, number>> = { cpu: 0, cuda: 989e12 };
/** Memory of an H200, for plans that are priced on another machine. */
const h200Bytes = 141e9;

/** The figures that a plan is priced with: its own, else those of this machine. */
export async function machineOf({ machine }: ScaleFile, found: Machine): Promise<PlanMachine> {
  const deviceClass = machine.device ?? (found.gpus > 0 ? 'cuda' : 'cpu');
  const measured =
    deviceClass === 'cpu'
      ? (chooseDevices('auto', { ...found, gpus: 0 })[0]?.memoryLimitBytes ?? found.memoryBytes)
      : ((await gpuMemoryBytes()) ?? h200Bytes);
  return {
    deviceClass,
    memoryBytes: machine.memoryGiB === undefined ? measured : machine.memoryGiB * 2 ** 30,
    flopsPerSecond: machine.flopsPerSecond ?? sustained[deviceClass],
    peakFlops: machine.peakFlops ?? peak[deviceClass],
  };
}

export interface ScaleCrew {
  readonly devices: readonly Device[];
  readonly declared: ScaleWorkerOptions;
}

/**
 * Workers of runs at scale on this machine: one per group of `together` GPUs, else one per core.
 *
 * @throws PrerequisiteError `no-device` with fewer GPUs than a run needs.
 */
export async function scaleCrew(
  workers: 'auto' | number,
  machine: Machine,
  together: number,
  storage: string,
): Promise<ScaleCrew> {
  const groups = Math.floor(machine.gpus / together);
  if (groups === 0) {
    if (together > 1) {
      const message = `a run needs ${together} GPUs, and this machine has ${machine.gpus}`;
      throw new PrerequisiteError('no-device', message, 'start workers elsewhere with: aira worker --storage <folder>');
    }
    const devices = chooseDevices(workers, machine);
    const memoryBytes = devices[0]?.memoryLimitBytes ?? machine.memoryBytes;
    return { devices, declared: { storage, devices: 1, memoryBytes, longestSeconds: null } };
  }
  const count = workers === 'auto' ? groups : Math.min(workers, groups);
  const limit = Math.floor((machine.memoryBytes * 0.8) / Math.max(1, count));
  const devices = Array.from({ length: count }, (_, index): Device => {
    return { name: `cuda:${index * together}`, class: 'cuda', memoryLimitBytes: limit };
  });
  const memoryBytes = (await gpuMemoryBytes()) ?? h200Bytes;
  return { devices, declared: { storage, devices: together, memoryBytes, longestSeconds: null } };
}

/** The workers of a plan on this machine. @throws PrerequisiteError `no-device` */
export async function crewFor(
  { deviceClass }: PlanMachine,
  file: ScaleFile,
  workers: 'auto' | number,
  storage: string,
  python: string,
): Promise<ScaleCrew> {
  const found = await inspectMachine(python);
  if (deviceClass === 'cuda' && found.gpus === 0 && workers !== 0) {
    throw new PrerequisiteError(
      'no-device',
      'the plan is for GPUs, and torch finds none here',
      'give --workers 0 and start workers elsewhere, or only price it: --dry-run',
    );
  }
  return scaleCrew(workers, deviceClass === 'cpu' ? { ...found, gpus: 0 } : found, file.machine.devices, storage);
}

/**
 * Checks that workers of this machine take every run; the queue would hold the others without end.
 *
 * @throws PrerequisiteError `too-large` with the largest run.
 */
export function requireRoom(points: readonly ScalePoint[], { devices, declared }: ScaleCrew): void {
  if (devices.length === 0) return;
  const largest = points.reduce((a, b) => (b.resources.memoryBytes > a.resources.memoryBytes ? b : a));
  const { memoryBytes } = largest.resources;
  if (memoryBytes <= declared.memoryBytes) return;
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  throw new PrerequisiteError(
    'too-large',
    `${largest.run} needs ${gib(memoryBytes)} on each device, and there are ${gib(declared.memoryBytes)}`,
    'remove the size, lower training.microBatch, or give machine.devices more devices per run',
  );
}
