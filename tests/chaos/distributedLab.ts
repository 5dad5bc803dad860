import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { type EventLine, end, Program } from '../support/program.ts';

export const partNames = ['archive', 'worker-1', 'worker-2', 'agents-1', 'agents-2', 'launcher'] as const;
export type PartName = (typeof partNames)[number];

/** What a kill can hit: a part, the server that the archive has started, or what a worker trains with. */
export const victims = [...partNames, 'server', 'trainer-1', 'trainer-2'] as const;
export type Victim = (typeof victims)[number];

/** A way to the server for each part, and variables of its own. */
export interface Network {
  urlOf(name: PartName): string;
  envOf(name: PartName): Readonly<Record<string, string>>;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Children of a process by their command's name. Linux only; empty elsewhere. */
function childrenOf(pid: number, command: RegExp): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
    return children.map(Number).filter((child) => command.test(readFileSync(`/proc/${child}/cmdline`, 'utf8')));
  } catch {
    return [];
  }
}

export async function freePort(): Promise<number> {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const { port } = holder.address() as { port: number };
  await new Promise<void>((resolve) => void holder.close(() => resolve()));
  return port;
}

/**
 * A lab of six processes, each of which is started again when it ends before the search does, as a service manager would.
 *
 * A part may end in two ways that are no defect: by a kill, and because it was started while the server was down, which it
 * tells in a sentence. Anything else is kept in `strange`.
 */
export class DistributedLab {
  readonly home: string;
  /** Everything that any launcher said. */
  readonly told: EventLine[] = [];
  readonly strange: string[] = [];
  /** How often each part was started. */
  readonly starts = new Map<PartName, number>();
  readonly #args: Readonly<Record<PartName, readonly string[]>>;
  readonly #running = new Map<PartName, Program>();
  readonly #network: Network | undefined;
  readonly #watches: Promise<void>[] = [];
  #stopping = false;

  /** @param options.port of the server that the archive embeds; with a network each part has its own way to a server. */
  constructor(options: { folder: string; file: string; search: string; port?: number; network?: Network }) {
    const { folder, file, search, port, network } = options;
    this.home = join(folder, 'home');
    this.#network = network;
    const nats = (name: PartName) => [
      ...['--nats', network?.urlOf(name) ?? `nats://127.0.0.1:${port}`, '--home', this.home],
    ];
    const worker = ['worker', '--workers', '1'];
    const launch = ['launch', file, '--name', search, '--json', ...nats('launcher')];
    this.#args = {
      archive: ['archive', ...(network ? nats('archive') : ['--home', this.home, '--port', `${port}`])],
      'worker-1': [...worker, ...nats('worker-1')],
      'worker-2': [...worker, ...nats('worker-2')],
      'agents-1': ['agent', search, 'chance', ...nats('agents-1')],
      'agents-2': ['agent', search, 'climber', ...nats('agents-2')],
      launcher: [...launch, '--without', 'archive', 'workers', 'agents'],
    };
  }

  /** Starts the parts, the archive first since it brings the server. */
  async start(): Promise<void> {
    this.#watches.push(this.#supervise('archive'));
    const archive = this.#running.get('archive') as Program;
    await archive.until(() => / at nats:/.test(archive.stderr), 'the address of the archive');
    for (const name of partNames) if (name !== 'archive') this.#watches.push(this.#supervise(name));
  }

  /** Resolves when a launcher has ended well. */
  async finished(): Promise<void> {
    const isOver = () => this.told.some(({ event }) => event === 'finished');
    await vi.waitFor(() => expect(isOver(), this.strange.join('\n')).toBe(true), { timeout: 120_000, interval: 50 });
  }

  get isFinished(): boolean {
    return this.told.some(({ event }) => event === 'finished');
  }

  /** Kills a victim. False where it is not there at the moment. */
  kill(victim: Victim): boolean {
    const [kind, number] = victim.split('-');
    const owner =
      kind === 'server' ? 'archive' : kind === 'trainer' ? (`worker-${number}` as PartName) : (victim as PartName);
    const program = this.#running.get(owner);
    if (!program || program.isOver) return false;
    if (owner === victim) {
      program.kill('SIGKILL');
      return true;
    }
    const [child] = childrenOf(program.pid, kind === 'server' ? /nats-server/ : /aira_workers/);
    if (child === undefined) return false;
    try {
      process.kill(child, 'SIGKILL');
      return true;
    } catch {
      // Gone since it was looked for.
      return false;
    }
  }

  lives(part: PartName): boolean {
    return this.#running.get(part)?.isOver === false;
  }

  /** For a search that does not end: what each part says last. */
  lastWords(): string {
    return partNames
      .map(
        (name) => `${name}, started ${this.starts.get(name)} times, ${this.lives(name) ? 'lives' : 'has ended'}:
${this.#running.get(name)?.stderr.split('\n').slice(-6).join('\n')}`,
      )
      .join('\n');
  }

  pidOf(part: PartName): number | undefined {
    return this.#running.get(part)?.pid;
  }

  /** Signals a part, and not what it has started. False where it is not there at the moment. */
  signal(part: PartName, signal: NodeJS.Signals): boolean {
    if (!this.lives(part)) return false;
    this.#running.get(part)?.kill(signal);
    return true;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    // The archive last: the others have something to say while they end.
    for (const name of [...partNames].reverse()) {
      const program = this.#running.get(name);
      if (program) await end(program);
    }
    await Promise.all(this.#watches);
  }

  async #supervise(name: PartName): Promise<void> {
    while (!this.#stopping) {
      const program = new Program(this.#args[name], { env: this.#network?.envOf(name) ?? {} });
      this.#running.set(name, program);
      this.starts.set(name, (this.starts.get(name) ?? 0) + 1);
      const { code, signal, stderr } = await program.ended;
      if (name === 'launcher') this.told.push(...program.events);
      const isLongLived = name === 'archive' || name.startsWith('worker');
      if (this.#stopping || (code === 0 && !isLongLived)) return;
      // On a network that fails more ways of ending are in order; each is a sentence with a remedy.
      const mayEnd = this.#network ? /remedy: / : /No NATS server responds/;
      const foundNoServer = code === 2 && mayEnd.test(stderr) && !/^\s+at /m.test(stderr);
      if (signal !== 'SIGKILL' && !foundNoServer) this.strange.push(`${name} ended with ${code ?? signal}: ${stderr}`);
      if ((this.starts.get(name) ?? 0) > 60) return void this.strange.push(`${name} was started 60 times`);
      // As a service manager does, and for the watchdog of a killed archive to stop its server.
      await sleep(100);
    }
  }
}
