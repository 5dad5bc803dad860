import { existsSync, lstatSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve, sep } from 'node:path';
import * as z from 'zod';
import { PrerequisiteError } from '../domain/errors.ts';
import { type Environment, preparedFolder, runProgram, secretFile, setupRemedy } from '../platform/index.ts';
import type { CgroupPlace } from './cgroups.ts';

/** The part of the host's system that a program sees: folders and files at their own paths, and links. */
export interface SystemRoot extends ShownPaths {
  /** What Python needs in addition. */
  readonly interpreter: Interpreter;
}

/** For programs without a sandbox. */
export const wholeRoot: SystemRoot = { binds: [], links: [], interpreter: { binds: [], links: [], modules: [] } };

/** Top-level folders of programs and libraries; on systems that have merged them into /usr they are links. */
const systemFolders = ['/bin', '/sbin', '/lib', '/lib64', '/lib32', '/libx32'];
/** The linker's cache, and the links by which Debian selects a BLAS, without which torch cannot load. */
const systemFiles = ['/etc/ld.so.cache', '/etc/alternatives'];

/**
 * The files that Python needs on this machine.
 *
 * @throws PrerequisiteError `sandbox` if the interpreter does not run, or its own folders contain Aira's secrets.
 */
export async function systemRoot(python: string, env: Environment = process.env): Promise<SystemRoot> {
  const links: [string, string][] = [];
  const binds = ['/usr'];
  for (const folder of systemFolders) {
    const stat = lstatSync(folder, { throwIfNoEntry: false });
    if (stat?.isSymbolicLink()) links.push([readlinkSync(folder), folder]);
    else if (stat) binds.push(folder);
  }
  const system = [...binds, ...links.map(([, path]) => path)];
  const own = await interpreter(python, system, [secretFile(env), preparedFolder(env)], env);
  return { binds: [...binds, ...systemFiles.filter((path) => existsSync(path))], links, interpreter: own };
}

/**
 * The files and folders that a Python installation needs: a virtual environment below a home, conda, pyenv, uv, a
 * chain of links.
 *
 * Role: the paths to expose to a program, as few as possible. Non-role: how they are mounted (`launchSpec.ts`).
 *
 * ROT-1. A prefix is never exposed as a whole, but by the entries of an installation (`prefixEntries`): a virtual environment
 *        may be inside a user's project.
 * ROT-2. Of a prefix that is a user's home, or `~/.local`, only the standard library, the package folders and the executable
 *        are exposed.
 * ROT-3. Every link on the way to a needed path is a link inside as well, so that `..` and relative targets resolve as they do
 *        outside.
 */

/** Files and folders at their real paths, and links. */
export interface ShownPaths {
  readonly binds: readonly string[];
  readonly links: readonly (readonly [target: string, path: string])[];
}

export interface Interpreter extends ShownPaths {
  /** The `requiredModules` that it finds in isolated mode, in which programs run. */
  readonly modules: readonly string[];
}

/** Modules that the probe requires inside if they exist outside. */
const requiredModules = ['torch', 'numpy'];

/** The entries of a prefix to expose, if they exist. */
const prefixEntries = ['pyvenv.cfg', 'bin', 'include', 'lib', 'lib32', 'lib64', 'libexec', 'share'];
/** What Python itself needs of a prefix that contains more than Python. */
const narrowEntries = ['pyvenv.cfg'];

const answerSchema = z.strictObject({
  executable: z.string(),
  prefixes: z.array(z.string()),
  /** Standard library and package folders. */
  folders: z.array(z.string()),
  /** Files mapped by the loader: the executable and its libraries. */
  mapped: z.array(z.string()),
  modules: z.array(z.string()),
});

const question = `
import importlib.util, json, site, sys, sysconfig
paths = sysconfig.get_paths()
mapped = {line.split(None, 5)[5].strip() for line in open("/proc/self/maps") if "/" in line}
print(json.dumps({
    "executable": sys.executable,
    "prefixes": [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix],
    "folders": [*(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")), *site.getsitepackages(), *sys.path],
    "mapped": sorted(mapped),
    "modules": [name for name in sys.argv[1:] if importlib.util.find_spec(name)],
}))`;

const otherPython = 'set AIRA_PYTHON to another Python';

async function ask(python: string, env: Environment): Promise<z.infer<typeof answerSchema>> {
  const { ok, stdout, stderr } = await runProgram(python, ['-I', '-c', question, ...requiredModules], env, 20_000);
  if (!ok) throw new PrerequisiteError('sandbox', `${python} does not run: ${stderr.trim()}`, setupRemedy);
  const answer = answerSchema.safeParse(parse(stdout)).data;
  if (!answer) throw new PrerequisiteError('sandbox', `${python} does not behave like Python`, setupRemedy);
  return answer;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export const isBelow = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`);

/** The paths that are not inside another one. */
const outermost = (paths: readonly string[]): string[] => {
  const unique = [...new Set(paths)];
  return unique.filter((path) => !unique.some((other) => other !== path && isBelow(path, other)));
};

/** Home folders of the machine's users; those of system accounts are below /usr, /var and the like. */
function homes(): string[] {
  let listed: string[] = [];
  try {
    listed = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':')[5] ?? '');
  } catch {
    // Without the file, only this user's own home is known.
  }
  const own = [homedir(), ...listed, '/root', '/home'].filter((path) => path.startsWith('/') && path !== '/');
  return own.map(real).filter((path) => !/^\/(usr|var|bin|sbin|dev|proc|run|nonexistent)(\/|$)/.test(path));
}

const real = (path: string): string => {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
};

/** Whether a prefix contains more than Python: a home or a folder above one, or the folder of `pip --user`. */
const isWide = (prefix: string, people: readonly string[]): boolean =>
  people.some((home) => isBelow(home, prefix) || prefix === join(home, '.local')) || dirname(prefix) === '/home';

/**
 * Resolves a path from the root as the kernel does, and records the links on the way.
 *
 * @returns the real path, or null if it does not exist.
 */
function follow(path: string, links: Map<string, string>, covered: (path: string) => boolean): string | null {
  let at = '/';
  let rest = path.split(sep).filter((part) => part !== '');
  // The kernel's limit on links (MAXSYMLINKS).
  for (let left = 40; rest.length > 0; ) {
    const [part = '', ...after] = rest;
    rest = after;
    if (part === '.') continue;
    if (part === '..') {
      at = dirname(at);
      continue;
    }
    const next = join(at, part);
    const stat = lstatSync(next, { throwIfNoEntry: false });
    if (!stat) return null;
    if (!stat.isSymbolicLink()) {
      at = next;
      continue;
    }
    if (left === 0) return null;
    left -= 1;
    const target = readlinkSync(next);
    if (!covered(next)) links.set(next, target);
    if (target.startsWith(sep)) at = '/';
    rest = [...target.split(sep).filter((each) => each !== ''), ...rest];
  }
  return at;
}

/**
 * What a Python needs in addition to the system's own folders.
 *
 * @param system folders that are exposed anyway.
 * @param secrets paths of Aira that no program may see.
 * @throws PrerequisiteError `sandbox` if it does not run, or its files include one of Aira's secrets.
 */
export async function interpreter(
  python: string,
  system: readonly string[],
  secrets: readonly string[],
  env: Environment = process.env,
): Promise<Interpreter> {
  const answer = await ask(python, env);
  const people = homes();
  const prefixes = answer.prefixes.map((path) => resolve(path));
  const entries = [...new Set(prefixes)].flatMap((prefix) =>
    (isWide(real(prefix), people) ? narrowEntries : prefixEntries).map((name) => join(prefix, name)),
  );
  // Folders that a .pth file adds from elsewhere, such as a project under development, are not exposed.
  const packages = answer.folders.filter(
    (path) =>
      path !== '' && (/[\\/](site|dist)-packages$/.test(path) || prefixes.some((prefix) => isBelow(path, prefix))),
  );
  const outer = packages.filter((path) => !isWide(real(path), people) && !prefixes.includes(resolve(path)));
  const programs = [python, answer.executable, ...answer.mapped];
  const isSystem = (path: string): boolean => system.some((folder) => isBelow(path, folder));
  const links = new Map<string, string>();
  const needed = [...entries, ...outer, ...programs]
    .map((path) => follow(path, links, isSystem))
    .filter((path): path is string => path !== null && !isSystem(path));
  const binds = outermost(needed);
  const covered = (path: string): boolean => isSystem(path) || binds.some((folder) => isBelow(path, folder));
  const secret = secrets.map(real).find((path) => existsSync(path) && binds.some((folder) => isBelow(path, folder)));
  if (secret !== undefined) {
    throw new PrerequisiteError(
      'sandbox',
      `Python's own folders contain Aira's ${basename(secret)} (${secret}), which no program may see`,
      `move it elsewhere, or ${otherPython}`,
    );
  }
  return {
    binds,
    links: [...links].filter(([path]) => !covered(path)).map(([path, target]) => [target, path] as const),
    modules: answer.modules,
  };
}

/** How programs run on this machine. */
export interface SandboxCapability {
  /** `unsafe`: with this user's rights, because the user opted out of the sandbox. */
  readonly mode: 'sandboxed' | 'unsafe';
  /** The program's user outside: a dedicated user id (if Aira runs as root), or Aira's own. */
  readonly identity: 'dedicated' | 'own';
  /** The interpreter of programs and launcher. */
  readonly python: string;
  readonly launcher: string;
  readonly bwrap: string;
  readonly prlimit: string;
  readonly root: SystemRoot;
  /** Where control groups can be created; null: limits per process and a watch on their sum. */
  readonly groups: CgroupPlace | null;
}

/** A one-line description for users. */
export function describeSandbox({ mode, identity, groups }: SandboxCapability): string {
  if (mode === 'unsafe') return 'none: programs run with the rights of this user';
  const user = identity === 'dedicated' ? 'a dedicated user' : 'this user, in a namespace';
  const memory = groups === null ? 'limits per process and a watch' : `control groups (version ${groups.version})`;
  return `bubblewrap, ${user}, seccomp, ${memory}`;
}
