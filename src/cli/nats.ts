import { readFileSync } from 'node:fs';
import { type Access, withoutCredentials } from '../bus/index.ts';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import { option } from './options.ts';

/** Where to meet, and files that hold what to show there. */
export interface NatsOptions {
  nats?: string;
  natsCreds?: string;
  natsNkey?: string;
  natsCa?: string;
  natsCert?: string;
  natsKey?: string;
}

/** Secrets come in files or in the environment: everybody on the machine can read arguments. */
export const natsOptions = () => {
  const url = option('--nats <url>', 'meet at this NATS server instead of embedding one (also NATS_URL)');
  return [
    // NATS_URL is what NATS's own tools read; ours comes first. It may hold a password, which help must not print.
    process.env.NATS_URL ? url.default(process.env.NATS_URL, 'NATS_URL') : url,
    option('--nats-creds <file>', 'credentials of a user of that server, as nsc writes them'),
    option('--nats-nkey <file>', 'the seed of an nkey that the server knows'),
    option('--nats-ca <file>', 'the authority that the server’s TLS certificate comes from'),
    option('--nats-cert <file>', 'a certificate of our own to show to the server'),
    option('--nats-key <file>', 'its private key'),
  ];
};

const wrong = (message: string, remedy: string, cause?: unknown) =>
  new PrerequisiteError('nats-credentials', message, remedy, { cause });

function read(path: string | undefined, flag: string): Buffer | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path);
  } catch (thrown) {
    throw wrong(`the file of ${flag} cannot be read: ${errorMessage(thrown)}`, 'correct the path or its permissions');
  }
}

function parse(url: string): URL {
  try {
    return new URL(url.includes('://') ? url : `nats://${url}`);
  } catch (thrown) {
    const remedy =
      'give nats://host:port or tls://host:port; write special characters of a password as %40 and the like';
    throw wrong(`"${withoutCredentials(url)}" is no address of a NATS server`, remedy, thrown);
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (thrown) {
    throw wrong('user or password in the NATS address are not encoded as a URL wants it', 'write % as %25', thrown);
  }
}

/**
 * The address without credentials, and what was given to show there: a file, `AIRA_NATS_USER` with `AIRA_NATS_PASSWORD`,
 * `AIRA_NATS_TOKEN`, or user and password (a token where there is only one word) in the address.
 *
 * @throws PrerequisiteError `nats-credentials` for a file that cannot be read, or credentials of two kinds.
 */
export function natsAccess(
  options: NatsOptions,
  environment: Readonly<Record<string, string | undefined>>,
): { url: string | null; access: Access | null } {
  const { nats, natsCreds, natsNkey, natsCa, natsCert, natsKey } = options;
  if (nats === undefined) {
    const given = Object.entries({ natsCreds, natsNkey, natsCa, natsCert, natsKey }).find(([, path]) => path);
    if (!given) return { url: null, access: null };
    const flag = given[0].replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw wrong(`--${flag} is for a server that runs elsewhere, and none is named`, 'give --nats as well');
  }
  const parsed = parse(nats);
  const [name, password] = [decoded(parsed.username), decoded(parsed.password)];
  const { AIRA_NATS_USER, AIRA_NATS_PASSWORD, AIRA_NATS_TOKEN } = environment;
  const nkey = read(natsNkey, '--nats-nkey');
  const kinds: Access[] = [];
  const creds = read(natsCreds, '--nats-creds');
  if (creds) kinds.push({ creds });
  if (nkey) kinds.push({ nkeySeed: new TextEncoder().encode(nkey.toString('utf8').trim()) });
  if (name !== '' && password !== '') kinds.push({ user: name, password });
  else if (name !== '') kinds.push({ token: name });
  else if (AIRA_NATS_USER) kinds.push({ user: AIRA_NATS_USER, password: AIRA_NATS_PASSWORD ?? '' });
  else if (AIRA_NATS_TOKEN) kinds.push({ token: AIRA_NATS_TOKEN });
  if (kinds.length > 1) throw wrong('credentials of two kinds are given for the NATS server', 'give one of them');
  if ((natsCert === undefined) !== (natsKey === undefined)) {
    throw wrong('--nats-cert and --nats-key go together, and one is missing', 'give both, or none');
  }
  const files = {
    ca: read(natsCa, '--nats-ca'),
    cert: read(natsCert, '--nats-cert'),
    key: read(natsKey, '--nats-key'),
  };
  const texts = Object.entries(files).flatMap(([kind, bytes]) => (bytes ? [[kind, bytes.toString('utf8')]] : []));
  const tls = texts.length > 0 || parsed.protocol === 'tls:' ? { tls: Object.fromEntries(texts) } : {};
  const access = { ...kinds[0], ...tls };
  const url = nats.replace(/\/\/[^/@]*@/, '//');
  return { url, access: Object.keys(access).length > 0 ? access : null };
}

/** One line for a server that lets every part hear and say everything. */
export const unseparated = (url: string): string =>
  `the NATS server at ${url} does not separate the roles of a lab: whoever may use it may speak in the name of any part`;
