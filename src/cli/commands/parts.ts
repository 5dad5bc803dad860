import { randomUUID } from 'node:crypto';
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
  startWorker,
  tokensOf,
  type WorkerOptions,
} from '../../actors/index.ts';
import { createModel, Searchers } from '../../agents/index.ts';
import type { Role } from '../../bus/index.ts';
import type { SpaceKind } from '../../domain/candidate.ts';
import { errorMessage, PrerequisiteError } from '../../domain/errors.ts';
import { type AgentName, type SearchId, workerIdSchema } from '../../domain/ids.ts';
import { localModels } from '../../domain/model.ts';
import { openRehearsals, primitiveFolders } from '../../evaluators/index.ts';
import { privateHome } from '../../memory/index.ts';
import { chooseDevices, inspectMachine } from '../../platform/index.ts';
import { probeSandbox } from '../../sandbox/index.ts';
import { exitCodes, onInterrupt } from '../fail.ts';
import { type NatsOptions, natsOptions, unseparated } from '../nats.ts';
import {
  agentArgument,
  baseUrlOption,
  homeOption,
  numberWithin,
  offlineOption,
  option,
  pathArgument,
  portNumber,
  pricesOption,
  primitivesOption,
  requireHome,
  searchArgument,
  taskOption,
  unsafeOption,
  withOptions,
  workerNumber,
} from '../options.ts';
import { scaleCrew } from '../scale/machine.ts';
import { labOptions } from '../setting.ts';
import { ensureSetUp } from './setup.ts';

/** The components of a lab as separate processes, connected to one NATS server. */

interface PartOptions extends NatsOptions {
  home: string;
  prices?: string;
  offline?: boolean;
  unsafe?: boolean;
  task?: readonly string[];
  primitives?: readonly string[];
  baseUrl?: readonly string[];
  workers?: number;
  storage?: string;
  devices?: number;
  memoryGib?: number;
  longestHours?: number;
}

const say = (sentence: string): boolean => process.stderr.write(`${sentence}\n`);

/** Runs components until they end or are interrupted, which they answer by `how`. */
async function untilEnded(parts: readonly Component[], how: 'drain' | 'stop' = 'drain'): Promise<number> {
  const interrupts = onInterrupt(() => {
    for (const part of parts) part[how]();
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

async function connect(options: PartOptions, role: Role): Promise<Connection> {
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
    const { lab, url } = await connect(options, 'archive');
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

/** Space kinds that this machine's workers train: always stacks; programs if the sandbox works. */
async function workerKinds(workers: WorkerOptions): Promise<SpaceKind[]> {
  try {
    await probeSandbox(workers);
    return ['stack', 'program'];
  } catch (thrown) {
    say(`no programs will run on this worker: ${errorMessage(thrown)}`);
    return ['stack'];
  }
}

async function work(options: PartOptions): Promise<number> {
  const { setting, lab, url } = await connect(options, 'worker');
  try {
    const machine = await inspectMachine(setting.helpers.python);
    const { storage, devices: together = 1, memoryGib, longestHours } = options;
    const scale = storage === undefined ? null : await scaleCrew(options.workers ?? 'auto', machine, together, storage);
    const devices = scale?.devices ?? chooseDevices(options.workers ?? 'auto', machine);
    const tag = randomUUID().slice(0, 8);
    // A worker of runs at scale takes nothing else: its devices are busy for hours.
    const kinds: SpaceKind[] = scale ? ['scale'] : await workerKinds(setting.workers);
    const declared = scale && {
      ...scale.declared,
      ...(memoryGib === undefined ? {} : { memoryBytes: memoryGib * 2 ** 30 }),
      longestSeconds: longestHours === undefined ? null : longestHours * 3600,
    };
    const own = declared ? { ...setting.workers, scale: declared } : setting.workers;
    const workers = devices.map((device, index) => {
      const id = workerIdSchema.parse(`${device.class}-${index + 1}-w${tag}`);
      return startWorker(id, device, own, kinds, lab);
    });
    say(`${workers.length} ${devices[0]?.class ?? ''} ${workers.length === 1 ? 'worker' : 'workers'} at ${url}`);
    // A run at scale takes hours: its worker writes a checkpoint and returns the job.
    return await untilEnded(workers, scale ? 'stop' : 'drain');
  } finally {
    await lab.bus.close();
  }
}

async function serveAgents(search: SearchId, names: readonly AgentName[], options: PartOptions): Promise<number> {
  const { setting, lab, url } = await connect(options, 'agent');
  const { helpers, openRetriever } = setting;
  const { clock, timers, log } = lab;
  const place = openRehearsals({ ...setting.workers, clock, timers, log });
  const chat = openChat(search, setting.home, setting.chat, place, lab);
  const models = Object.fromEntries(
    localModels.map((name) => [name, createModel(name, helpers, openRetriever)] as const),
  );
  const searchers = new Searchers(helpers, setting.timers);
  const equipment = { models, chat: chat.thinking, rehearsing: chat.rehearsing, openRetriever, searchers };
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

export function partCommands(done: (code: number) => void): Command[] {
  const archive = new Command('archive')
    .description('run the archive service (starts a NATS server unless --nats)')
    .action(async (options: PartOptions & { port?: number }) => done(await serveArchive(options)));
  const worker = new Command('worker')
    .description('run training workers connected to a NATS server')
    .action(async (options: PartOptions) => done(await work(options)));
  const agent = new Command('agent')
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
  return [
    withOptions(
      archive,
      homeOption(),
      ...natsOptions(),
      option('--port <number>', 'port of the embedded NATS server (default: any free port)').argParser(portNumber),
    ),
    withOptions(
      worker,
      homeOption(),
      ...natsOptions(),
      option('--workers <number>', 'parallel trainings').argParser(workerNumber),
      taskOption(),
      primitivesOption(),
      unsafeOption(),
      option('--storage <dir>', 'train runs of aira scale only, with checkpoints and weights in this folder').argParser(
        pathArgument,
      ),
      option('--devices <number>', 'with --storage: devices that one run may have').argParser(numberWithin(1, 1024)),
      option('--memory-gib <number>', 'with --storage: memory of each device, where it is less than found').argParser(
        numberWithin(1, 100_000),
      ),
      option('--longest-hours <number>', 'with --storage: take no training with a longer estimate').argParser(
        numberWithin(1, 100_000),
      ),
    ),
    withOptions(
      agent,
      homeOption(),
      ...natsOptions(),
      baseUrlOption(),
      pricesOption(),
      offlineOption(),
      taskOption(),
      primitivesOption(),
      unsafeOption(),
    ),
  ];
}
