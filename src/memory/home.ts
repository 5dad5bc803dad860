/**
 * The home of a lab is private to its user.
 *
 * Role: creates it, and checks at every start that no other user can enter it or read its contents. Non-role: file contents.
 */

import { accessSync, chmodSync, constants, lstatSync, readdirSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import { makeFolder } from '../platform/index.ts';

/** Files with scores, keys, prompts or code, and folders whose direct contents are private. */
const privateNames = /^(archive\.(db|lock|pid)|thoughts\.db)(-wal|-shm|-journal)?$|^tasks\.json$/;
const privateFolders: readonly string[] = ['credentials', 'calls', 'nats'];

/** Mode bits of other users. */
const others = 0o077;

function foreign(path: string, { uid }: Stats): PrerequisiteError {
  return new PrerequisiteError(
    'home-foreign',
    `${path} belongs to another user of this machine (number ${uid})`,
    'choose another --home',
  );
}

/** Corrects the mode of our own files. @throws PrerequisiteError `home-foreign` for those of another user. */
function close(path: string, mode: number): void {
  const stats = lstatSync(path);
  const own = process.getuid?.();
  if (own !== undefined && stats.uid !== own) throw foreign(path, stats);
  // The mode of a link is meaningless, and its target may belong to another user.
  if (!stats.isSymbolicLink() && (stats.mode & others) !== 0) chmodSync(path, mode);
}

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
