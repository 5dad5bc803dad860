import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { errorMessage, PrerequisiteError } from '../../domain/errors.ts';
import { makeFolder } from '../../platform/index.ts';

/** Increment when the graph changes: a thought checkpointed by another version restarts and finds its answers recorded. */
const graphVersion = 3;

/** Checkpoints of unfinished thoughts. In a separate file that can be deleted without loss: answers are recorded elsewhere. */
export interface Thoughts {
  readonly db: Database.Database;
  /** Thread id of one attempt's checkpoints. */
  thread(search: string, agent: string, ordinal: number): string;
  close(): void;
}

/** @throws PrerequisiteError when the file cannot be used. */
export function openThoughts(path: string): Thoughts {
  let db: Database.Database;
  try {
    makeFolder(dirname(path), 0o700);
    // Holds prompts and answers: create it readable by this user only; SQLite would apply the umask.
    closeSync(openSync(path, 'a', 0o600));
    db = new Database(path, { timeout: 5000 });
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = NORMAL');
  } catch (cause) {
    const remedy = 'delete the file; no results are lost';
    throw new PrerequisiteError('thoughts', `cannot use ${path}: ${errorMessage(cause)}`, remedy, { cause });
  }
  return {
    db,
    thread: (search, agent, ordinal) => `${search}/${agent}/${ordinal}/v${graphVersion}`,
    close: () => db.close(),
  };
}
