import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { PrerequisiteError } from '../../domain/errors.ts';
import { packageRoot } from '../../evaluators/index.ts';
import { makeFolder } from '../../platform/folder.ts';
import { type StudyReport, studyHtml, studyMarkdown } from '../../report/index.ts';
import { analyse, type RunResult, type Study, type TaskFacts } from '../../studies/index.ts';
import { airaVersion } from '../writeReport.ts';

export interface FinishedStudy {
  readonly name: string;
  readonly study: Study;
  readonly source: string;
  readonly tasks: readonly TaskFacts[];
  readonly results: readonly RunResult[];
  /** The command that makes these figures, as a person would type it. */
  readonly command: string;
}

/** Writes results and page of a study into its home and, where asked for, its figures into a document. */
export function writeStudy(home: string, finished: FinishedStudy, document: string | undefined) {
  const { name, study, tasks, results, command } = finished;
  const analysis = analyse(study, tasks, results);
  const processors = cpus();
  const report: StudyReport = {
    ...{ ...finished, analysis, airaVersion, commands: [command] },
    machine: [
      { fact: 'CPU', value: `${processors.length} x ${processors[0]?.model.trim() ?? 'unknown'}` },
      { fact: 'Node', value: process.version },
    ],
  };
  const folder = join(home, 'studies');
  makeFolder(folder);
  const paths = { report: join(folder, `${name}.html`), results: join(folder, `${name}.json`) };
  replaceFile(paths.results, `${JSON.stringify({ version: 1, study, tasks, results, analysis })}\n`);
  replaceFile(paths.report, studyHtml(report));
  if (document !== undefined) writeSection(document, name, studyMarkdown(report));
  return { analysis, paths };
}

/** A path as somebody elsewhere would type it, where it lies within Aira. */
export function shownPath(path: string): string {
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
