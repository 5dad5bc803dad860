/**
 * The project's own virtual environment: torch from the package index, every file pinned by its hash.
 *
 * Role: choose the lock, make the environment, say what it was made from. Non-role: choosing it as the trainers' Python
 * (`python.mjs`), and installing into an environment that a person made.
 *
 * VEN-1. Only an environment with `aira-lock` in it is ever changed: it was made here.
 * VEN-2. It names the locks only after the last package is installed, so an interrupted installation is repeated.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { allOnPath, run } from './command.mjs';
import { SetupError } from './errors.mjs';
import { dataFolder } from './host.mjs';
import { writeWhole } from './toolchain.mjs';

/** @typedef {import('./host.mjs').Host} Host */
/** @typedef {import('./nvidia.mjs').Nvidia} Nvidia */
/**
 * @typedef {object} VenvPlan
 * @property {string | null} base  interpreter to make it from; null: uv fetches one
 * @property {string[]} locks      files below requirements/
 * @property {string} why
 */

/** CUDA 13 needs this driver; older ones, from 525, run CUDA 12 (NVIDIA's table of minor-version compatibility). */
const CUDA13_DRIVER = 580;

/** What uv is asked for where there is no interpreter to build on. */
const UV_PYTHON = '3.12';

/** torch 2.14 with its CUDA libraries unpacks to 5.5 GB; pip needs the archives at the same time. */
const LEAST_FREE_BYTES = 9e9;

/** Absolute path of the environment. @param {Host} host */
export function venvFolder(host) {
  return join(dataFolder(host), '.venv');
}

/** @param {Host} host */
export function venvPython(host) {
  return join(venvFolder(host), 'bin/python');
}

/** @param {Host} host */
function stampPath(host) {
  return join(venvFolder(host), 'aira-lock');
}

/** The locks for this machine. @param {Host} host @param {Nvidia} nvidia */
export function locksFor(host, nvidia) {
  const major = Number.parseInt(nvidia.driver ?? '', 10);
  const old = nvidia.names.length > 0 && major < CUDA13_DRIVER;
  return [old ? 'torch-cuda12.txt' : 'torch.txt', ...(host.dev ? ['tests.txt'] : [])];
}

/** @param {Host} host @param {string[]} locks */
function contentOf(host, locks) {
  const lines = locks.map((name) => {
    const text = readFileSync(join(host.root, 'requirements', name));
    return `${name} ${createHash('sha256').update(text).digest('hex')}\n`;
  });
  return lines.join('');
}

/** Whether the environment was made here. @param {Host} host */
export function isOwnVenv(host) {
  return existsSync(stampPath(host));
}

/** Why the environment may not be changed: a person made it (VEN-1); null where it may. @param {Host} host */
export function foreignVenv(host) {
  if (!existsSync(venvPython(host)) || isOwnVenv(host)) return null;
  return new SetupError(
    `${venvPython(host)} was not made by set-up and lacks packages: remove that environment, or complete it, then start again.`,
    { exitCode: 2 },
  );
}

/** Whether it contains all of these locks as they are now. @param {Host} host @param {string[]} locks */
export function isVenvCurrent(host, locks) {
  if (!isOwnVenv(host)) return false;
  const made = readFileSync(stampPath(host), 'utf8').split('\n');
  return contentOf(host, locks)
    .trimEnd()
    .split('\n')
    .every((line) => made.includes(line));
}

/** @param {Host} host */
export function findUv(host) {
  return allOnPath(host, 'uv')[0] ?? null;
}

/**
 * Makes the environment, or brings it to its locks. Uses uv where there is one, else pip.
 *
 * @param {Host} host @param {VenvPlan} plan
 * @throws {SetupError}
 */
export async function makeVenv(host, plan) {
  const foreign = foreignVenv(host);
  if (foreign) throw foreign;
  const folder = venvFolder(host);
  requireSpace(host, folder);
  const uv = findUv(host);
  host.say(`installing torch into ${folder} (a download of about 3 GB): ${plan.why}`);
  const isThere = isOwnVenv(host) && existsSync(venvPython(host));
  if (!isThere) {
    writeWhole(stampPath(host), 'unfinished\n');
    const args = uv ? ['venv', '--allow-existing', '--python', plan.base ?? UV_PYTHON, folder] : ['-m', 'venv', folder];
    await step(host, 'making the environment', uv ?? plan.base ?? 'python3', args);
  }
  const files = plan.locks.flatMap((name) => ['-r', join(host.root, 'requirements', name)]);
  if (uv) {
    await step(host, 'uv pip install', uv, [
      ...['pip', 'install', '--python', venvPython(host), '--require-hashes', ...files],
    ]);
  } else {
    await step(host, 'pip install', venvPython(host), [
      ...['-m', 'pip', 'install', '--require-hashes', '--no-input', '--disable-pip-version-check', ...files],
    ]);
  }
  writeWhole(stampPath(host), contentOf(host, plan.locks));
}

/** @param {Host} host @param {string} label @param {string} program @param {string[]} args */
async function step(host, label, program, args) {
  const finished = await run(host, label, program, args, { progress: lastWords });
  if (finished.code === 0) return;
  throw new SetupError(`${label} failed: see its last lines below.`, { details: finished.tail });
}

/** The latest line of pip or uv, shortened: `Downloading torch-2.14.1-cp312-...whl (530.1 MB)`. @param {string} line */
function lastWords(line) {
  const text = line.trim().replace(/\s+--hash=\S+/g, '');
  return text === '' ? null : text.slice(0, 90);
}

/** @param {Host} host @param {string} folder */
function requireSpace(host, folder) {
  // The data folder of a user who has just installed the package does not exist yet.
  mkdirSync(dataFolder(host), { recursive: true });
  const { bavail, bsize } = statfsSync(existsSync(folder) ? folder : dataFolder(host));
  if (bavail * bsize >= LEAST_FREE_BYTES) return;
  const gigabytes = (/** @type {number} */ bytes) => `${(bytes / 1e9).toFixed(1)} GB`;
  throw new SetupError(
    `${gigabytes(bavail * bsize)} are free in ${dataFolder(host)}, and torch with its CUDA libraries needs ${gigabytes(LEAST_FREE_BYTES)}: free some, or choose another Python with AIRA_PYTHON.`,
    { exitCode: 2 },
  );
}
