import { existsSync, lstatSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import * as z from 'zod';
import { PrerequisiteError } from '../domain/errors.ts';
import { allData, dataNamePattern, type TaskContent } from '../domain/evaluation.ts';
import { type Profile, rungs, type Task } from '../domain/task.ts';
import { digestOfData, digestTaskDirectory } from './data/digests.ts';
import { importedData } from './data/records.ts';

/** Text that is generated, so that no import decides it. */
const generatedCorpus = 'stories';
/** Folders of the published benchmark's files, by their task. */
const benchmarkFolders: Readonly<Record<string, string>> = { listops: 'listops', text: 'imdb', retrieval: 'aan' };

/** The keys of a rung's settings that name files; the rest is the trainer's. */
const readingSchema = z.looseObject({
  family: z.string().optional(),
  /** A task by others: its directory, and the data set that its metadata names. */
  task: z.string().optional(),
  dataset: z.string().optional(),
  data: z.looseObject({ corpus: z.string(), source: z.string(), task: z.string() }).partial().optional(),
});

/** What a training with these settings reads beside what is in the job. */
export interface Reading {
  /** Scripts of the task's directory are run; else the trainer reads no file of it. */
  readonly runsScripts: boolean;
  /** Where that directory lies, as far as the settings say so. */
  readonly directory: string | null;
  /** Names of imported data that have to be there. */
  readonly data: readonly string[];
  /** A task by others reads its raw data by scripts of its own: the data set that it names, or all there are. */
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

/** @throws PrerequisiteError `data-malformed` for data that were imported under a name of their own, and are no text. */
function requireText(folder: string, name: string): void {
  const record = importedData(folder).find((each) => each.name === name);
  if (record?.v !== 2 || record.kind !== 'raw') return;
  const [problem = 'no trainer can read them'] = record.notes;
  throw new PrerequisiteError(
    'data-malformed',
    `the data set ${name} is no text: ${problem}`,
    'correct it, and import it again',
  );
}

/**
 * Which imported data these settings read, by name, with their digests as they are now.
 *
 * @throws PrerequisiteError `data-missing` naming the command that imports what is not there; `data-unreadable`,
 * `data-link`.
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

/** Trainers of our own tasks are given space and settings, and read no text for people. */
const decides = (path: string): boolean => !path.endsWith('.md');

const settingsOf = (profile: Profile) => rungs.map((rung) => profile.rungs[rung].settings);

/**
 * Stands for the directory of a task: every file counts where its scripts are run, else all but `*.md`.
 *
 * @throws PrerequisiteError where a file cannot be read, or is a link.
 */
export function directoryDigest({ directory }: Pick<Task, 'directory'>, profile: Profile): string {
  const runsScripts = settingsOf(profile).some((settings) => readingOf(settings).runsScripts);
  return digestTaskDirectory(directory, runsScripts ? undefined : decides);
}

/** Which imported data the rungs of a profile read, by name, with their digests as they are now. @throws as `dataRead`. */
export async function dataOf(profile: Profile, folder: string | null): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const settings of settingsOf(profile)) Object.assign(found, await dataRead(settings, folder));
  return found;
}

/** What decides the scores of a task under a profile, as its files are now. @throws as `directoryDigest` and `dataOf`. */
export async function contentOf(
  task: Pick<Task, 'directory'>,
  profile: Profile,
  folder: string | null,
): Promise<TaskContent> {
  return { directory: directoryDigest(task, profile), data: await dataOf(profile, folder) };
}

/** What a training with these settings reads, by content. */
export interface FilesRead {
  readonly directory: string | null;
  readonly data: Readonly<Record<string, string>>;
}

/** The files that a training with these settings would read now. @throws all that `dataRead` throws; `task-malformed`. */
export async function filesRead(settings: unknown, folder: string | null): Promise<FilesRead> {
  const { directory } = readingOf(settings);
  const data = await dataRead(settings, folder);
  return { directory: directory === null ? null : digestTaskDirectory(directory), data };
}

/** Sentences about what differs from `content`, of the files that are read; none where all is as it was. */
export function changesSince(content: TaskContent, settings: unknown, { directory, data }: FilesRead): string[] {
  const reading = readingOf(settings);
  const named = (name: string) => (name === allData ? 'the imported data' : `the imported data ${name}`);
  const expected = reading.dataset === null ? reading.data : Object.keys({ ...content.data, ...data });
  const changed = expected
    .filter((name) => content.data[name] !== data[name])
    .map((name) => `${named(name)} ${data[name] === undefined ? 'are gone' : 'have changed'}`);
  const scripts = directory === null || directory === content.directory ? [] : [`${reading.directory} has changed`];
  return [...changed, ...scripts];
}
