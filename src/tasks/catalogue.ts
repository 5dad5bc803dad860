import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { basename, extname, join, resolve } from 'node:path';
import * as z from 'zod';
import { stackSpecSchema } from '../domain/architecture.ts';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import { formatZodError, nearest } from '../domain/inputFile.ts';
import {
  type Brief,
  briefSchema,
  type Files,
  type ProgramSpace,
  programInSpace,
  programSpaceSchema,
} from '../domain/program.ts';
import { metricNamesSchema, type Profile, profileSchema, type Task } from '../domain/task.ts';
import { parseYaml, readTextFile, taskRoots, YamlError, yamlBounds } from '../platform/index.ts';
import { foreignTask } from './airs/task.ts';

/** The files of a Design task and its starting points. */
const designSchema = z.strictObject({
  /** The runner that trains and scores it; also in the profiles' settings. */
  family: z.string().min(1),
  files: programSpaceSchema.shape.files,
  /** Paths of baseline files, relative to the task; default `baseline/<name>`. */
  baseline: z.record(z.string().min(1), z.string().min(1)).default({}),
  /** Folder of further submissions, relative to the task: one folder, or one first file, each. */
  library: z.string().min(1).default('mixers'),
});

/**
 * `metadata.yaml` of an AIRS-Bench task directory. Unused keys of AIRS-Bench are allowed, because other harnesses own them;
 * Aira's own keys are strict.
 */
const metadataSchema = z.looseObject({
  metric_lower_is_better: z.boolean(),
  logging_info: z.looseObject({ name: z.string().min(1), metric: z.string().min(1) }),
  compose: stackSpecSchema.optional(),
  design: designSchema.optional(),
  metrics: z.record(z.string().min(1), metricNamesSchema).optional(),
  profiles: z
    .record(z.string().min(1), profileSchema)
    .refine((profiles) => Object.keys(profiles).length > 0, 'a task needs at least one profile'),
});
const metadataKeys = Object.keys(metadataSchema.shape);

const metadataFile = 'metadata.yaml';
const descriptionFile = 'project_description.md';

const isFile = (path: string) => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
const isDirectory = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

const malformed = (path: string, problem: string, cause?: unknown) =>
  new PrerequisiteError('task-malformed', `${path}: ${problem}`, 'fix the file, then retry', { cause });

/** A known task. */
export interface TaskEntry {
  readonly name: string;
  /** Absolute. */
  readonly directory: string;
}

/** The tasks below these roots by name. If several roots have a name, the earliest wins. */
export function listTasks(roots: readonly string[] = taskRoots): TaskEntry[] {
  const found = new Map<string, string>();
  for (const root of roots.filter(isDirectory)) {
    for (const name of readdirSync(root)) {
      const directory = resolve(root, name);
      if (!found.has(name) && isFile(join(directory, metadataFile))) found.set(name, directory);
    }
  }
  return [...found].map(([name, directory]) => ({ name, directory })).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function directoryOf(nameOrPath: string, roots: readonly string[]): string {
  const known = listTasks(roots);
  const named = known.find(({ name }) => name === nameOrPath);
  if (named) return named.directory;
  const directory = resolve(nameOrPath);
  if (isFile(join(directory, metadataFile))) return directory;
  if (isDirectory(directory)) {
    throw new PrerequisiteError(
      'task-unknown',
      `${directory} is not a task: it has no ${metadataFile}`,
      'give a directory with the layout of an AIRS-Bench task',
    );
  }
  const names = known.map(({ name }) => name);
  const suggestion = nearest(nameOrPath, names);
  throw new PrerequisiteError(
    'task-unknown',
    `unknown task "${nameOrPath}"${suggestion ? `; did you mean "${suggestion}"?` : ''}`,
    names.length > 0
      ? `choose one of ${names.join(', ')}, or give the path of a task directory`
      : 'give the path of a task directory',
  );
}

/** Size limit for a task's text files; descriptions and baselines have a few kilobytes. */
const mostBytes = 1024 * 1024;

const readText = (path: string, most = mostBytes): string =>
  readTextFile(path, { code: 'task-malformed', remedy: 'fix the task, then retry', mostBytes: most });

function readYaml(path: string): unknown {
  try {
    return parseYaml(readText(path, yamlBounds.bytes));
  } catch (thrown) {
    if (!(thrown instanceof YamlError)) throw thrown;
    throw malformed(path, thrown.message, thrown);
  }
}

/** Hints on missing keys with a similar key present: unknown keys are allowed, so a typo is not an error by itself. */
function mistypedKeys(raw: unknown): string[] {
  if (typeof raw !== 'object' || raw === null) return [];
  const unknownKeys = Object.keys(raw).filter((key) => !metadataKeys.includes(key));
  return metadataKeys
    .filter((key) => !(key in raw))
    .flatMap((key) => {
      const typo = nearest(key, unknownKeys);
      return typo ? [`did you mean "${key}" instead of "${typo}"?`] : [];
    });
}

/** A third-party task: none of Aira's keys, nor a likely typo of one. */
function isForeign(raw: unknown): boolean {
  if (typeof raw !== 'object' || raw === null) return false;
  const ours = ['compose', 'design', 'profiles'];
  return !Object.keys(raw).some((key) => nearest(key, ours) !== undefined) && 'container_python_requirements' in raw;
}

function requireOwnName(path: string, name: string, directory: string): void {
  if (name === basename(directory)) return;
  throw malformed(path, `logging_info.name is "${name}", but the directory is named "${basename(directory)}"`);
}

/**
 * Reads a task: by its name below one of the roots, or by the path of its directory.
 *
 * @throws PrerequisiteError `task-unknown`, listing the known ones; `task-malformed` with file, place and problem.
 */
export function loadTask(nameOrPath: string, roots: readonly string[] = taskRoots): Task {
  const directory = directoryOf(nameOrPath, roots);
  const path = join(directory, metadataFile);
  const raw = readYaml(path);
  if (isForeign(raw)) {
    const task = foreignTask(directory, readText(join(directory, descriptionFile)));
    requireOwnName(path, task.name, directory);
    return task;
  }
  const parsed = metadataSchema.safeParse(raw);
  if (!parsed.success) {
    throw malformed(
      path,
      [...formatZodError(parsed.error, metadataSchema), ...mistypedKeys(raw)].join('; '),
      parsed.error,
    );
  }
  const { logging_info: info, metric_lower_is_better, compose, design, metrics, profiles } = parsed.data;
  requireOwnName(path, info.name, directory);
  if ((compose === undefined) === (design === undefined)) {
    throw malformed(path, 'a task needs exactly one of "compose" (layers to arrange) and "design" (files to write)');
  }
  const unnamed = Object.keys(metrics ?? {}).find((name) => !Object.hasOwn(profiles, name));
  if (unnamed !== undefined) throw malformed(path, `metrics names the profile "${unnamed}", which does not exist`);
  const description = readText(join(directory, descriptionFile));
  const common = {
    ...{ directory, description, metric: info.metric, lowerIsBetter: metric_lower_is_better, profiles },
    ...(metrics ? { metrics } : {}),
  };
  if (compose) return { name: info.name, ...common, space: { kind: 'stack', ...compose } };
  const { files, ...starts } = design as z.infer<typeof designSchema>;
  const space: ProgramSpace = { kind: 'program', files };
  const own = Object.entries(profiles).flatMap(([name, { baseline }]) => (baseline ? [[name, baseline] as const] : []));
  for (const [place, baseline] of [['design', starts.baseline] as const, ...own]) {
    const unknown = Object.keys(baseline).find((name) => files.every((file) => file.name !== name));
    if (unknown !== undefined) {
      throw malformed(path, `${place}.baseline names ${unknown}, which is not in design.files`);
    }
  }
  const briefFor = (baseline: Readonly<Record<string, string>>): Brief =>
    briefOf(directory, description, space, { ...starts, baseline: { ...starts.baseline, ...baseline } });
  const briefs = Object.fromEntries(own.map(([name, baseline]) => [name, briefFor(baseline)]));
  return { name: info.name, ...common, space, brief: briefFor({}), ...(own.length > 0 ? { briefs } : {}) };
}

/** Reads the submissions of a Design task. @throws PrerequisiteError `task-malformed` for an invalid one. */
function briefOf(
  directory: string,
  contract: string,
  space: ProgramSpace,
  starts: Pick<z.infer<typeof designSchema>, 'baseline' | 'library'>,
): Brief {
  const submission = (folder: string, read: (name: string) => string): Files => {
    try {
      return programInSpace(Object.fromEntries(space.files.map(({ name }) => [name, read(name)])), space);
    } catch (thrown) {
      if (thrown instanceof PrerequisiteError) throw thrown;
      throw malformed(folder, errorMessage(thrown), thrown);
    }
  };
  const baseline = submission(join(directory, 'baseline'), (name) =>
    readText(resolve(directory, starts.baseline[name] ?? join('baseline', name))),
  );
  const root = resolve(directory, starts.library);
  const [first] = space.files;
  const entries = isDirectory(root) ? readdirSync(root).sort() : [];
  const library = entries.flatMap((entry) => {
    const path = join(root, entry);
    const name = entry.replace(/\.[a-z]+$/, '').replaceAll('_', '-');
    // A file is a submission that differs from the baseline in its first file only.
    const read = isDirectory(path)
      ? (file: string) => (isFile(join(path, file)) ? readText(join(path, file)) : (baseline[file] ?? ''))
      : (file: string) => (file === first?.name ? readText(path) : (baseline[file] ?? ''));
    const isSubmission = isDirectory(path)
      ? isFile(join(path, first?.name ?? ''))
      : extname(entry) === extname(first?.name ?? '');
    return isSubmission && !entry.startsWith('_') ? [{ name, files: submission(path, read) }] : [];
  });
  return briefSchema.parse({ contract, baseline, library });
}

/** A profile of a task by name. @throws PrerequisiteError `profile-unknown`, listing the known ones. */
export function profileOf(task: Pick<Task, 'name' | 'profiles'>, name: string): Profile {
  const profile = Object.hasOwn(task.profiles, name) ? task.profiles[name] : undefined;
  if (profile) return profile;
  const names = Object.keys(task.profiles);
  const suggestion = nearest(name, names);
  throw new PrerequisiteError(
    'profile-unknown',
    `task ${task.name} has no profile "${name}"${suggestion ? `; did you mean "${suggestion}"?` : ''}`,
    `choose one of ${names.join(', ')}`,
  );
}

/** `<home>/tasks.json`: third-party task directories of this home's searches, so that a resume finds them. */
const registrySchema = z.strictObject({ v: z.literal(1), directories: z.array(z.string()).max(10_000) });
const registryPath = (home: string): string => join(home, 'tasks.json');

/** The registered directories as absolute paths. @throws PrerequisiteError `tasks-malformed`. */
export function registeredTasks(home: string): string[] {
  const path = registryPath(home);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (thrown) {
    // A home that is not a folder is reported where it is created.
    if (['ENOENT', 'ENOTDIR'].includes((thrown as NodeJS.ErrnoException).code ?? '')) return [];
    throw unusable(path, thrown);
  }
  try {
    return registrySchema.parse(JSON.parse(text)).directories;
  } catch (thrown) {
    throw unusable(path, thrown);
  }
}

/** Registers a task directory for workers of this home. @throws PrerequisiteError `tasks-malformed`. */
export function registerTask(home: string, directory: string): void {
  const known = registeredTasks(home);
  const place = resolve(directory);
  if (known.includes(place)) return;
  const path = registryPath(home);
  const temporary = `${path}.${process.pid}`;
  try {
    writeFileSync(temporary, JSON.stringify({ v: 1, directories: [...known, place] }), { mode: 0o600 });
    renameSync(temporary, path);
  } catch (thrown) {
    throw unusable(path, thrown);
  }
}

function unusable(path: string, cause: unknown): PrerequisiteError {
  const message = `cannot use ${path}, the list of task directories: ${errorMessage(cause).split('\n')[0]}`;
  return new PrerequisiteError('tasks-malformed', message, 'fix or delete it, then launch the search file again', {
    cause,
  });
}
