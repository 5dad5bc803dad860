import type { Agent, RequestInit as SendInit } from 'undici';
import { errorMessage } from '../domain/errors.ts';
import type { Clock } from '../platform/index.ts';
import { ChatFault, faultOf } from './retry.ts';

/** The form of `fetch` that both SDKs accept. */
export type Fetch = (url: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** What a transport reports about one exchange. */
export interface Line {
  /** Bytes arrived, whatever they say: headers, events, pings and comments alike. */
  onBytes(): void;
  /** The failure of the request, in the server's own words; the SDKs drop half of them. */
  onFailure(fault: ChatFault): void;
  /** The server sent `[DONE]`, the end mark of the OpenAI formats. */
  onDone(): void;
}

/** `stream.ts` measures silence; undici's own limits of 300 s would end healthy thoughts of ten minutes. */
const agentOptions = { headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 10_000 } as const;
let agent: Agent | undefined;

/** Longest error body that is read; the rest cannot matter. */
const longestErrorBytes = 64 * 1024;
/** Longest answer that arrives as one JSON document. */
const longestDocumentBytes = 16 * 1024 * 1024;

const decode = (chunks: readonly Uint8Array[]): string => new TextDecoder().decode(Buffer.concat(chunks));

async function textOf(body: AsyncIterable<Uint8Array>, most: number, onBytes: () => void): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    onBytes();
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > most) break;
  }
  return decode(chunks).slice(0, most);
}

/** Some servers answer 200 with a page of a proxy, or with one JSON document although a stream was requested. */
type Opening = 'stream' | 'document' | 'page';
function openingOf(text: string): Opening | null {
  const first = text.trimStart()[0];
  if (first === undefined) return null;
  return first === '{' || first === '[' ? 'document' : first === '<' ? 'page' : 'stream';
}

const doneMark = /(^|\n)data:\s*\[DONE\]/;

/**
 * A `fetch` that watches the raw bytes of one exchange, classifies failed statuses by their whole body, and turns an answer
 * that came as one JSON document into the stream that the SDK expects.
 *
 * @param asEvents a document of the format as server-sent events.
 */
export function watchedFetch(line: Line, clock: Clock, asEvents: (document: unknown) => string): Fetch {
  const failed = (fault: ChatFault): ChatFault => {
    line.onFailure(fault);
    return fault;
  };

  async function* watched(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const head: Uint8Array[] = [];
    const decoder = new TextDecoder();
    let bytes = 0;
    let opening: Opening | null = null;
    let tail = '';
    const passed = (chunk: Uint8Array): Uint8Array => {
      const window = tail + Buffer.from(chunk).toString('latin1');
      if (doneMark.test(window)) line.onDone();
      tail = window.slice(-16);
      return chunk;
    };
    for await (const chunk of body) {
      line.onBytes();
      if (opening === 'stream') {
        yield passed(chunk);
        continue;
      }
      head.push(chunk);
      bytes += chunk.length;
      // Chunk by chunk: a server that sends blanks without end must not make each chunk cost more than the one before.
      opening ??= openingOf(decoder.decode(chunk, { stream: true }));
      if (opening === 'stream') yield passed(Buffer.concat(head));
      else if (bytes > longestDocumentBytes) {
        throw failed(new ChatFault('unavailable', 'the provider answered with too long a document'));
      }
    }
    if (opening === 'page') {
      const page = decode(head).slice(0, 300);
      throw failed(new ChatFault('unavailable', `the provider answered with a page instead of an answer: ${page}`));
    }
    if (opening === 'document') yield passed(new TextEncoder().encode(eventsOf(decode(head))));
  }

  const eventsOf = (text: string): string => {
    let document: unknown;
    try {
      document = JSON.parse(text);
    } catch (cause) {
      const message = `the provider answered with broken JSON: ${errorMessage(cause)}`;
      throw failed(new ChatFault('dropped', message, { cause }));
    }
    const { error } = (document ?? {}) as { error?: unknown };
    if (!error) return asEvents(document);
    const { code, status } = error as { code?: unknown; status?: unknown };
    const stated = [code, status].map(Number).find((each) => each >= 400 && each < 600);
    throw failed(faultOf(stated ?? 500, JSON.stringify(document), undefined, clock.now()));
  };

  return async (url, init) => {
    const undici = await import('undici');
    agent ??= new undici.Agent(agentOptions);
    const response = await undici.fetch(url as string, { ...(init as unknown as SendInit), dispatcher: agent });
    line.onBytes();
    const headers = new Headers([...response.headers]);
    const body: AsyncIterable<Uint8Array> = response.body ?? (async function* () {})();
    if (!response.ok) {
      const text = await textOf(body, longestErrorBytes, line.onBytes);
      throw failed(faultOf(response.status, text, headers, clock.now()));
    }
    headers.set('content-type', 'text/event-stream');
    headers.delete('content-length');
    headers.delete('content-encoding');
    return new Response(ReadableStream.from(watched(body)), { status: 200, headers });
  };
}
