/** Components of a lab in processes of their own: how one connects to a NATS server, `aira archive` and `aira agent`. */
import { existsSync } from 'node:fs';
import { Argument, Command } from 'commander';
import {
  type Component,
  type ComponentDeps,
  limitsFor,
  openChat,
  openLab,
  roleConnections,
  startAgent,
  startArchivist,
  tokensOf,
} from '../../actors/index.ts';
import { createModel, OwnScaffolds, Searchers, scaffoldFolders } from '../../agents/index.ts';
import type { Role } from '../../bus/index.ts';
import { PrerequisiteError } from '../../domain/errors.ts';
import type { AgentName, SearchId } from '../../domain/ids.ts';
import { localModels } from '../../domain/model.ts';
import { openRehearsals, primitiveFolders } from '../../evaluators/index.ts';
import { privateHome } from '../../memory/index.ts';
import { exitCodes, onInterrupt } from '../fail.ts';
import {
  agentArgument,
  baseUrlOption,
  homeOption,
  offlineOption,
  option,
  portNumber,
  pricesOption,
  primitivesOption,
  programOption,
  requireHome,
  scaffoldsOption,
  searchArgument,
  taskOption,
  unsafeOption,
  withOptions,
} from '../options.ts';
import { labOptions, natsOptions, type SystemOptions, unseparated } from '../setting.ts';
import { archiveInitCommand } from './credentials.ts';
import { ensureSetUp } from './setup.ts';

/** Other keys are of a whole lab. */
export type PartOptions = Omit<SystemOptions, 'port' | 'replay'>;

export const say = (sentence: string): boolean => process.stderr.write(`${sentence}\n`);

/** Runs components until they end or are interrupted. */
async function untilEnded(parts: readonly Component[]): Promise<number> {
  const interrupts = onInterrupt(() => {
    for (const part of parts) part.drain();
  });
  const ends = await Promise.all(parts.map((part) => part.ended));
  interrupts.dispose();
  const error = ends.find((end) => end !== null);
  if (error) throw error;
  return interrupts.code() ?? exitCodes.ok;
}

interface Connection {
  readonly setting: Awaited<ReturnType<typeof labOptions>>;
  readonly lab: ComponentDeps;
  /** Address of the server. */
  readonly url: string;
}

export async function connectPart(options: PartOptions, role: Role): Promise<Connection> {
  await ensureSetUp();
  // A worker trains for whichever search has jobs: it offers every primitive that it finds.
  const primitives = role === 'worker' ? primitiveFolders(options.primitives ?? []) : [];
  const setting = await labOptions({ ...options, primitives });
  const { url, access, home, ackWaitMs, clock, timers, log } = setting;
  if (url === null) {
    throw new PrerequisiteError(
      'nats-url',
      'a separate component needs the address of a NATS server',
      'give --nats, or set NATS_URL',
    );
  }
  // A worker needs no home, and its machine may have no room for one.
  if (role !== 'worker' || existsSync(home)) privateHome(home);
  const buses = roleConnections({ url, access }, home, { limits: limitsFor(ackWaitMs), clock, log });
  const bus = await buses.open(role);
  if (role !== 'archive' && !(await bus.separatesRoles())) say(unseparated(url));
  return { setting, lab: { bus, tokenOf: tokensOf(home), ackWaitMs, clock, timers, log }, url };
}

async function serveArchive(options: PartOptions & { port?: number }): Promise<number> {
  if (options.nats !== undefined) {
    const { lab, url } = await connectPart(options, 'archive');
    try {
      const archivist = startArchivist(options.home, lab);
      say(`archive of ${options.home} at ${url}`);
      return await untilEnded([archivist]);
    } finally {
      await lab.bus.close();
    }
  }
  // Without --nats this process starts the server that the other components connect to.
  const setting = await labOptions(options);
  requireHome(setting.home);
  const lab = await openLab(setting, ['workers', 'agents']);
  say(`archive of ${options.home} at ${lab.url}`);
  let interrupt = () => {};
  const interrupted = new Promise<void>((resolve) => {
    interrupt = resolve;
  });
  const interrupts = onInterrupt(interrupt);
  try {
    await Promise.race([interrupted, lab.failed]);
    return interrupts.code() ?? exitCodes.ok;
  } finally {
    interrupts.dispose();
    await lab.close();
  }
}

async function serveAgents(search: SearchId, names: readonly AgentName[], options: PartOptions): Promise<number> {
  const folders = scaffoldFolders(options.scaffolds ?? [], undefined, options.home);
  const { setting, lab, url } = await connectPart(options, 'agent');
  const { helpers, openRetriever } = setting;
  const { clock, timers, log } = lab;
  const place = openRehearsals({ ...setting.workers, clock, timers, log });
  const chat = openChat(search, setting.home, setting.chat, place, lab);
  const models = Object.fromEntries(
    localModels.map((name) => [name, createModel(name, helpers, openRetriever)] as const),
  );
  const searchers = new Searchers(helpers, setting.timers, options.program ?? []);
  const scaffolds = new OwnScaffolds(folders);
  const equipment = { models, chat: chat.thinking, rehearsing: chat.rehearsing, openRetriever, scaffolds, searchers };
  try {
    const agents = names.map((name) => startAgent(search, name, equipment, lab));
    say(`${names.join(', ')} of ${search} at ${url}`);
    return await untilEnded(agents);
  } finally {
    for (const model of Object.values(models)) await model.close();
    await searchers.close();
    await chat.close();
    setting.closeReading();
    await lab.bus.close();
  }
}

export function archiveCommand(done: (code: number) => void): Command {
  const command = new Command('archive')
    .description('run the archive service (starts a NATS server unless --nats)')
    .action(async (options: PartOptions & { port?: number }) => done(await serveArchive(options)));
  command.addCommand(archiveInitCommand(done));
  return withOptions(
    command,
    homeOption(),
    ...natsOptions(),
    option('--port <number>', 'port of the embedded NATS server (default: any free port)').argParser(portNumber),
  );
}

export function agentCommand(done: (code: number) => void): Command {
  const command = new Command('agent')
    .description('run agents of a search launched elsewhere')
    .addArgument(new Argument('<search>', 'the search').argParser(searchArgument))
    .addArgument(
      new Argument('<names...>', 'agent names from the search file').argParser(
        (text: string, before: AgentName[] | undefined) => [...(before ?? []), agentArgument(text)],
      ),
    )
    .action(async (search: SearchId, names: AgentName[], options: PartOptions) =>
      done(await serveAgents(search, names, options)),
    );
  return withOptions(
    command,
    homeOption(),
    ...natsOptions(),
    baseUrlOption(),
    pricesOption(),
    offlineOption(),
    taskOption(),
    primitivesOption(),
    scaffoldsOption(),
    programOption(),
    unsafeOption(),
  );
}
