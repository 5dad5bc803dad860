/**
 * Whether the file of an archive is sound: SQLite's `quick_check`, which reads every page.
 *
 * Role: says what is damaged, as an error with a remedy. Non-role: what rows mean (the audit), repair (a backup).
 *
 * The time of a check grows with the file: 2.5 ms per MB, eight seconds for a search of a million nodes. An opening must not wait
 * that long, and the process that answers everyone must not be deaf for it.
 *
 * - CHK-1 A file of at most `wholeAtOnceBytes` is checked when it is opened for writing, before its first change.
 * - CHK-2 A larger one is checked by a process of its own while the archivist already uses it, as of one moment and to its last
 *   page. Damage ends the archivist with the error that CHK-1 would have thrown.
 * - CHK-3 A check that cannot be run apart is run by the archivist itself: no archivist works on without one.
 * - CHK-4 What late damage costs is what was recorded since the opening. SQLite checks the pages that it reads, so a change that
 *   meets the damage is refused and rolled back (I1).
 */
import { createRequire } from 'node:module';
import type Database from 'better-sqlite3';
import { PrerequisiteError } from '../domain/errors.ts';
import { childEnvironment, exec } from '../platform/index.ts';

/** Checked in about a sixth of a second: a search of twenty thousand nodes. */
export const wholeAtOnceBytes = 64 * 1024 * 1024;

/** @param what SQLite's words; those of a check have a headline. */
export function damaged(path: string, what: string, cause?: unknown): PrerequisiteError {
  const [first = ''] = what.replace(/^\*\*\*.*\*\*\*\n/, '').split('\n');
  return new PrerequisiteError('archive-damaged', `${path} is damaged: ${first}`, 'restore it from a backup', {
    cause,
  });
}

/** Whether SQLite found a file too damaged to read on. */
export const isDamage = (code: string): boolean => code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT');

/** Checks every page. @throws PrerequisiteError `archive-damaged`; errors of SQLite. */
function checkHere(db: Database.Database): void {
  let found: unknown;
  try {
    found = db.pragma('quick_check(1)', { simple: true });
  } catch (thrown) {
    const { code = '', message } = thrown as { code?: string; message: string };
    throw isDamage(code) ? damaged(db.name, message, thrown) : thrown;
  }
  if (found !== 'ok') throw damaged(db.name, String(found));
}

/** Checks a file of moderate size (CHK-1); returns whether it did. @throws PrerequisiteError `archive-damaged`. */
export function checkIfSmall(db: Database.Database): boolean {
  const bytes = Number(db.pragma('page_count', { simple: true })) * Number(db.pragma('page_size', { simple: true }));
  if (bytes > wholeAtOnceBytes) return false;
  checkHere(db);
  return true;
}

/**
 * The program of the process: prints what the check found. It yields to the lab, and a terminal's interrupt is for the archivist,
 * which ends it.
 */
const program = `
const [driver, path] = process.argv.slice(1);
require('node:os').setPriority(10);
process.on('SIGINT', () => {});
let found;
try {
  const db = new (require(driver))(path, { readonly: true, fileMustExist: true, timeout: 5000 });
  found = db.pragma('quick_check(1)', { simple: true });
} catch (thrown) {
  if (!/^SQLITE_(NOTADB|CORRUPT)/.test(thrown.code)) throw thrown;
  found = thrown.message;
}
process.stdout.write(String(found));
`;

/**
 * Checks every page in a process of its own (CHK-2); ends early, without a finding, when the signal is aborted.
 *
 * @throws PrerequisiteError `archive-damaged`.
 */
export async function checkApart(db: Database.Database, signal: AbortSignal): Promise<void> {
  const driver = createRequire(import.meta.url).resolve('better-sqlite3');
  // As long as the disk takes: a limit would call a slow disk damaged.
  const options = { env: childEnvironment(process.env), timeoutMs: 0, signal };
  const { code, stdout } = await exec(process.execPath, ['-e', program, driver, db.name], options);
  if (signal.aborted) return;
  if (code !== 0) checkHere(db);
  else if (stdout !== 'ok') throw damaged(db.name, stdout);
}
