import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { allOnPath, findProgram, isExecutable } from './command.mjs';
import { SetupError } from './errors.mjs';
import { systemPath } from './host.mjs';
import { has, isRecentEnough, MIN_PYTHON } from './pythonProbe.mjs';

/** @typedef {import('./host.mjs').Host} Host */
/** @typedef {import('./pythonProbe.mjs').Probe} Probe */
/** @typedef {import('./pythonProbe.mjs').PythonProbes} PythonProbes */
/** @typedef {import('./pythonProbe.mjs').Module} Module */
/**
 * `packages` are Debian's, to be installed; `pip` is what only the owner of an interpreter should install into it.
 *
 * @typedef {object} PythonFindings
 * @property {Probe | null} chosen
 * @property {{ name: string, why: string }[]} packages
 * @property {{ python: string, projects: string[], why: string }[]} pip
 */

/** The name of each module's project on PyPI. */
const PROJECTS = /** @type {Record<Module, string>} */ ({
  torch: 'torch',
  numpy: 'numpy',
  sklearn: 'scikit-learn',
  pytest: 'pytest',
});

/**
 * Interpreters to try, best first: an active virtual environment, the repository's own `.venv`, PATH, then the
 * system's. An interpreter reached by two names is listed once; one in a virtual environment is never the same as the
 * one it links to.
 *
 * @param {Host} host
 * @returns {string[]} absolute paths
 */
export function pythonCandidates(host) {
  const environments = [host.env.VIRTUAL_ENV, join(host.root, '.venv')].filter((folder) => folder !== undefined);
  const inEnvironments = environments.map((folder) => join(folder, 'bin/python')).filter(isExecutable);
  const found = [...inEnvironments, ...allOnPath(host, 'python3'), ...systemPythons(host)];

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
  return isRecentEnough(probe) && has(probe, 'torch') && has(probe, 'numpy');
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
 * The trainers' Python: AIRA_PYTHON when set, which is honoured or refused but never replaced; else the first candidate
 * that can import torch and numpy.
 *
 * @param {Host} host
 * @param {PythonProbes} probes
 * @returns {Promise<Probe | null>}
 */
export async function choosePython(host, probes) {
  const explicit = host.env.AIRA_PYTHON;
  if (explicit) return chooseExplicit(host, probes, explicit);
  for (const candidate of pythonCandidates(host)) {
    const probe = await probes.get(candidate);
    if (probe && canTrain(probe)) return probe;
  }
  return null;
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
  const missing = /** @type {Module[]} */ (['torch', 'numpy', 'sklearn']).filter((module) => !has(probe, module));
  throw refuse(
    `which lacks torch or numpy`,
    `run \`${probe.python} -m pip install ${missing.map((module) => PROJECTS[module]).join(' ')}\``,
  );
}

/**
 * The Python for the Python tests: `preferred` when it has pytest too, else the first candidate that has everything.
 *
 * @param {Host} host
 * @param {PythonProbes} probes
 * @param {Probe | null} preferred
 * @returns {Promise<Probe | null>}
 */
export async function choosePytestPython(host, probes, preferred) {
  if (preferred && has(preferred, 'pytest')) return preferred;
  for (const candidate of pythonCandidates(host)) {
    const probe = await probes.get(candidate);
    if (probe && canTrain(probe) && has(probe, 'sklearn') && has(probe, 'pytest')) return probe;
  }
  return null;
}

/**
 * The chosen Python and what is still missing for it.
 *
 * @param {Host} host
 * @param {PythonProbes} probes
 * @returns {Promise<PythonFindings>}
 */
export async function inspectPython(host, probes) {
  const chosen = await choosePython(host, probes);
  if (!chosen) return { chosen, packages: await packagesForSystemPython(host, probes), pip: [] };

  /** @type {Module[]} */
  const missing = has(chosen, 'sklearn') ? [] : ['sklearn'];
  if (host.dev && !(await choosePytestPython(host, probes, chosen))) missing.push('pytest');
  if (missing.length === 0) return { chosen, packages: [], pip: [] };

  if (hasDebianTorch(host, chosen)) {
    const packages = missing.map((module) => ({ name: `python3-${module}`, why: `${chosen.python} has no ${module}` }));
    return { chosen, packages, pip: [] };
  }
  const broken = missing.map((module) => chosen.errors[module]).find((error) => error !== undefined);
  const why = `${chosen.python} has torch but ${broken ? `cannot import all it needs (${broken})` : `no ${missing.join(' and no ')}`}`;
  return {
    chosen,
    packages: [],
    pip: [{ python: chosen.python, projects: missing.map((module) => PROJECTS[module]), why }],
  };
}

/** Debian's packages for a machine on which no Python can train. @param {Host} host @param {PythonProbes} probes */
async function packagesForSystemPython(host, probes) {
  const path = systemPath(host, 'usr/bin/python3');
  const system = isExecutable(path) ? await probes.get(path) : null;
  /** @type {Module[]} */
  const wanted = host.dev ? ['torch', 'numpy', 'sklearn', 'pytest'] : ['torch', 'numpy', 'sklearn'];
  const why = `no Python ${MIN_PYTHON.join('.')} or newer with torch and numpy was found`;
  return wanted
    .filter((module) => !system || !has(system, module))
    .map((module) => ({ name: `python3-${module}`, why }));
}
