import { existsSync, lstatSync, readlinkSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, resolve, sep } from 'node:path';
import * as z from 'zod';
import { PrerequisiteError } from '../../domain/errors.ts';
import { type Environment, print } from '../program.ts';

/** What of the host's system a program sees: folders and files at their own places, and links. */
export interface SystemRoot {
  readonly binds: readonly string[];
  readonly links: readonly (readonly [target: string, path: string])[];
}

/** Top-level folders that hold programs and libraries; where a system has merged them into /usr they are links. */
const systemFolders = ['/bin', '/sbin', '/lib', '/lib64', '/lib32', '/libx32'];
/** The linker's cache; and the links by which Debian chooses a BLAS, without which torch cannot be loaded. */
const systemFiles = ['/etc/ld.so.cache', '/etc/alternatives'];

const installationSchema = z.strictObject({ executable: z.string(), folders: z.array(z.string()) });
const installationProbe = `
import json, sys
print(json.dumps({"executable": sys.executable, "folders": [sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path]}))`;

const below = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}${sep}`);

/** The folders of a Python outside /usr, none inside another. */
async function installation(python: string, env: Environment): Promise<string[]> {
  const { ok, stdout, stderr } = await print(python, ['-I', '-c', installationProbe], env, 20_000);
  if (!ok) throw new PrerequisiteError('sandbox', `${python} does not run: ${stderr.trim()}`, 'run `npm run setup`');
  const found = installationSchema.safeParse(parse(stdout)).data;
  if (!found) throw new PrerequisiteError('sandbox', `${python} does not behave like Python`, 'run `npm run setup`');
  const real = realpathSync(found.executable);
  const named = [found.executable, real].map((path) => dirname(dirname(path)));
  const folders = [...named, ...found.folders].filter(
    (path) => path !== '' && existsSync(path) && !below(path, '/usr'),
  );
  const unique = [...new Set(folders.map((path) => resolve(path)))];
  return unique.filter((path) => !unique.some((other) => other !== path && below(path, other)));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * What Python needs of this machine.
 *
 * @throws PrerequisiteError `sandbox` when the interpreter does not run, or lies so that showing its folder would show a
 * home or the whole machine.
 */
export async function systemRoot(python: string, env: Environment = process.env): Promise<SystemRoot> {
  const links: [string, string][] = [];
  const binds = ['/usr'];
  for (const folder of systemFolders) {
    const found = lstatSync(folder, { throwIfNoEntry: false });
    if (found?.isSymbolicLink()) links.push([readlinkSync(folder), folder]);
    else if (found) binds.push(folder);
  }
  const own = await installation(python, env);
  const home = homedir();
  const revealing = own.find((path) => below(home, path));
  if (revealing !== undefined) {
    throw new PrerequisiteError(
      'sandbox',
      `Python's own folder is ${revealing}, which holds more than Python`,
      'use a virtual environment in a folder of its own and name its Python in AIRA_PYTHON',
    );
  }
  const outside = own.filter((path) => !binds.some((folder) => below(path, folder)));
  return { binds: [...binds, ...outside, ...systemFiles.filter((path) => existsSync(path))], links };
}
