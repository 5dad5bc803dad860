/**
 * The keys of a lab: one nkey per role of this machine, those issued to other machines, the archive's key for sealed scores, the
 * secret behind agents' tokens.
 *
 * Role: stores them in `<home>/credentials`, created on first use; issues, lists and revokes keys of other machines, each with a
 * role, an end, and an inbox that no other key may hear, in `issued.json` (public halves, names and times). Non-role: permissions
 * (subjects), credentials for external servers, admitting keys (the server, from its configuration, which the archive's
 * process renews).
 *
 *   CRE-1  A secret exists in its file (mode 0600, folder 0700) and in the memory of processes that use it; never in
 *          arguments or an environment. The server sees public halves only.
 *   ISS-1  The lab stores public halves of issued keys. A seed exists in the file that goes to its machine (mode 0600).
 *   ISS-2  A name is issued once: a revoked one stays in the list, and its key is never admitted again.
 *   ISS-3  The list is complete whenever it exists: it is written aside and renamed into place, by one process at a time.
 */
import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { nkeys } from 'nats';
import * as z from 'zod';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import { keptSecret, newSealingKey, newToken, publicSealingKey, readSecret, systemClock } from '../platform/index.ts';
import type { Access } from './connection.ts';
import { listeningOf } from './serverConfig.ts';
import { type BusUser, ownInbox, type Permissions, permissionsOf, type Role, roles } from './subjects.ts';

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

// Keys of other machines.

/** Roles of other machines. The archive's own key opens everything and stays with it. */
export const issuableRoles = ['worker', 'agent', 'viewer', 'search'] as const;

export type IssuableRole = (typeof issuableRoles)[number];

export const credentialNameSchema = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/);

const issuedSchema = z.strictObject({
  name: credentialNameSchema,
  role: z.enum(issuableRoles),
  /** Public nkey. */
  nkey: z.string().regex(/^U[A-Z2-7]{55}$/),
  /** Milliseconds since the epoch. */
  issuedAt: z.int(),
  expiresAt: z.int().nullable(),
  revokedAt: z.int().nullable(),
});

export type Issued = z.infer<typeof issuedSchema>;

const listSchema = z.strictObject({ v: z.literal(1), issued: z.array(issuedSchema).max(100_000) });

const listPath = (home: string): string => join(home, 'credentials', 'issued.json');

/** First line of an issued file: it tells the client to use the key's own inbox. */
const ownInboxMark = '# aira: own inbox';

/** @throws PrerequisiteError `credentials` for a list that cannot be read. */
export function issuedCredentials(home: string): Issued[] {
  const path = listPath(home);
  try {
    return listSchema.parse(JSON.parse(readFileSync(path, 'utf8'))).issued;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return [];
    const message = `the list of credentials ${path} cannot be read (${errorMessage(thrown)})`;
    throw new PrerequisiteError('credentials', message, 'restore it from a backup, or delete it and issue them again', {
      cause: thrown,
    });
  }
}

export const isAdmitted = ({ expiresAt, revokedAt }: Issued, now: number): boolean =>
  revokedAt === null && (expiresAt === null || now < expiresAt);

/** Users of the server for the credentials that are admitted now. */
const issuedUsers = (home: string, now: number): ({ readonly nkey: string } & Permissions)[] =>
  issuedCredentials(home)
    .filter((each) => isAdmitted(each, now))
    .map(({ nkey, role }) => ({ nkey, ...permissionsOf(role, ownInbox(nkey)) }));

/**
 * Issues a credential and writes its seed to a new file.
 *
 * @param expiresAt milliseconds since the epoch; null for one without an end.
 * @throws PrerequisiteError `credential-exists`, `credentials`.
 */
export function issueCredential(
  home: string,
  { name, role, expiresAt }: Pick<Issued, 'name' | 'role' | 'expiresAt'>,
  file: string,
  now: number,
): Issued {
  const key = nkeys.createUser();
  const issued: Issued = { name, role, nkey: key.getPublicKey(), issuedAt: now, expiresAt, revokedAt: null };
  change(home, (before) => {
    if (before.some((each) => each.name === name)) {
      const message = `a credential "${name}" was issued before`;
      throw new PrerequisiteError('credential-exists', message, 'choose another name; a revoked name stays revoked');
    }
    const end = expiresAt === null ? 'without an end' : `until ${new Date(expiresAt).toISOString()}`;
    const text = `${ownInboxMark}\n# ${role} ${name}, ${end}\n${new TextDecoder().decode(key.getSeed())}\n`;
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      writeFileSync(file, text, { mode: 0o600, flag: 'wx', flush: true });
      chmodSync(file, 0o600);
    } catch (cause) {
      const message = `cannot write ${file} (${errorMessage(cause)})`;
      throw new PrerequisiteError('credentials', message, 'choose another folder with --to', { cause });
    }
    return [...before, issued];
  });
  return issued;
}

/** Revokes a credential; again changes nothing. @throws PrerequisiteError `credential-unknown`, `credentials`. */
export function revokeCredential(home: string, name: string, now: number): Issued {
  let found: Issued | undefined;
  change(home, (before) =>
    before.map((each) => {
      if (each.name !== name) return each;
      found = { ...each, revokedAt: each.revokedAt ?? now };
      return found;
    }),
  );
  if (found) return found;
  throw new PrerequisiteError('credential-unknown', `no credential "${name}" was issued`, 'see: aira credentials list');
}

/** Changes the list while no other process does. */
function change(home: string, alter: (issued: Issued[]) => Issued[]): void {
  const path = listPath(home);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const aside = `${path}.new`;
  let file: number;
  try {
    file = openSync(aside, 'wx', 0o600);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
    const message = `another command is changing the credentials of ${home}`;
    throw new PrerequisiteError('credentials', message, `repeat the command; if none runs, delete ${aside}`);
  }
  try {
    writeFileSync(file, `${JSON.stringify({ v: 1, issued: alter(issuedCredentials(home)) }, null, 1)}\n`, {
      flush: true,
    });
    renameSync(aside, path);
  } catch (thrown) {
    rmSync(aside, { force: true });
    throw thrown;
  } finally {
    closeSync(file);
  }
}
