import { Argument, Command } from 'commander';
import * as z from 'zod';
import { recordingPath } from '../../actors/index.ts';
import { type AnyModel, createModel } from '../../agents/index.ts';
import { audit, type FilesNow, type Finding, secretsOf, type TrainAlone } from '../../audit/index.ts';
import { AiraError, errorMessage, PrerequisiteError } from '../../domain/errors.ts';
import type { Outcome } from '../../domain/evaluation.ts';
import type { SearchId } from '../../domain/ids.ts';
import type { LocalModelName } from '../../domain/model.ts';
import type { SearchSpec } from '../../domain/search.ts';
import type { DeviceClass } from '../../domain/task.ts';
import { NativeWorker, workerCommand } from '../../evaluators/index.ts';
import { notesRetriever } from '../../literature/index.ts';
import { replayedGateway } from '../../llm/index.ts';
import { readArchive } from '../../memory/index.ts';
import {
  childEnvironment,
  chooseDevices,
  coloursFor,
  createLogger,
  findPython,
  inspectMachine,
  jsonLine,
  packageRoot,
  parseYaml,
  printable,
} from '../../platform/index.ts';
import { dataFolder, dataOf, directoryDigest, loadTask, readingOf } from '../../tasks/index.ts';
import { exitCodes } from '../fail.ts';
import { homeOption, jsonOption, numberWithin, option, searchArgument, withOptions } from '../options.ts';

const colours = coloursFor(process.stdout);

interface AuditOptions {
  home: string;
  json?: boolean;
  retrain: number;
}

/** Models that are opened when an agent first needs them. */
function localModels() {
  const opened = new Map<LocalModelName, AnyModel>();
  return {
    async open(name: LocalModelName): Promise<AnyModel> {
      const known = opened.get(name);
      if (known) return known;
      // The other models are arithmetic of this process.
      const python = name === 'local/bayes' ? await findPython() : '';
      const model = createModel(
        name,
        { python, env: childEnvironment(process.env), packageRoot },
        notesRetriever(createLogger('audit')),
      );
      opened.set(name, model);
      return model;
    },
    async close(): Promise<void> {
      for (const model of opened.values()) await model.close();
    },
  };
}

/** A trainer of the search's kind of device, started with the first candidate. */
function lonelyWorker(): { train: TrainAlone; stop(): Promise<void> } {
  let worker: NativeWorker | null = null;
  const start = async (deviceClass: DeviceClass): Promise<NativeWorker> => {
    const python = await findPython();
    const machine = await inspectMachine(python);
    const [device] = chooseDevices(1, deviceClass === 'cpu' ? { ...machine, gpus: 0 } : machine);
    if (device?.class !== deviceClass) {
      throw new PrerequisiteError(
        'no-device',
        `the search was trained on ${deviceClass}`,
        'audit it where there is such a device',
      );
    }
    const command = workerCommand({ python, device: device.name });
    return new NativeWorker({ command, memoryLimitBytes: device.memoryLimitBytes });
  };
  return {
    async train(job) {
      worker ??= await start(job.deviceClass);
      const outcomes: Outcome[] = [];
      await worker.evaluate([job], { onOutcome: (_, outcome) => outcomes.push(outcome) });
      const [outcome] = outcomes;
      if (!outcome) throw new AiraError('no-outcome', 'the trainer ended without an outcome');
      return outcome;
    },
    stop: async () => worker?.stop(),
  };
}

const verdict = ({ holds }: Finding): string =>
  holds === null ? colours.yellow('not checked completely') : holds ? colours.green('holds') : colours.red('broken');

/** A finding may quote what a model or a program wrote. */
const shown = (text: string): string => printable(text, { width: 1000 });

/** So many violations are printed for people; --json has all. */
const mostShown = 20;

function print(findings: readonly Finding[]): void {
  const lines = findings.flatMap((finding) => {
    const { invariant, title, evidence, violations } = finding;
    const more = violations.length - mostShown;
    return [
      `${colours.bold(`${invariant} ${title}`)}: ${verdict(finding)}`,
      ...violations.slice(0, mostShown).map((violation) => `   ${colours.red('broken:')} ${shown(violation)}`),
      ...(more > 0 ? [`   ${colours.red('broken:')} and ${more} more (all with --json)`] : []),
      ...evidence.map((each) => `   ${colours.dim(shown(each))}`),
    ];
  });
  const count = (holds: boolean | null) => findings.filter((finding) => finding.holds === holds).length;
  lines.push(`${count(true)} hold, ${count(null)} not checked completely, ${count(false)} broken`);
  process.stdout.write(`${lines.join('\n')}\n`);
}

async function run(search: SearchId, { home, json, retrain }: AuditOptions): Promise<number> {
  const reader = readArchive(home);
  const models = localModels();
  const worker = lonelyWorker();
  try {
    const findings = await audit({
      reader,
      search,
      home,
      secrets: secretsOf(process.env),
      openModel: models.open,
      openRecording: () => ({ search, gateway: replayedGateway(search, recordingPath(home, search)) }),
      files: (spec, source) => filesNow(spec, source, dataFolder(home)),
      retraining: retrain > 0 ? { count: retrain, train: worker.train } : null,
    });
    if (json) for (const finding of findings) process.stdout.write(`${jsonLine(finding)}\n`);
    else print(findings);
    return findings.some(({ holds }) => holds === false) ? exitCodes.failed : exitCodes.ok;
  } finally {
    await worker.stop();
    await models.close();
    reader.close();
  }
}

export function auditCommand(done: (code: number) => void): Command {
  const command = new Command('audit')
    .description('check the invariants on the archive of a search, with the evidence; exits with 1 where one is broken')
    .addArgument(new Argument('<search>', 'the search').argParser(searchArgument))
    .action(async (search: SearchId, options: AuditOptions) => done(await run(search, options)));
  return withOptions(
    command,
    homeOption(),
    jsonOption(),
    option('--retrain <number>', 'train so many candidates again, alone, and compare their scores (I6)')
      .argParser(numberWithin(0, 100_000))
      .default(0),
  );
}

const sourceSchema = z.looseObject({ task: z.string() });

/** What a search file calls its task; null for a file that cannot be read. */
function taskOf(source: string): string | null {
  try {
    return sourceSchema.parse(parseYaml(source)).task;
  } catch {
    return null;
  }
}

/** Directories that may be the one that a search was begun with: as its settings or its file say, or by its task's name. */
function candidates({ rungs, task }: SearchSpec, source: string): string[] {
  const names = [readingOf(rungs.screen.settings).directory, taskOf(source), task];
  const found = new Set<string>();
  for (const name of names) {
    try {
      if (name !== null) found.add(loadTask(name).directory);
    } catch (thrown) {
      // It may have been launched elsewhere.
      if (!(thrown instanceof PrerequisiteError)) throw thrown;
    }
  }
  return [...found];
}

/** Compares what a search recorded of its data and its task's directory with what this machine has now. */
export async function filesNow(spec: SearchSpec, source: string, data: string): Promise<FilesNow> {
  const { content, rungs, task } = spec;
  const same: string[] = [];
  const changed: string[] = [];
  if (!content) return { same, changed };
  const attempt = async (what: string, compare: () => Promise<void>): Promise<void> => {
    try {
      await compare();
    } catch (thrown) {
      if (!(thrown instanceof PrerequisiteError)) throw thrown;
      changed.push(`${what}: ${errorMessage(thrown)}`);
    }
  };
  await attempt('the task’s directory', async () => {
    const places = candidates(spec, source);
    const found = places.find((directory) => directoryDigest({ directory }, { rungs }) === content.directory);
    if (found !== undefined) same.push(`${found} is as it was when the search was begun`);
    else if (places.length === 0) changed.push(`the directory of task ${task} is not on this machine`);
    else changed.push(`${places.join(' and ')}: changed, or another directory of this name`);
  });
  await attempt('the imported data', async () => {
    const now = await dataOf({ rungs }, data);
    for (const name of Object.keys({ ...content.data, ...now }).sort()) {
      const what = `data set ${name}`;
      if (now[name] === content.data[name]) same.push(`${what} is as it was when the search was begun`);
      else changed.push(`${what} ${now[name] === undefined ? 'is gone' : 'has changed'}`);
    }
  });
  return { same, changed };
}
