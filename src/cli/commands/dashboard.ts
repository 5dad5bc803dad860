/** `aira dashboard`, and the dashboard that `aira launch --dashboard` opens: the server, connected to its labs. */
import { spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { limitsFor, roleConnections, tokensOf } from '../../actors/index.ts';
import { embeddedUrl } from '../../bus/index.ts';
import type { Dashboard, LiveLab } from '../../dashboard/index.ts';
import { AiraError, PrerequisiteError, TerminalError } from '../../domain/errors.ts';
import { agentNameSchema, nodeIdSchema, type SearchId, searchIdSchema } from '../../domain/ids.ts';
import { readArchive } from '../../memory/index.ts';
import { deferred, packageRoot, systemClock, systemTimers } from '../../platform/index.ts';
import type { CommandBody } from '../../views/index.ts';
import { exitCodes, onInterrupt, outliveOutput } from '../fail.ts';
import { numberWithin, option, pathArgument, withOptions } from '../options.ts';
import { type NatsOptions, natsOptions, partOptions, type SystemOptions } from '../setting.ts';

/** Not registered for anything, and easy to remember; `--port` chooses another. */
const usualPort = 8240;

interface DashboardOptions extends NatsOptions {
  home?: readonly string[];
  port: number;
  host: string;
  open: 'yes' | 'no';
}

const browsers: Readonly<Partial<Record<NodeJS.Platform, string>>> = { darwin: 'open', linux: 'xdg-open' };

/** Opens a file in the user's browser; a machine without one shows the printed address. */
function openInBrowser(path: string): void {
  const program = browsers[process.platform];
  if (program === undefined) return;
  const browser = spawn(program, [path], { stdio: 'ignore', detached: true });
  browser.on('error', () => undefined);
  browser.unref();
}

/**
 * A page that leads a browser to the dashboard. The token is in this file, which only its owner can read, because every user
 * of a machine can read the arguments of a browser.
 */
function privateLink(home: string, url: string): { readonly path: string; remove(): void } {
  const path = join(home, 'dashboard.html');
  const page = `<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=${url}"><title>Aira</title>\n`;
  writeFileSync(path, page, { mode: 0o600 });
  return { path, remove: () => rmSync(path, { force: true }) };
}

async function dashboard(options: DashboardOptions): Promise<number> {
  const homes = options.home ?? [pathArgument('.aira')];
  const [first = ''] = homes;
  // A mistyped home is an error here; one that is damaged later is shown as such.
  for (const home of homes) readArchive(home).close();
  outliveOutput();
  const { home: _, ...nats } = options;
  const server = await openDashboard(homes, options, { ...nats, home: first });
  const stop = deferred<void>();
  const interrupts = onInterrupt(() => stop.resolve());
  process.stdout.write(`dashboard: ${server.url}\n`);
  const canOpen = options.open === 'yes' && process.stdout.isTTY;
  const link = canOpen ? privateLink(first, server.url) : null;
  if (link) openInBrowser(link.path);
  try {
    await stop.promise;
    return interrupts.code() ?? exitCodes.ok;
  } finally {
    link?.remove();
    interrupts.dispose();
    await server.close();
  }
}

export function dashboardCommand(done: (code: number) => void): Command {
  const command = new Command('dashboard')
    .description('show searches in a browser, while they run and after')
    .action(async (options: DashboardOptions) => done(await dashboard(options)));
  return withOptions(
    command,
    option('--home <dir>', 'a lab to show (default: .aira); repeatable').argParser(
      (text: string, before: readonly string[] | undefined) => [...(before ?? []), pathArgument(text)],
    ),
    option('--port <number>', 'port of the page; 0 for a free one')
      .default(usualPort)
      .argParser(numberWithin(0, 65_535)),
    option(
      '--host <address>',
      'address to listen on; any but this machine’s own needs the token for reading too',
    ).default('127.0.0.1'),
    option('--open <choice>', 'open a browser if run at a terminal').choices(['yes', 'no']).default('yes'),
    ...natsOptions(),
  );
}

/** The agent as which a person proposes; it must be in the search file, with a budget like any other. */
const personName = agentNameSchema.parse('person');

/** Pages that `npm run build` has made. */
const pagesFolder = join(packageRoot, 'dist', 'pages');

type Setting = ReturnType<typeof partOptions>;

/** The names of ids are checked by the archive; here they only must be ids. @throws TerminalError */
function idOf<T>(schema: { safeParse(value: string): { success: boolean; data?: T } }, value: string): T {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new TerminalError('unknown-node', `"${value.slice(0, 60)}" is not an id`);
  return parsed.data as T;
}

/**
 * Connects to the lab that runs in a home, for its dashboard: as a viewer for heartbeats, as a person for rulings, and as the
 * agent `person` once one proposes.
 */
async function connectLab(setting: Setting, home: string): Promise<LiveLab | null> {
  const url = setting.url ?? embeddedUrl(home);
  if (url === null) return null;
  const { access, ackWaitMs, clock, log, timers, openRetriever } = setting;
  const buses = roleConnections({ url, access }, home, { limits: limitsFor(ackWaitMs), clock, log });
  try {
    const viewer = await buses.open('viewer');
    const person = await buses.open('person');
    const { Outsider } = await import('../../mcp/index.ts');
    const proposers = new Map<SearchId, InstanceType<typeof Outsider>>();
    const proposer = async (search: SearchId) => {
      const known = proposers.get(search);
      if (known) return known;
      const bus = proposers.size === 0 ? await buses.open('agent') : buses.as('agent');
      const token = tokensOf(home)(search, personName);
      const outsider = new Outsider({ search, name: personName, token, bus, openRetriever, timers, log });
      try {
        await outsider.joined();
      } catch (thrown) {
        if (!(thrown instanceof AiraError) || thrown.code !== 'unknown-agent') throw thrown;
        const message = `search "${search}" has no agent "${personName}", as which people propose`;
        const remedy = `add { name: ${personName}, model: outside/mcp, scaffold: outside } to the agents of its file`;
        throw new PrerequisiteError('no-person', message, remedy);
      }
      proposers.set(search, outsider);
      return outsider;
    };
    const replies = new Map<string, Awaited<ReturnType<LiveLab['command']>>>();
    const propose = async (search: SearchId, body: Extract<CommandBody, { kind: 'propose' }>) => {
      const known = replies.get(`${search} ${body.idempotencyKey}`);
      if (known) return known;
      const outsider = await proposer(search);
      const view = await outsider.view();
      if (view.state === 'closed') throw new TerminalError('closed', `no more proposals: ${view.reason}`);
      if (view.state === 'waiting') {
        throw new TerminalError('waiting', 'earlier proposals of people must be scored first; try again later');
      }
      const { reply } = await outsider.submit({
        key: body.idempotencyKey,
        ordinal: view.view.ordinal,
        operator: body.operator,
        parents: body.parents.map((each) => idOf(nodeIdSchema, each)),
        candidate: body.candidate,
        hypothesis: body.why,
        change: body.why,
        choice: 'proposed by a person at the dashboard',
        expected: null,
        evidence: [],
        lessons: [],
      });
      const node = reply.node;
      if (reply.verdict === 'refused' && node === null) throw new TerminalError('closed', reply.message);
      const sentence =
        reply.verdict === 'accepted' ? `${node} was accepted.` : `${node} was ${reply.reason}: ${reply.message}`;
      const answer = { id: body.idempotencyKey, sentence, node };
      replies.set(`${search} ${body.idempotencyKey}`, answer);
      return answer;
    };
    return {
      heartbeats: viewer,
      ended: new Promise<void>(() => undefined),
      async command(given, body) {
        const search = idOf(searchIdSchema, given);
        const { idempotencyKey: id } = body;
        const why = 'why' in body && body.why !== undefined ? { why: body.why } : {};
        if (body.kind === 'propose') return propose(search, body);
        const ruled =
          body.kind === 'veto'
            ? await person.ask('search-rule', { search, id, ...why, kind: 'veto', node: idOf(nodeIdSchema, body.node) })
            : body.kind === 'raise-budget'
              ? await person.ask('search-rule', {
                  ...{ search, id, ...why, kind: 'raise-budget' },
                  limits: {
                    ...(body.minutes === undefined ? {} : { minutes: body.minutes }),
                    ...(body.deviceSeconds === undefined ? {} : { deviceSeconds: body.deviceSeconds }),
                    ...(body.costUsd === undefined ? {} : { dollars: body.costUsd }),
                    ...(body.tokens === undefined ? {} : { tokens: Math.round(body.tokens) }),
                  },
                })
              : await person.ask('search-rule', {
                  ...{ search, id, ...why, kind: body.kind },
                  ...(body.agent === undefined ? {} : { agent: idOf(agentNameSchema, body.agent) }),
                });
        return { ...ruled, node: null };
      },
      close: () => buses.close(),
    };
  } catch (thrown) {
    await buses.close();
    throw thrown;
  }
}

interface DashboardAddress {
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
}

/** Starts the dashboard of some homes. @throws PrerequisiteError `port-in-use`, `address` */
export async function openDashboard(
  homes: readonly string[],
  { host, port }: DashboardAddress,
  options: SystemOptions,
): Promise<Dashboard> {
  // Loaded on demand: no other command serves HTTP.
  const { startDashboard } = await import('../../dashboard/index.ts');
  const setting = partOptions(options);
  const dashboard = await startDashboard({
    homes,
    host,
    port,
    pages: pagesFolder,
    connect: (home) => connectLab(setting, home),
    clock: systemClock,
    timers: systemTimers,
    log: setting.log,
  });
  return {
    ...dashboard,
    async close() {
      await dashboard.close();
      setting.closeReading();
    },
  };
}
