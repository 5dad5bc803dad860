import { dirname, join, resolve } from 'node:path';
import { Argument, Command } from 'commander';
import { createLogUpdate } from 'log-update';
import { readArchitecture, runLengthText } from '../../domain/architecture.ts';
import { PrerequisiteError } from '../../domain/errors.ts';
import {
  type BuildProgress,
  buildTable,
  NativeWorker,
  primitiveFolders,
  readTable,
  type Table,
  tableTrainer,
  workerCommand,
} from '../../evaluators/index.ts';
import { chooseDevices, findPython, inspectMachine, makeFolder, systemClock } from '../../platform/index.ts';
import { loadTask, profileOf } from '../../tasks/index.ts';
import { clockTime } from '../display.ts';
import { exitCodes, onInterrupt } from '../fail.ts';
import { jsonOption, numberWithin, option, withOptions } from '../options.ts';

interface BuildOptions {
  task: string;
  profile: string;
  layers: number;
  seeds: number;
  out?: string;
  json?: boolean;
}

/** Beyond this size a table takes days and its file is too large to commit. */
const maxArchitectures = 20_000;

const plainEveryMs = 15_000;

function progressPrinter(json: boolean | undefined): (progress: BuildProgress) => void {
  const live = !json && process.stderr.isTTY && !process.env.CI ? createLogUpdate(process.stderr) : null;
  let lastPrintedMs = Number.NEGATIVE_INFINITY;
  return ({ done, total, meanSeconds, last }) => {
    if (json) {
      process.stdout.write(`${JSON.stringify({ event: 'table-progress', v: 1, done, total, meanSeconds, ...last })}\n`);
      return;
    }
    const left = meanSeconds === null ? '' : `, about ${clockTime(1000 * meanSeconds * (total - done))} left`;
    const pace = meanSeconds === null ? '' : `; ${meanSeconds.toFixed(2)} s each`;
    const text = `${done} of ${total} trainings (${((100 * done) / total).toFixed(1)} %)${left}${pace}`;
    if (live) live(text);
    else if (systemClock.monotonic() - lastPrintedMs > plainEveryMs || done === total) {
      lastPrintedMs = systemClock.monotonic();
      process.stderr.write(`${text}\n`);
    }
  };
}

async function build(options: BuildOptions): Promise<number> {
  const task = loadTask(options.task);
  const profile = profileOf(task, options.profile);
  if (task.space.kind !== 'stack') {
    throw new PrerequisiteError(
      'table-task',
      `${task.name} has a program space, which cannot be enumerated`,
      'choose a Compose task',
    );
  }
  const space = { primitives: task.space.primitives, layers: options.layers };
  const size = space.primitives.length ** space.layers;
  if (options.layers < 1 || size > maxArchitectures) {
    throw new PrerequisiteError(
      'table-size',
      `${options.layers} layers of ${space.primitives.length} primitives are ${size} architectures`,
      `reduce --layers; the limit is ${maxArchitectures} architectures`,
    );
  }
  if (options.seeds < 2)
    throw new PrerequisiteError(
      'table-seeds',
      'one seed cannot show the noise between seeds',
      'give --seeds 2 or more',
    );
  const path = resolve(options.out ?? join('tables', `${task.name}-${options.layers}.json`));
  makeFolder(dirname(path));

  const python = await findPython();
  // One core: all scores of a table come from one device class, trained one after the other.
  const [device] = chooseDevices(1, { ...(await inspectMachine(python)), gpus: 0 });
  if (!device) throw new PrerequisiteError('table-device', 'no core to train on', 'run: aira doctor');
  const native = new NativeWorker({
    command: workerCommand({ python, device: device.name, primitives: primitiveFolders([]) }),
    memoryLimitBytes: device.memoryLimitBytes,
  });
  const stop = new AbortController();
  const interrupts = onInterrupt(() => stop.abort());
  try {
    const settings = profile.rungs.screen;
    const subject = { task: task.name, profile: options.profile, rung: 'screen', space, settings } as const;
    const { provenance, train } = await tableTrainer(subject, native);
    const file = await buildTable({
      path,
      provenance,
      clock: systemClock,
      onProgress: progressPrinter(options.json),
      signal: stop.signal,
      seeds: Array.from({ length: options.seeds }, (_, index) => index + 1),
      train: (candidate, seed) => train(candidate, seed, stop.signal),
    });
    if (!file) {
      process.stderr.write('stopped; run the same command again to resume\n');
      return interrupts.code() ?? exitCodes.failed;
    }
    process.stdout.write(options.json ? `${JSON.stringify({ event: 'table', v: 1, path })}\n` : `${path}\n`);
    return exitCodes.ok;
  } finally {
    interrupts.dispose();
    await native.stop();
  }
}

function describe(table: Table): string {
  const { file, version, best, size } = table;
  const { task, profile, rung, space, evaluator, torch, device, measured, seeds, cpuSeconds } = file;
  const { between, within } = table.variance;
  return [
    `${task}, profile ${profile}, rung ${rung}, ${space.layers} layers: ${size} architectures x ${seeds.length} seeds, version ${version}`,
    `measured ${measured.from} to ${measured.to} with ${evaluator}, torch ${torch}, on ${device}; ${cpuSeconds} core-seconds each`,
    `best mean ${best.mean.toFixed(4)}: ${runLengthText(readArchitecture(best.candidate))}`,
    `standard deviation between architectures ${Math.sqrt(between).toFixed(4)}, between seeds ${Math.sqrt(within).toFixed(4)}: ratio of variances ${(between / within).toFixed(1)}`,
    '',
  ].join('\n');
}

export function tableCommand(done: (code: number) => void): Command {
  const group = new Command('table').description('tabular benchmarks: every architecture of a space, trained');
  const buildCommand = new Command('build')
    .description('train every architecture of a small space on several seeds; resumes if interrupted')
    .action(async (options: BuildOptions) => done(await build(options)));
  const showCommand = new Command('show')
    .description('print what a table covers and the noise between its seeds')
    .addArgument(new Argument('<file>', 'a table'))
    .action((path: string) => {
      process.stdout.write(describe(readTable(resolve(path))));
      done(exitCodes.ok);
    });
  withOptions(
    buildCommand,
    option('--task <task>', 'task name, or path of its directory').default('compose-mad-3p'),
    option('--profile <profile>', 'profile whose screening settings are used').default('nano'),
    option('--layers <number>', 'layers per architecture').default(6).argParser(numberWithin(1, 12)),
    option('--seeds <number>', 'seeds per architecture').default(4).argParser(numberWithin(2, 1000)),
    option('--out <file>', 'output file (default: tables/<task>-<layers>.json)'),
    jsonOption(),
  );
  return group.addCommand(buildCommand).addCommand(showCommand);
}
