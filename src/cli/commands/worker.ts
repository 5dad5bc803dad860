import { randomUUID } from 'node:crypto';
import { Command, Option } from 'commander';
import { type Stay, startWorker, type WorkerOptions, type WorkerPart } from '../../actors/index.ts';
import type { SpaceKind } from '../../domain/candidate.ts';
import { errorMessage, PrerequisiteError } from '../../domain/errors.ts';
import { workerIdSchema } from '../../domain/ids.ts';
import { chooseDevices, inspectMachine } from '../../platform/index.ts';
import { probeSandbox } from '../../sandbox/index.ts';
import { type Cluster, clusterFile, clusters } from '../clusterFiles.ts';
import { exitCodes, onInterrupt } from '../fail.ts';
import {
  homeOption,
  numberWithin,
  option,
  pathArgument,
  primitivesOption,
  quantity,
  taskOption,
  unsafeOption,
  withOptions,
  workerNumber,
} from '../options.ts';
import { natsOptions } from '../setting.ts';
import { connectPart, type PartOptions, say } from './parts.ts';
import { scaleCrew } from './scale.ts';

interface Options extends PartOptions {
  workers?: number;
  storage?: string;
  devices?: number;
  memoryGib?: number;
  longestHours?: number;
  maxIdle?: number;
  lifetime?: number;
  grace: number;
  print?: Cluster;
  count: number;
  gpus: number;
  cpus: number;
}

/** Space kinds that this machine's workers train: always stacks; programs if the sandbox works. */
async function workerKinds(workers: WorkerOptions): Promise<SpaceKind[]> {
  try {
    await probeSandbox(workers);
    return ['stack', 'program'];
  } catch (thrown) {
    say(`no programs will run on this worker: ${errorMessage(thrown)}`);
    return ['stack'];
  }
}

const minutes = (value: number): string => `${value} ${value === 1 ? 'minute' : 'minutes'}`;

/** Signals, handled from the first moment: a notice may come while the libraries load, before there is a worker. */
function watchSignals({ grace, storage }: Options, workers: readonly WorkerPart[]): ReturnType<typeof onInterrupt> {
  const interrupts = onInterrupt(
    () => {
      if (workers.length === 0) process.exit(exitCodes.interrupted);
      // A run at scale takes hours: its worker writes a checkpoint and returns the job.
      for (const worker of workers) worker[storage === undefined ? 'drain' : 'stop']();
    },
    (signal) => {
      say(`${signal}: no further jobs; what is being trained ends or is returned within ${grace} s`);
      // Nothing was taken yet.
      if (workers.length === 0) process.exit(interrupts.code() ?? exitCodes.terminated);
      for (const worker of workers) worker.leave(grace * 1000);
    },
  );
  return interrupts;
}

/**
 * Runs workers until all have ended. Exit status: 0 if they were drained or found no work, 75 if a scheduler's notice or
 * their lifetime ended them while there may be more, 143 after SIGTERM.
 */
async function untilGone(
  workers: readonly WorkerPart[],
  { maxIdle, lifetime }: Options,
  interrupts: ReturnType<typeof onInterrupt>,
): Promise<number> {
  const ends = await Promise.all(workers.map((worker) => worker.ended));
  interrupts.dispose();
  const error = ends.find((end) => end !== null);
  if (error) throw error;
  const departures = workers.map((worker) => worker.departure());
  if (departures.includes('lifetime')) say(`the lifetime of ${lifetime} h is over`);
  else if (departures.includes('idle')) say(`no job for ${minutes(maxIdle ?? 0)}`);
  return interrupts.code() ?? (departures.includes('lifetime') ? exitCodes.again : exitCodes.ok);
}

async function work(options: Options): Promise<number> {
  const began = performance.now();
  const workers: WorkerPart[] = [];
  const interrupts = watchSignals(options, workers);
  const { setting, lab, url } = await connectPart(options, 'worker');
  try {
    const machine = await inspectMachine(setting.helpers.python);
    const { storage, devices: together = 1, memoryGib, longestHours, maxIdle, lifetime, grace } = options;
    const scale = storage === undefined ? null : await scaleCrew(options.workers ?? 'auto', machine, together, storage);
    const devices = scale?.devices ?? chooseDevices(options.workers ?? 'auto', machine);
    const tag = randomUUID().slice(0, 8);
    // A worker of runs at scale takes nothing else: its devices are busy for hours.
    const kinds: SpaceKind[] = scale ? ['scale'] : await workerKinds(setting.workers);
    const declared = scale && {
      ...scale.declared,
      ...(memoryGib === undefined ? {} : { memoryBytes: memoryGib * 2 ** 30 }),
      longestSeconds: longestHours === undefined ? null : longestHours * 3600,
    };
    const own = declared ? { ...setting.workers, scale: declared } : setting.workers;
    const stay: Stay = {
      graceMs: grace * 1000,
      ...(maxIdle === undefined ? {} : { maxIdleMs: maxIdle * 60_000 }),
      // The scheduler's clock runs since this process began.
      ...(lifetime === undefined ? {} : { lifetimeMs: lifetime * 3_600_000 - (performance.now() - began) }),
    };
    for (const [index, device] of devices.entries()) {
      const id = workerIdSchema.parse(`${device.class}-${index + 1}-w${tag}`);
      workers.push(startWorker(id, device, own, kinds, lab, stay));
    }
    say(`${workers.length} ${devices[0]?.class ?? ''} ${workers.length === 1 ? 'worker' : 'workers'} at ${url}`);
    return await untilGone(workers, options, interrupts);
  } finally {
    await lab.bus.close();
  }
}

function print(kind: Cluster, options: Options): number {
  const { nats } = options;
  if (nats === undefined) {
    throw new PrerequisiteError(
      'nats-url',
      'the file needs the address at which workers reach the NATS server',
      'give --nats tls://<host>:<port>',
    );
  }
  process.stdout.write(clusterFile(kind, { ...options, nats }));
  return exitCodes.ok;
}

export function workerCommand(done: (code: number) => void): Command {
  const command = new Command('worker')
    .description('run training workers connected to a NATS server, or print a file that starts them on a cluster')
    .action(async (options: Options) =>
      done(options.print === undefined ? await work(options) : print(options.print, options)),
    );
  return withOptions(
    command,
    homeOption(),
    ...natsOptions(),
    option('--workers <number>', 'parallel trainings').argParser(workerNumber),
    taskOption(),
    primitivesOption(),
    unsafeOption(),
    option('--storage <dir>', 'train runs of aira scale only, with checkpoints and weights in this folder').argParser(
      pathArgument,
    ),
    option('--devices <number>', 'with --storage: devices that one run may have').argParser(numberWithin(1, 1024)),
    option('--memory-gib <number>', 'with --storage: memory of each device, where it is less than found').argParser(
      numberWithin(1, 100_000),
    ),
    option('--longest-hours <number>', 'with --storage: take no training with a longer estimate').argParser(
      numberWithin(1, 100_000),
    ),
    option('--max-idle <minutes>', 'end after this long without a job').argParser(quantity(10_000)),
    option('--lifetime <hours>', 'end by then, and take no training that needs longer').argParser(quantity(10_000)),
    option('--grace <seconds>', 'after SIGTERM, SIGUSR1 or SIGUSR2: time until the process has ended')
      .default(25)
      .argParser(numberWithin(1, 86_400)),
    new Option('--print <file>', 'print a file for a cluster instead').choices(clusters),
    option('--count <number>', 'with --print: workers').default(8).argParser(numberWithin(1, 10_000)),
    option('--gpus <number>', 'with --print: GPUs of each worker; 0 for workers on processors')
      .default(1)
      .argParser(numberWithin(0, 64)),
    option('--cpus <number>', 'with --print: cores of each worker').default(4).argParser(numberWithin(1, 1024)),
  );
}
