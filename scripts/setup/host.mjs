import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Everything set-up may know of the machine and of its caller, gathered in one place so that tests can hand over
 * another machine.
 *
 * @typedef {'auto' | 'venv' | 'debian' | 'none'} PythonChoice
 *
 * @typedef {object} Host
 * @property {string} root        the repository
 * @property {string} systemRoot  where `usr`, `etc` and `var` are: `/`, unless a test says otherwise
 * @property {NodeJS.ProcessEnv} env
 * @property {string} platform    as `process.platform`
 * @property {number} uid         0 is root; -1 where the platform has no user ids
 * @property {string} execPath    the Node that runs us
 * @property {boolean} dev        also provide what the tests need
 * @property {PythonChoice} [python]  which Python to provide; absent: as last time, `auto` at first
 * @property {(line: string) => void} say  one line to the person who waits
 */

/**
 * @param {string} root
 * @param {boolean} dev
 * @param {PythonChoice} [python]
 * @returns {Host}
 */
export function currentHost(root, dev, python) {
  return {
    root,
    systemRoot: '/',
    env: process.env,
    platform: process.platform,
    uid: process.getuid?.() ?? -1,
    execPath: process.execPath,
    dev,
    ...(python === undefined ? {} : { python }),
    say: (line) => process.stderr.write(`setup: ${line}\n`),
  };
}

/** @param {Host} host @param {string[]} parts */
export function systemPath(host, ...parts) {
  return join(host.systemRoot, ...parts);
}

/** The folder for set-up's own state; it lies in `dist/` because both are rebuilt when missing. @param {Host} host */
export function stateFolder(host) {
  return join(host.root, 'dist', '.setup');
}

/** Whether this is an installed package, which has neither sources nor a lock of npm packages. @param {Host} host */
export function isPackage(host) {
  return !existsSync(join(host.root, 'src'));
}

/**
 * Where the virtual environment is made: in a checkout the checkout; for an installed package, whose folder npm empties
 * at every update, the user's data folder (XDG base directories).
 *
 * @param {Host} host
 */
export function dataFolder(host) {
  if (!isPackage(host)) return host.root;
  return join(host.env.XDG_DATA_HOME || join(host.env.HOME || homedir(), '.local/share'), 'aira');
}

/** The command that runs set-up again. @param {Host} host */
export function setupCommand(host) {
  return isPackage(host) ? 'npx aira setup' : 'node scripts/setup.mjs';
}

/** @param {Host} host */
export function hasApt(host) {
  return host.platform === 'linux' && existsSync(systemPath(host, 'etc/debian_version'));
}
