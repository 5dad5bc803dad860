import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Everything set-up may know of the machine and of its caller, gathered in one place so that tests can hand over
 * another machine.
 *
 * @typedef {object} Host
 * @property {string} root        the repository
 * @property {string} systemRoot  where `usr`, `etc` and `var` are: `/`, unless a test says otherwise
 * @property {NodeJS.ProcessEnv} env
 * @property {string} platform    as `process.platform`
 * @property {number} uid         0 is root; -1 where the platform has no user ids
 * @property {string} execPath    the Node that runs us
 * @property {boolean} dev        also provide what the tests need
 * @property {(line: string) => void} say  one line to the person who waits
 */

/**
 * @param {string} root
 * @param {boolean} dev
 * @returns {Host}
 */
export function currentHost(root, dev) {
  return {
    root,
    systemRoot: '/',
    env: process.env,
    platform: process.platform,
    uid: process.getuid?.() ?? -1,
    execPath: process.execPath,
    dev,
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

/** @param {Host} host */
export function hasApt(host) {
  return host.platform === 'linux' && existsSync(systemPath(host, 'etc/debian_version'));
}
