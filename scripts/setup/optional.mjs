import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { allOnPath, findProgram } from './command.mjs';
import { installPackages, rootAccess } from './debian.mjs';
import { SetupError } from './errors.mjs';
import { hasApt, stateFolder } from './host.mjs';
import { writeWhole } from './toolchain.mjs';

/** @typedef {import('./host.mjs').Host} Host */

/**
 * Programs that Aira is better with and runs without: installed on Debian where that can be done unattended.
 *
 * @typedef {object} Optional
 * @property {string} record  where it is recorded that the installation failed, so that it is tried once
 * @property {(host: Host) => import('./debian.mjs').Package[]} missing
 * @property {string} without  what follows, with the reason after it in brackets
 */

/** The compiler that set-up and the engine would use. @param {Host} host @returns {string | null} */
export function findCompiler(host) {
  if (host.env.CXX) return findProgram(host, host.env.CXX);
  return ['c++', 'g++', 'clang++'].flatMap((name) => allOnPath(host, name))[0] ?? null;
}

/** Whether a package with compiled code can be built here, which node-gyp does. @param {Host} host */
export const canCompile = (host) => findCompiler(host) !== null && allOnPath(host, 'make').length > 0;

/** Of npm packages without a ready-made binary, and of the native engine, whose own line says what it lacks. @type {Optional} */
export const COMPILER = {
  record: 'compiler-tried',
  missing(host) {
    if (canCompile(host)) return [];
    const why = 'the native engine is compiled, and so are npm packages without a binary for this machine';
    const compiler = findCompiler(host) === null ? ['g++'] : [];
    const others = ['make', 'python3'].filter((name) => allOnPath(host, name).length === 0);
    return [...compiler, ...others].map((name) => ({ name, why }));
  },
  without: 'npm packages without a binary for this machine cannot be built, since there is no C++ compiler with make',
};

/** Only tasks that run programs of agents need it, and they say so. @type {Optional} */
export const SANDBOX = {
  record: 'sandbox-tried',
  missing: (host) =>
    allOnPath(host, 'bwrap').length > 0
      ? []
      : [{ name: 'bubblewrap', why: 'programs that agents write are run in a sandbox' }],
  without: 'programs that agents write cannot be run here, since there is no bubblewrap',
};

/** @param {Host} host @param {Optional} optional */
function recordPath(host, { record }) {
  return join(stateFolder(host), record);
}

/**
 * Whether nothing is left to do about it: it is there, this is no Debian, or it could not be installed before.
 *
 * @param {Host} host @param {Optional} optional
 */
export function isTried(host, optional) {
  return !hasApt(host) || optional.missing(host).length === 0 || existsSync(recordPath(host, optional));
}

/** Installs it where that can be done unattended, and goes on without it otherwise. @param {Host} host @param {Optional} optional */
export async function tryOptional(host, optional) {
  const problem = await install(host, optional);
  if (problem === null) return;
  host.say(`${optional.without} (${problem})`);
  writeWhole(recordPath(host, optional), `${problem}\n`);
}

/** @param {Host} host @param {Optional} optional @returns {Promise<string | null>} why it could not be installed */
async function install(host, optional) {
  const access = await rootAccess(host);
  if (access.prefix === null) return access.reason;
  try {
    await installPackages(host, access.prefix, optional.missing(host));
    const [still] = optional.missing(host);
    return still === undefined ? null : `the package ${still.name} lacks its program`;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    return error.message;
  }
}
