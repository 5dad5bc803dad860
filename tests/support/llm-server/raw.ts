import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** The fields that servers with quirks read of a request's body, in any of the three formats. */
export interface Body {
  readonly system?: unknown;
  readonly input?: unknown;
  readonly messages?: readonly BodyMessage[];
  readonly response_format?: { readonly type?: string };
  readonly output_config?: { readonly format?: object; readonly effort?: string };
  readonly stream_options?: object;
  readonly prompt_cache_options?: object;
  readonly reasoning?: object;
  readonly reasoning_effort?: string;
  readonly temperature?: number;
  readonly max_tokens?: number;
  readonly max_completion_tokens?: number;
}

interface BodyMessage {
  readonly role?: string;
  readonly content?: unknown;
  readonly reasoning?: string;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly { readonly function: { readonly arguments: string } }[];
}

/** Answers one request; `number` counts from 0. */
export type Serve = (response: ServerResponse, body: Body, number: number) => void | Promise<void>;

export interface RawServer {
  readonly urls: { readonly openai: string; readonly anthropic: string; readonly compatible: string };
  /** The requests' bodies in order. */
  readonly bodies: Body[];
}

/** A server that answers every path with bytes of the test's own, as servers in the field do. */
export async function startRawServer(serve: Serve): Promise<RawServer> {
  const bodies: Body[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Body;
    await serve(response, body, bodies.push(body) - 1);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const root = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { urls: { openai: `${root}/v1`, anthropic: root, compatible: `${root}/v1` }, bodies };
}

/** Answers with a status and a body. */
export function status(
  response: ServerResponse,
  code: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(code, { 'content-type': 'application/json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

/** Answers 200 with these bytes as a stream of events. */
export function stream(response: ServerResponse, pieces: readonly string[]): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.end(pieces.join(''));
}

export const data = (value: unknown): string =>
  `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;
export const named = (value: { readonly type: string; readonly [field: string]: unknown }): string =>
  `event: ${value.type}\n${data(value)}`;

/** A chunk of Chat Completions. */
export const chunk = (delta: object, finish: unknown = null, rest: object = {}): string =>
  data({
    id: 'c',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [{ index: 0, delta, finish_reason: finish }],
    ...rest,
  });
export const done = data('[DONE]');
export const chatUsage = { prompt_tokens: 50, completion_tokens: 7, total_tokens: 57 };
/** A whole answer of Chat Completions. */
export const chat = (text: string, finish: unknown = 'stop', usage: unknown = chatUsage): string[] => [
  chunk({ role: 'assistant', content: text }),
  chunk({}, finish),
  data({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [], usage }),
  done,
];

/** A whole answer of the Messages API. */
export function messages(
  text: string,
  stop = 'end_turn',
  rest: object = {},
  usage: object = { output_tokens: 7 },
): string[] {
  return [
    named({
      type: 'message_start',
      message: {
        id: 'm',
        type: 'message',
        role: 'assistant',
        model: 'm',
        content: [],
        usage: { input_tokens: 50, output_tokens: 1 },
      },
    }),
    named({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
    named({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }),
    named({ type: 'content_block_stop', index: 0 }),
    named({ type: 'message_delta', delta: { stop_reason: stop, ...rest }, usage }),
    named({ type: 'message_stop' }),
  ];
}

/** The answer object of the Responses API. */
export const response = (text: string, rest: object = {}): object => ({
  ...{ id: 'r', object: 'response', model: 'm', status: 'completed', incomplete_details: null, error: null },
  output: [
    {
      id: 'o',
      type: 'message',
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text, annotations: [] }],
    },
  ],
  usage: { input_tokens: 50, input_tokens_details: { cached_tokens: 0 }, output_tokens: 7, total_tokens: 57 },
  ...rest,
});
export const responses = (text: string, rest: object = {}): string[] => [
  named({ type: 'response.created', response: { ...response(text), output: [], usage: null } }),
  named({ type: 'response.output_text.delta', item_id: 'o', delta: text }),
  named({ type: 'response.completed', response: response(text, rest) }),
];
