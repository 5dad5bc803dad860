import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Usage } from '../../../src/domain/agent.ts';
import { type Asked, type Called, errorEvent, readRequest, type Said, streamOf } from './wire.ts';

/** What goes wrong with one request. */
export type Fault =
  | { kind: 'status'; status: number; headers?: Record<string, string>; body?: unknown }
  | { kind: 'hang' } // takes the request and says nothing
  | { kind: 'stall' } // begins the answer and falls silent
  | { kind: 'cut' } // begins the answer and drops the connection
  | { kind: 'reset' } // drops the connection at once
  | { kind: 'short' } // ends the stream as if it were complete, before its last events
  | { kind: 'error-event' } // an error inside a stream that began with 200
  | { kind: 'malformed' | 'refused' | 'truncated' | 'empty' | 'fenced' | 'no-usage' };

/** One request as the server saw it, and what it charged. */
export interface Served {
  readonly asked: Asked;
  readonly authorization: string;
  readonly fault: Fault['kind'] | null;
  readonly usage: Usage | null;
  /** What a real provider would count of it: the prompt once it was read, and the output that was sent. */
  readonly counted: Usage | null;
}

export interface LlmServer {
  /** Base URLs as the three SDKs want them. */
  readonly urls: { readonly openai: string; readonly anthropic: string; readonly compatible: string };
  readonly served: Served[];
  /** Resolves when so many requests have arrived. */
  reached(count: number): Promise<void>;
  /** Requests that no real server would have taken. */
  readonly wrong: string[];
  stop(): Promise<void>;
}

export interface LlmServerSetting {
  /** The answer to a request; `number` counts from 0. */
  readonly brain: (
    asked: Asked,
    number: number,
  ) => string | { readonly calls: readonly Called[]; readonly text?: string };
  readonly fault?: (number: number, asked: Asked) => Fault | null;
  /** Serves models that take no tools. */
  readonly toolless?: boolean;
}

const tokens = (text: string) => Math.ceil(Buffer.byteLength(text) / 4);

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

const distorted: Readonly<Partial<Record<Fault['kind'], (text: string) => Pick<Said, 'text' | 'finish'>>>> = {
  malformed: (text) => ({ text: `${text.slice(0, -2)}, oops`, finish: 'complete' }),
  refused: () => ({ text: 'I would rather not.', finish: 'refused' }),
  truncated: (text) => ({ text: text.slice(0, Math.floor(text.length / 2)), finish: 'truncated' }),
  empty: () => ({ text: '', finish: 'complete' }),
  fenced: (text) => ({ text: `Here it is:\n\`\`\`json\n${text}\n\`\`\`\nGood luck!`, finish: 'complete' }),
};

/**
 * A server of the three wire formats with a scripted brain and scripted faults, on a port of its own. It refuses what the
 * real servers refuse, and keeps the bill that a cost counter has to agree with.
 */
export async function startLlmServer({
  brain,
  fault = () => null,
  toolless = false,
}: LlmServerSetting): Promise<LlmServer> {
  const served: Served[] = [];
  const wrong: string[] = [];
  const seenPrefixes = new Set<string>();
  const waiting: { count: number; resolve: () => void }[] = [];
  const reached = (wanted: number): Promise<void> =>
    served.length >= wanted ? Promise.resolve() : new Promise((resolve) => waiting.push({ count: wanted, resolve }));
  let count = 0;

  const usageOf = (asked: Asked, text: string): Usage => {
    const prefix = tokens(asked.system);
    const rest = asked.messages.reduce(
      (sum, { text: each, calls: made = [] }) => sum + tokens(each + made.map((call) => call.arguments).join('')),
      0,
    );
    const input = prefix + rest;
    const known = asked.prefixes.findLast((each) => seenPrefixes.has(each)) ?? '';
    const marked = asked.prefixes.at(-1) ?? '';
    for (const each of asked.prefixes) seenPrefixes.add(each);
    const cached = Math.min(input, tokens(known));
    const written = Math.min(input - cached, Math.max(0, tokens(marked) - tokens(known)));
    return { input, cached, written, output: tokens(text) };
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const number = count++;
    let asked: Asked;
    try {
      asked = readRequest((request.url ?? '').split('?')[0] ?? '', await bodyOf(request));
    } catch (thrown) {
      wrong.push(String(thrown));
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { type: 'invalid_request_error', message: String(thrown) } }));
      return;
    }
    const trouble = fault(number, asked);
    const authorization = String(request.headers.authorization ?? '');
    const log = (usage: Usage | null, counted: Usage | null = usage): void => {
      served.push({ asked, authorization, fault: trouble?.kind ?? null, usage, counted });
      for (const { count: wanted, resolve } of waiting) if (served.length >= wanted) resolve();
    };
    if (trouble?.kind === 'hang') {
      log(null, { ...usageOf(asked, ''), output: 0 });
      return;
    }
    if (trouble?.kind === 'reset') {
      log(null);
      response.destroy();
      return;
    }
    if (trouble?.kind === 'status') {
      log(null);
      response.writeHead(trouble.status, { 'content-type': 'application/json', ...trouble.headers });
      response.end(JSON.stringify(trouble.body ?? { error: { type: 'error', message: `status ${trouble.status}` } }));
      return;
    }
    if (toolless && asked.tools.length > 0) {
      log(null);
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { message: `registry/${asked.model} does not support tools` } }));
      return;
    }
    const said = brain(asked, number);
    const { text = '', calls = [] } = typeof said === 'string' ? { text: said } : said;
    if (calls.length > 0 && !asked.toolsOpen) wrong.push(`a brain called ${calls[0]?.name}, which was not on offer`);
    const distort = calls.length > 0 ? undefined : distorted[trouble?.kind ?? 'hang'];
    const form = distort?.(text) ?? { text, finish: 'complete' as const };
    const usage = usageOf(asked, form.text + calls.map((call) => call.name + call.arguments).join(''));
    const pieces = streamOf(asked, { ...form, calls, usage }, trouble?.kind !== 'no-usage');
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(pieces[0]);
    // Half of the text is sent before the stream breaks.
    const half = { ...usage, output: Math.ceil(usage.output / 2) };
    switch (trouble?.kind) {
      case 'stall':
        log(null, { ...usage, output: 0 });
        return;
      case 'cut':
        log(null, half);
        response.write(pieces[1], () => response.destroy());
        return;
      case 'short':
        log(null, half);
        response.end(pieces[1]);
        return;
      case 'error-event':
        log(null, { ...usage, output: 0 });
        response.end(errorEvent(asked));
        return;
      default:
        log(usage);
        response.end(pieces.slice(1).join(''));
    }
  };

  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const root = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  onTestFinished(stop);
  return { urls: { openai: `${root}/v1`, anthropic: root, compatible: `${root}/v1` }, served, reached, wrong, stop };
}
