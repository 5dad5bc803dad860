/**
 * `aira doctor`: what this machine needs to run a lab, and with `worker` what it needs to train for a lab elsewhere.
 *
 * Role: printing the checks; address, TLS, credential, archive, clock, evaluators and scratch of a worker. Non-role: programs,
 * GPU and driver of the machine itself (evaluators/doctor.ts).
 */
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { Command } from 'commander';
import { limitsFor, roleConnections } from '../../actors/index.ts';
import { type Access, withoutCredentials } from '../../bus/index.ts';
import { serves } from '../../domain/architecture.ts';
import { errorMessage, PrerequisiteError } from '../../domain/errors.ts';
import { type Check, examineMachine, scaleVersion } from '../../evaluators/index.ts';
import {
  type Clock,
  coloursFor,
  freeBytes,
  jsonLine,
  type Logger,
  leastFreeBytes,
  makeFolder,
  printable,
} from '../../platform/index.ts';
import { exitCodes } from '../fail.ts';
import { homeOption, jsonOption, option, pathArgument, withOptions } from '../options.ts';
import { type NatsOptions, natsOptions, partOptions } from '../setting.ts';

interface Options extends NatsOptions {
  home: string;
  json?: boolean;
  storage?: string;
}

const colours = coloursFor(process.stdout);

function show(checks: readonly Check[], json: boolean | undefined): number {
  for (const check of checks) {
    if (json) {
      process.stdout.write(`${jsonLine(check)}\n`);
      continue;
    }
    const mark = check.ok ? colours.green('ok  ') : colours.red('no  ');
    process.stdout.write(`${mark} ${check.name.padEnd(16)} ${printable(check.detail)}\n`);
    if (!check.ok && check.remedy) process.stdout.write(`     ${colours.dim('remedy:')} ${printable(check.remedy)}\n`);
  }
  return checks.every((check) => check.ok) ? exitCodes.ok : exitCodes.usage;
}

/** `<evaluator> on <device>` of the check of the trainer. */
const evaluatorsOf = (checks: readonly Check[]): string[] =>
  checks.flatMap(({ name, ok, detail }) => (name === 'trainer' && ok ? [detail.split(' on ')[0] ?? ''] : []));

async function doctorWorker(options: Options): Promise<number> {
  const { url, access, home, ackWaitMs, clock, closeReading, log } = partOptions(options);
  closeReading();
  if (url === null) {
    const message = 'the check of a worker needs the address of its NATS server';
    throw new PrerequisiteError('nats-url', message, 'give --nats, or set NATS_URL');
  }
  const machine = await examineMachine({ home, trainsOnly: true });
  const { storage = null } = options;
  const evaluators = [...evaluatorsOf(machine), scaleVersion()];
  return show(
    [...machine, ...(await examineWorker({ url, access, home, storage, evaluators, ackWaitMs, clock, log }))],
    options.json,
  );
}

export function doctorCommand(done: (code: number) => void): Command {
  const command = new Command('doctor')
    .description('check this machine: programs, libraries, speed, disk space')
    .action(async ({ home, json }: Options) => done(show(await examineMachine({ home }), json)));
  const worker = new Command('worker')
    .description('check this machine as a worker of a lab elsewhere: address, TLS, credential, GPU, clock, evaluator')
    .action(async (options: Options) => done(await doctorWorker(options)));
  const storage = option('--storage <dir>', 'folder for checkpoints of runs at scale').argParser(pathArgument);
  command.addCommand(withOptions(worker, homeOption(), ...natsOptions(), storage, jsonOption()));
  return withOptions(command, homeOption(), jsonOption());
}

const connectWithinMs = 5000;
/** Below this a difference is that of the network's delay, or harmless: clocks are for records only. */
const tolerableMs = 5000;
const dayMs = 86_400_000;
const expiresSoonMs = 7 * dayMs;

interface WorkerExamination {
  readonly url: string;
  readonly access: Access | null;
  readonly home: string;
  readonly storage: string | null;
  /** Of this machine's trainers. */
  readonly evaluators: readonly string[];
  readonly ackWaitMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

const failed = (name: string, detail: string, remedy: string): Check => ({ name, ok: false, detail, remedy });

/** Opens a connection, and reads the server's first line. @throws Error */
async function firstLine(host: string, port: number): Promise<Record<string, unknown>> {
  const socket = createConnection({ host, port });
  socket.setTimeout(connectWithinMs, () => socket.destroy(new Error(`silent for ${connectWithinMs / 1000} s`)));
  try {
    return await new Promise((resolve, reject) => {
      let text = '';
      socket.on('error', reject).on('close', () => reject(new Error('the server closed the connection')));
      socket.on('data', (bytes) => {
        text += bytes.toString('utf8');
        const line = /^INFO (\{.*\})\s*\r\n/.exec(text);
        if (line) resolve(JSON.parse(line[1] ?? '{}') as Record<string, unknown>);
        else if (text.length > 65_536 || !'INFO '.startsWith(text.slice(0, 5))) reject(new Error('not a NATS server'));
      });
    });
  } finally {
    socket.destroy();
  }
}

/** Upgrades a connection as NATS does: the server speaks first, in clear. @throws Error why the certificate is refused. */
async function certificateOf(
  host: string,
  port: number,
  ca: string | undefined,
): Promise<{ issuer: string; until: number }> {
  const socket = createConnection({ host, port });
  socket.setTimeout(connectWithinMs, () => socket.destroy(new Error(`silent for ${connectWithinMs / 1000} s`)));
  try {
    await new Promise((resolve, reject) => {
      socket.once('data', resolve).once('error', reject);
    });
    socket.removeAllListeners('data');
    const secured = await new Promise<TLSSocket>((resolve, reject) => {
      const upgraded = tlsConnect({
        socket,
        servername: /^[\d.:]+$/.test(host) ? '' : host,
        host,
        ...(ca === undefined ? {} : { ca }),
      });
      upgraded.once('secureConnect', () => resolve(upgraded)).once('error', reject);
    });
    const { issuer, valid_to: until } = secured.getPeerCertificate();
    secured.destroy();
    return { issuer: String(issuer.CN ?? ''), until: Date.parse(until) };
  } finally {
    socket.destroy();
  }
}

async function checkServer({ url, access, clock }: WorkerExamination): Promise<Check[]> {
  const { hostname: host, port: text } = new URL(url.includes('://') ? url : `nats://${url}`);
  const port = Number(text || 4222);
  let info: Record<string, unknown>;
  try {
    info = await firstLine(host.replace(/^\[|\]$/g, ''), port);
  } catch (thrown) {
    const remedy =
      'check the name, the port, and that this node may open connections to it (often only a login node may)';
    return [failed('address', `${withoutCredentials(url)}: ${errorMessage(thrown)}`, remedy)];
  }
  const reached: Check = {
    name: 'address',
    ok: true,
    detail: `nats-server ${String(info.version)} at ${host}:${port}`,
  };
  if (info.tls_required !== true) {
    const isLoopback = /^(127\.|localhost$|\[?::1)/.test(host);
    const clear = failed('tls', 'the server does not use TLS', 'prepare the lab with: aira archive init --host <name>');
    return [reached, isLoopback ? { name: 'tls', ok: true, detail: 'none, on this machine only' } : clear];
  }
  try {
    const ca = access?.tls?.ca;
    const { issuer, until } = await certificateOf(host, port, typeof ca === 'string' ? ca : undefined);
    const left = until - clock.now();
    const detail = `certificate for ${host} by ${issuer}, ${Math.floor(left / dayMs)} days left`;
    const renew = 'renew the certificate of the server';
    return [reached, left < expiresSoonMs ? failed('tls', detail, renew) : { name: 'tls', ok: true, detail }];
  } catch (thrown) {
    const remedy = 'give --nats-ca with the ca.pem of the lab, and a name that its certificate contains';
    return [reached, failed('tls', errorMessage(thrown), remedy)];
  }
}

async function checkArchive(examined: WorkerExamination): Promise<Check[]> {
  const { url, access, home, evaluators, ackWaitMs, clock, log } = examined;
  const buses = roleConnections({ url, access }, home, { limits: limitsFor(ackWaitMs), clock, log });
  try {
    const bus = await buses.open('worker');
    const separated = await bus.separatesRoles();
    const credential: Check = separated
      ? { name: 'credential', ok: true, detail: 'admitted as a worker, and as nothing else' }
      : failed('credential', 'the server lets this machine do anything', 'let it separate the roles: docs/clusters.md');
    const sent = clock.now();
    const hello = await bus.ask('worker-hello', {}, { timeoutMs: 5000, attempts: 1 }).catch((thrown) => {
      log.debug({ error: errorMessage(thrown) }, 'the archive does not answer');
      return null;
    });
    if (!hello) return [credential, failed('archive', 'it does not answer', 'start it: aira archive --home <lab>')];
    const received = clock.now();
    const difference = Math.round(hello.at - (sent + received) / 2);
    const apart = `${(Math.abs(difference) / 1000).toFixed(1)} s ${difference > 0 ? 'behind' : 'ahead of'} the archive's`;
    const missing = hello.evaluators.filter((needed) => isOutdated(needed, evaluators));
    const own = evaluators.join(', ') || 'none';
    return [
      credential,
      { name: 'archive', ok: true, detail: `answers within ${received - sent} ms` },
      Math.abs(difference) < tolerableMs
        ? { name: 'clock', ok: true, detail: apart }
        : failed('clock', apart, 'synchronise it (chrony, systemd-timesyncd): times in records would be wrong'),
      missing.length === 0
        ? { name: 'evaluators', ok: true, detail: `${own}; ${hello.evaluators.length} needed by open jobs` }
        : failed(
            'evaluators',
            `open jobs need ${missing.join(', ')}, and this machine has ${own}`,
            'install the version of Aira, and of torch, that the search was launched with',
          ),
    ];
  } catch (thrown) {
    const remedy = thrown instanceof PrerequisiteError ? thrown.remedy : 'see the message';
    return [failed('credential', errorMessage(thrown), remedy)];
  } finally {
    await buses.close();
  }
}

function checkScratch(name: string, folder: string): Check {
  try {
    makeFolder(folder, 0o700);
    const free = freeBytes(folder);
    const detail = `${Math.floor(free / 2 ** 20)} MB free in ${folder}`;
    if (free >= leastFreeBytes) return { name, ok: true, detail };
    return failed(name, detail, `free at least ${Math.floor(leastFreeBytes / 2 ** 20)} MB`);
  } catch (thrown) {
    return failed(name, errorMessage(thrown), 'choose a folder that this user may write');
  }
}

/** Programs and tables have evaluators that only their workers know. */
const engines = ['native', 'native-bf16', 'torch', 'population', 'scale'];
const engineOf = (evaluator: string): string => evaluator.replace(/-[^-]*$/, '');

/** Whether this machine trains such jobs, and with another version. */
const isOutdated = (needed: string, own: readonly string[]): boolean =>
  engines.includes(engineOf(needed.split('+')[0] ?? '')) && !own.some((each) => serves(each, needed));

/** Never throws: a problem is a failed check. */
export async function examineWorker(examined: WorkerExamination): Promise<Check[]> {
  // Each server of a cluster, since a worker that loses one needs the others; one that can be used leads to the archive.
  const servers = await Promise.all(examined.url.split(',').map((url) => checkServer({ ...examined, url })));
  const isUsable = (checks: readonly Check[]) =>
    checks.every(({ ok }) => ok) || checks.at(-1)?.detail === 'the server does not use TLS';
  return [
    ...servers.flat(),
    ...(servers.some(isUsable) ? await checkArchive(examined) : []),
    checkScratch('scratch', tmpdir()),
    ...(examined.storage === null ? [] : [checkScratch('storage', examined.storage)]),
  ];
}
