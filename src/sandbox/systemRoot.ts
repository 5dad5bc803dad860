import { existsSync, lstatSync, readlinkSync } from 'node:fs';
import type { Environment } from '../platform/childProcess.ts';
import { preparedFolder, secretFile } from '../platform/packageRoot.ts';
import { type Interpreter, interpreter, type ShownPaths } from './interpreter.ts';

/** What of the host's system a program sees: folders and files at their own places, and links. */
export interface SystemRoot extends ShownPaths {
  /** What Python needs beside these. */
  readonly interpreter: Interpreter;
}

/** For programs that are run without a sandbox. */
export const wholeRoot: SystemRoot = { binds: [], links: [], interpreter: { binds: [], links: [], modules: [] } };

/** Top-level folders that hold programs and libraries; where a system has merged them into /usr they are links. */
const systemFolders = ['/bin', '/sbin', '/lib', '/lib64', '/lib32', '/libx32'];
/** The linker's cache; and the links by which Debian chooses a BLAS, without which torch cannot be loaded. */
const systemFiles = ['/etc/ld.so.cache', '/etc/alternatives'];

/**
 * What Python needs of this machine.
 *
 * @throws PrerequisiteError `sandbox` when the interpreter does not run, or its own folders hold the laboratory's secrets.
 */
export async function systemRoot(python: string, env: Environment = process.env): Promise<SystemRoot> {
  const links: [string, string][] = [];
  const binds = ['/usr'];
  for (const folder of systemFolders) {
    const found = lstatSync(folder, { throwIfNoEntry: false });
    if (found?.isSymbolicLink()) links.push([readlinkSync(folder), folder]);
    else if (found) binds.push(folder);
  }
  const system = [...binds, ...links.map(([, path]) => path)];
  const own = await interpreter(python, system, [secretFile(env), preparedFolder(env)], env);
  return { binds: [...binds, ...systemFiles.filter((path) => existsSync(path))], links, interpreter: own };
}
