import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { openLab, runStudy } from '../../actors/index.ts';
import { createModel, OwnScaffolds, Searchers } from '../../agents/index.ts';
import { PrerequisiteError } from '../../domain/errors.ts';
import { memoized, notesRetriever } from '../../literature/index.ts';
import { createLogger, packageRoot, systemClock, systemTimers } from '../../platform/index.ts';
import { type StudyReport, studyHtml, studyJson, studyMarkdown, writeWhole } from '../../report/index.ts';
import { analyse, type RunResult, runTabulated, type Study, type TaskFacts } from '../../studies/index.ts';
import { registerTask } from '../../tasks/index.ts';
import type { StudyDisplay } from '../display/study.ts';
import { outliveOutput } from '../fail.ts';
import { requireHome } from '../options.ts';
import { addressesOf, labOptions, programsOf, type SystemOptions } from '../setting.ts';
import type { StudyPlan } from '../study.ts';
import { airaVersion } from '../version.ts';

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

export interface FinishedStudy {
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
