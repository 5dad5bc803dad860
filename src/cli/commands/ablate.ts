import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { Argument, Command } from 'commander';
import { createModel } from '../../agents/index.ts';
import { PrerequisiteError } from '../../domain/errors.ts';
import { childEnvironment, findPython, packageRoot, readTable, type Table } from '../../evaluators/index.ts';
import { notesRetriever } from '../../literature/index.ts';
import { systemClock } from '../../platform/clock.ts';
import { createLogger } from '../../platform/log.ts';
import { type StudyReport, studyHtml, studyMarkdown } from '../../report/index.ts';
import {
  agentsOf,
  analyse,
  type RunResult,
  remembering,
  runTabulated,
  type Study,
  studySchema,
  type TaskFacts,
  tableFacts,
  tableSearch,
} from '../../studies/index.ts';
import { type StudyDisplay, studyDisplay, studyJson } from '../display/study.ts';
import { exitCodes } from '../fail.ts';
import { onInterrupt } from '../interrupts.ts';
import { homeOption, jsonOption, option, wholeNumber, withOptions } from '../options.ts';
import { airaVersion } from '../writeReport.ts';
import { type ReadFile, readYamlFile } from '../yamlFile.ts';

interface AblateOptions {
  home: string;
  seeds?: number;
  markdown?: string;
  json?: boolean;
}

/** A bare word is a table that comes with Aira; anything else a path, as seen from the study file. */
function findTable(table: string, studyPath: string): Table {
  const shipped = /^[a-z0-9-]+$/.test(table);
  return readTable(shipped ? join(packageRoot, 'tables', `${table}.json`) : resolve(dirname(studyPath), table));
}

async function ablate(path: string, options: AblateOptions): Promise<number> {
  const read = readYamlFile(path, studySchema, 'study');
  const study: Study = { ...read.file, seeds: options.seeds ?? read.file.seeds };
  if (study.seeds < 2) throw new PrerequisiteError('study-seeds', 'a study needs two seeds', 'give --seeds 2 or more');
  // All that can be wrong with the arms is found before anything is started.
  for (const arm of study.arms) agentsOf(study, arm);
  const tables = study.tasks.flatMap((task) => ('table' in task ? [findTable(task.table, path)] : []));
  for (const table of tables) for (const arm of study.arms) tableSearch(study, arm, table, 1);

  const display = options.json ? studyJson((line) => process.stdout.write(line)) : studyDisplay(process.stdout);
  const ending = new AbortController();
  const interrupts = onInterrupt(() => ending.abort());
  try {
    const facts = tables.map(tableFacts);
    const results = await run(study, tables, { family: read.family, display, signal: ending.signal });
    if (ending.signal.aborted) return interrupts.code() ?? exitCodes.failed;
    finish({ read, study, path, facts, results, options, display });
    return exitCodes.ok;
  } finally {
    interrupts.dispose();
  }
}

async function run(
  study: Study,
  tables: readonly Table[],
  { family, display, signal }: { family: string; display: StudyDisplay; signal: AbortSignal },
): Promise<RunResult[]> {
  const total = tables.length * study.arms.length * study.seeds;
  display.started(family, study, total);
  const began = systemClock.monotonic();
  const results: RunResult[] = [];
  const onRun = (result: RunResult) => {
    results.push(result);
    display.run(result);
    const elapsedMs = systemClock.monotonic() - began;
    const leftMs = (elapsedMs / results.length) * (total - results.length);
    display.progress({ done: results.length, total, elapsedMs, leftMs, now: '' });
  };
  const helpers = { python: await findPython(), env: childEnvironment(process.env), packageRoot };
  const openRetriever = remembering(notesRetriever(createLogger('aira')));
  const found: RunResult[] = [];
  for (const table of tables) {
    try {
      found.push(
        ...(await runTabulated({
          ...{ study, table, onRun, signal },
          createModel: (name) => createModel(name, helpers, openRetriever),
          lanes: availableParallelism(),
        })),
      );
    } catch (thrown) {
      if (signal.aborted) return found;
      throw thrown;
    }
  }
  return found;
}

interface Finished {
  readonly read: ReadFile<Study>;
  readonly study: Study;
  readonly path: string;
  readonly facts: readonly TaskFacts[];
  readonly results: readonly RunResult[];
  readonly options: AblateOptions;
  readonly display: StudyDisplay;
}

/** Says what came of it, and writes results, page and, where it was asked for, the section of a document. */
function finish({ read, study, path, facts, results, options, display }: Finished): void {
  const analysis = analyse(study, facts, results);
  const processors = cpus();
  const seeds = options.seeds === undefined ? '' : ` --seeds ${options.seeds}`;
  const report: StudyReport = {
    ...{ name: read.family, study, source: read.source, tasks: facts, results, analysis, airaVersion },
    machine: [
      { fact: 'CPU', value: `${processors.length} x ${processors[0]?.model.trim() ?? 'unknown'}` },
      { fact: 'Node', value: process.version },
    ],
    commands: [`aira ablate ${shownPath(path)}${seeds}`],
  };
  const folder = join(options.home, 'studies');
  mkdirSync(folder, { recursive: true });
  const paths = { report: join(folder, `${read.family}.html`), results: join(folder, `${read.family}.json`) };
  replaceFile(paths.results, `${JSON.stringify({ version: 1, study, tasks: facts, results, analysis })}\n`);
  replaceFile(paths.report, studyHtml(report));
  if (options.markdown !== undefined) writeSection(options.markdown, read.family, studyMarkdown(report));
  display.ended(analysis, paths);
}

/** A path as somebody elsewhere would type it, where it lies within Aira. */
function shownPath(path: string): string {
  const within = relative(packageRoot, resolve(path));
  return within.startsWith('..') ? path : within;
}

/** Renamed into place, so that a reader never sees half a file. */
function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.part`, text);
  renameSync(`${path}.part`, path);
}

/** Replaces what stands between the markers of a study in a document. @throws PrerequisiteError without the markers. */
function writeSection(path: string, name: string, text: string): void {
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const document = readFileSync(path, 'utf8');
  const [from, to] = [document.indexOf(begin), document.indexOf(end)];
  if (from < 0 || to < from) {
    throw new PrerequisiteError('markers', `${path} has no section "${name}"`, `put ${begin} and ${end} into it`);
  }
  replaceFile(path, `${document.slice(0, from + begin.length)}\n\n${text}\n${document.slice(to)}`);
}

export function ablateCommand(done: (code: number) => void): Command {
  const command = new Command('ablate')
    .description('compare arms on paired seeds at equal budget, with statistics')
    .addArgument(new Argument('<file>', 'a study file'))
    .action(async (path: string, options: AblateOptions) => done(await ablate(path, options)));
  return withOptions(
    command,
    homeOption(),
    option('--seeds <number>', 'so many seeds, instead of what the file says').argParser(wholeNumber),
    option('--markdown <file>', 'write the figures into the section of this document that bears the name of the study'),
    jsonOption(),
  );
}
