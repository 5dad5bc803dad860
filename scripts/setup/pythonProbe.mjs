/**
 * What a Python interpreter can do, asked once and remembered.
 *
 * Asking is dear (importing torch takes over a second, on a cold disk tens of them), and finding nothing missing must
 * cost nearly nothing. An answer is therefore kept together with the paths it depends on and their modification times:
 * the interpreter, the folders of its `sys.path` (installing or removing a package touches one of them) and, for a shim
 * that chooses an interpreter, the files it chooses by. While none of them changed, the answer stands.
 */
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { run } from './command.mjs';
import { stateFolder } from './host.mjs';
import { writeWhole } from './toolchain.mjs';

/** @typedef {import('./host.mjs').Host} Host */
/** @typedef {'torch' | 'numpy' | 'sklearn' | 'pytest'} Module */
/**
 * @typedef {object} Probe
 * @property {string} python      absolute path to start it by; behind a shim, the interpreter itself
 * @property {[number, number]} version
 * @property {Partial<Record<Module, string>>} origins  the file each module would be loaded from
 * @property {Partial<Record<Module, string>>} errors   why a module that is there could not be imported
 */
/**
 * @typedef {{ environment: string, watched: [path: string, mtimeMs: number | null][], probe: Probe | null }} Remembered
 */

/** The oldest Python the trainers are written for. */
export const MIN_PYTHON = /** @type {const} */ ([3, 10]);

const CACHE_VERSION = 1;
const IMPORT_TIMEOUT_MS = 180_000;

/** Variables that change what an interpreter finds. */
const ENVIRONMENT = ['HOME', 'PYTHONPATH', 'PYTHONHOME', 'PYTHONNOUSERSITE', 'PYENV_VERSION', 'LD_LIBRARY_PATH'];

/**
 * Looks for the modules without importing them, and only if this can be the trainers' Python imports them, since a
 * torch that is there may still fail to load a shared library. Must run on any Python 3. The answer is its last line: a
 * module may print while it is imported.
 */
const SCRIPT = `
import importlib.util, json, sys
sys.path[:] = [p for p in sys.path if p]
origins, errors = {}, {}
for name in ("numpy", "torch", "sklearn", "pytest"):
    try:
        spec = importlib.util.find_spec(name)
    except Exception:
        spec = None
    if spec is not None and spec.origin not in (None, "namespace"):
        origins[name] = spec.origin
if sys.version_info[:2] >= (${MIN_PYTHON.join(', ')}) and "torch" in origins and "numpy" in origins:
    for name in origins:
        try:
            __import__(name)
        except BaseException as error:
            errors[name] = (type(error).__name__ + ": " + str(error)).splitlines()[0]
print("\\n" + json.dumps({"executable": sys.executable, "version": sys.version_info[:2], "path": sys.path,
                         "origins": origins, "errors": errors}))
`;

/** Whether the module is there and can be imported. @param {Probe} probe @param {Module} module */
export function has(probe, module) {
  return probe.origins[module] !== undefined && probe.errors[module] === undefined;
}

/** @param {Probe} probe */
export function isRecentEnough(probe) {
  const [major, minor] = probe.version;
  return major > MIN_PYTHON[0] || (major === MIN_PYTHON[0] && minor >= MIN_PYTHON[1]);
}

/** What was learned about interpreters, by the path each was found at. */
export class PythonProbes {
  /** @type {Record<string, Remembered>} */
  #remembered;
  #host;
  #path;

  /** @param {Host} host */
  constructor(host) {
    this.#host = host;
    this.#path = join(stateFolder(host), 'pythons.json');
    this.#remembered = readCache(this.#path);
  }

  /**
   * The answer for the interpreter at `candidate` (absolute path), or null if it does not run.
   *
   * @param {string} candidate
   * @returns {Promise<Probe | null>}
   */
  async get(candidate) {
    const known = this.#remembered[candidate];
    const environment = describeEnvironment(this.#host);
    const stands =
      known?.environment === environment && known.watched.every(([path, mtime]) => mtimeOf(path) === mtime);
    if (known && stands) return known.probe;

    const { probe, path } = await ask(this.#host, candidate);
    const depends = new Set([candidate, ...path, ...shimInputs(this.#host, candidate)]);
    if (probe) depends.add(probe.python);
    this.#remembered[candidate] = { environment, watched: [...depends].map((file) => [file, mtimeOf(file)]), probe };
    writeWhole(this.#path, `${JSON.stringify({ version: CACHE_VERSION, pythons: this.#remembered }, null, 1)}\n`);
    return probe;
  }
}

/** @param {Host} host @param {string} candidate @returns {Promise<{ probe: Probe | null, path: string[] }>} */
async function ask(host, candidate) {
  const finished = await run(host, `looking at ${candidate}`, candidate, ['-c', SCRIPT], {
    env: { OMP_NUM_THREADS: '1' },
    timeoutMs: IMPORT_TIMEOUT_MS,
  });
  const line = finished.stdout.trimEnd().split('\n').at(-1) ?? '';
  try {
    const { executable, version, path, origins, errors } = JSON.parse(line);
    const python = isShim(candidate) && isAbsolute(executable) ? executable : candidate;
    return { probe: { python, version, origins, errors }, path };
  } catch {
    // No answer: it does not start, is no Python 3, or an import killed it.
    return { probe: null, path: [] };
  }
}

/**
 * Version managers (pyenv, asdf) put scripts into a folder called `shims` that choose an interpreter by the working
 * directory and start it. Aira starts the chosen one directly: its workers run elsewhere, and often.
 *
 * @param {string} candidate
 */
function isShim(candidate) {
  return basename(dirname(candidate)) === 'shims';
}

/** @param {Host} host @param {string} candidate */
function shimInputs(host, candidate) {
  if (!isShim(candidate)) return [];
  const manager = dirname(dirname(candidate));
  const local = ['.python-version', '.tool-versions'].map((name) => join(host.root, name));
  return [...local, join(manager, 'version'), join(host.env.HOME ?? '/', '.tool-versions')];
}

/** @param {Host} host */
function describeEnvironment(host) {
  return JSON.stringify(ENVIRONMENT.map((name) => host.env[name] ?? null));
}

/** Of the file itself, links followed; null when there is none. @param {string} path */
function mtimeOf(path) {
  try {
    return statSync(realpathSync(path)).mtimeMs;
  } catch {
    return null;
  }
}

/**
 * A cache that cannot be read is an empty one: everything in it can be asked again.
 *
 * @param {string} path
 * @returns {Record<string, Remembered>}
 */
function readCache(path) {
  try {
    const { version, pythons } = JSON.parse(readFileSync(path, 'utf8'));
    return version === CACHE_VERSION ? pythons : {};
  } catch {
    return {};
  }
}
