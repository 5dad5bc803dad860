// Serves made-up searches with the contract of `src/views/api.ts` and the built pages: a stand-in for `aira dashboard` where
// the archive is not the subject.
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { gzipSync } from 'node:zlib';
import { agentDetail, literature, nodeDetail } from './details.mjs';
import { scale, studies, study, workers } from './home.mjs';
import { nodesPage, overview, pointsAfter, searchRow } from './search.mjs';
import { sections } from './sections.mjs';
import { wholeText } from './texts.mjs';

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const types = /** @type {Record<string, string>} */ ({
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
});

/**
 * @param {import('./world.mjs').World[]} worlds
 * @param {{port?: number, token?: string, pages?: string, heartbeatMs?: number}} options
 */
export async function serveWorlds(
  worlds,
  { port = 0, token = 'secret-token', pages = 'dist/pages', heartbeatMs = 15_000 } = {},
) {
  /** @type {Set<import('node:http').ServerResponse>} */
  const listeners = new Set();
  /** Sent events, for those who resume. @type {{sequence: number, text: string}[]} */
  const sent = [];
  /** @type {{method: string, path: string, lastEventId: string | undefined}[]} */
  const requests = [];
  /** Answers of large searches, compressed once. @type {Map<string, Buffer>} */
  const packed = new Map();

  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    requests.push({
      method: request.method ?? '',
      path: url.pathname + url.search,
      lastEventId: /** @type {string | undefined} */ (request.headers['last-event-id']),
    });
    if (!url.pathname.startsWith('/api/')) return sendFile(response, url.pathname);
    const parts = url.pathname.slice(5).split('/').map(decodeURIComponent);
    if (parts[0] === 'events') return listen(request, response);
    if (request.method === 'POST') {
      if (request.headers.authorization !== `Bearer ${token}`) return problem(response, 401, 'this needs the token');
      const world = worlds.find(({ id }) => id === parts[1]);
      if (!world || world.status === 'finished') return problem(response, 409, 'no lab runs there');
      let body = '';
      for await (const chunk of request) body += chunk;
      const reply = world.command(JSON.parse(body));
      json(response, reply);
      api.changed(world, [], ['ruling'], true);
      return;
    }
    if (parts[2] === 'raw')
      return response.writeHead(200, { 'content-type': 'text/plain' }).end(wholeText(Number(parts[3])));
    // Both are made once for a state of the search, so that the browser is measured, not this stand-in.
    const world = parts[0] === 'searches' ? worlds.find(({ id }) => id === parts[1]) : undefined;
    const large = world && (parts.length === 2 || (parts[2] === 'points' && !url.searchParams.has('after')));
    const key = `${url.pathname} ${world?.sequence} ${world?.status}`;
    const ready = large ? packed.get(key) : undefined;
    if (ready) return sendPacked(response, ready);
    const answer = answerOf(parts, Object.fromEntries(url.searchParams));
    if (answer === null) return problem(response, 404, 'there is no such thing here');
    if (large) {
      const body = gzipSync(JSON.stringify(answer), { level: 3 });
      if (packed.size > 8) packed.clear();
      packed.set(key, body);
      return sendPacked(response, body);
    }
    json(response, answer);
  });

  /** @param {string[]} parts @param {Record<string, string>} query @returns {any} */
  function answerOf([kind, id, view, item], query) {
    const first = worlds[0];
    if (kind === 'labs')
      return {
        version: 1,
        labs: [{ name: 'lab', folder: '.aira', searches: worlds.length, live: true, problem: null }],
      };
    if (kind === 'studies') return id ? (id === 'memory' ? study() : null) : studies();
    if (kind === 'scales') return scale();
    if (kind === 'workers') return workers(first?.id ?? '', first?.nodes.at(-1).id ?? '');
    if (kind !== 'searches') return null;
    if (!id) return { version: 1, searches: worlds.map((world) => searchRow(world)) };
    const world = worlds.find((each) => each.id === id);
    if (!world) return null;
    if (!view) return overview(world);
    if (view === 'points') return pointsAfter(world, Number(query.after ?? 0));
    if (view === 'nodes') return item ? nodeDetail(world, item) : nodesPage(world, query);
    if (view === 'agents') return agentDetail(world, item ?? '');
    if (view === 'literature') return literature(world);
    if (view === 'sections') return sections(world, item ?? '');
    return null;
  }

  /** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response */
  function listen(request, response) {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(': hello\n\n');
    const after = request.headers['last-event-id'];
    if (after !== undefined) for (const { sequence, text } of sent) if (sequence > Number(after)) response.write(text);
    listeners.add(response);
    const beat = setInterval(() => response.write(': beat\n\n'), heartbeatMs);
    response.on('close', () => {
      clearInterval(beat);
      listeners.delete(response);
    });
  }

  /** @param {import('node:http').ServerResponse} response @param {string} path */
  function sendFile(response, path) {
    const file = join(pages, normalize(path === '/' ? '/index.html' : path));
    if (!file.startsWith(normalize(pages)) || !existsSync(file)) return problem(response, 404, 'no such file');
    response
      .writeHead(200, {
        'content-type': types[extname(file)] ?? 'application/octet-stream',
        'content-security-policy': policy,
        'x-content-type-options': 'nosniff',
      })
      .end(readFileSync(file));
  }

  await new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(undefined)));
  const bound = /** @type {import('node:net').AddressInfo} */ (server.address()).port;
  const api = {
    url: `http://127.0.0.1:${bound}/`,
    port: bound,
    token,
    requests,
    answerOf,
    /** @param {import('./world.mjs').World} world @param {string[]} nodes @param {string[]} kinds @param {boolean} all */
    changed(world, nodes, kinds = ['node', 'score'], all = false) {
      const { sequence } = world;
      const text = `id: ${sequence}\nevent: changed\ndata: ${JSON.stringify({ search: world.id, kinds, nodes, all, sequence })}\n\n`;
      sent.push({ sequence, text });
      for (const listener of listeners) listener.write(text);
    },
    async close() {
      for (const listener of listeners) listener.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(() => resolve(undefined)));
    },
  };
  return api;
}

/** @param {import('node:http').ServerResponse} response @param {Buffer} body */
function sendPacked(response, body) {
  response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(body);
}

/** @param {import('node:http').ServerResponse} response @param {unknown} value */
function json(response, value) {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

/** @param {import('node:http').ServerResponse} response @param {number} status @param {string} message */
function problem(response, status, message) {
  response
    .writeHead(status, { 'content-type': 'application/json' })
    .end(JSON.stringify({ version: 1, code: 'problem', message, remedy: null }));
}
