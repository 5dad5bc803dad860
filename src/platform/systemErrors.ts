import { PrerequisiteError } from '../domain/errors.ts';
import { cut } from './text.ts';

/** A longer path would hide the problem. */
const longestPath = 400;

/** Errors of the operating system and SQLite, with their remedies. */
const meanings: Readonly<Record<string, readonly [what: string, remedy: string]>> = {
  ENOENT: ['does not exist', 'check the path'],
  ENOTDIR: ['lies below something that is not a directory', 'check the path'],
  EISDIR: ['is a directory', 'give the path of a file'],
  EEXIST: ['exists already', 'choose another path'],
  EACCES: ['may not be read or written by you (permission denied)', 'change its permissions, or choose another path'],
  EPERM: ['may not be changed by you (operation not permitted)', 'change its permissions, or choose another path'],
  EROFS: ['is on a file system that is read-only', 'choose another path'],
  ENAMETOOLONG: ['has a name that is too long', 'choose a shorter path'],
  ELOOP: ['is a loop of links', 'check the path'],
  EINVAL: ['is not accepted by the file system', 'choose another path'],
  ENOSPC: ['cannot be written: the disk is full', 'free some space, then try again'],
  EDQUOT: ['cannot be written: your disk quota is exhausted', 'free some space, then try again'],
  EMFILE: ['cannot be opened: too many files are open', 'raise the limit (ulimit -n), then try again'],
  ENFILE: ['cannot be opened: too many files are open on this machine', 'try again later'],
  SQLITE_CANTOPEN: ['cannot be opened', 'check its permissions'],
  SQLITE_READONLY: ['may not be written by you', 'change its permissions, or choose another --home'],
  SQLITE_PERM: ['may not be read by you', 'change its permissions, or choose another --home'],
  SQLITE_FULL: ['cannot be written: the disk is full', 'free some space, then try again'],
  SQLITE_IOERR: ['cannot be read or written: the disk reports an error', 'check the disk, then try again'],
  SQLITE_CORRUPT: ['is damaged', 'restore it from a backup, or choose another --home'],
  SQLITE_NOTADB: ['is not a database', 'choose another --home, or move the file away'],
  SQLITE_BUSY: ['is in use by another process', 'wait for it to end, then try again'],
};

/** Code and path of an operating system error; null for other errors. */
function failureOf(thrown: unknown): { code: string; path: string | undefined } | null {
  if (!(thrown instanceof Error)) return null;
  const { code, path } = thrown as { code?: unknown; path?: unknown };
  if (typeof code !== 'string') return null;
  return { code, path: typeof path === 'string' ? path : undefined };
}

/** Why the file at `path` cannot be used, as a predicate: `is a directory`. */
export function whyNot(thrown: unknown): string {
  const failure = failureOf(thrown);
  const [what] = (failure && meaningOf(failure.code)) ?? ['cannot be read'];
  return what;
}

// SQLite's extended codes start with the base code: SQLITE_READONLY_DIRECTORY.
const meaningOf = (code: string): readonly [string, string] | undefined =>
  meanings[code] ?? meanings[code.split('_').slice(0, 2).join('_')];

/** A failure that the user can fix, with a remedy; null for any other. */
export function asPrerequisite(thrown: unknown): PrerequisiteError | null {
  const failure = failureOf(thrown);
  const meaning = failure && meaningOf(failure.code);
  if (!failure || !meaning) return null;
  const [what, remedy] = meaning;
  const thing =
    (failure.path && cut(failure.path, longestPath)) ?? (failure.code.startsWith('SQLITE') ? 'the archive' : 'a file');
  return new PrerequisiteError(failure.code.toLowerCase(), `${thing} ${what}`, remedy, { cause: thrown });
}
