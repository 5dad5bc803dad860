/** A study from its file to its page: its plan, its runs, what it shows meanwhile, and the files that it writes. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { createLogUpdate } from 'log-update';
import { openLab, runStudy, type TrainedRun } from '../actors/index.ts';
import { createModel, OwnScaffolds, Searchers, searcherFiles } from '../agents/index.ts';
import { usesCorpus } from '../domain/agent.ts';
import { shortCandidate } from '../domain/candidate.ts';
import { PrerequisiteError } from '../domain/errors.ts';
import { searchIdSchema } from '../domain/ids.ts';
import { type PlanContext, planSearch, spaceOf } from '../domain/plan.ts';
import type { SearchSpec } from '../domain/search.ts';
import { manifestOf, primitiveFolders, readTable, runsScripts, type Table, versionFor } from '../evaluators/index.ts';
import { loadCorpus, memoized, notesRetriever } from '../literature/index.ts';
import {
  chooseDevices,
  coloursFor,
  createLogger,
  type Device,
  inspectMachine,
  jsonLine,
  packageRoot,
  printable,
  systemClock,
  systemTimers,
} from '../platform/index.ts';
import { type StudyReport, studyHtml, studyJson, studyMarkdown, writeWhole } from '../report/index.ts';
import {
  type Analysis,
  type Arm,
  agentsOf,
  analyse,
  type Comparison,
  interleaved,
  type RunResult,
  runName,
  runTabulated,
  type Study,
  searchFileOf,
  type TaskFacts,
  tableFacts,
  tableSearch,
  trainedFacts,
} from '../studies/index.ts';
import { contentOf, loadTask, profileOf, registerTask } from '../tasks/index.ts';
import { airaVersion } from './commands/setup.ts';
import { clockTime, eventVersion, score } from './display.ts';
import { outliveOutput } from './fail.ts';
import { requireHome } from './options.ts';
import { addressesOf, labOptions, programsOf, type SystemOptions } from './setting.ts';

/** A study with every choice resolved: table lookups, trained runs, devices. */
export interface StudyPlan {
  readonly tables: readonly Table[];
  readonly trained: readonly TrainedRun[];
  readonly devices: readonly Device[];
  readonly tasks: readonly TaskFacts[];
  /** Directories of its tasks that run scripts. */
  readonly directories: readonly string[];
  /** Folders of own primitives; empty if its tasks use none. */
  readonly primitives: readonly string[];
  readonly runs: number;
  /** Files of `program/` models. */
  readonly programs: NonNullable<PlanContext['programs']>;
  /** Folders of scaffolds of the user, and what is recorded of those that its arms name. */
  readonly scaffolds: readonly string[];
  readonly plannedScaffolds: NonNullable<PlanContext['scaffolds']>;
}

/** A bare word is a shipped table; anything else a path relative to the study file. */
function findTable(table: string, studyPath: string): Table {
  const shipped = /^[a-z0-9-]+$/.test(table);
  return readTable(shipped ? join(packageRoot, 'tables', `${table}.json`) : resolve(dirname(studyPath), table));
}

/**
 * Resolves every choice of a study without starting anything.
 *
 * @throws PrerequisiteError for a mistake in its arms, tasks or tables.
 */
export async function planStudy(
  family: string,
  study: Study,
  path: string,
  python: () => Promise<string>,
  /** Imported data, and folders of own primitives and scaffolds. */
  {
    data,
    given,
    scaffolds,
  }: { readonly data: string; readonly given: readonly string[]; scaffolds: readonly string[] },
): Promise<StudyPlan> {
  const agents = study.arms.flatMap((arm) => agentsOf(study, arm));
  const programs = searcherFiles(
    agents.map(({ model }) => model),
    dirname(resolve(path)),
  );
  const plannedScaffolds = await new OwnScaffolds(scaffolds).plan(agents.map(({ scaffold }) => scaffold));
  const known = { programs, scaffolds: plannedScaffolds };
  const tables = study.tasks.flatMap((task) => ('table' in task ? [findTable(task.table, path)] : []));
  for (const table of tables) for (const arm of study.arms) tableSearch(study, arm, table, 1, known);

  const named = study.tasks.flatMap((task) => ('task' in task ? [task] : []));
  const devices = named.length > 0 ? chooseDevices(study.workers, await inspectMachine(await python())) : [];
  const deviceClass = devices[0]?.class ?? 'cpu';
  const folders = primitiveFolders(given, path);
  const planTask = async (entry: (typeof named)[number]) => {
    const { task: name, profile: profileName } = entry;
    const task = loadTask(name);
    const space = spaceOf(entry, task);
    const profile = profileOf(task, profileName);
    const content = await contentOf(task, profile, data);
    const primitives = await manifestOf(space, await python(), folders);
    const evaluator = versionFor(space.kind, deviceClass, primitives);
    const plan = (arm: Arm, seed: number): SearchSpec => {
      const file = searchFileOf(study, arm, { ...entry, name, kind: space.kind }, seed);
      const corpus = file.agents.some(usesCorpus) ? loadCorpus().version : undefined;
      const id = searchIdSchema.parse('study');
      const spec = planSearch(file, {
        id,
        task,
        profile,
        evaluator,
        primitives,
        deviceClass,
        content,
        corpus,
        ...known,
      });
      return { ...spec, id: runName(family, arm.name, spec) };
    };
    const directories = runsScripts(profile.rungs.screen.settings) ? [task.directory] : [];
    const label = [task.name, ...(profileName === 'nano' ? [] : [profileName]), ...(entry.primitives ?? [])].join('-');
    return { label, plan, directories, usesOwn: primitives.length > 0 };
  };
  const planned: Awaited<ReturnType<typeof planTask>>[] = [];
  for (const each of named) planned.push(await planTask(each));
  const trained = interleaved(study, planned).map(
    ({ arm, task, seed }): TrainedRun => ({ arm: arm.name, task: task.label, spec: task.plan(arm, seed) }),
  );
  const facts = planned.map(({ label }) => {
    const first = trained.find((run) => run.task === label) as TrainedRun;
    return trainedFacts(label, first.spec);
  });
  return {
    tables,
    trained,
    devices,
    tasks: [...tables.map(tableFacts), ...facts],
    directories: planned.flatMap(({ directories }) => directories),
    primitives: planned.some(({ usesOwn }) => usesOwn) ? folders : [],
    runs: tables.length * study.arms.length * study.seeds + trained.length,
    programs,
    scaffolds,
    plannedScaffolds,
  };
}

const colours = coloursFor(process.stdout);

/** Progress of a study. */
interface StudyProgress {
  /** Runs that have ended, out of `total`. */
  readonly done: number;
  readonly total: number;
  readonly elapsedMs: number;
  /** Estimated from the runs that ended in this session; null before the first. */
  readonly leftMs: number | null;
  /** What a long run is doing. */
  readonly now: string;
}

/** Shows a study while it runs. */
interface StudyDisplay {
  started(name: string, study: Study, total: number): void;
  run(result: RunResult): void;
  progress(progress: StudyProgress): void;
  ended(analysis: Analysis, paths: { readonly report: string; readonly results: string }): void;
}

const plainEveryMs = 10_000;

const line = ({ done, total, elapsedMs, leftMs, now }: StudyProgress): string => {
  const left = leftMs === null ? '' : `, about ${clockTime(leftMs)} left`;
  return `[${clockTime(elapsedMs)}] ${done} of ${total} runs${left}${now === '' ? '' : `; ${now}`}`;
};

const coloured = ({ verdict, sentence }: Comparison): string =>
  verdict === 'better' ? colours.green(sentence) : verdict === 'worse' ? colours.red(sentence) : sentence;

/** For people: one line redrawn on a terminal, a line every ten seconds elsewhere. */
export function studyDisplay(stream: NodeJS.WriteStream): StudyDisplay {
  const live = stream.isTTY && !process.env.CI ? createLogUpdate(stream) : null;
  let lastPrintedMs = Number.NEGATIVE_INFINITY;
  return {
    started(name, study, total) {
      stream.write(`${colours.bold(name)}: ${printable(study.question)}\n`);
      const arms = study.arms.map((arm) => arm.name).join(', ');
      stream.write(`${arms}; ${study.seeds} seeds, ${study.budget.evaluations} evaluations per run, ${total} runs\n`);
    },
    run() {},
    progress(progress) {
      if (live) live(line(progress));
      else if (progress.elapsedMs - lastPrintedMs >= plainEveryMs || progress.done === progress.total) {
        lastPrintedMs = progress.elapsedMs;
        stream.write(`${line(progress)}\n`);
      }
    },
    ended({ arms, comparisons, cautions }, { report }) {
      live?.clear();
      const width = Math.max(...arms.map(({ name }) => name.length));
      const best = arms.toSorted((a, b) => b.middle - a.middle);
      for (const { name, middle, interval } of best) {
        stream.write(`  ${name.padEnd(width)}  ${score(middle)} [${score(interval.low)}, ${score(interval.high)}]\n`);
      }
      for (const comparison of comparisons) stream.write(`${coloured(comparison)}\n`);
      for (const caution of cautions) stream.write(`${colours.yellow(caution)}\n`);
      stream.write(`report: ${report}\n`);
    },
  };
}

/** One JSON object per line; the last one is `verdict`. */
export function studyJsonDisplay(write: (text: string) => void): StudyDisplay {
  const say = (event: string, body: object): void => write(`${jsonLine({ event, v: eventVersion, ...body })}\n`);
  return {
    started(name, study, total) {
      const arms = study.arms.map((arm) => arm.name);
      say('study', { name, question: study.question, arms, seeds: study.seeds, budget: study.budget, runs: total });
    },
    run({ course: _, crossed: __, candidate, ...result }) {
      say('run', { ...result, architecture: candidate === null ? null : shortCandidate(candidate) });
    },
    progress({ now: _, ...progress }) {
      say('progress', progress);
    },
    ended({ unit, inference, comparisons, cautions }, { report, results }) {
      say('verdict', {
        unit,
        inference,
        cautions,
        comparisons: comparisons.map(({ interval, ...rest }) => ({ ...rest, interval: [interval.low, interval.high] })),
        report,
        results,
      });
    },
  };
}

/** Counts runs and estimates the remaining time from the runs of this session. */
function progressTracker(total: number, display: StudyDisplay) {
  const startMs = systemClock.monotonic();
  let done = 0;
  let trained = 0;
  const onProgress = (share: number, now: string): void => {
    const elapsedMs = systemClock.monotonic() - startMs;
    const worked = trained + share;
    const leftMs = worked > 0.05 ? (elapsedMs / worked) * (total - done - share) : null;
    display.progress({ done, total, elapsedMs, leftMs, now });
  };
  return {
    onProgress,
    onRun(result: RunResult, cached = false) {
      done += 1;
      if (!cached) trained += 1;
      display.run(result);
      onProgress(0, '');
    },
  };
}

/** Runs a study. Returns fewer results if the signal aborts it. */
export async function makeRuns(
  study: Study,
  plan: StudyPlan,
  source: string,
  options: SystemOptions,
  { display, signal }: { display: StudyDisplay; signal: AbortSignal },
): Promise<RunResult[]> {
  const { onProgress, onRun } = progressTracker(plan.runs, display);
  const results: RunResult[] = [];
  const baseUrl = plan.trained.flatMap(({ spec }) => addressesOf(spec.agents));
  const setting = await labOptions({
    ...options,
    task: plan.directories,
    primitives: plan.primitives,
    scaffolds: plan.scaffolds,
    baseUrl,
    program: programsOf(plan.trained.flatMap(({ spec }) => spec.agents)),
  });
  const openRetriever = memoized(notesRetriever(createLogger('aira')));
  try {
    for (const table of plan.tables) {
      const createNamed = (name: Parameters<typeof createModel>[0]) =>
        createModel(name, setting.helpers, openRetriever);
      const lanes = availableParallelism();
      const { programs, plannedScaffolds, scaffolds } = plan;
      const paths = [...programs.values()].map(({ path }) => path);
      const openSearchers = () => new Searchers(setting.helpers, systemTimers, paths);
      const own = { programs, openSearchers, plannedScaffolds, scaffolds: new OwnScaffolds(scaffolds) };
      const opened = { createModel: createNamed, ...own };
      results.push(...(await runTabulated({ study, table, ...opened, lanes, onRun, signal })));
    }
  } catch (thrown) {
    if (signal.aborted) return results;
    throw thrown;
  }
  if (plan.trained.length === 0 || signal.aborted) {
    setting.closeReading();
    return results;
  }
  outliveOutput();
  requireHome(setting.home);
  const lab = await openLab(setting, []);
  try {
    for (const directory of plan.directories) registerTask(options.home, directory);
    const trained = await runStudy({
      lab,
      home: options.home,
      devices: plan.devices,
      runs: plan.trained,
      source,
      timers: systemTimers,
      onRun,
      onProgress,
      signal,
    });
    return [...results, ...trained];
  } finally {
    await lab.close();
  }
}

interface FinishedStudy {
  readonly name: string;
  readonly study: Study;
  readonly source: string;
  readonly tasks: readonly TaskFacts[];
  readonly results: readonly RunResult[];
  /** The command that reproduces these figures. */
  readonly command: string;
}

/** Writes results and page of a study into its home, and its figures into a document if one is named. */
export async function writeStudy(home: string, finished: FinishedStudy, document: string | undefined) {
  const { name, study, tasks, results, command } = finished;
  const analysis = analyse(study, tasks, results);
  const processors = cpus();
  const report: StudyReport = {
    ...finished,
    analysis,
    airaVersion,
    commands: [command],
    machine: [
      { fact: 'CPU', value: `${processors.length} x ${processors[0]?.model.trim() ?? 'unknown'}` },
      { fact: 'Node', value: process.version },
    ],
  };
  const folder = join(home, 'studies');
  const paths = { report: join(folder, `${name}.html`), results: join(folder, `${name}.json`) };
  writeWhole(paths.results, studyJson(report));
  writeWhole(paths.report, await studyHtml(report));
  if (document !== undefined) writeSection(document, name, studyMarkdown(report));
  return { analysis, paths };
}

/** A path inside Aira relative to the package; any other path unchanged. */
export function shownPath(path: string): string {
  const within = relative(packageRoot, resolve(path));
  return within.startsWith('..') ? path : within;
}

/** Replaces the text between a study's markers in a document. @throws PrerequisiteError if the markers are missing. */
function writeSection(path: string, name: string, text: string): void {
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const document = readFileSync(path, 'utf8');
  const [from, to] = [document.indexOf(begin), document.indexOf(end)];
  if (from < 0 || to < from) {
    throw new PrerequisiteError('markers', `${path} has no section "${name}"`, `add ${begin} and ${end} to it`);
  }
  writeWhole(path, `${document.slice(0, from + begin.length)}\n\n${text}\n${document.slice(to)}`);
}
