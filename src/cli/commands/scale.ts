/**
 * `aira scale`: trains patterns at growing sizes and budgets, or checks the learning rates of a plan (`--sweep`).
 *
 * Role: reading the plan, its data, the devices that train it, the order of the steps. Non-role: models and prices (`scale`), the
 * life of a plan (`actors`), zero-shot accuracies (`zeroShot.ts`).
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Argument, Command } from 'commander';
import { openLab } from '../../actors/index.ts';
import { PrerequisiteError, toError } from '../../domain/errors.ts';
import { type SearchId, searchIdSchema } from '../../domain/ids.ts';
import { contentHash } from '../../domain/json.ts';
import { checkSize } from '../../domain/plan.ts';
import type { ScalePoint } from '../../domain/scale.ts';
import type { SearchSpec } from '../../domain/search.ts';
import type { DeviceClass } from '../../domain/task.ts';
import {
  buildTokens,
  primitiveFolders,
  type ScaleWorkerOptions,
  type SweepEvent,
  sweepJob,
  type TaskItems,
  tokenData,
  trainerJob,
} from '../../evaluators/index.ts';
import { type ArchiveReader, archivePath, isThere, readArchive } from '../../memory/index.ts';
import {
  chooseDevices,
  type Device,
  findPython,
  gpuMemoryBytes,
  inspectMachine,
  jsonLine,
  type Machine,
  makeFolder,
  packageRoot,
} from '../../platform/index.ts';
import {
  dataNameOf,
  forecastText,
  generatedName,
  type PlanMachine,
  planSpec,
  type ResolvedPlan,
  resolvePlan,
  type ScaleFile,
  scaleFileSchema,
  scaleObservations,
  smallestRuns,
  vocabularyOf,
} from '../../scale/index.ts';
import { dataFolder, importTokens } from '../../tasks/index.ts';
import { type ScaleDisplay, scaleDisplay } from '../display.ts';
import { exitCodes, onInterrupt, outliveOutput } from '../fail.ts';
import {
  homeOption,
  jsonOption,
  option,
  pathArgument,
  portNumber,
  primitivesOption,
  requireHome,
  withOptions,
  workerNumber,
} from '../options.ts';
import { labOptions, natsOptions, type SystemOptions } from '../setting.ts';
import { type ReadFile, readYamlFile } from '../yamlFile.ts';
import { digestOfItems, evaluateZeroShot, taskItems } from '../zeroShot.ts';
import { showScaleResults } from './report.ts';

interface ScaleOptions extends SystemOptions {
  workers?: number;
  storage?: string;
  dryRun?: boolean;
  sweep?: boolean;
  evaluate?: readonly TaskItems[];
  json?: boolean;
}

/** The plan that a search is scaled with by default, and where its architectures are replaced. */
const defaultPlan = join(packageRoot, 'scales', 'micro.yaml');

/** A plan file, or the default plan with the patterns of a search. @throws PrerequisiteError with the mistakes in the file. */
function readPlan(argument: string): ReadFile<ScaleFile> {
  const search = searchIdSchema.safeParse(argument);
  if (existsSync(argument) || !search.success) return readYamlFile(argument, scaleFileSchema, 'scale');
  const { file, source } = readYamlFile(defaultPlan, scaleFileSchema, 'scale');
  const entry = {
    search: search.data,
    aggregates: [0 as const],
    finalists: 1,
    references: false,
    rule: 'nearest-fit' as const,
  };
  const baselines = file.architectures.filter((each) => 'name' in each && each.name !== 'found');
  return {
    file: { ...file, architectures: [entry, ...baselines] },
    source: `# ${search.data} with the settings of scales/micro.yaml\n${source}`,
    family: search.data,
  };
}

/** Writes the generated text of a plan into the data folder, unless it is there. */
async function requireData({ data }: ScaleFile, home: string, python: string): Promise<void> {
  if (!('generated' in data)) return;
  const folder = dataFolder(home);
  const name = generatedName(data);
  if (existsSync(join(folder, name))) return;
  const from = { documents: data.generated, seed: data.seed };
  await importTokens({
    name,
    folder,
    replace: false,
    build: async (target) => {
      const built = await buildTokens(python, { from, tokenizer: 'bytes', validation: 0.05 }, target);
      const notes = [`generated text, seed ${data.seed}: figures on it say nothing about any corpus`];
      return { documents: built.documents.train + built.documents.validation, notes };
    },
  });
}

/** Sustained FLOP/s of a device where a plan says nothing: one core with AVX-512 at micro sizes, and 40 % of an H200. */
const sustained: Readonly<Record<DeviceClass, number>> = { cpu: 2e10, cuda: 4e14 };
/** Peak of dense bfloat16 of an H200; a CPU's is unknown. */
const peak: Readonly<Record<DeviceClass, number>> = { cpu: 0, cuda: 989e12 };
/** Memory of an H200, for plans that are priced on another machine. */
const h200Bytes = 141e9;

/** The figures that a plan is priced with: its own, else those of this machine. */
async function machineOf({ machine }: ScaleFile, found: Machine): Promise<PlanMachine> {
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

interface ScaleCrew {
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
async function crewFor(
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
function requireRoom(points: readonly ScalePoint[], { devices, declared }: ScaleCrew): void {
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

async function resolved(
  file: ScaleFile,
  { home, python, primitives }: { home: string; python: string; primitives: readonly string[] },
): Promise<ResolvedPlan> {
  const data = dataFolder(home);
  const name = dataNameOf(file.data);
  const imported = () => (existsSync(join(data, name)) ? tokenData(join(data, name)).vocabulary : null);
  const vocabulary = vocabularyOf(file.data, imported);
  const machine = await machineOf(file, await inspectMachine(python));
  let reader: ArchiveReader | null = null;
  const open = (): ArchiveReader => {
    reader ??= readArchive(home);
    return reader;
  };
  try {
    return await resolvePlan(file, { python, primitives, machine, vocabulary, open });
  } finally {
    (reader as ArchiveReader | null)?.close();
  }
}

/** Losses that the archive has already. */
function knownLosses(home: string, search: SearchId): number {
  if (!isThere(archivePath(home), home)) return 0;
  const reader = readArchive(home);
  try {
    return reader.searches.exists(search) ? scaleObservations(reader, search).length : 0;
  } finally {
    reader.close();
  }
}

/** Trains a plan to its end, or until it is interrupted. */
async function train(
  spec: SearchSpec,
  source: string,
  crew: ScaleCrew,
  options: ScaleOptions,
  display: ScaleDisplay,
): Promise<'finished' | 'stopped'> {
  const setting = await labOptions(options);
  const lab = await openLab({ ...setting, workers: { ...setting.workers, scale: crew.declared } }, ['agents']);
  const heartbeats = await lab.viewer.watchHeartbeats((heartbeat) => {
    if (heartbeat.kind === 'worker') display.worker(heartbeat.state);
  });
  const workers = lab.startWorkers(crew.devices, ['scale']);
  try {
    display.started(spec, knownLosses(options.home, spec.id));
    const running = lab.runScale(spec, source, (progress) => display.progress(progress));
    // A training takes hours: workers write a checkpoint and return their job, instead of ending it.
    const interrupts = onInterrupt(() => {
      for (const worker of workers) worker.stop();
      running.drain();
    });
    const noWorkers = Promise.all(workers.map(({ ended }) => ended)).then((ends) => {
      const error = ends.find((end) => end !== null);
      if (workers.length > 0 && error) throw toError(error);
    });
    try {
      const end = await Promise.race([running.ended, lab.failed, noWorkers.then(() => running.ended)]);
      if (end.how === 'failed') throw end.error;
      return end.how;
    } finally {
      interrupts.dispose();
    }
  } finally {
    for (const worker of workers) worker.stop();
    await Promise.all(workers.map(({ ended }) => ended));
    await heartbeats.stop();
    await lab.close();
  }
}

interface SweepPlace {
  readonly python: string;
  /** The data folder of the home, with the plan's data in it. */
  readonly data: string;
  readonly storage: string;
  readonly json: boolean;
}

/** What a verdict means for `training.learningRate` of the plan. */
function advice(event: Extract<SweepEvent, { event: 'verdict' }>, factor: number): string {
  if (event.verdict === 'flat') return 'the losses do not differ: the rate stands';
  if (event.factor === 1) return 'the rate stands';
  const better = factor * event.factor;
  return `a rate at the edge is best: set training.learningRate to ${better} and sweep again`;
}

/**
 * Checks the learning rates of a plan: each architecture at the smallest size and the middle budget, at half, once and twice its
 * rate, on one device of this machine. The trainings are no part of the plan and of no ledger; a repeated sweep continues them.
 */
async function sweepRates(plan: ResolvedPlan, { python, data, storage, json }: SweepPlace): Promise<number> {
  const folder = join(data, dataNameOf(plan.file.data));
  const { digest } = tokenData(folder);
  const say = (event: object, text: string) => process.stdout.write(json ? `${jsonLine(event)}\n` : `${text}\n`);
  for (const { planned, recipe, budgets } of smallestRuns(plan.runs)) {
    const { run, model } = planned;
    const { steps } = budgets[Math.floor(budgets.length / 2)] ?? { steps: 1 };
    const job = trainerJob({
      ...{ model, recipe, steps: [steps], data: { folder, digest }, seed: 1, device: plan.machine.deviceClass },
      resources: {
        parallel: 'none',
        checkpointSeconds: plan.file.machine.checkpointSeconds,
        peakFlops: plan.machine.peakFlops,
      },
    });
    const place = join(storage, 'sweeps', contentHash({ job, evaluator: plan.evaluator }).slice(0, 32));
    say({ event: 'sweep', run, steps }, `${run}, ${steps} steps, at half, once and twice its rate`);
    await sweepJob(python, { job, folder: place, primitives: plan.primitives }, (event) => {
      if (event.event === 'rate') {
        const loss = event.loss === null ? 'diverged' : `loss ${event.loss.toFixed(4)}`;
        say({ ...event, run }, `  ${event.rate.toPrecision(3)}  ${loss}`);
      } else {
        say({ ...event, event: 'sweep-verdict', run }, `  ${advice(event, plan.file.training.learningRate)}`);
      }
    });
  }
  return exitCodes.ok;
}

async function scale(argument: string, options: ScaleOptions): Promise<number> {
  const { file, source, family } = readPlan(argument);
  if (options.sweep && options.workers === 0) {
    const message = '--sweep trains on this machine, and --workers 0 says that others train';
    throw new PrerequisiteError('scale-options', message, 'leave --workers out');
  }
  // Missing rows are found before the hours of training.
  for (const each of options.evaluate ?? []) digestOfItems(each);
  const python = await findPython();
  const primitives = primitiveFolders(options.primitives ?? [], argument);
  const plan = await resolved(file, { home: options.home, python, primitives });
  if (options.dryRun) {
    process.stdout.write(forecastText(plan));
    return exitCodes.ok;
  }
  const json = options.json === true;
  outliveOutput();
  requireHome(options.home);
  const storage = options.storage ?? resolve(options.home, 'scale');
  makeFolder(storage);
  const crew = await crewFor(plan.machine, file, options.workers ?? 'auto', storage, python);
  const trained = new Set((options.sweep ? smallestRuns(plan.runs) : plan.runs).map(({ planned }) => planned.run));
  requireRoom(
    plan.points.map(({ point }) => point).filter(({ run }) => trained.has(run)),
    crew,
  );
  makeFolder(dataFolder(options.home));
  await requireData(file, options.home, python);
  if (options.sweep) return await sweepRates(plan, { python, data: dataFolder(options.home), storage, json });
  const spec = await planSpec(plan, { family, data: dataFolder(options.home) });
  checkSize(spec, source);
  const display = scaleDisplay((line) => process.stdout.write(line), json, crew.devices.length);
  const how = await train(spec, source, crew, { ...options, primitives: plan.primitives }, display);
  if (how === 'stopped') {
    process.stderr.write('stopped at a checkpoint; run the same command again to resume\n');
    return exitCodes.interrupted;
  }
  if (options.evaluate) {
    const asked = {
      ...{ home: options.home, search: spec.id, data: join(dataFolder(options.home), dataNameOf(file.data)) },
      ...{ primitives: plan.primitives, tasks: options.evaluate },
    };
    await evaluateZeroShot(python, asked, (text, left) => {
      if (!json) process.stdout.write(`${text} (${left} to score)\n`);
    });
  }
  return showScaleResults(options.home, spec, source, json);
}

export function scaleCommand(done: (code: number) => void): Command {
  const command = new Command('scale')
    .description('train patterns at growing sizes and budgets; resumes if interrupted')
    .addArgument(new Argument('<plan>', 'a scale plan, or a finished search to scale with the default plan'))
    .action(async (argument: string, options: ScaleOptions) => done(await scale(argument, options)));
  return withOptions(
    command,
    homeOption(),
    option('--dry-run', 'print models, FLOPs, device time, memory and disk without starting anything'),
    option(
      '--sweep',
      'instead of the plan, train its smallest models here at half, once and twice their learning rate, and say whether it stands',
    ).conflicts(['dryRun', 'evaluate', 'nats']),
    option(
      '--evaluate <task=file>',
      'after the plan, score its largest models zero-shot on rows of a task as JSON lines; repeatable',
    ).argParser(taskItems),
    option('--workers <number>', 'parallel trainings here; 0 if workers run elsewhere').argParser(workerNumber),
    primitivesOption(),
    option('--storage <dir>', 'checkpoints and weights (default: scale/ in the home)').argParser(pathArgument),
    option('--port <number>', 'port of the embedded NATS server (default: any free port)').argParser(portNumber),
    ...natsOptions(),
    jsonOption(),
  );
}
