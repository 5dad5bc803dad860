import { chmodSync, lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { StrangeEntry } from './spec.ts';

/** S_ISUID and S_ISGID: its owner becomes the laboratory. */
const setId = 0o6000;

/**
 * Takes everything out of a folder that is no plain file or folder: what untrusted code has left there must not lead whoever
 * reads or chmods it elsewhere.
 *
 * @returns what was taken out.
 */
export function makePlain(folder: string, above = ''): StrangeEntry[] {
  return readdirSync(folder).flatMap((name): StrangeEntry[] => {
    const path = join(folder, name);
    const found = lstatSync(path);
    if (found.isDirectory()) return makePlain(path, `${above}${name}/`);
    if (found.isFile() && found.nlink === 1) {
      if ((found.mode & setId) !== 0) chmodSync(path, found.mode & 0o777);
      return [];
    }
    rmSync(path);
    const kind = found.isFile() ? 'linked' : found.isSymbolicLink() ? 'link' : 'other';
    return [{ path: `${above}${name}`, kind }];
  });
}
