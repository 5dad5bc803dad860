/** What a process of a lab starts with, from options and the environment: the server and its credentials, clock, workers, models. */
import { readFileSync } from 'node:fs';
import type { LabOptions } from '../actors/index.ts';
import { type Access, accessOfSeedFile, withoutCredentials } from '../bus/index.ts';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import type { SearchId } from '../domain/ids.ts';
import type { SearchSpec } from '../domain/search.ts';
import { probeEngine } from '../evaluators/index.ts';
import { retrievers } from '../literature/index.ts';
import { archivePath, isThere, readArchive } from '../memory/index.ts';
import {
  childEnvironment,
  createLogger,
  findNatsServer,
  findPython,
  packageRoot,
  systemClock,
  systemTimers,
} from '../platform/index.ts';
import { dataFolder, registeredTasks } from '../tasks/index.ts';
import { airaVersion } from './commands/setup.ts';
import { option } from './options.ts';

/**
 * `AIRA_ACK_WAIT_SECONDS`: after this long without a heartbeat a worker counts as lost. All processes on a NATS server
 * must use the same value. Default 30 s; tests that kill components use less.
 *
 * @throws PrerequisiteError `ack-wait` for anything but a number from 1 to 3600.
 */
function ackWaitMs(text = process.env.AIRA_ACK_WAIT_SECONDS): number {
  if (text === undefined || text === '') return 30_000;
  const seconds = Number(text);
  if (seconds >= 1 && seconds <= 3600) return Math.round(seconds * 1000);
  const message = `AIRA_ACK_WAIT_SECONDS must be a number from 1 to 3600, got ${JSON.stringify(text)}`;
  throw new PrerequisiteError('ack-wait', message, 'correct or unset it');
}

/** Address of a NATS server, and files with the credentials for it. */
export interface NatsOptions {
  nats?: string;
  natsCreds?: string;
  natsNkey?: string;
  natsCa?: string;
  natsCert?: string;
  natsKey?: string;
}

export interface SystemOptions extends NatsOptions {
  home: string;
  port?: number;
  /** Price file of the user. */
  prices?: string;
  /** A recording to answer from. */
  replay?: string;
  /** Use cached literature only. */
  offline?: boolean;
  /** Run programs of agents without a sandbox. */
  unsafe?: boolean;
  /** Third-party task directories that workers of this process may run. */
  task?: readonly string[];
  /** Folders of own primitives that workers of this process may train. */
  primitives?: readonly string[];
  /** Allowed endpoints of language models. */
  baseUrl?: readonly string[];
  /** Real paths of programs that agents of this process may run. */
  program?: readonly string[];
  /** Folders with scaffolds that agents of this process may have. */
  scaffolds?: readonly string[];
}

/** Dependencies of a component that trains nothing. */
export function partOptions(options: SystemOptions) {
  const log = createLogger('aira');
  const room = retrievers({
    environment: process.env,
    version: airaVersion,
    offline: options.offline === true,
    clock: systemClock,
    timers: systemTimers,
    log,
  });
  return {
    home: options.home,
    ...natsAccess(options, process.env),
    ackWaitMs: ackWaitMs(),
    clock: systemClock,
    timers: systemTimers,
    openRetriever: room.open,
    closeReading: room.close,
    log,
  };
}

/** Dependencies of a lab in production. @throws PrerequisiteError without a usable Python. */
export async function labOptions(options: SystemOptions): Promise<LabOptions> {
  const python = await findPython();
  await probeEngine(python);
  return {
    ...partOptions(options),
    programs: options.program ?? [],
    scaffolds: options.scaffolds ?? [],
    natsServer: findNatsServer,
    port: options.port,
    helpers: { python, env: childEnvironment(process.env), packageRoot },
    workers: {
      python,
      data: dataFolder(options.home),
      unsafe: options.unsafe === true,
      primitives: options.primitives ?? [],
      tasks: [...(options.task ?? []), ...registeredTasks(options.home)],
    },
    chat: {
      environment: process.env,
      addresses: options.baseUrl ?? [],
      prices: options.prices,
      replay: options.replay,
    },
  };
}

/** Endpoints of language models that agents name. */
export const addressesOf = (agents: readonly Pick<SearchSpec['agents'][number], 'baseUrl'>[]): string[] =>
  agents.flatMap(({ baseUrl }) => baseUrl ?? []);

/** Files of programs that agents run. */
export const programsOf = (agents: readonly Pick<SearchSpec['agents'][number], 'program'>[]): string[] =>
  agents.flatMap(({ program }) => program?.path ?? []);

/** The agents of a search in this home's archive; none for a search recorded elsewhere. */
export function recordedAgents(home: string, search: SearchId): SearchSpec['agents'] {
  if (!isThere(archivePath(home), home)) return [];
  const reader = readArchive(home);
  try {
    return reader.searches.exists(search) ? reader.searches.spec(search).agents : [];
  } finally {
    reader.close();
  }
}

/** Secrets come from files or the environment: every user of the machine can read arguments. */
export const natsOptions = () => {
  const url = option(
    '--nats <url>',
    'connect to this NATS server instead of embedding one; several of a cluster with commas (also NATS_URL)',
  );
  return [
    // NATS_URL is the variable of NATS's own tools; ours wins. It may contain a password, which help must not print.
    process.env.NATS_URL ? url.default(process.env.NATS_URL, 'NATS_URL') : url,
    option('--nats-creds <file>', 'user credentials, as written by nsc'),
    option('--nats-nkey <file>', 'file with the seed of an nkey known to the server'),
    option('--nats-ca <file>', 'CA certificate of the server (TLS)'),
    option('--nats-cert <file>', 'client certificate (TLS)'),
    option('--nats-key <file>', 'private key of the client certificate'),
  ];
};

const invalid = (message: string, remedy: string, cause?: unknown) =>
  new PrerequisiteError('nats-credentials', message, remedy, { cause });

function read(path: string | undefined, flag: string): Buffer | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path);
  } catch (thrown) {
    throw invalid(`the file of ${flag} cannot be read: ${errorMessage(thrown)}`, 'correct the path or its permissions');
  }
}

function parse(url: string): URL {
  try {
    return new URL(url.includes('://') ? url : `nats://${url}`);
  } catch (thrown) {
    const remedy =
      'give nats://host:port or tls://host:port; write special characters of a password as %40 and the like';
    throw invalid(`"${withoutCredentials(url)}" is not the address of a NATS server`, remedy, thrown);
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (thrown) {
    throw invalid('the user or password in the NATS address is not URL-encoded', 'write % as %25', thrown);
  }
}

/** The servers of one cluster: one protocol, one pair of credentials, which any of the addresses may name. */
function parseAll(list: string): URL[] {
  const servers = list.split(',').map((url) => parse(url.trim()));
  if (new Set(servers.map(({ protocol }) => protocol)).size > 1) {
    throw invalid('some addresses of the NATS servers use TLS and some do not', 'give tls:// for each of them');
  }
  const named = servers
    .filter(({ username }) => username !== '')
    .map(({ username, password }) => `${username}:${password}`);
  if (new Set(named).size > 1) {
    throw invalid('the addresses of the NATS servers name different users', 'servers of a cluster share their users');
  }
  return servers;
}

/**
 * The addresses without credentials, separated by commas, and the credentials: from a file, `AIRA_NATS_USER` with
 * `AIRA_NATS_PASSWORD`, `AIRA_NATS_TOKEN`, or an address (user and password, or a token if there is only one word).
 *
 * @throws PrerequisiteError `nats-credentials` for a file that cannot be read, two kinds of credentials, or addresses that are
 * not of one cluster.
 */
export function natsAccess(
  options: NatsOptions,
  environment: Readonly<Record<string, string | undefined>>,
): { url: string | null; access: Access | null } {
  const { nats, natsCreds, natsNkey, natsCa, natsCert, natsKey } = options;
  if (nats === undefined) {
    const credential = Object.entries({ natsCreds, natsNkey, natsCa, natsCert, natsKey }).find(([, path]) => path);
    if (!credential) return { url: null, access: null };
    const flag = credential[0].replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw invalid(`--${flag} needs an external NATS server`, 'give --nats as well');
  }
  const servers = parseAll(nats);
  const parsed = servers.find(({ username }) => username !== '') ?? (servers[0] as URL);
  const [name, password] = [decoded(parsed.username), decoded(parsed.password)];
  const { AIRA_NATS_USER, AIRA_NATS_PASSWORD, AIRA_NATS_TOKEN } = environment;
  const nkey = read(natsNkey, '--nats-nkey');
  const kinds: Access[] = [];
  const creds = read(natsCreds, '--nats-creds');
  if (creds) kinds.push({ creds });
  if (nkey) kinds.push(accessOfSeedFile(nkey.toString('utf8')));
  if (name !== '' && password !== '') kinds.push({ user: name, password });
  else if (name !== '') kinds.push({ token: name });
  else if (AIRA_NATS_USER) kinds.push({ user: AIRA_NATS_USER, password: AIRA_NATS_PASSWORD ?? '' });
  else if (AIRA_NATS_TOKEN) kinds.push({ token: AIRA_NATS_TOKEN });
  if (kinds.length > 1) throw invalid('two kinds of credentials for the NATS server', 'give one of them');
  if ((natsCert === undefined) !== (natsKey === undefined)) {
    throw invalid('--nats-cert and --nats-key must be given together', 'give both or neither');
  }
  const files = {
    ca: read(natsCa, '--nats-ca'),
    cert: read(natsCert, '--nats-cert'),
    key: read(natsKey, '--nats-key'),
  };
  const texts = Object.entries(files).flatMap(([kind, bytes]) => (bytes ? [[kind, bytes.toString('utf8')]] : []));
  const tls = texts.length > 0 || parsed.protocol === 'tls:' ? { tls: Object.fromEntries(texts) } : {};
  const access = { ...kinds[0], ...tls };
  const url = nats
    .split(',')
    .map((each) => withoutCredentials(each.trim()))
    .join(',');
  return { url, access: Object.keys(access).length > 0 ? access : null };
}

/** Warning for a server without per-role permissions. */
export const unseparated = (url: string): string =>
  `the NATS server at ${url} does not separate the roles of a lab: any client can impersonate any component`;
