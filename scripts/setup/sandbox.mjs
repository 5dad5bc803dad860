import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { allOnPath } from './command.mjs';
import { installPackages, rootAccess } from './debian.mjs';
import { SetupError } from './errors.mjs';
import { hasApt, stateFolder } from './host.mjs';
import { writeWhole } from './toolchain.mjs';

/** @typedef {import('./host.mjs').Host} Host */

const PACKAGE = { name: 'bubblewrap', why: 'programs that agents write are run in a sandbox' };

/** @param {Host} host */
function recordPath(host) {
  return join(stateFolder(host), 'sandbox-tried');
}

/**
 * Whether nothing is left to do about the sandbox: it is there, this is no Debian, or it could not be installed before.
 * Only tasks that run programs of agents need it, and they say so.
 *
 * @param {Host} host
 */
export function isSandboxTried(host) {
  return !hasApt(host) || allOnPath(host, 'bwrap').length > 0 || existsSync(recordPath(host));
}

/** Installs the sandbox where that can be done unattended, and goes on without it otherwise. @param {Host} host */
export async function trySandbox(host) {
  const problem = await install(host);
  if (problem === null) return;
  host.say(`programs that agents write cannot be run here, since there is no bubblewrap (${problem})`);
  writeWhole(recordPath(host), `${problem}\n`);
}

/** @param {Host} host @returns {Promise<string | null>} why it could not be installed */
async function install(host) {
  const access = await rootAccess(host);
  if (access.prefix === null) return access.reason;
  try {
    await installPackages(host, access.prefix, [PACKAGE]);
    return allOnPath(host, 'bwrap').length > 0 ? null : 'its package has no bwrap';
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    return error.message;
  }
}
