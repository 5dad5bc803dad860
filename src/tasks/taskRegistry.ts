import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as z from 'zod';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';

/** `<home>/tasks.json`: task directories by others that searches of this home were launched with, for a resume to find. */
const registrySchema = z.strictObject({ v: z.literal(1), directories: z.array(z.string()).max(10_000) });
const registryPath = (home: string): string => join(home, 'tasks.json');

/** Absolute paths. @throws PrerequisiteError `tasks-malformed`. */
export function registeredTasks(home: string): string[] {
  const path = registryPath(home);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (thrown) {
    // A home that is no folder is told by whoever makes it.
    if (['ENOENT', 'ENOTDIR'].includes((thrown as NodeJS.ErrnoException).code ?? '')) return [];
    throw unusable(path, thrown);
  }
  try {
    return registrySchema.parse(JSON.parse(text)).directories;
  } catch (thrown) {
    throw unusable(path, thrown);
  }
}

/** Notes a task directory, for workers of this home. @throws PrerequisiteError `tasks-malformed`. */
export function registerTask(home: string, directory: string): void {
  const known = registeredTasks(home);
  const place = resolve(directory);
  if (known.includes(place)) return;
  const path = registryPath(home);
  const aside = `${path}.${process.pid}`;
  try {
    writeFileSync(aside, JSON.stringify({ v: 1, directories: [...known, place] }), { mode: 0o600 });
    renameSync(aside, path);
  } catch (thrown) {
    throw unusable(path, thrown);
  }
}

function unusable(path: string, cause: unknown): PrerequisiteError {
  const message = `${path}, the list of task directories, cannot be used: ${errorMessage(cause).split('\n')[0]}`;
  return new PrerequisiteError('tasks-malformed', message, 'correct or delete it, then launch the search file again', {
    cause,
  });
}
