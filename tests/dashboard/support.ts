import { request } from 'node:http';
import { onTestFinished } from 'vitest';
import { type LiveLab, startDashboard } from '../../src/dashboard/index.ts';
import { createLogger } from '../../src/platform/text.ts';
import { systemClock, systemTimers } from '../../src/platform/timers.ts';
import type { Problem } from '../../src/views/api.ts';
import { temporaryFolder } from '../support/home.ts';

export const token = 'token-of-the-tests';

export interface Served {
  readonly port: number;
  readonly base: string;
  /** The JSON of an answer, which must have this status. */
  get(path: string, status?: number, headers?: Record<string, string>): Promise<never>;
  close(): Promise<void>;
}

/** A dashboard on a free port, closed with the test. */
export async function served(
  homes: readonly string[],
  options: { connect?: (home: string) => Promise<LiveLab | null>; host?: string; pages?: string } = {},
): Promise<Served> {
  const dashboard = await startDashboard({
    homes,
    host: options.host ?? '127.0.0.1',
    port: 0,
    pages: options.pages ?? temporaryFolder(),
    token,
    connect: options.connect ?? (async () => null),
    clock: systemClock,
    timers: systemTimers,
    log: createLogger('test'),
  });
  let open = true;
  const close = async () => {
    if (open) await dashboard.close();
    open = false;
  };
  onTestFinished(close);
  const base = `http://127.0.0.1:${dashboard.port}`;
  return {
    port: dashboard.port,
    base,
    close,
    async get(path, status = 200, headers = {}) {
      const response = await fetch(`${base}${path}`, { headers });
      const text = await response.text();
      if (response.status !== status) throw new Error(`${path}: ${response.status} instead of ${status}: ${text}`);
      return JSON.parse(text) as never;
    },
  };
}

export interface Raw {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly problem: Problem | null;
}

/** A request with headers that `fetch` would not send. */
export function raw(
  port: number,
  path: string,
  headers: Record<string, string>,
  { method = 'GET', body }: { method?: string; body?: string } = {},
): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method, headers, setHost: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => {
        const isJson = (response.headers['content-type'] ?? '').startsWith('application/json');
        const problem = isJson && (response.statusCode ?? 0) >= 400 ? (JSON.parse(text) as Problem) : null;
        resolve({ status: response.statusCode ?? 0, headers: response.headers, problem });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** What a browser has read of an event stream. */
export interface Heard {
  readonly id: number;
  readonly nodes: readonly string[];
  readonly search: string;
}

/** Reads an event stream until enough events have come. Comments and events of other names are left out. */
export async function events(url: string, most: number, lastEventId?: number): Promise<Heard[]> {
  const headers = lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) };
  const response = await fetch(url, { headers });
  const found: Heard[] = [];
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = new Map(
        text
          .slice(0, end)
          .split('\n')
          .map((line) => line.split(/: (.*)/s, 2) as [string, string]),
      );
      text = text.slice(end + 2);
      if (fields.get('event') !== 'changed') continue;
      const { nodes, search } = JSON.parse(fields.get('data') ?? '') as Heard;
      found.push({ id: Number(fields.get('id')), nodes, search });
      if (found.length === most) return found;
    }
  }
  return found;
}
