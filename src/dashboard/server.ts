import { existsSync, readFileSync, statSync } from 'node:fs';
import { extname, join, resolve, sep } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type ServerType, serve } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import * as z from 'zod';
import { PrerequisiteError } from '../domain/errors.ts';
import { newToken } from '../platform/index.ts';
import { apiVersion, commandSchema, type Labs, nodesQuerySchema, studiesOf, studyOf } from '../views/index.ts';
import { guard, HttpProblem, isLoopback, problemAnswer, requested } from './guard.ts';
import { EventStreams, type LabsDeps, namedHomes, type ServedHome } from './labs.ts';

export interface DashboardOptions extends LabsDeps {
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
  /** Folder of the built pages. */
  readonly pages: string;
  /** A new one by default. */
  readonly token?: string;
}

export interface Dashboard {
  /** For a person: with the token behind `#`. */
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Starts the server of `aira dashboard`.
 *
 * Role: HTTP over the views of some homes, events, the built pages, commands of people. Non-role: figures (views), what a
 * command does (the archivist).
 *
 * DAS-1  It opens archives read-only and asks no other host: a home that was copied, or whose search has ended, is shown like
 *        one that runs.
 * DAS-2  Every answer passes the guard, and none has a stack.
 *
 * @throws PrerequisiteError `port-in-use`, `address`; of the first home if none can be read.
 */
export async function startDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { host, pages, timers, log, token = newToken() } = options;
  const homes = namedHomes(options);
  const streams = new Map(homes.map((home) => [home, new EventStreams(home, timers, log)] as const));
  const loopback = isLoopback(host);
  let port = options.port;
  const app = new Hono({ strict: false });
  app.onError((thrown, context) => problemAnswer(thrown, context, log));
  app.use('*', guard({ token, loopback, hosts: [host.includes(':') ? `[${host}]` : host], port: () => port }));
  app.get('/api/labs', (c) => {
    const labs: Labs = { version: apiVersion, labs: homes.map((home) => home.summary()) };
    return answer(c, labs);
  });
  for (const [home, events] of streams) app.route(`/api/labs/${home.name}`, homeRoutes(home, events));
  const [first] = homes;
  const firstEvents = first && streams.get(first);
  if (first && firstEvents) app.route('/api', homeRoutes(first, firstEvents));
  app.all('/api/*', () => {
    throw new HttpProblem(404, 'unknown-path', 'the API has no such path', 'see docs/dashboard.md');
  });
  app.get('*', (c) => page(c, pages));
  app.all('*', () => {
    throw new HttpProblem(405, 'method', 'this path is for reading', null);
  });
  const listening = await listen(app, host, port);
  ({ port } = listening);
  for (const home of homes) home.start();
  const shown = host.includes(':') ? `[${host}]` : host;
  return {
    url: `http://${shown}:${port}/#token=${token}`,
    port,
    async close() {
      for (const events of streams.values()) events.close();
      const { server } = listening;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      if ('closeAllConnections' in server) server.closeAllConnections();
      await closed;
      await Promise.all(homes.map((home) => home.close()));
    },
  };
}

/** A candidate may have 400,000 characters, and JSON escapes some. */
const mostBodyBytes = 2_000_000;

const sequenceSchema = z.coerce.number().int().nonnegative();

/** A sequence from a header or a query; null if absent. */
const sequenceOf = (text: string | undefined): number | null =>
  text === undefined || text === '' ? null : requested(sequenceSchema, text);

/** Figures change with each training: nothing of the API is stored by a browser. */
function answer(context: Context, body: unknown): Response {
  context.header('Cache-Control', 'no-store');
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return compressed(context, text, 'application/json; charset=utf-8');
}

/** The routes of one home, below `/api` or `/api/labs/<name>`. */
function homeRoutes(home: ServedHome, streams: EventStreams): Hono {
  const routes = new Hono();
  const views = () => home.views();
  routes.get('/searches', (c) => answer(c, views().searches()));
  routes.get('/searches/:id', (c) => answer(c, views().overview(c.req.param('id'), home.heard)));
  routes.get('/searches/:id/nodes', (c) => {
    const given = Object.entries(c.req.query()).filter(([, value]) => value !== '');
    return answer(c, views().nodes(c.req.param('id'), requested(nodesQuerySchema, Object.fromEntries(given))));
  });
  routes.get('/searches/:id/points', (c) =>
    answer(c, views().points(c.req.param('id'), sequenceOf(c.req.query('after')) ?? undefined)),
  );
  routes.get('/searches/:id/nodes/:node', (c) =>
    answer(c, views().node(c.req.param('id'), c.req.param('node'), home.heard)),
  );
  routes.get('/searches/:id/raw/nodes/:node/:kind/:name?', (c) => {
    const { id, node, kind, name } = c.req.param();
    const text = views().raw(id, node, name === undefined ? [kind] : [kind, name], home.heard);
    c.header('Cache-Control', 'no-store');
    c.header('Content-Disposition', `attachment; filename="${`${node}-${name ?? kind}`.replace(/[^\w.-]/g, '_')}.txt"`);
    return compressed(c, text, 'text/plain; charset=utf-8');
  });
  routes.get('/searches/:id/agents/:agent', (c) =>
    answer(c, views().agent(c.req.param('id'), c.req.param('agent'), home.heard)),
  );
  routes.get('/searches/:id/literature', (c) => answer(c, views().literature(c.req.param('id'), home.heard)));
  routes.get('/searches/:id/sections/:group', (c) =>
    answer(c, views().sections(c.req.param('id'), c.req.param('group'), home.heard)),
  );
  routes.get('/studies', (c) => answer(c, studiesOf(home.home)));
  routes.get('/studies/:id', (c) => answer(c, studyOf(home.home, c.req.param('id'))));
  routes.get('/scales/:id', (c) => answer(c, views().scale(c.req.param('id'))));
  routes.get('/workers', (c) => answer(c, views().workers(home.heard)));
  routes.get('/events', (c) => {
    c.header('Cache-Control', 'no-store');
    return streams.open(c, sequenceOf(c.req.header('last-event-id') ?? c.req.query('after')));
  });
  routes.post(
    '/searches/:id/commands',
    bodyLimit({
      maxSize: mostBodyBytes,
      onError: () => {
        throw new HttpProblem(413, 'too-large', `a command has at most ${mostBodyBytes} bytes`, null);
      },
    }),
    async (c) => {
      // A form of another site can send no JSON.
      if (!/^application\/json\b/.test(c.req.header('content-type') ?? '')) {
        throw new HttpProblem(400, 'content-type', 'a command is application/json', null);
      }
      const body: unknown = await c.req.json().catch(() => {
        throw new HttpProblem(400, 'json', 'the body is not JSON', null);
      });
      return answer(c, await home.command(c.req.param('id'), requested(commandSchema, body)));
    },
  );
  return routes;
}

/** Resolves when the server listens. @throws PrerequisiteError `port-in-use`, `address` */
function listen(app: Hono, host: string, port: number): Promise<{ server: ServerType; port: number }> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, hostname: host, port }, (info) => resolve({ server, port: info.port }));
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const inUse = cause.code === 'EADDRINUSE';
      const message = inUse ? `port ${port} of ${host} is in use` : `cannot listen on ${host}:${port} (${cause.code})`;
      const remedy = inUse ? 'choose another --port, or 0 for a free one' : 'choose another --host or --port';
      reject(new PrerequisiteError(inUse ? 'port-in-use' : 'address', message, remedy, { cause }));
    });
  });
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.json': 'application/json',
  '.woff2': 'font/woff2',
};

/** Below this a compressed answer saves nothing. */
const leastCompressed = 1_000;

/** Vite names what it builds by a hash of its content. */
const hashed = /-[A-Za-z0-9_-]{8,}\.[a-z0-9]+$/;

/** An answer, compressed for a browser that can read it. */
function compressed(context: Context, body: string | Buffer, type: string, status: 200 | 503 = 200): Response {
  context.header('Content-Type', type);
  context.header('Vary', 'Accept-Encoding');
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const canGzip = /\bgzip\b/.test(context.req.header('accept-encoding') ?? '');
  if (!canGzip || bytes.length < leastCompressed) return context.body(new Uint8Array(bytes), status);
  context.header('Content-Encoding', 'gzip');
  // Level 1: ten times faster than the usual one, and a fifth larger.
  return context.body(new Uint8Array(gzipSync(bytes, { level: 1 })), status);
}

const notBuilt = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Aira</title></head><body>
<p>The pages of the dashboard are not built. Build them with <code>npm run build</code>, then reload. The data is at <a href="/api/labs">/api/labs</a>.</p>
</body></html>
`;

/**
 * The built pages. An address without a file of its own is one of the page's, which reads it itself. Files named by their
 * content never change; the page that names them is requested each time.
 */
function page(context: Context, folder: string): Response {
  const index = join(folder, 'index.html');
  if (!existsSync(index)) return compressed(context, notBuilt, 'text/html; charset=utf-8', 503);
  const path = resolve(folder, `.${decodeURIComponent(new URL(context.req.url).pathname)}`);
  const isInside = path.startsWith(resolve(folder) + sep);
  const isFile = isInside && existsSync(path) && statSync(path).isFile();
  if (!isFile && extname(path) !== '') throw new HttpProblem(404, 'unknown-page', 'there is no such file', null);
  const file = isFile ? path : index;
  const immutable = file !== index && hashed.test(file);
  context.header('Cache-Control', immutable ? 'public, max-age=31536000, immutable' : 'no-cache');
  return compressed(context, readFileSync(file), types[extname(file)] ?? 'application/octet-stream');
}
