import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Argument, Command } from 'commander';
import * as z from 'zod';
import { recordingPath } from '../../actors/index.ts';
import { type AnyModel, createModel, OwnScaffolds, scaffoldFolders } from '../../agents/index.ts';
import { audit, type FilesNow, type Finding, secretsOf, type TrainAlone } from '../../audit/index.ts';
import { hasOwn } from '../../domain/architecture.ts';
import { AiraError, errorMessage, PrerequisiteError } from '../../domain/errors.ts';
import type { Job, Outcome } from '../../domain/evaluation.ts';
import type { SearchId } from '../../domain/ids.ts';
import type { LocalModelName } from '../../domain/model.ts';
import type { SearchSpec } from '../../domain/search.ts';
import {
  type Evaluator,
  NativeWorker,
  primitiveFolders,
  ScaleEvaluator,
  workerCommand,
} from '../../evaluators/index.ts';
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
  systemClock,
  systemTimers,
} from '../../platform/index.ts';
import { dataFolder, dataOf, directoryDigest, loadTask, readingOf } from '../../tasks/index.ts';
import { exitCodes } from '../fail.ts';
import {
  homeOption,
  jsonOption,
  numberWithin,
  option,
  primitivesOption,
  scaffoldsOption,
  searchArgument,
  withOptions,
} from '../options.ts';
import { claimsNow } from './report.ts';

const colours = coloursFor(process.stdout);

interface AuditOptions {
  home: string;
  json?: boolean;
  retrain: number;
  primitives?: readonly string[];
  scaffolds?: readonly string[];
}

/** Local models, each opened on first use. */
function localModels() {
  const opened = new Map<LocalModelName, AnyModel>();
  return {
    async open(name: LocalModelName): Promise<AnyModel> {
      const open = opened.get(name);
      if (open) return open;
      // Only local/bayes needs Python; the others run in this process.
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

/** A trainer on the search's device class, started on first use. */
function soloWorker(home: string, given: readonly string[]): { train: TrainAlone; stop(): Promise<void> } {
  let worker: Evaluator | null = null;
  /** Runs at scale are trained from their first step, in a folder of their own. */
  let storage: string | null = null;
  const start = async ({ deviceClass, candidate, resources, evaluator }: Job): Promise<Evaluator> => {
    const python = await findPython();
    const machine = await inspectMachine(python);
    const [device] = chooseDevices(1, deviceClass === 'cpu' ? { ...machine, gpus: 0 } : machine);
    if (device?.class !== deviceClass) {
      throw new PrerequisiteError(
        'no-device',
        `the search was trained on ${deviceClass}, and this machine has no such device`,
        'run the audit on a machine with that device',
      );
    }
    // A search of built-in primitives alone does not look at folders of others.
    const primitives = hasOwn(evaluator) ? primitiveFolders(given) : [];
    if (candidate.kind === 'scale') {
      storage = mkdtempSync(join(tmpdir(), 'aira-audit-'));
      const runs = new ScaleEvaluator({
        device,
        python,
        data: dataFolder(home),
        scale: { storage, devices: resources?.devices ?? 1, memoryBytes: Infinity, longestSeconds: null },
        primitives,
        clock: systemClock,
        timers: systemTimers,
        log: createLogger('audit'),
      });
      await runs.start();
      return runs;
    }
    const command = workerCommand({ python, device: device.name, primitives });
    return new NativeWorker({ command, memoryLimitBytes: device.memoryLimitBytes });
  };
  return {
    async train(job) {
      worker ??= await start(job);
      const outcomes: Outcome[] = [];
      await worker.evaluate([job], { onOutcome: (_, outcome) => outcomes.push(outcome) });
      const [outcome] = outcomes;
      if (!outcome) throw new AiraError('no-outcome', 'the trainer exited without an outcome');
      return outcome;
    },
    async stop() {
      await worker?.stop();
      if (storage !== null) rmSync(storage, { recursive: true, force: true });
    },
  };
}

const verdict = ({ holds }: Finding): string =>
  holds === null ? colours.yellow('not checked completely') : holds ? colours.green('holds') : colours.red('broken');

/** Findings may quote text that a model or a program wrote. */
const safeText = (text: string): string => printable(text, { width: 1000 });

/** Violations printed per invariant; --json prints all. */
const maxViolations = 20;

function print(findings: readonly Finding[]): void {
  const lines = findings.flatMap((finding) => {
    const { invariant, title, evidence, violations } = finding;
    const more = violations.length - maxViolations;
    return [
      `${colours.bold(`${invariant} ${title}`)}: ${verdict(finding)}`,
      ...violations.slice(0, maxViolations).map((violation) => `   ${colours.red('broken:')} ${safeText(violation)}`),
      ...(more > 0 ? [`   ${colours.red('broken:')} and ${more} more (all with --json)`] : []),
      ...evidence.map((each) => `   ${colours.dim(safeText(each))}`),
    ];
  });
  const count = (holds: boolean | null) => findings.filter((finding) => finding.holds === holds).length;
  lines.push(`${count(true)} hold, ${count(null)} not checked completely, ${count(false)} broken`);
  process.stdout.write(`${lines.join('\n')}\n`);
}

async function run(
  search: SearchId,
  { home, json, retrain, primitives = [], scaffolds = [] }: AuditOptions,
): Promise<number> {
  const reader = readArchive(home);
  const models = localModels();
  const worker = soloWorker(home, primitives);
  try {
    const findings = await audit({
      reader,
      search,
      home,
      secrets: secretsOf(process.env),
      openModel: models.open,
      scaffolds: new OwnScaffolds(scaffoldFolders(scaffolds, undefined, home)),
      openRecording: () => ({ search, gateway: replayedGateway(search, recordingPath(home, search)) }),
      files: (spec, source) => filesNow(spec, source, dataFolder(home)),
      claims: (tests) => claimsNow(reader, home, search, tests),
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
    .description('check the invariants of a search and print the evidence; exits with 1 if one is broken')
    .addArgument(new Argument('<search>', 'the search').argParser(searchArgument))
    .action(async (search: SearchId, options: AuditOptions) => done(await run(search, options)));
  return withOptions(
    command,
    homeOption(),
    jsonOption(),
    option('--retrain <number>', 'retrain N candidates alone and compare their scores (I6)')
      .argParser(numberWithin(0, 100_000))
      .default(0),
    primitivesOption(),
    scaffoldsOption(),
  );
}

const sourceSchema = z.looseObject({ task: z.string() });

/** The task named by a search file; null if the file cannot be parsed. */
function taskOf(source: string): string | null {
  try {
    return sourceSchema.parse(parseYaml(source)).task;
  } catch {
    return null;
  }
}

/** Directories that may hold the search's task: from its settings, its file, or its task's name. */
function candidates({ rungs, task }: SearchSpec, source: string): string[] {
  const names = [readingOf(rungs.screen.settings).directory, taskOf(source), task];
  const found = new Set<string>();
  for (const name of names) {
    try {
      if (name !== null) found.add(loadTask(name).directory);
    } catch (thrown) {
      // The task may exist on another machine only.
      if (!(thrown instanceof PrerequisiteError)) throw thrown;
    }
  }
  return [...found];
}

/** Compares the recorded digests of a search's data and task directory with the files on this machine. */
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
    // A scale plan has none.
    if (spec.scale) return;
    const directories = candidates(spec, source);
    const unchanged = directories.find((directory) => directoryDigest({ directory }, { rungs }) === content.directory);
    if (unchanged !== undefined) same.push(`${unchanged} is unchanged since the search started`);
    else if (directories.length === 0) changed.push(`the directory of task ${task} is not on this machine`);
    else changed.push(`${directories.join(' and ')}: changed, or a different directory of the same name`);
  });
  await attempt('the imported data', async () => {
    const now = await dataOf({ rungs }, data);
    for (const name of Object.keys({ ...content.data, ...now }).sort()) {
      const what = `data set ${name}`;
      if (now[name] === content.data[name]) same.push(`${what} is unchanged since the search started`);
      else changed.push(`${what} ${now[name] === undefined ? 'is missing' : 'has changed'}`);
    }
  });
  return { same, changed };
}
