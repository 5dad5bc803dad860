/** One home of the dashboard: its views, its lab while one runs, and the events that its browsers listen to. */
import { basename, resolve } from 'node:path';
import type { Context } from 'hono';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';
import type { Bus, BusSubscription, Heartbeat } from '../bus/index.ts';
import { errorMessage, PrerequisiteError, RetryableError } from '../domain/errors.ts';
import type { AgentState, WorkerState } from '../domain/messages.ts';
import type { Clock, Logger, Timers } from '../platform/index.ts';
import {
  apiVersion,
  type CommandBody,
  type CommandReply,
  type Heard,
  HomeViews,
  type Labs,
  printed,
  problemOf,
} from '../views/index.ts';

/** A running lab as its dashboard reaches it: heartbeats, and a way for people to take part. */
export interface LiveLab {
  readonly heartbeats: Pick<Bus, 'watchHeartbeats'>;
  /** @throws RetryableError if no archivist answers; errors of the archivist. */
  command(search: string, command: CommandBody): Promise<Omit<CommandReply, 'version'>>;
  /** Resolves when the connection is lost for good. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

export interface LabsDeps {
  readonly homes: readonly string[];
  /** Connects to the lab that runs in a home; null if none runs. */
  readonly connect: (home: string) => Promise<LiveLab | null>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
}

/** How often a home without a running lab is checked for one. */
const connectEveryMs = 5_000;

/**
 * One home behind the server.
 *
 * Role: its views, and its lab while one runs. Non-role: HTTP.
 *
 * HOS-1  A home that cannot be read is shown with its reason, and read again when asked: other homes are not affected.
 * HOS-2  The lab is optional: without it everything recorded is shown, and commands are refused with a sentence.
 */
export class ServedHome {
  readonly name: string;
  readonly home: string;
  readonly #deps: LabsDeps;
  #views: HomeViews | null = null;
  #lab: LiveLab | null = null;
  #subscription: BusSubscription | null = null;
  #connecting: Promise<void> | null = null;
  readonly #workers = new Map<string, { readonly state: WorkerState; readonly at: number }>();
  readonly #agents = new Map<string, { readonly state: AgentState; readonly at: number }>();
  #stopConnecting: (() => void) | null = null;

  constructor(name: string, home: string, deps: LabsDeps) {
    this.name = name;
    this.home = home;
    this.#deps = deps;
  }

  get heard(): Heard {
    return { workers: this.#workers, agents: this.#agents };
  }

  /** @throws PrerequisiteError if the home cannot be read. */
  views(): HomeViews {
    this.#views ??= HomeViews.open(this.home, () => this.#deps.clock.now());
    return this.#views;
  }

  /** Looks for a running lab now, and again while there is none. */
  start(): void {
    this.#warm();
    void this.#connect();
    this.#stopConnecting = this.#deps.timers.every(connectEveryMs, () => void this.#connect());
  }

  #warm(): void {
    try {
      this.views().warm();
    } catch (thrown) {
      this.#deps.log.warn({ home: this.home, error: errorMessage(thrown) }, 'the home cannot be read');
    }
  }

  #connect(): Promise<void> {
    if (this.#lab !== null) return Promise.resolve();
    this.#connecting ??= this.#open().finally(() => {
      this.#connecting = null;
    });
    return this.#connecting;
  }

  async #open(): Promise<void> {
    try {
      const lab = await this.#deps.connect(this.home);
      if (lab === null) return;
      this.#subscription = await lab.heartbeats.watchHeartbeats((heartbeat: Heartbeat) => {
        const at = this.#deps.clock.now();
        if (heartbeat.kind === 'worker') this.#workers.set(heartbeat.state.worker, { state: heartbeat.state, at });
        else
          this.#agents.set(`${heartbeat.state.search} ${heartbeat.state.agent}`, {
            state: heartbeat.state,
            at,
          });
      });
      this.#lab = lab;
      lab.ended.then(
        () => this.#forget(lab),
        () => this.#forget(lab),
      );
    } catch (thrown) {
      this.#deps.log.info({ home: this.home, error: errorMessage(thrown) }, 'no lab to connect to');
    }
  }

  #forget(lab: LiveLab): void {
    if (this.#lab !== lab) return;
    this.#lab = null;
    void lab.close().catch(() => undefined);
  }

  get live(): boolean {
    return this.#lab !== null;
  }

  /** @throws PrerequisiteError `no-lab` where no lab runs; errors of the archivist. */
  async command(search: string, command: CommandBody): Promise<CommandReply> {
    const none = () =>
      new PrerequisiteError('no-lab', `no lab runs in ${this.name}`, `resume it with: aira launch --resume ${search}`);
    await this.#connect();
    const lab = this.#lab;
    if (lab === null) throw none();
    try {
      return { version: apiVersion, ...(await lab.command(search, command)) };
    } catch (thrown) {
      if (thrown instanceof RetryableError && thrown.code === 'archive-away') throw none();
      throw thrown;
    }
  }

  summary(): Labs['labs'][number] {
    const folder = printed(basename(resolve(this.home)), 100);
    try {
      return { name: this.name, folder, searches: this.views().countSearches(), live: this.live, problem: null };
    } catch (thrown) {
      return { name: this.name, folder, searches: 0, live: this.live, problem: problemOf(thrown) };
    }
  }

  async close(): Promise<void> {
    this.#stopConnecting?.();
    await this.#connecting;
    await this.#subscription?.stop();
    await this.#lab?.close();
    this.#views?.close();
  }
}

/** A name for each home: the last part of its path, or of the folder above a home of the usual name. */
export function namedHomes(deps: LabsDeps): ServedHome[] {
  const taken = new Set<string>();
  return deps.homes.map((home) => {
    const path = resolve(home);
    const own = basename(path);
    const given = own === '.aira' ? basename(resolve(path, '..')) : own;
    const base =
      given
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, '-')
        .replace(/^-+|-+$/g, '') || 'lab';
    let name = base;
    for (let number = 2; taken.has(name); number++) name = `${base}-${number}`;
    taken.add(name);
    return new ServedHome(name, home, deps);
  });
}

/** How often the file is asked whether it has changed: a pragma, not a query. */
const pollMs = 250;
const heartbeatMs = 15_000;
/** A browser reconnects after this long. */
const retryMs = 1_000;

/** A browser that listens, and the sequence that it has. */
interface Listener {
  readonly stream: SSEStreamingApi;
  sequence: number;
  sending: boolean;
}

/**
 * Server-sent events of one home.
 *
 * Role: announces what the archive has announced, from the sequence that each browser has. Non-role: what changed in it, which
 * the browser asks for.
 *
 * SSE-1  The id of an event is the archive's sequence of the last announcement in it, and events of a listener are sent in this
 *        order, each announcement once. So `Last-Event-ID` continues without loss or repetition, also after the server was
 *        started again: it remembers nothing.
 * SSE-2  Nothing is polled without a listener.
 * SSE-3  A slow browser delays itself only: one send at a time each, and what waits is read from the archive afterwards.
 */
export class EventStreams {
  readonly #home: ServedHome;
  readonly #timers: Timers;
  readonly #log: Logger;
  readonly #listeners = new Set<Listener>();
  #stopPolling: (() => void) | null = null;
  #version = -1;
  readonly #closing = new AbortController();

  constructor(home: ServedHome, timers: Timers, log: Logger) {
    this.#home = home;
    this.#timers = timers;
    this.#log = log;
  }

  /** The stream of one browser, from the sequence that it names; without one from now on. */
  open(context: Context, after: number | null): Response {
    const views = this.#home.views();
    const sequence = after ?? views.sequence();
    context.header('X-Accel-Buffering', 'no');
    return streamSSE(context, async (stream) => {
      const listener: Listener = { stream, sequence, sending: false };
      const ended = new Promise<void>((resolve) => {
        stream.onAbort(resolve);
        this.#closing.signal.addEventListener('abort', () => resolve(), { once: true });
        if (this.#closing.signal.aborted) resolve();
      });
      await stream.write(`retry: ${retryMs}\n: sequence ${sequence}\n\n`);
      this.#listeners.add(listener);
      const stopBeating = this.#timers.every(heartbeatMs, () => void stream.write(': alive\n\n'));
      this.#start();
      await this.#send(listener);
      await ended;
      stopBeating();
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stop();
    });
  }

  /** Ends all streams; their browsers reconnect to the next server. */
  close(): void {
    this.#closing.abort();
    this.#stop();
  }

  #start(): void {
    this.#stopPolling ??= this.#timers.every(pollMs, () => this.#poll());
  }

  #stop(): void {
    this.#stopPolling?.();
    this.#stopPolling = null;
  }

  #poll(): void {
    try {
      const version = this.#home.views().version();
      if (version === this.#version) return;
      this.#version = version;
      for (const listener of this.#listeners) void this.#send(listener);
    } catch (thrown) {
      this.#log.warn({ error: errorMessage(thrown) }, 'the archive cannot be read');
    }
  }

  async #send(listener: Listener): Promise<void> {
    if (listener.sending) return;
    listener.sending = true;
    try {
      for (let more = true; more && !listener.stream.aborted && !listener.stream.closed; ) {
        const found = this.#home.views().changesSince(listener.sequence);
        for (const change of found.changes) {
          await listener.stream.writeSSE({
            event: 'changed',
            id: String(change.sequence),
            data: JSON.stringify(change),
          });
          listener.sequence = change.sequence;
        }
        more = found.more || found.changes.length > 0;
      }
    } catch (thrown) {
      this.#log.warn({ error: errorMessage(thrown) }, 'an event was not sent');
    } finally {
      listener.sending = false;
    }
  }
}
