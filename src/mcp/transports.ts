import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { isInitializeRequest } from '@modelcontextprotocol/sdk/types.js';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import { isToken, type Logger, tokenDigest } from '../platform/index.ts';
import type { Outsider } from './outsider.ts';
import { toolServer } from './tools.ts';

/**
 * How clients reach the agent: over stdio, one client, or over HTTP, any number on this machine.
 *
 * Role: connections, sessions, and who may open one. Non-role: tools (tools.ts), the agent (outsider.ts), other machines: HTTP listens
 * on loopback only.
 *
 * HTP-1. Every request carries the token, names a Host of this server, and comes from no foreign Origin.
 * HTP-2. All sessions are one agent: a client that was killed is followed by another one, which finds the agent where it was.
 * HTP-3. The end of a session does not end the agent, since nothing tells a killed client from an idle one; the search
 *     continues without an agent that is silent for long (SRC-4).
 */

/** Longest message of a client in bytes: a program as JSON within JSON, with its rationale. */
const maxMessageBytes = 4 * 1024 * 1024;

/** A running server. */
interface StdioService {
  /** Resolves after the client has disconnected, or `stop`, when the agent's end has been recorded. */
  readonly ended: Promise<void>;
  stop(): void;
}

/**
 * Serves one client on stdin and stdout until it disconnects.
 *
 * The transport of the SDK does not report that stdin ended, which is how a client that was killed appears here.
 */
export async function serveOverStdio(outsider: Outsider, version: string, log: Logger): Promise<StdioService> {
  const server = toolServer(outsider, version);
  const transport = new StdioServerTransport(process.stdin, process.stdout, { maxBufferSize: maxMessageBytes });
  let reason = 'its client disconnected';
  const closed = new Promise<void>((resolve) => {
    server.server.onclose = resolve;
  });
  server.server.onerror = (error) => log.warn({ error: error.message }, 'a message of the client could not be read');
  const close = () => void server.close();
  process.stdin.once('end', close);
  process.stdin.once('close', close);
  process.stdout.once('error', close);
  await server.connect(transport);
  return {
    ended: closed.then(() => outsider.leave(reason)),
    stop() {
      reason = 'its process was stopped';
      close();
    },
  };
}

interface HttpOptions {
  /** Every request must carry it. */
  readonly token: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly version: string;
  readonly log: Logger;
}

/** A running server. */
interface HttpService {
  readonly url: string;
  /** Resolves after `stop`, when the agent's end has been recorded. */
  readonly ended: Promise<void>;
  stop(): void;
}

const host = '127.0.0.1';
const path = '/mcp';
/** Sessions at once. A client that was killed leaves one behind; the one unused for longest makes room. */
const maxSessions = 8;
/** From the start of a request until its body must have arrived. */
const bodyMs = 30_000;

class RequestError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

function refuse(response: ServerResponse, { status, message }: RequestError): void {
  if (response.headersSent) return void response.end();
  const headers = {
    'content-type': 'application/json',
    'x-content-type-options': 'nosniff',
    connection: 'close',
    ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
  };
  const body = { jsonrpc: '2.0', id: null, error: { code: -32_000, message } };
  response.writeHead(status, headers).end(JSON.stringify(body));
}

/**
 * @throws RequestError for a request that does not come from a client of this user on this machine: another Host (a name that
 * was rebound to this address), a page of a browser, or no token.
 */
function authorize({ headers, url }: IncomingMessage, port: number, digest: string): void {
  const names = [`${host}:${port}`, `localhost:${port}`];
  if (!names.includes(headers.host ?? '')) throw new RequestError(403, 'this host is not served');
  const { origin } = headers;
  if (origin !== undefined && !names.some((name) => origin === `http://${name}`)) {
    throw new RequestError(403, 'this origin is not served');
  }
  const given = /^Bearer ([A-Za-z0-9_-]{1,256})$/.exec(headers.authorization ?? '')?.[1];
  if (!isToken(given, digest)) throw new RequestError(401, 'the bearer token is missing or wrong');
  if ((url ?? '').split('?')[0] !== path) throw new RequestError(404, `there is only ${path}`);
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > maxMessageBytes) throw new RequestError(413, `a body has at most ${maxMessageBytes} bytes`);
    chunks.push(chunk as Buffer);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new RequestError(400, 'the body is not JSON');
  }
}

/** Serves one agent to clients on this machine over Streamable HTTP. */
export async function serveOverHttp(outsider: Outsider, options: HttpOptions): Promise<HttpService> {
  const { token, version, log } = options;
  const digest = tokenDigest(token);
  /** By id, the one that was used last at the end. */
  const sessions = new Map<string, StreamableHTTPServerTransport>();

  const open = async (): Promise<StreamableHTTPServerTransport> => {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => {
        sessions.set(id, transport);
        const [[oldest, unused]] = [...sessions] as [[string, StreamableHTTPServerTransport]];
        if (sessions.size <= maxSessions) return;
        sessions.delete(oldest);
        void unused.close();
      },
      onsessionclosed: (id) => void sessions.delete(id),
    });
    await toolServer(outsider, version).connect(transport as Parameters<ReturnType<typeof toolServer>['connect']>[0]);
    transport.onerror = (error) => log.warn({ error: error.message }, 'a message of the client could not be read');
    return transport;
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    authorize(request, port, digest);
    const body = request.method === 'POST' ? await bodyOf(request) : undefined;
    const id = request.headers['mcp-session-id'];
    const known = typeof id === 'string' ? sessions.get(id) : undefined;
    if (known && typeof id === 'string') {
      sessions.delete(id);
      sessions.set(id, known);
      return known.handleRequest(request, response, body);
    }
    if (id !== undefined) throw new RequestError(404, 'this session has ended: initialize a new one');
    if (!isInitializeRequest(body)) throw new RequestError(400, 'a session begins with initialize');
    await (await open()).handleRequest(request, response, body);
  };

  const server = createServer({ requestTimeout: bodyMs }, (request, response) => {
    handle(request, response).catch((thrown) => {
      if (!(thrown instanceof RequestError)) log.warn({ error: errorMessage(thrown) }, 'a request failed');
      refuse(response, thrown instanceof RequestError ? thrown : new RequestError(500, 'the request failed'));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const remedy = 'choose another --http-port, or leave it out';
      reject(new PrerequisiteError('mcp-port', `cannot listen on ${host}:${options.port}: ${cause.message}`, remedy));
    });
    server.listen(options.port, host, resolve);
  });
  const { port } = server.address() as AddressInfo;

  let stop = (): void => undefined;
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  const close = async (): Promise<void> => {
    await outsider.leave('its server was stopped');
    for (const transport of sessions.values()) await transport.close();
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { url: `http://${host}:${port}${path}`, ended: stopped.then(close), stop: () => stop() };
}
