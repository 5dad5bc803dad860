/**
 * Which Python trains, and what is missing for it.
 *
 * Role: candidates, their order, and what has to be installed. Non-role: installing (`debian.mjs`, `venv.mjs`).
 *
 * PYC-1. AIRA_PYTHON is honoured or refused, never replaced.
 * PYC-2. Only an environment that set-up made is changed by it; what another Python lacks is asked of its owner (PEP 668).
 * PYC-3. With a visible NVIDIA device, a torch that can use it is preferred to any that cannot.
 */
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { allOnPath, findProgram, isExecutable } from './command.mjs';
import { debianOffersTorch } from './debian.mjs';
import { SetupError } from './errors.mjs';
import { hasApt, setupCommand, systemPath } from './host.mjs';
import {
  canCarryLocks,
  has,
  isRecentEnough,
  isTorchRecentEnough,
  MAX_LOCKED_PYTHON,
  MIN_PYTHON,
} from './pythonProbe.mjs';
import { findUv, foreignVenv, isOwnVenv, isVenvCurrent, locksFor, venvPython } from './venv.mjs';

/** @typedef {import('./host.mjs').Host} Host */
/** @typedef {import('./host.mjs').PythonChoice} PythonChoice */
/** @typedef {import('./nvidia.mjs').Nvidia} Nvidia */
/** @typedef {import('./pythonProbe.mjs').Probe} Probe */
/** @typedef {import('./pythonProbe.mjs').PythonProbes} PythonProbes */
/** @typedef {import('./pythonProbe.mjs').Module} Module */
/** @typedef {import('./venv.mjs').VenvPlan} VenvPlan */
/**
 * `packages` are Debian's, `venv` is the environment to make, `pip` is what only the owner of an interpreter should
 * install into it, `nothing` says that no Python can train and none may be installed unasked.
 *
 * @typedef {object} PythonFindings
 * @property {Probe | null} chosen
 * @property {{ name: string, why: string }[]} packages
 * @property {VenvPlan | null} venv
 * @property {{ python: string, projects: string[], why: string }[]} pip
 * @property {boolean} nothing
 */

/** The name of each module's project on the package index. */
const PROJECTS = /** @type {Record<Module, string>} */ ({
  torch: 'torch',
  numpy: 'numpy',
  sklearn: 'scikit-learn',
  yaml: 'pyyaml',
  pytest: 'pytest',
  xdist: 'pytest-xdist',
});

/** @param {Module} module */
const debianPackage = (module) => `python3-${module === 'xdist' ? PROJECTS.xdist : module}`;

/** @type {readonly Module[]} */
const TRAINING = ['torch', 'numpy', 'sklearn', 'yaml'];

/** @type {readonly Module[]} */
const TESTS = ['pytest', 'xdist'];

/** @param {Probe} probe */
const canTest = (probe) => TESTS.every((module) => has(probe, module));

/** @param {Host} host @returns {readonly Module[]} */
const needed = (host) => (host.dev ? [...TRAINING, ...TESTS] : TRAINING);

const isVisible = (/** @type {Nvidia} */ nvidia) => nvidia.names.length > 0 && !nvidia.hidden;

/**
 * Interpreters to try, best first: an active virtual environment or conda environment, PATH, the system's, then the
 * project's own `.venv`. An interpreter reached by two names is listed once; one in a virtual environment is never the
 * same as the one it links to.
 *
 * @param {Host} host
 * @returns {string[]} absolute paths
 */
export function pythonCandidates(host) {
  const active = [host.env.VIRTUAL_ENV, host.env.CONDA_PREFIX].flatMap((folder) =>
    folder ? [join(folder, 'bin/python')] : [],
  );
  const found = [
    ...active.filter(isExecutable),
    ...allOnPath(host, 'python3'),
    ...systemPythons(host),
    ...[venvPython(host)].filter(isExecutable),
  ];

  /** @type {Map<string, string>} */
  const byIdentity = new Map();
  for (const path of found) {
    const isVirtual = existsSync(join(dirname(dirname(path)), 'pyvenv.cfg'));
    const identity = isVirtual ? path : realpathSync(path);
    if (!byIdentity.has(identity)) byIdentity.set(identity, path);
  }
  return [...byIdentity.values()];
}

/** /usr/bin/python3 and /usr/bin/python3.N. @param {Host} host */
function systemPythons(host) {
  const folder = systemPath(host, 'usr/bin');
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => /^python3(\.\d+)?$/.test(name)) : [];
  return names
    .sort()
    .map((name) => join(folder, name))
    .filter(isExecutable);
}

/** @param {Probe} probe */
function canTrain(probe) {
  const modules = isRecentEnough(probe) && has(probe, 'torch') && has(probe, 'numpy');
  return modules && isTorchRecentEnough(probe.torch?.version);
}

/**
 * Whether its torch is Debian's package, so that its other modules and its BLAS are Debian's affair too.
 *
 * @param {Host} host
 * @param {Probe} probe
 */
export function hasDebianTorch(host, probe) {
  return probe.origins.torch?.startsWith(systemPath(host, 'usr/lib/python3/')) ?? false;
}

/**
 * The trainers' Python: AIRA_PYTHON when set; else the first candidate whose torch can use a GPU, where there is one;
 * else the first that can train.
 *
 * @param {Host} host
 * @param {PythonProbes} probes
 * @param {Nvidia} nvidia
 * @param {PythonChoice} [choice]
 * @returns {Promise<Probe | null>}
 */
export async function choosePython(host, probes, nvidia, choice = 'auto') {
  const explicit = host.env.AIRA_PYTHON;
  if (explicit) return chooseExplicit(host, probes, explicit);
  /** @type {Probe | null} */
  let first = null;
  for (const candidate of candidatesFor(host, choice)) {
    const probe = await probes.get(candidate);
    if (!probe || !canTrain(probe)) continue;
    if (!isVisible(nvidia) || (probe.torch?.gpus ?? 0) > 0) return probe;
    first ??= probe;
  }
  return first;
}

/** @param {Host} host @param {PythonChoice} choice */
function candidatesFor(host, choice) {
  if (choice === 'venv') return [venvPython(host)].filter(isExecutable);
  return choice === 'debian' ? systemPythons(host) : pythonCandidates(host);
}

/** @param {Host} host @param {PythonProbes} probes @param {string} explicit */
async function chooseExplicit(host, probes, explicit) {
  const path = findProgram(host, explicit);
  const probe = path && (await probes.get(path));
  const refuse = (/** @type {string} */ fault, /** @type {string} */ remedy) =>
    new SetupError(`AIRA_PYTHON is ${explicit}, ${fault}: ${remedy}, or unset AIRA_PYTHON to have one looked for.`, {
      exitCode: 2,
    });

  if (!probe) throw refuse('which does not run', 'correct it');
  if (!isRecentEnough(probe))
    throw refuse(`which is Python ${probe.version.join('.')}`, `name a Python ${MIN_PYTHON.join('.')} or newer`);
  if (canTrain(probe)) return probe;
  const broken = probe.errors.numpy ?? probe.errors.torch;
  if (broken) throw refuse(`which cannot import torch and numpy (${broken})`, 'repair it');
  if (has(probe, 'torch') && has(probe, 'numpy'))
    throw refuse(`whose torch is ${probe.torch?.version}`, 'install torch 1.13 or newer there');
  const missing = TRAINING.filter((module) => !has(probe, module));
  throw refuse(`which lacks torch or numpy`, `run \`${pipInstall(probe, missing)}\``);
}

/** @param {Probe} probe @param {readonly Module[]} modules */
function pipInstall(probe, modules) {
  return `${probe.python} -m pip install ${modules.map((module) => PROJECTS[module]).join(' ')}`;
}

/**
 * The Python for the Python tests: `preferred` when it has pytest and pytest-xdist too, else the first candidate that has everything.
 *
 * @param {Host} host
 * @param {PythonProbes} probes
 * @param {Probe | null} preferred
 * @returns {Promise<Probe | null>}
 */
export async function choosePytestPython(host, probes, preferred) {
  if (preferred && canTest(preferred)) return preferred;
  for (const candidate of pythonCandidates(host)) {
    const probe = await probes.get(candidate);
    if (probe && canTrain(probe) && has(probe, 'sklearn') && canTest(probe)) return probe;
  }
  return null;
}

/**
 * The chosen Python and what is still missing for it.
 *
 * @param {Host} host
 * @param {PythonProbes} probes
 * @param {Nvidia} nvidia
 * @param {PythonChoice} choice
 * @returns {Promise<PythonFindings>}
 */
export async function inspectPython(host, probes, nvidia, choice) {
  /** @type {PythonFindings} */
  const none = { chosen: null, packages: [], venv: null, pip: [], nothing: false };
  if (choice === 'none') return none;
  const chosen = await choosePython(host, probes, nvidia, choice);
  const isExplicit = Boolean(host.env.AIRA_PYTHON);
  if (!isExplicit) {
    const plan = await planVenv(host, probes, nvidia, choice, chosen);
    if (plan) return { ...none, chosen, ...plan };
  }
  if (!chosen) return missingPython(host, probes, choice);

  /** @type {Module[]} */
  const missing = TRAINING.filter((module) => !has(chosen, module));
  if (host.dev && !(await choosePytestPython(host, probes, chosen))) {
    missing.push(...TESTS.filter((module) => !has(chosen, module)));
  }
  if (missing.length === 0) return { ...none, chosen };

  if (hasDebianTorch(host, chosen)) {
    const packages = missing.map((module) => ({
      name: debianPackage(module),
      why: `${chosen.python} has no ${module}`,
    }));
    return { ...none, chosen, packages };
  }
  const broken = missing.map((module) => chosen.errors[module]).find((error) => error !== undefined);
  const why = `${chosen.python} has torch but ${broken ? `cannot import all it needs (${broken})` : `no ${missing.join(' and no ')}`}`;
  return { ...none, chosen, pip: [{ python: chosen.python, projects: missing.map((each) => PROJECTS[each]), why }] };
}

/**
 * The environment to make or to update, with the package of Debian that making it takes; null where none is due.
 *
 * @param {Host} host @param {PythonProbes} probes @param {Nvidia} nvidia @param {PythonChoice} choice
 * @param {Probe | null} chosen
 * @returns {Promise<Pick<PythonFindings, 'venv' | 'packages'> | null>}
 */
async function planVenv(host, probes, nvidia, choice, chosen) {
  const locks = locksFor(host, nvidia);
  const uses = chosen?.python === venvPython(host);
  const idle = choice === 'auto' && isVisible(nvidia) && (chosen?.torch?.gpus ?? 0) === 0;
  const outdated = (choice === 'venv' || uses) && isOwnVenv(host) && !isVenvCurrent(host, locks);
  const absent = choice === 'venv' && !chosen;
  // An environment of these very locks whose torch cannot use the device would not be better the second time.
  const due = absent || outdated || (idle && !isVenvCurrent(host, locks));
  if (!due) return null;
  const isOptional = chosen !== null && choice === 'auto';
  const foreign = foreignVenv(host);
  if (foreign && isOptional) return null;
  if (foreign) throw foreign;
  const base = await venvBase(host, probes);
  const why = idle ? 'no Python has a torch that can use the NVIDIA device here' : `the trainers' Python`;
  if (base !== undefined) return { venv: { base, locks, why }, packages: [] };
  if (!hasApt(host)) {
    if (isOptional) return null;
    throw noVenvBase();
  }
  const packages = ['python3', 'python3-venv'].map((name) => ({ name, why: `${why}: an environment is made from it` }));
  return { venv: { base: systemPath(host, 'usr/bin/python3'), locks, why }, packages };
}

export function noVenvBase() {
  const range = `${MIN_PYTHON.join('.')} to ${MAX_LOCKED_PYTHON.join('.')}`;
  return new SetupError(
    `no Python ${range} with the module venv was found: install one, or uv (https://docs.astral.sh/uv), then start again.`,
    { exitCode: 2 },
  );
}

/**
 * The interpreter from which an environment with the locks can be made: null where uv fetches one, undefined where
 * nothing can.
 *
 * @param {Host} host @param {PythonProbes} probes
 * @returns {Promise<string | null | undefined>}
 */
export async function venvBase(host, probes) {
  const uv = findUv(host);
  for (const candidate of pythonCandidates(host)) {
    if (candidate === venvPython(host)) continue;
    const probe = await probes.get(candidate);
    if (probe && canCarryLocks(probe) && (uv || probe.makesVenvs)) return probe.python;
  }
  return uv ? null : undefined;
}

/**
 * Where no Python can train: Debian's packages are the quickest way, if they have a torch that is recent enough.
 *
 * @param {Host} host @param {PythonProbes} probes @param {PythonChoice} choice
 * @returns {Promise<PythonFindings>}
 */
async function missingPython(host, probes, choice) {
  const none = { chosen: null, venv: null, pip: [] };
  if (!hasApt(host) || !(await debianOffersTorch(host))) {
    if (choice === 'debian')
      throw new SetupError(
        `this system has no package of torch 1.13 or newer: run \`${setupCommand(host)} --python venv\` instead.`,
        { exitCode: 2 },
      );
    return { ...none, packages: [], nothing: true };
  }
  const path = systemPath(host, 'usr/bin/python3');
  const system = isExecutable(path) ? await probes.get(path) : null;
  const why = `no Python ${MIN_PYTHON.join('.')} or newer with torch and numpy was found`;
  const packages = needed(host)
    .filter((module) => !system || !has(system, module))
    .map((module) => ({ name: debianPackage(module), why }));
  return { ...none, packages, nothing: false };
}
