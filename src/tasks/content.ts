import { existsSync, lstatSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import * as z from 'zod';
import { PrerequisiteError } from '../domain/errors.ts';
import { allData, dataNamePattern, type TaskContent } from '../domain/evaluation.ts';
import { type Profile, rungs, type Task } from '../domain/task.ts';
import { digestOfData, digestTaskDirectory } from './data/digests.ts';
import { importedData } from './data/records.ts';

/** Generated text, which needs no import. */
const generatedCorpus = 'stories';
/** Folders of the published benchmark's files, by task. */
const benchmarkFolders: Readonly<Record<string, string>> = { listops: 'listops', text: 'imdb', retrieval: 'aan' };

/** The keys of a rung's settings that name files. */
const readingSchema = z.looseObject({
  family: z.string().optional(),
  /** A third-party task: its directory, and the data set of its metadata. */
  task: z.string().optional(),
  dataset: z.string().optional(),
  data: z.looseObject({ corpus: z.string(), source: z.string(), task: z.string() }).partial().optional(),
});

/** What a training with these settings reads in addition to its job. */
export interface Reading {
  /** Whether scripts of the task's directory run; else the trainer reads no file of it. */
  readonly runsScripts: boolean;
  /** Path of that directory, if the settings state it. */
  readonly directory: string | null;
  /** Names of required imported data. */
  readonly data: readonly string[];
  /** The data set that a third-party task's scripts read, or all; null for Aira's own tasks. */
  readonly dataset: string | null;
}

export function readingOf(settings: unknown): Reading {
  const { family, task, dataset, data } = readingSchema.parse(settings);
  if (family === 'airs') {
    const directory = task !== undefined && isAbsolute(task) ? task : null;
    return { runsScripts: true, directory, data: [], dataset: dataset ?? allData };
  }
  const corpus = data?.corpus !== undefined && data.corpus !== generatedCorpus ? [data.corpus] : [];
  const files = data?.source === 'files' ? [benchmarkFolders[data.task ?? ''] ?? ''] : [];
  return {
    runsScripts: false,
    directory: null,
    data: [...corpus, ...files].filter((name) => name !== ''),
    dataset: null,
  };
}

/** @throws PrerequisiteError `data-malformed` for custom-named data that are not text. */
function requireText(folder: string, name: string): void {
  const record = importedData(folder).find((each) => each.name === name);
  if (record?.v !== 2 || record.kind !== 'raw') return;
  const [problem = 'no trainer can read it'] = record.notes;
  throw new PrerequisiteError(
    'data-malformed',
    `the data set ${name} is not text: ${problem}`,
    'fix it, then import it again',
  );
}

/**
 * The imported data that these settings read: current digests by name.
 *
 * @throws PrerequisiteError `data-missing` with the command to import it; `data-unreadable`, `data-link`.
 */
async function dataRead(settings: unknown, folder: string | null): Promise<Record<string, string>> {
  const { data, dataset } = readingOf(settings);
  const found: Record<string, string> = {};
  for (const name of data) {
    const digest = folder === null ? null : await digestOfData(folder, name);
    if (digest === null) {
      throw new PrerequisiteError(
        'data-missing',
        `the data set ${name} has not been imported${folder === null ? '' : ` into ${folder}`}`,
        `run: aira data import ${name} <folder>`,
      );
    }
    requireText(folder ?? '', name);
    found[name] = digest;
  }
  if (dataset !== null && folder !== null) {
    const named = dataNamePattern.test(dataset) && existsSync(join(folder, dataset));
    const name = named && lstatSync(join(folder, dataset)).isDirectory() ? dataset : allData;
    const digest = await digestOfData(folder, name);
    if (digest !== null) found[name] = digest;
  }
  return found;
}

/** Trainers of Aira's own tasks receive space and settings, and read no prose. */
const isNotProse = (path: string): boolean => !path.endsWith('.md');

const settingsOf = (profile: Profile) => rungs.map((rung) => profile.rungs[rung].settings);

/**
 * Digest of a task's directory: all files if its scripts run, else all but `*.md`.
 *
 * @throws PrerequisiteError for an unreadable file, or a link.
 */
export function directoryDigest({ directory }: Pick<Task, 'directory'>, profile: Profile): string {
  const runsScripts = settingsOf(profile).some((settings) => readingOf(settings).runsScripts);
  return digestTaskDirectory(directory, runsScripts ? undefined : isNotProse);
}

/** The imported data that the rungs of a profile read: current digests by name. @throws as `dataRead`. */
export async function dataOf(profile: Profile, folder: string | null): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const settings of settingsOf(profile)) Object.assign(found, await dataRead(settings, folder));
  return found;
}

/** Current digests of everything that determines a task's scores under a profile. @throws as `directoryDigest`, `dataOf`. */
export async function contentOf(
  task: Pick<Task, 'directory'>,
  profile: Profile,
  folder: string | null,
): Promise<TaskContent> {
  return { directory: directoryDigest(task, profile), data: await dataOf(profile, folder) };
}

/** Digests of what a training with these settings reads. */
export interface FilesRead {
  readonly directory: string | null;
  readonly data: Readonly<Record<string, string>>;
}

/** Current digests of what a training with these settings reads. @throws as `dataRead`; `task-malformed`. */
export async function filesRead(settings: unknown, folder: string | null): Promise<FilesRead> {
  const { directory } = readingOf(settings);
  const data = await dataRead(settings, folder);
  return { directory: directory === null ? null : digestTaskDirectory(directory), data };
}

/** Differences between the files that are read and `content`, as sentences; none if nothing changed. */
export function changesSince(content: TaskContent, settings: unknown, { directory, data }: FilesRead): string[] {
  const reading = readingOf(settings);
  const label = (name: string) => (name === allData ? 'the imported data' : `the imported data ${name}`);
  const expected = reading.dataset === null ? reading.data : Object.keys({ ...content.data, ...data });
  const changed = expected
    .filter((name) => content.data[name] !== data[name])
    .map((name) => `${label(name)} ${data[name] === undefined ? 'are missing' : 'have changed'}`);
  const scripts = directory === null || directory === content.directory ? [] : [`${reading.directory} has changed`];
  return [...changed, ...scripts];
}
