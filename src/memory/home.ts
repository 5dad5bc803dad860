/**
 * The home of a lab is its user's alone.
 *
 * Role: makes it, and sees at every start that nobody else may enter it or read what is in it. Non-role: what the files hold.
 */

import { accessSync, chmodSync, constants, lstatSync, readdirSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import { makeFolder } from '../platform/index.ts';

/** What holds scores, keys, prompts or code: files, and folders with all that lies directly in them. */
const privateNames = /^(archive\.(db|lock|pid)|thoughts\.db)(-wal|-shm|-journal)?$|^tasks\.json$/;
const privateFolders: readonly string[] = ['credentials', 'calls', 'nats'];

/** The bits of a mode that let others in. */
const others = 0o077;

function foreign(path: string, { uid }: Stats): PrerequisiteError {
  return new PrerequisiteError(
    'home-foreign',
    `${path} belongs to another user of this machine (number ${uid})`,
    'choose a --home of your own',
  );
}

/** Corrects the mode of what is ours. @throws PrerequisiteError `home-foreign` for what is not. */
function close(path: string, mode: number): void {
  const stats = lstatSync(path);
  const own = process.getuid?.();
  if (own !== undefined && stats.uid !== own) throw foreign(path, stats);
  // Modes of a link mean nothing, and what it points to may be anybody's.
  if (!stats.isSymbolicLink() && (stats.mode & others) !== 0) chmodSync(path, mode);
}

/**
 * Makes the home where there is none, and closes it to others.
 *
 * @throws PrerequisiteError `home-foreign` where it, or anything private in it, belongs to somebody else; `home-unusable`.
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
    // Another process of this lab may tidy up meanwhile.
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

/**
 * Is there a file that we may read?
 *
 * @throws PrerequisiteError `home-denied` where somebody else's home keeps us from looking.
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
        'ask that user for a report, or give a --home of your own',
        { cause: thrown },
      );
    }
    return false;
  }
}
