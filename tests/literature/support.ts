import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { type ClientOptions, LiteratureClient } from '../../src/literature/client.ts';
import type { IndexedDocument } from '../../src/literature/corpus.ts';
import { ResponseCache } from '../../src/literature/responseCache.ts';
import type { Clock, Timers } from '../../src/platform/timers.ts';
import { temporaryFolder } from '../support/home.ts';

/** Time that passes only when a test says so, for clock and timers alike. */
export class ManualTime implements Clock, Timers {
  #now: number;
  #waiting: { at: number; ms: number; action: () => void }[] = [];

  constructor(start = Date.UTC(2026, 10, 20)) {
    this.#now = start;
  }
  now = (): number => this.#now;
  monotonic = (): number => this.#now;

  after(ms: number, action: () => void): () => void {
    const entry = { at: this.#now + ms, ms, action };
    this.#waiting.push(entry);
    return () => {
      this.#waiting = this.#waiting.filter((each) => each !== entry);
    };
  }
  every(): () => void {
    throw new Error('nothing here repeats');
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = this.#waiting.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#waiting = this.#waiting.filter((each) => each !== next);
      this.#now = Math.max(this.#now, next.at);
      next.action();
    }
    this.#now = end;
  }

  /** Lets time pass as fast as the promise allows: up to the next timer whenever no request is under way. */
  async drive<T>(promise: Promise<T>): Promise<T> {
    let done = false;
    promise.then(
      () => {
        done = true;
      },
      () => {
        done = true;
      },
    );
    while (!done) {
      await new Promise((resolve) => setImmediate(resolve));
      // A request under way has its deadline among the timers; passing that would end it.
      if (done || this.#waiting.some(({ ms }) => ms === deadlineMs)) continue;
      const next = Math.min(...this.#waiting.map(({ at }) => at));
      if (Number.isFinite(next)) this.advance(next - this.#now);
    }
    return promise;
  }
}

/** The default limit of a request; no pause of a test is as long. */
const deadlineMs = 20_000;

/** A log that records its messages. */
export function listeningLog() {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return { log, lines };
}

export interface Asked {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  /** The test's own time at which it came. */
  readonly at: number;
}

/** A service of the test's own: `answer` sees each request and its number, counted from 1. */
export async function service(
  time: ManualTime,
  answer: (asked: Asked, response: ServerResponse, nth: number) => void,
): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const seen = { path: url.pathname, query: url.searchParams, headers: request.headers, at: time.now() };
    asked.push(seen);
    answer(seen, response, asked.length);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

export const json = (response: ServerResponse, value: unknown, headers: Record<string, string> = {}): void => {
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
};

export function clientOf(time: ManualTime, overrides: Partial<ClientOptions> = {}) {
  const { log, lines } = listeningLog();
  const directory = temporaryFolder();
  const client = new LiteratureClient({
    clock: time,
    timers: time,
    log,
    cache: new ResponseCache(directory),
    userAgent: 'aira/test (+https://example.org)',
    offline: false,
    timeoutMs: deadlineMs,
    ...overrides,
  });
  onTestFinished(() => client.close());
  return { client, lines, directory };
}

export function documentOf(id: string, overrides: Partial<IndexedDocument> = {}): IndexedDocument {
  return {
    id,
    source: 'arxiv',
    url: `https://example.org/${encodeURIComponent(id)}`,
    retrievedAt: '2026-11-20T00:00:00Z',
    licence: 'CC0-1.0 (metadata)',
    kind: 'paper',
    topic: null,
    title: id,
    authors: ['A. Author'],
    year: 2024,
    abstract: '',
    body: '',
    hints: [],
    certainty: 'unverified',
    ...overrides,
  };
}
