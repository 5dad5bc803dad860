/**
 * The configuration of the embedded server: where it listens, with which certificate, and whom it admits.
 *
 * Role: the file `<home>/listening.json` of `aira archive init` (without it the server listens on the loopback interface), the
 * certificates that it names, which are the user's, or a CA and a server certificate made by OpenSSL, and the text of
 * `nats.conf`. Non-role: the server (server.ts), whose keys they are (credentials).
 *
 *   LIS-1  Beyond loopback there is no connection without TLS.
 *   LIS-2  The private key of the CA is deleted once the server's certificate is signed: it can sign nothing else.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import * as z from 'zod';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import { exec } from '../platform/index.ts';
import { maxEnvelopeBytes } from './envelope.ts';
import type { BusUser } from './subjects.ts';

const listeningSchema = z.strictObject({
  v: z.literal(1),
  /** Address of the interface. */
  host: z.string().min(1),
  port: z.int().min(1).max(65_535),
  /** Names or addresses by which other machines reach it; the first is printed. */
  names: z.array(z.string().min(1)).min(1),
  /** PEM files; `ca` signed `cert`. */
  tls: z.strictObject({ cert: z.string(), key: z.string(), ca: z.string() }),
});

export type Listening = z.infer<typeof listeningSchema>;

const pathOf = (home: string): string => join(home, 'listening.json');

/** Null for a lab on this machine alone. @throws PrerequisiteError `listening` for a file that cannot be read. */
export function listeningOf(home: string): Listening | null {
  try {
    return listeningSchema.parse(JSON.parse(readFileSync(pathOf(home), 'utf8')));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
    const message = `${pathOf(home)} cannot be read (${errorMessage(thrown)})`;
    throw new PrerequisiteError('listening', message, 'write it again with: aira archive init', { cause: thrown });
  }
}

/** Records where the archive listens from its next start on. */
export function recordListening(home: string, listening: Listening): void {
  const path = pathOf(home);
  writeFileSync(path, `${JSON.stringify(listeningSchema.parse(listening), null, 1)}\n`, { mode: 0o600 });
  chmodSync(path, 0o600);
}

/** Limit of many verifiers, also for private CAs. */
const days = 825;

/**
 * Makes a CA and a certificate of the server for these names, and loopback. Files that exist are used again only for the same
 * names; a new CA has to go to every machine.
 *
 * @throws PrerequisiteError `certificates` without OpenSSL.
 */
export async function makeCertificates(home: string, names: readonly string[]): Promise<Listening['tls']> {
  // Next to the other secrets: the audit finds a private key anywhere else.
  const folder = join(home, 'credentials', 'tls');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  const at = (name: string) => join(folder, name);
  const tls = { cert: at('server.pem'), key: at('server.key'), ca: at('ca.pem') };
  const all = [...new Set([...names, 'localhost', '127.0.0.1'])];
  const alternatives = all.map((name) => `${isIP(name) ? 'IP' : 'DNS'}:${name}`).join(',');
  const made = at('names');
  if (existsSync(made) && readFileSync(made, 'utf8') === alternatives) return tls;
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const lifetime = ['-days', `${days}`];
  const [caKey, request, extensions] = [at('ca.key'), at('server.csr'), at('extensions')];
  const openssl = async (...args: string[]): Promise<void> => {
    const { code, stderr } = await exec('openssl', args, { env: { PATH: process.env.PATH ?? '' }, timeoutMs: 60_000 });
    if (code === 0) return;
    const message = `openssl cannot make the certificates (${stderr.trim().split('\n').at(-1)})`;
    throw new PrerequisiteError('certificates', message, 'install openssl, or give --tls-cert, --tls-key and --tls-ca');
  };
  const authority = [
    '-addext',
    'basicConstraints=critical,CA:TRUE,pathlen:0',
    '-addext',
    'keyUsage=critical,keyCertSign',
  ];
  writeFileSync(extensions, `subjectAltName=${alternatives}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n`);
  try {
    await openssl(
      'req',
      '-x509',
      ...newKey,
      '-keyout',
      caKey,
      '-out',
      tls.ca,
      '-subj',
      '/CN=Aira lab',
      ...lifetime,
      ...authority,
    );
    await openssl('req', ...newKey, '-keyout', tls.key, '-out', request, '-subj', '/CN=Aira archive');
    const signed = [
      'x509',
      '-req',
      '-in',
      request,
      '-CA',
      tls.ca,
      '-CAkey',
      caKey,
      '-CAcreateserial',
      '-out',
      tls.cert,
    ];
    await openssl(...signed, ...lifetime, '-extfile', extensions);
    chmodSync(tls.key, 0o600);
    writeFileSync(made, alternatives);
  } finally {
    for (const file of [caKey, request, extensions, at('ca.srl')]) rmSync(file, { force: true });
  }
  return tls;
}

/** The lab's account. Streams are stored in a folder of this name. */
const account = 'AIRA';

/** Limits of the server's disk, memory and clients. Streams have their own limits within these. */
const maxFileBytes = 1024 ** 3;

const maxMemoryBytes = 64 * 1024 ** 2;

const maxConnections = 4096;

const maxConsumers = 4096;

/**
 * Streams of versions whose server had no accounts. They are unreachable now and not deleted by the server; the ledger
 * republishes what is pending.
 */
export const strayStreams = (jetstream: string): string => join(jetstream, 'jetstream', '$G');

/**
 * The block `accounts` of a server's configuration: public keys and permissions.
 *
 * @param leafOf for a leaf node: the JetStream domain of the server that it is connected to. A leaf passes no request to the API of JetStream
 * but those that name a domain, so it maps them; permissions apply to what was mapped.
 */
export function accountsOf(users: readonly BusUser[], leafOf: string | null = null) {
  const api = (subject: string) => (leafOf === null ? subject : subject.replace(/^\$JS\.API\./, `$JS.${leafOf}.API.`));
  const streams =
    leafOf === null
      ? {
          jetstream: { max_store: maxFileBytes, max_mem: maxMemoryBytes, max_streams: 8, max_consumers: maxConsumers },
        }
      : { mappings: { '$JS.API.>': `$JS.${leafOf}.API.>` } };
  return {
    [account]: {
      ...streams,
      users: users.map(({ nkey, publish, subscribe }) => ({
        nkey,
        permissions: { publish: { allow: publish.map(api) }, subscribe: { allow: subscribe } },
      })),
    },
    SYS: { users: [] },
  };
}

/**
 * The configuration of an embedded server: loopback unless it has a certificate, users by public nkey only.
 *
 * All users are in an account: nats-server before 2.9.23 admits clients without credentials if a block \`authorization\` is
 * combined with a system account (CVE-2023-47090).
 */
export function serverConfig({
  port,
  ports,
  jetstream,
  users,
  listening = null,
}: {
  readonly port: number;
  /** Folder for the file with the server's address. */
  readonly ports: string;
  readonly jetstream: string;
  readonly users: readonly BusUser[];
  readonly listening?: Listening | null;
}): string {
  const config = {
    host: listening?.host ?? '127.0.0.1',
    port,
    ports_file_dir: ports,
    ...(listening && { tls: { cert_file: listening.tls.cert, key_file: listening.tls.key } }),
    max_payload: 2 * maxEnvelopeBytes,
    max_connections: maxConnections,
    jetstream: { store_dir: jetstream, max_file_store: maxFileBytes, max_memory_store: maxMemoryBytes },
    accounts: accountsOf(users),
    system_account: 'SYS',
  };
  return `${JSON.stringify(config, null, 1)}\n`;
}
