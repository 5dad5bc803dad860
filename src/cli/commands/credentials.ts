import { copyFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Argument, Command, InvalidArgumentError } from 'commander';
import {
  accountsOf,
  credentialNameSchema,
  type IssuableRole,
  type Issued,
  isAdmitted,
  issuableRoles,
  issueCredential,
  issuedCredentials,
  labUsers,
  listeningOf,
  makeCertificates,
  recordListening,
  revokeCredential,
} from '../../bus/index.ts';
import { PrerequisiteError } from '../../domain/errors.ts';
import { privateHome } from '../../memory/index.ts';
import { jsonLine, printable, systemClock } from '../../platform/index.ts';
import { exitCodes } from '../fail.ts';
import { homeOption, jsonOption, option, pathArgument, portNumber, requireHome, withOptions } from '../options.ts';

const print = (text: string): boolean => process.stdout.write(`${text}\n`);

interface InitOptions {
  home: string;
  host: readonly string[];
  listen: string;
  port: number;
  tlsCert?: string;
  tlsKey?: string;
  tlsCa?: string;
}

async function init({ home, host, listen, port, tlsCert, tlsKey, tlsCa }: InitOptions): Promise<number> {
  const given = [tlsCert, tlsKey, tlsCa].filter((path) => path !== undefined);
  if (given.length !== 0 && given.length !== 3) {
    const message = 'a certificate needs its private key and the CA that signed it';
    throw new PrerequisiteError('certificates', message, 'give --tls-cert, --tls-key and --tls-ca, or none of them');
  }
  requireHome(home);
  privateHome(home);
  const own = listen === '0.0.0.0' || listen === '::' ? [] : [listen];
  const tls =
    tlsCert && tlsKey && tlsCa
      ? { cert: tlsCert, key: tlsKey, ca: tlsCa }
      : await makeCertificates(home, [...host, ...own]);
  recordListening(home, { v: 1, host: listen, port, names: [...host], tls });
  labUsers(home);
  print(
    `the archive of ${printable(home)} will listen on ${listen}:${port} with TLS, as tls://${printable(host[0] ?? '')}:${port}`,
  );
  print(`start it:         aira archive --home ${printable(home)}`);
  print(`for each machine: aira credentials worker <name> --expires 7d --home ${printable(home)}`);
  return exitCodes.ok;
}

/** `aira archive init`. */
export function archiveInitCommand(done: (code: number) => void): Command {
  const command = new Command('init')
    .description('prepare a lab for several machines: keys, certificates, and where its archive listens')
    .action(async (options: InitOptions) => done(await init(options)));
  return withOptions(
    command,
    homeOption(),
    option('--host <name>', 'name or address by which other machines reach it; repeatable')
      .makeOptionMandatory()
      .argParser((text: string, before: readonly string[] | undefined) => {
        if (!/^[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?$/.test(text)) {
          throw new InvalidArgumentError('expected a host name or an IP address');
        }
        return [...(before ?? []), text];
      }),
    option('--listen <address>', 'address of the interface').default('0.0.0.0'),
    option('--port <number>', 'port').default(4222).argParser(portNumber),
    option('--tls-cert <file>', 'certificate of the server (default: a new CA signs one)').argParser(pathArgument),
    option('--tls-key <file>', 'its private key').argParser(pathArgument),
    option('--tls-ca <file>', 'the CA that signed it').argParser(pathArgument),
  );
}

const units: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

function duration(text: string): number {
  const [, number = '', unit = ''] = /^(\d{1,5})([mhd])$/.exec(text) ?? [];
  const ms = Number(number) * (units[unit] ?? 0);
  if (ms === 0) throw new InvalidArgumentError('expected a time such as 90m, 12h or 7d');
  return ms;
}

function nameArgument(text: string): string {
  if (credentialNameSchema.safeParse(text).success) return text;
  throw new InvalidArgumentError('expected small letters, digits and hyphens, 63 at most');
}

function domainArgument(text: string): string {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(text)) return text;
  throw new InvalidArgumentError('expected letters, digits, hyphens and underscores, 64 at most');
}

interface Options {
  home: string;
  json?: boolean;
}

function issue(
  role: IssuableRole,
  name: string,
  { home, json, expires, to }: Options & { expires?: number; to?: string },
): number {
  privateHome(home);
  const now = systemClock.now();
  const folder = to ?? join(home, 'credentials', 'issued', name);
  const file = join(folder, `${role}.nk`);
  const issued = issueCredential(
    home,
    { name, role, expiresAt: expires === undefined ? null : now + expires },
    file,
    now,
  );
  const listening = listeningOf(home);
  if (listening) copyFileSync(listening.tls.ca, join(folder, 'ca.pem'));
  if (json) return print(jsonLine({ ...issued, file })) ? exitCodes.ok : exitCodes.failed;
  const url = listening ? `tls://${listening.names[0]}:${listening.port}` : 'tls://<host>:<port>';
  print(
    `${role} ${name}, ${endOf(issued)}: copy ${printable(resolve(folder))} to its machine, readable for its user alone`,
  );
  print(`there: aira ${role} --nats ${url} --nats-nkey ${role}.nk${listening ? ' --nats-ca ca.pem' : ''}`);
  if (!listening) print('a server of your own needs the new block: aira credentials accounts');
  return exitCodes.ok;
}

const endOf = ({ expiresAt }: Issued): string =>
  expiresAt === null ? 'without an end' : `until ${new Date(expiresAt).toISOString()}`;

function list({ home, json }: Options): number {
  const now = systemClock.now();
  for (const each of issuedCredentials(home)) {
    const state = each.revokedAt !== null ? 'revoked' : isAdmitted(each, now) ? 'admitted' : 'expired';
    print(
      json
        ? jsonLine({ ...each, state })
        : `${each.name.padEnd(24)} ${each.role.padEnd(8)} ${state.padEnd(9)} ${endOf(each)}`,
    );
  }
  return exitCodes.ok;
}

/** `aira credentials`. */
export function credentialsCommand(done: (code: number) => void): Command {
  const credentials = new Command('credentials').description('keys for other machines: issue, list, revoke');
  for (const role of issuableRoles) {
    const command = new Command(role)
      .description(`issue the key of a ${role} on another machine`)
      .addArgument(new Argument('<name>', 'of the machine').argParser(nameArgument))
      .action((name: string, options: Options & { expires?: number; to?: string }) => done(issue(role, name, options)));
    credentials.addCommand(
      withOptions(
        command,
        homeOption(),
        option('--expires <time>', 'such as 12h or 7d; without it, until revoked').argParser(duration),
        option('--to <folder>', 'where the files for the machine go (default: in the home)').argParser(pathArgument),
        jsonOption(),
      ),
    );
  }
  const listed = new Command('list')
    .description('list the issued keys')
    .action((options: Options) => done(list(options)));
  const revoke = new Command('revoke')
    .description('revoke a key: its connections are cut off within a second')
    .addArgument(new Argument('<name>', 'of the machine').argParser(nameArgument))
    .action((name: string, { home }: Options) => {
      revokeCredential(home, name, systemClock.now());
      print(`${name} is revoked`);
      done(exitCodes.ok);
    });
  const accounts = new Command('accounts')
    .description('print the accounts of this lab for the configuration of a NATS server of your own')
    .action(({ home, leaf }: Options & { leaf?: string }) => {
      print(`accounts: ${JSON.stringify(accountsOf(labUsers(home), leaf), null, 1)}`);
      done(exitCodes.ok);
    });
  credentials.addCommand(withOptions(listed, homeOption(), jsonOption()));
  credentials.addCommand(withOptions(revoke, homeOption()));
  credentials.addCommand(
    withOptions(
      accounts,
      homeOption(),
      option(
        '--leaf <domain>',
        'for a leaf node of a server whose JetStream has this domain: the leaf passes requests to it',
      ).argParser(domainArgument),
    ),
  );
  return credentials;
}
