import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/**
 * Makes a folder with all that it lies in. `mkdirSync({ recursive: true })` never returns where the file system answers that a
 * folder does not exist while it is being made, as /proc does.
 *
 * @param mode of the folders that are made; those that are there stay as they are.
 */
export function makeFolder(path: string, mode = 0o777): void {
  const missing: string[] = [];
  for (let at = resolve(path); !isDirectory(at); at = dirname(at)) {
    missing.push(at);
    if (dirname(at) === at) break;
  }
  for (const each of missing.reverse()) {
    try {
      mkdirSync(each, { mode });
    } catch (thrown) {
      // Another process may have made it in between.
      if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST' || !isDirectory(each)) throw thrown;
    }
  }
}
