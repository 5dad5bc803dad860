/**
 * The archive's file in its home: opened for writing or reading, private to its user, and checked.
 *
 * Role: one writer per home, migration before use, errors with a remedy. Non-role: what rows mean (the audit), repair (a backup).
 *
 * A check reads every page with SQLite's `quick_check`, and its time grows with the file: 2.5 ms per MB, eight seconds for a
 * search of a million nodes. An opening must not wait that long, and the process that answers everyone must not be deaf for it.
 *
 * - CHK-1 A file of at most `wholeAtOnceBytes` is checked when it is opened for writing, before its first change.
 * - CHK-2 A larger one is checked by a process of its own while the archivist already uses it, as of one moment and to its last
 *   page. Damage ends the archivist with the error that CHK-1 would have thrown.
 * - CHK-3 A check that cannot be run apart is run by the archivist itself: no archivist works on without one.
 * - CHK-4 What late damage costs is what was recorded since the opening. SQLite checks the pages that it reads, so a change that
 *   meets the damage is refused and rolled back (I1).
 */
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { errorMessage, PrerequisiteError, toError } from '../domain/errors.ts';
import {
  childEnvironment,
  exec,
  freeBytes,
  leastFreeBytes,
  makeFolder,
  systemClock,
  whyNot,
} from '../platform/index.ts';
import { migrate, refuseNewer, schemaVersion } from './migrations.ts';

export const archivePath = (home: string) => join(home, 'archive.db');

/** An open archive and its close function. */
export interface OpenDatabase {
  readonly db: Database.Database;
  close(): void;
}

/** One that may be changed. */
export interface WritableDatabase extends OpenDatabase {
  /** Every page was checked when it was opened; if not, see CHK-2. */
  readonly isChecked: boolean;
}

/**
 * Opens a home's archive for writing, creating both if missing. Every commit reaches the disk (`synchronous=FULL`) before
 * it is announced (I1).
 *
 * @throws PrerequisiteError if the home is in use, the disk is full, or the file is newer, foreign or damaged.
 */
export function openForWriting(home: string, now: number): WritableDatabase {
  const path = archivePath(home);
  let unlock: (() => void) | undefined;
  let db: Database.Database | undefined;
  let isChecked = false;
  try {
    privateHome(home);
    const free = freeBytes(home);
    if (free < leastFreeBytes) {
      throw new PrerequisiteError(
        'disk-full',
        `only ${Math.floor(free / 1024 / 1024)} MB are free in ${home}`,
        'free some space, then try again',
      );
    }
    unlock = lock(home);
    createPrivate(path);
    db = new Database(path, { timeout: 5000 });
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.pragma('foreign_keys = ON');
    db.pragma('journal_size_limit = 67108864');
    migrate(db, path, now);
    isChecked = checkIfSmall(db);
  } catch (thrown) {
    db?.close();
    unlock?.();
    throw explainOpen(path, thrown);
  }
  const opened = db;
  return {
    db: opened,
    isChecked,
    close() {
      try {
        opened.pragma('wal_checkpoint(TRUNCATE)');
      } catch (thrown) {
        // Frames that do not fit remain in the write-ahead log, which the next opening reads.
        if ((thrown as { code?: string }).code !== 'SQLITE_FULL') throw thrown;
      } finally {
        opened.close();
        unlock?.();
      }
    },
  };
}

/**
 * Opens a home's archive read-only, concurrently with its writer. An older version is migrated first.
 *
 * @throws PrerequisiteError `archive-missing` without an archive.
 */
export function openForReading(home: string): OpenDatabase {
  const path = archivePath(home);
  if (!isThere(path, home)) {
    throw new PrerequisiteError(
      'archive-missing',
      `there is no archive in ${home}`,
      'run a search first, or give --home',
    );
  }
  try {
    accessSync(path, constants.R_OK);
  } catch (thrown) {
    throw forbidden(home, thrown);
  }
  try {
    migrateFirst(home, path);
    const db = new Database(path, { readonly: true, fileMustExist: true, timeout: 5000 });
    db.pragma('query_only = ON');
    // Evaluations are found by hashes, all over the file: with SQLite's 2 MB a search of 10^5 nodes reads each page many times.
    db.pragma('cache_size = -65536');
    return { db, close: () => db.close() };
  } catch (thrown) {
    throw explainOpen(path, thrown);
  }
}

/** Migrates an older archive before reading, since queries use the current schema. */
function migrateFirst(home: string, path: string): void {
  const db = new Database(path, { readonly: true, fileMustExist: true, timeout: 5000 });
  let version: number;
  try {
    version = db.pragma('user_version', { simple: true }) as number;
  } finally {
    db.close();
  }
  refuseNewer(version, path);
  // A file without a version is not an archive yet; reading must not create one.
  if (version > 0 && version < schemaVersion) openForWriting(home, systemClock.now()).close();
}

/**
 * One writer per home. The lock is SQLite's own, on a file next to the archive: the kernel releases it with its process, so
 * a killed writer leaves no stale lock and two successors cannot both break it.
 *
 * @throws PrerequisiteError `archive-in-use` while another process writes this archive.
 */
function lock(home: string): () => void {
  const holder = join(home, 'archive.pid');
  createPrivate(join(home, 'archive.lock'));
  const guard = new Database(join(home, 'archive.lock'), { timeout: 0 });
  try {
    guard.exec('BEGIN EXCLUSIVE');
  } catch (thrown) {
    guard.close();
    if ((thrown as { code?: string }).code !== 'SQLITE_BUSY') throw thrown;
    const pid = existsSync(holder) ? readFileSync(holder, 'utf8').trim() : 'unknown';
    throw new PrerequisiteError(
      'archive-in-use',
      `the lab in ${home} is in use by process ${pid}`,
      'wait for it, stop it, or choose another --home',
    );
  }
  writeFileSync(holder, `${process.pid}\n`, { mode: 0o600 });
  return () => {
    rmSync(holder, { force: true });
    guard.close();
  };
}

/** Creates a file that only its owner can read; SQLite would use the umask. */
function createPrivate(path: string): void {
  closeSync(openSync(path, 'a', 0o600));
}

/** The error for a full disk; undefined for any other error. */
export function diskFull(path: string, thrown: unknown): PrerequisiteError | undefined {
  const { code } = toError(thrown) as { code?: string };
  if (code !== 'SQLITE_FULL' && code !== 'ENOSPC') return undefined;
  const message = `the disk of ${path} is full; no recorded data is lost`;
  return new PrerequisiteError('disk-full', message, 'free some space, then resume', { cause: thrown });
}

/** Converts SQLite errors of an archive file to errors with a remedy. */
export const explainOpen = (path: string, thrown: unknown): Error => {
  const error = toError(thrown);
  const code = (error as { code?: string }).code ?? '';
  if (error instanceof PrerequisiteError) return error;
  const full = diskFull(path, thrown);
  if (full) return full;
  if (isDamage(code)) return damaged(path, error.message, error);
  return new PrerequisiteError('archive-unusable', `cannot use ${path}: ${error.message}`, 'choose another --home', {
    cause: error,
  });
};

/** A lab belongs to the user who created it. */
const forbidden = (home: string, cause: unknown) =>
  new PrerequisiteError(
    'archive-forbidden',
    `the archive in ${home} ${whyNot(cause)}`,
    'run as the owner of the lab, or choose another --home',
    { cause },
  );

/** @param what SQLite's words; those of a check have a headline. */
function damaged(path: string, what: string, cause?: unknown): PrerequisiteError {
  const [first = ''] = what.replace(/^\*\*\*.*\*\*\*\n/, '').split('\n');
  return new PrerequisiteError('archive-damaged', `${path} is damaged: ${first}`, 'restore it from a backup', {
    cause,
  });
}

/** Whether SQLite found a file too damaged to read on. */
const isDamage = (code: string): boolean => code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT');

// The check of a file.

/** Checked in about a sixth of a second: a search of twenty thousand nodes. */
export const wholeAtOnceBytes = 64 * 1024 * 1024;

/** Checks a file of moderate size (CHK-1); returns whether it did. @throws PrerequisiteError `archive-damaged`. */
function checkIfSmall(db: Database.Database): boolean {
  const bytes = Number(db.pragma('page_count', { simple: true })) * Number(db.pragma('page_size', { simple: true }));
  if (bytes > wholeAtOnceBytes) return false;
  checkHere(db);
  return true;
}

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

// The home of a lab is private to its user: no other can enter it or read its contents.

/** Files with scores, keys, prompts or code, and folders whose direct contents are private. */
const privateNames = /^(archive\.(db|lock|pid)|thoughts\.db)(-wal|-shm|-journal)?$|^tasks\.json$/;

const privateFolders: readonly string[] = ['credentials', 'calls', 'nats'];

/** Mode bits of other users. */
const others = 0o077;

/**
 * Creates the home if it is missing, and makes it private.
 *
 * @throws PrerequisiteError `home-foreign` if it, or a private file in it, belongs to another user; `home-unusable`.
 */
export function privateHome(home: string): void {
  try {
    makeFolder(home, 0o700);
    const stats = statSync(home);
    const own = process.getuid?.();
    if (own !== undefined && stats.uid !== own) throw foreign(home, stats);
    if ((stats.mode & others) !== 0) chmodSync(home, 0o700);
    for (const name of readdirSync(home)) {
      const path = join(home, name);
      if (privateNames.test(name)) close(path, 0o600);
      else if (privateFolders.includes(name) && lstatSync(path).isDirectory()) {
        close(path, 0o700);
        for (const each of readdirSync(path)) {
          close(join(path, each), lstatSync(join(path, each)).isDirectory() ? 0o700 : 0o600);
        }
      }
    }
  } catch (thrown) {
    if (thrown instanceof PrerequisiteError) throw thrown;
    // Another process of this lab may delete files meanwhile.
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT' && homeIsThere(home)) {
      privateHome(home);
      return;
    }
    throw new PrerequisiteError(
      'home-unusable',
      `cannot use ${home}: ${errorMessage(thrown)}`,
      'choose another --home',
      {
        cause: thrown,
      },
    );
  }
}

function homeIsThere(home: string): boolean {
  return statSync(home, { throwIfNoEntry: false }) !== undefined;
}

/** Corrects the mode of our own files. @throws PrerequisiteError `home-foreign` for those of another user. */
function close(path: string, mode: number): void {
  const stats = lstatSync(path);
  const own = process.getuid?.();
  if (own !== undefined && stats.uid !== own) throw foreign(path, stats);
  // The mode of a link is meaningless, and its target may belong to another user.
  if (!stats.isSymbolicLink() && (stats.mode & others) !== 0) chmodSync(path, mode);
}

function foreign(path: string, { uid }: Stats): PrerequisiteError {
  return new PrerequisiteError(
    'home-foreign',
    `${path} belongs to another user of this machine (number ${uid})`,
    'choose another --home',
  );
}

/**
 * Whether a readable file exists.
 *
 * @throws PrerequisiteError `home-denied` if another user's home prevents the check.
 */
export function isThere(path: string, home: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM') {
      throw new PrerequisiteError(
        'home-denied',
        `permission denied: the lab in ${home} belongs to another user of this machine`,
        'ask that user for a report, or choose another --home',
        { cause: thrown },
      );
    }
    return false;
  }
}
