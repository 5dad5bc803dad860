import { existsSync, lstatSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve, sep } from 'node:path';
import * as z from 'zod';
import { PrerequisiteError } from '../domain/errors.ts';
import { type Environment, preparedFolder, runProgram, secretFile } from '../platform/index.ts';
import type { CgroupPlace } from './cgroups.ts';

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

/**
 * Which files and folders of this machine a Python needs, wherever it lies: a virtual environment below a home, conda, pyenv, uv,
 * a chain of links.
 *
 * Role: the paths to show to a program, as few as possible. Non-role: how they are shown (`bwrapArguments.ts`).
 *
 *   N1  A prefix is never shown whole, but by the entries that an installation has (`prefixEntries`): a virtual environment
 *       may lie in the middle of somebody's project.
 *   N2  Of a prefix that is somebody's home, or `~/.local`, only the standard library, the package folders and the executable.
 *   N3  Every link on the way to a needed path is a link inside as well, so that `..` and relative targets lead where they do outside.
 */

/** Files and folders at their own real places, and links. */
export interface ShownPaths {
  readonly binds: readonly string[];
  readonly links: readonly (readonly [target: string, path: string])[];
}

export interface Interpreter extends ShownPaths {
  /** Those of `requiredModules` that it finds in isolated mode, which is how programs are run. */
  readonly modules: readonly string[];
}

/** Modules that the probe looks for inside, where they are found outside. */
const requiredModules = ['torch', 'numpy'];

/** What of a prefix is shown, where it exists. */
const prefixEntries = ['pyvenv.cfg', 'bin', 'include', 'lib', 'lib32', 'lib64', 'libexec', 'share'];
/** What Python itself needs of a prefix that holds more than Python. */
const narrowEntries = ['pyvenv.cfg'];

const answerSchema = z.strictObject({
  executable: z.string(),
  prefixes: z.array(z.string()),
  /** Standard library and package folders. */
  folders: z.array(z.string()),
  /** Files that the loader has mapped: the executable and its libraries. */
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

const otherPython = 'name another Python in AIRA_PYTHON';

async function ask(python: string, env: Environment): Promise<z.infer<typeof answerSchema>> {
  const { ok, stdout, stderr } = await runProgram(python, ['-I', '-c', question, ...requiredModules], env, 20_000);
  if (!ok) throw new PrerequisiteError('sandbox', `${python} does not run: ${stderr.trim()}`, 'run `npm run setup`');
  const found = answerSchema.safeParse(parse(stdout)).data;
  if (!found) throw new PrerequisiteError('sandbox', `${python} does not behave like Python`, 'run `npm run setup`');
  return found;
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

/** None of them inside another. */
const outermost = (paths: readonly string[]): string[] => {
  const unique = [...new Set(paths)];
  return unique.filter((path) => !unique.some((other) => other !== path && isBelow(path, other)));
};

/** Homes of the people of this machine; system accounts have theirs below /usr, /var and the like. */
function homes(): string[] {
  let listed: string[] = [];
  try {
    listed = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':')[5] ?? '');
  } catch {
    // Without the file, this user's own home is the one that is known.
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

/** Whether a prefix holds more than Python: a home or what lies above one, or the folder where `pip --user` installs. */
const isWide = (prefix: string, people: readonly string[]): boolean =>
  people.some((home) => isBelow(home, prefix) || prefix === join(home, '.local')) || dirname(prefix) === '/home';

/**
 * Follows a path from the root as the kernel does, and notes the links on the way.
 *
 * @returns the real path, or null where it leads nowhere.
 */
function follow(path: string, links: Map<string, string>, covered: (path: string) => boolean): string | null {
  let at = '/';
  let rest = path.split(sep).filter((part) => part !== '');
  // As many links as the kernel follows (MAXSYMLINKS).
  for (let left = 40; rest.length > 0; ) {
    const [part = '', ...after] = rest;
    rest = after;
    if (part === '.') continue;
    if (part === '..') {
      at = dirname(at);
      continue;
    }
    const next = join(at, part);
    const found = lstatSync(next, { throwIfNoEntry: false });
    if (!found) return null;
    if (!found.isSymbolicLink()) {
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
 * What a Python needs beside the system's own folders.
 *
 * @param system folders that are shown anyway.
 * @param secrets paths of the laboratory that no program may see.
 * @throws PrerequisiteError `sandbox` when it does not run, or what it needs holds one of the laboratory's secrets.
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
  // Folders that a .pth file adds from elsewhere, such as a project that is being worked on, are not shown.
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
      `Python's own folders hold ${basename(secret)} of the laboratory (${secret}), which no program may see`,
      `move it elsewhere, or ${otherPython}`,
    );
  }
  return {
    binds,
    links: [...links].filter(([path]) => !covered(path)).map(([path, target]) => [target, path] as const),
    modules: answer.modules,
  };
}

/** How programs can be run here. */
export interface SandboxCapability {
  /** `unsafe`: with this user's own rights, because a person has said so. */
  readonly mode: 'sandboxed' | 'unsafe';
  /** Whom the program is outside: a user id of its own (where the laboratory is root), or the laboratory's. */
  readonly identity: 'dedicated' | 'own';
  /** The interpreter that programs run with; the launcher too. */
  readonly python: string;
  readonly launcher: string;
  readonly bwrap: string;
  readonly prlimit: string;
  readonly root: SystemRoot;
  /** Where control groups can be made; null: limits per process and a watch on their sum. */
  readonly groups: CgroupPlace | null;
}

/** One line for people. */
export function describeSandbox({ mode, identity, groups }: SandboxCapability): string {
  if (mode === 'unsafe') return 'none: programs run with the rights of this user';
  const who = identity === 'dedicated' ? 'a user of its own' : 'this user, in a namespace';
  const memory = groups === null ? 'limits per process and a watch' : `control groups (version ${groups.version})`;
  return `bubblewrap, ${who}, seccomp, ${memory}`;
}
