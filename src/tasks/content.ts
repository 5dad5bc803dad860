/**
 * What decides the scores of a task in addition to its settings (I10): imported data and the task's directory.
 *
 * Role: which files a training reads, their digests, and the refusal of a resume with others. Non-role: recording digests (the
 * search's plan, each job).
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  type Dirent,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  type Stats,
} from 'node:fs';
import { isAbsolute, join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import { allData, dataNamePattern, type TaskContent } from '../domain/evaluation.ts';
import type { SearchSpec } from '../domain/search.ts';
import { type Profile, rungs, type Task } from '../domain/task.ts';
import { importedData } from './dataSets.ts';

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

/**
 * Checks that further trainings of a search read the same content as its earlier ones (I10).
 *
 * @throws PrerequisiteError `content-changed` with the difference; `content-unknown` for a search of an older version that
 * reads data or scripts, whose content is not recorded; `data-missing`, `data-unreadable`.
 */
export async function requireSameContent(spec: SearchSpec, data: string): Promise<void> {
  for (const rung of rungs) {
    const { settings } = spec.rungs[rung];
    const reading = readingOf(settings);
    if (spec.content === undefined) {
      if (reading.data.length === 0 && !reading.runsScripts) continue;
      throw new PrerequisiteError(
        'content-unknown',
        `"${spec.id}" was started by a version that did not record its data, so new scores may not be comparable`,
        'launch its file as a new search',
      );
    }
    const [problem] = changesSince(spec.content, settings, await filesRead(settings, data));
    if (problem === undefined) continue;
    const remedy = 'restore the files, or launch the search file as a new search';
    throw new PrerequisiteError('content-changed', `${problem} since "${spec.id}" started`, remedy);
  }
}

/** The importer's own entries in the data folder; names of data sets never begin with a dot. */
const isOwn = (name: string): boolean => name.startsWith('.');

const unreadable = (path: string, thrown: unknown) =>
  new PrerequisiteError(
    'data-unreadable',
    `cannot read ${path}: ${errorMessage(thrown)}`,
    'make it readable, or import the data again with --replace',
    { cause: thrown },
  );

/** Smaller files are read every time: their timestamps may be too coarse to show a change. */
const cachedFromBytes = 1 << 16;
const known = new Map<string, { readonly state: string; readonly digest: string }>();
const stateOf = ({ dev, ino, size, mtimeMs, ctimeMs }: Stats) => [dev, ino, size, mtimeMs, ctimeMs].join(' ');

/** SHA-256 of a file. Large ones are read once per process, until their size, times or inode change. */
export async function digestOfFile(path: string): Promise<string> {
  try {
    const stats = lstatSync(path);
    const state = stateOf(stats);
    const cached = known.get(path);
    if (cached?.state === state) return cached.digest;
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash);
    const digest = hash.digest('hex');
    if (stats.size >= cachedFromBytes && stateOf(lstatSync(path)) === state) known.set(path, { state, digest });
    return digest;
  } catch (thrown) {
    throw unreadable(path, thrown);
  }
}

function entriesBelow(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true });
  } catch (thrown) {
    throw unreadable(folder, thrown);
  }
}

/**
 * Paths of the files below a folder, relative to it with `/` between the parts, sorted.
 *
 * @throws PrerequisiteError `data-link` for anything that is neither file nor folder, `data-unreadable`.
 */
export function plainFiles(folder: string): string[] {
  const found: string[] = [];
  for (const entry of entriesBelow(folder)) {
    const full = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) continue;
    if (!entry.isFile()) {
      throw new PrerequisiteError(
        'data-link',
        `${full} is not a regular file`,
        'replace it by the file itself, then retry',
      );
    }
    found.push(relative(folder, full).split(sep).join('/'));
  }
  return found.sort();
}

/** Digest of a set of files: SHA-256 over each path, a NUL, its digest, a newline. */
function digestOfFiles(files: Readonly<Record<string, string>>): string {
  const hash = createHash('sha256');
  for (const path of Object.keys(files).sort()) hash.update(`${path}\0${files[path]}\n`);
  return hash.digest('hex');
}

/**
 * Current digest of imported data, independent of their import record; null without files. The name `.` means everything in
 * the data folder.
 *
 * @throws PrerequisiteError `data-unreadable`, `data-link`.
 */
export async function digestOfData(folder: string, name: string): Promise<string | null> {
  const root = join(folder, name);
  if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) return null;
  if (lstatSync(root, { throwIfNoEntry: false }) === undefined) return null;
  const paths = plainFiles(root).filter((path) => name !== allData || !isOwn(path));
  if (paths.length === 0) return null;
  const files: Record<string, string> = {};
  for (const path of paths) files[path] = await digestOfFile(join(root, path));
  return digestOfFiles(files);
}

/**
 * SHA-256, as 64 hexadecimal digits, over every file of a task directory at any depth: in the order of their relative paths
 * (by UTF-16 unit, `/` between parts), each as its path, a NUL, the SHA-256 of its bytes, a newline. Excluded are
 * by-products of programs (`__pycache__`, `*.pyc` and folders whose name begins with a dot) and paths that `counts` rejects.
 * Empty folders do not count.
 *
 * @throws PrerequisiteError `task-link` for anything that is neither file nor folder, because the target of a link may change
 * unnoticed; `task-malformed` for an unreadable file.
 */
export function digestTaskDirectory(directory: string, counts: (path: string) => boolean = () => true): string {
  const hash = createHash('sha256');
  for (const path of filesBelow(directory).filter(counts))
    hash.update(`${path}\0${fileDigest(join(directory, path))}\n`);
  return hash.digest('hex');
}

/** Relative paths of the included files, sorted. */
function filesBelow(directory: string): string[] {
  const found: string[] = [];
  const walk = (folder: string): void => {
    for (const entry of entriesOf(join(directory, folder))) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (entry.name !== '__pycache__' && !entry.name.startsWith('.')) walk(path);
      } else if (!entry.isFile()) {
        throw new PrerequisiteError(
          'task-link',
          `${join(directory, path)} is not a regular file`,
          'replace it by the file itself, then retry',
        );
      } else if (!entry.name.endsWith('.pyc')) found.push(path);
    }
  };
  walk('');
  return found.sort();
}

const malformed = (path: string, thrown: unknown) =>
  new PrerequisiteError(
    'task-malformed',
    `${path}: cannot read: ${errorMessage(thrown)}`,
    'make it readable, then retry',
    { cause: thrown },
  );

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (thrown) {
    throw malformed(folder, thrown);
  }
}

/** Larger files are read once per process and state (device, inode, size and times); smaller ones every time. */
const cachedFromBytesInDirectories = 1 << 20;
const knownInDirectories = new Map<string, { readonly state: string; readonly digest: string }>();

function fileDigest(path: string): string {
  try {
    const file = openSync(path, 'r');
    try {
      const stats = fstatSync(file);
      const state = stateOf(stats);
      const cached = knownInDirectories.get(path);
      if (cached?.state === state) return cached.digest;
      const digest = contentDigest(file);
      if (stats.size >= cachedFromBytesInDirectories) knownInDirectories.set(path, { state, digest });
      return digest;
    } finally {
      closeSync(file);
    }
  } catch (thrown) {
    throw malformed(path, thrown);
  }
}

function contentDigest(file: number): string {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(1 << 18);
  for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) hash.update(chunk.subarray(0, read));
  return hash.digest('hex');
}
