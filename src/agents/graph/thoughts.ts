import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { errorMessage, PrerequisiteError } from '../../domain/errors.ts';
import { makeFolder } from '../../platform/folder.ts';

/** Changes with the graph: a thought that was begun by another form of it starts again, and finds its answers recorded. */
const graphVersion = 2;

/** Where unfinished thoughts are kept. A file of its own: it can be deleted without loss, since answers are recorded. */
export interface Thoughts {
  readonly db: Database.Database;
  /** The name of the thought of one attempt. */
  thread(search: string, agent: string, ordinal: number): string;
  close(): void;
}

/** @throws PrerequisiteError when the file cannot be used. */
export function openThoughts(path: string): Thoughts {
  let db: Database.Database;
  try {
    makeFolder(dirname(path), 0o700);
    // Prompts and answers: made readable for this user alone, where SQLite would ask the umask.
    closeSync(openSync(path, 'a', 0o600));
    db = new Database(path, { timeout: 5000 });
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = NORMAL');
  } catch (cause) {
    const remedy = 'delete the file: nothing is lost by that';
    throw new PrerequisiteError('thoughts', `cannot use ${path}: ${errorMessage(cause)}`, remedy, { cause });
  }
  return {
    db,
    thread: (search, agent, ordinal) => `${search}/${agent}/${ordinal}/v${graphVersion}`,
    close: () => db.close(),
  };
}
