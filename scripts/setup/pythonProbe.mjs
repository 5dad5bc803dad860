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
/** @typedef {'torch' | 'numpy' | 'sklearn' | 'yaml' | 'pytest' | 'xdist'} Module */
/**
 * @typedef {object} Probe
 * @property {string} python      absolute path to start it by; behind a shim, the interpreter itself
 * @property {[number, number]} version
 * @property {Partial<Record<Module, string>>} origins  the file each module would be loaded from
 * @property {Partial<Record<Module, string>>} errors   why a module that is there could not be imported
 * @property {Torch | null} torch
 * @property {boolean} makesVenvs  has the modules that make a virtual environment with pip
 * @property {boolean} isManaged   belongs to the system's package manager, so pip must not install into it (PEP 668)
 */
/**
 * @typedef {object} Torch
 * @property {string | null} version
 * @property {string | null} cuda  version of CUDA it was built for
 * @property {number} gpus         CUDA devices it can use now
 */
/**
 * @typedef {{ environment: string, watched: [path: string, mtimeMs: number | null][], probe: Probe | null }} Remembered
 */

/** The oldest Python the trainers are written for. */
export const MIN_PYTHON = /** @type {const} */ ([3, 10]);

/** The youngest Python for which the locked torch has a build. */
export const MAX_LOCKED_PYTHON = /** @type {const} */ ([3, 14]);

/** The oldest torch the trainers run with. */
const MIN_TORCH = /** @type {const} */ ([1, 13]);

const CACHE_VERSION = 2;
const IMPORT_TIMEOUT_MS = 180_000;

/** Variables that change what an interpreter finds. */
const ENVIRONMENT = [
  'HOME',
  'PYTHONPATH',
  'PYTHONHOME',
  'PYTHONNOUSERSITE',
  'PYENV_VERSION',
  'LD_LIBRARY_PATH',
  'CUDA_VISIBLE_DEVICES',
];

/**
 * Looks for the modules without importing them, and only if this can be the trainers' Python imports them, since a
 * torch that is there may still fail to load a shared library. Must run on any Python 3. The answer is its last line: a
 * module may print while it is imported.
 */
const SCRIPT = `
import importlib.util, json, os, sys, sysconfig
sys.path[:] = [p for p in sys.path if p]
origins, errors, found = {}, {}, None
for name in ("numpy", "torch", "sklearn", "yaml", "pytest", "xdist"):
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
    try:
        import torch
        version = getattr(torch, "__version__", None)
        found = {"version": version and str(version), "cuda": getattr(torch.version, "cuda", None), "gpus": 0}
        if found["cuda"] and torch.cuda.is_available():
            found["gpus"] = torch.cuda.device_count()
    except BaseException:
        pass
virtual = sys.prefix != getattr(sys, "base_prefix", sys.prefix)
managed = not virtual and os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))
venvs = all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))
print("\\n" + json.dumps({"executable": sys.executable, "version": sys.version_info[:2], "path": sys.path,
                         "origins": origins, "errors": errors, "torch": found, "makesVenvs": venvs,
                         "isManaged": managed}))
`;

/** Whether the module is there and can be imported. @param {Probe} probe @param {Module} module */
export function has(probe, module) {
  return probe.origins[module] !== undefined && probe.errors[module] === undefined;
}

/** Whether the locked packages have builds for it, so that a virtual environment can be made from it. @param {Probe} probe */
export function canCarryLocks(probe) {
  const [major, minor] = probe.version;
  return isRecentEnough(probe) && major === MAX_LOCKED_PYTHON[0] && minor <= MAX_LOCKED_PYTHON[1];
}

/** A version that cannot be read is taken for a recent one. @param {string | null | undefined} version */
export function isTorchRecentEnough(version) {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version ?? '') ?? [];
  if (major === undefined) return true;
  return Number(major) > MIN_TORCH[0] || (Number(major) === MIN_TORCH[0] && Number(minor) >= MIN_TORCH[1]);
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
    const { executable, path, ...rest } = JSON.parse(line);
    const python = isShim(candidate) && isAbsolute(executable) ? executable : candidate;
    return { probe: { python, ...rest }, path };
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
