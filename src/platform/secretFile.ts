/**
 * Secrets in files of their own: mode 0600, in a folder of mode 0700.
 *
 * Of several processes that make the same secret at once one wins, and all take that one's; a file is complete whenever it
 * exists, because it is written aside and then linked into place.
 */
import { chmodSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** The text of a secret; null where there is none. */
export function readSecret(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw thrown;
  }
}

/** The text of a secret, made where there is none yet. */
export function keptSecret(path: string, make: () => string): string {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  if (readSecret(path) === null) {
    const aside = `${path}.${process.pid}`;
    try {
      writeFileSync(aside, `${make()}\n`, { mode: 0o600, flush: true });
      linkSync(aside, path);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
    } finally {
      rmSync(aside, { force: true });
    }
  }
  chmodSync(path, 0o600);
  return readSecret(path) ?? keptSecret(path, make);
}
