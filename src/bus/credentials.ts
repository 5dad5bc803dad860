/**
 * The keys of a lab: one nkey per role, the archive's key for sealed figures, the secret behind the tokens of agents.
 *
 * Role: keeps them in `<home>/credentials`, where they are made when a part of the lab first needs them. The server learns
 * public halves alone. Not here: permissions, credentials for servers of others.
 *
 * Invariant: a secret is in its file, of mode 0600 in a folder of mode 0700, and in the memory of the processes that use it;
 * never in arguments or an environment.
 */

import { join } from 'node:path';
import { nkeys } from 'nats';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import { keptSecret, newSealingKey, newToken, publicSealingKey, readSecret } from '../platform/index.ts';
import type { Access } from './connection.ts';
import { type Permissions, permissionsOf, type Role, roles } from './roles.ts';

/** A user of the embedded server. */
export interface BusUser extends Permissions {
  /** Public nkey. */
  readonly nkey: string;
}

export const credentialsFolder = (home: string): string => join(home, 'credentials');
const seedFile = (home: string, role: Role): string => join(credentialsFolder(home), `${role}.nk`);

/** @throws PrerequisiteError `credentials` for whatever the action throws. */
function usable<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw new PrerequisiteError(
      'credentials',
      `the lab's ${path} cannot be used (${errorMessage(cause)})`,
      'make it a readable file of this user, or delete it while the lab is stopped to have a new one made',
      { cause },
    );
  }
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const newSeed = (): string => new TextDecoder().decode(nkeys.createUser().getSeed());

/** The users of a lab's own server, whose keys are made where there are none. @throws PrerequisiteError `credentials`. */
export function labUsers(home: string): BusUser[] {
  return roles.map((role) => {
    const path = seedFile(home, role);
    const nkey = usable(path, () => nkeys.fromSeed(bytesOf(keptSecret(path, newSeed))).getPublicKey());
    return { nkey, ...permissionsOf(role) };
  });
}

/**
 * What a role of this home's lab shows to the server; null where the home has no key for it.
 *
 * @throws PrerequisiteError `credentials`.
 */
export function labAccess(home: string, role: Role): Access | null {
  const path = seedFile(home, role);
  const text = usable(path, () => readSecret(path));
  if (text === null) return null;
  usable(path, () => nkeys.fromSeed(bytesOf(text)));
  return { nkeySeed: bytesOf(text) };
}

/** The archive's private key for sealed figures, as PEM. @throws PrerequisiteError `credentials`. */
export function sealingKey(home: string): string {
  const path = join(credentialsFolder(home), 'sealing.pem');
  return usable(path, () => {
    const pem = keptSecret(path, newSealingKey);
    publicSealingKey(pem);
    return pem;
  });
}

/**
 * The secret from which a process derives the tokens of its agents. Kept, so that an agent that is started again after a
 * crash proves to be the one that joined. @throws PrerequisiteError `credentials`.
 */
export function agentSecret(home: string): string {
  const path = join(credentialsFolder(home), 'agents.secret');
  return usable(path, () => keptSecret(path, newToken));
}
