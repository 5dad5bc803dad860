import { allOnPath, findProgram, isExecutable } from './command.mjs';
import { SetupError } from './errors.mjs';
import { systemPath } from './host.mjs';

/** @typedef {import('./host.mjs').Host} Host */

/** The sbin folders are looked into by name: Debian installs there, and an ordinary user's PATH leaves them out. */
const SBIN = ['usr/sbin/nats-server', 'usr/local/sbin/nats-server'];

/**
 * The nats-server to use: AIRA_NATS_SERVER, else PATH, else Debian's place; null when there is none.
 *
 * @param {Host} host
 * @returns {string | null}
 */
export function findNatsServer(host) {
  const explicit = host.env.AIRA_NATS_SERVER;
  if (explicit) {
    const found = findProgram(host, explicit);
    if (found) return found;
    throw new SetupError(
      `AIRA_NATS_SERVER is ${explicit}, which cannot be run: correct it, or unset it to use the one on PATH.`,
      { exitCode: 2 },
    );
  }
  const onPath = allOnPath(host, 'nats-server')[0];
  return onPath ?? SBIN.map((path) => systemPath(host, path)).find(isExecutable) ?? null;
}
