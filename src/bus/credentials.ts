/**
 * The keys of a lab: one nkey per role, the archive's key for sealed scores, the secret behind agents' tokens.
 *
 * Role: stores them in `<home>/credentials`, created on first use. The server sees public halves only. Non-role: permissions,
 * credentials for external servers.
 *
 *   CRE-1  A secret exists in its file (mode 0600, folder 0700) and in the memory of processes that use it; never in
 *          arguments or an environment.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nkeys } from 'nats';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import { keptSecret, newSealingKey, newToken, publicSealingKey, readSecret, systemClock } from '../platform/index.ts';
import type { Access } from './connection.ts';
import { issuedUsers, ownInboxMark } from './issued.ts';
import { listeningOf } from './listening.ts';
import { type BusUser, permissionsOf, type Role, roles } from './subjects.ts';

export const credentialsFolder = (home: string): string => join(home, 'credentials');
const seedFile = (home: string, role: Role): string => join(credentialsFolder(home), `${role}.nk`);

/** @throws PrerequisiteError `credentials` for any error of the action. */
function usable<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw new PrerequisiteError(
      'credentials',
      `cannot use ${path} (${errorMessage(cause)})`,
      'make the file readable for this user, or stop the lab and delete it to create a new one',
      { cause },
    );
  }
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const newSeed = (): string => new TextDecoder().decode(nkeys.createUser().getSeed());

/**
 * The users of a lab's own server: the roles of this machine, and the credentials of others that are admitted now. Creates
 * missing keys. @throws PrerequisiteError `credentials`.
 */
export function labUsers(home: string, now = systemClock.now()): BusUser[] {
  const own = roles.map((role) => {
    const path = seedFile(home, role);
    const nkey = usable(path, () => nkeys.fromSeed(bytesOf(keptSecret(path, newSeed))).getPublicKey());
    return { nkey, ...permissionsOf(role) };
  });
  return [...own, ...issuedUsers(home, now)];
}

/** The key in a seed file; lines that begin with # are remarks. An issued one has an inbox of its own. */
export function accessOfSeedFile(text: string): Access {
  const lines = text.split('\n').map((line) => line.trim());
  const seed = lines.find((line) => line !== '' && !line.startsWith('#')) ?? '';
  return { nkeySeed: bytesOf(seed), ...(lines.includes(ownInboxMark) ? { ownInbox: true } : {}) };
}

/**
 * Credentials of a role for this home's lab; null if the home has no key for it.
 *
 * @throws PrerequisiteError `credentials`.
 */
export function labAccess(home: string, role: Role): Access | null {
  const path = seedFile(home, role);
  const text = usable(path, () => readSecret(path));
  if (text === null) return null;
  usable(path, () => nkeys.fromSeed(bytesOf(text)));
  const listening = listeningOf(home);
  if (listening === null) return { nkeySeed: bytesOf(text) };
  const { ca } = listening.tls;
  return { nkeySeed: bytesOf(text), tls: { ca: usable(ca, () => readFileSync(ca, 'utf8')) } };
}

/** The archive's private key for sealed scores, as PEM. @throws PrerequisiteError `credentials`. */
export function sealingKey(home: string): string {
  const path = join(credentialsFolder(home), 'sealing.pem');
  return usable(path, () => {
    const pem = keptSecret(path, newSealingKey);
    publicSealingKey(pem);
    return pem;
  });
}

/**
 * The secret from which a process derives its agents' tokens. Stored, so that an agent restarted after a crash can prove
 * that it is the one that joined. @throws PrerequisiteError `credentials`.
 */
export function agentSecret(home: string): string {
  const path = join(credentialsFolder(home), 'agents.secret');
  return usable(path, () => keptSecret(path, newToken));
}
