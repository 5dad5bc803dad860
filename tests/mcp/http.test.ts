/** The server over HTTP: who may open a session, and that sessions come and go while the agent stays. */
import { request } from 'node:http';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { agentNameSchema, searchIdSchema } from '../../src/domain/ids.ts';
import { Outsider } from '../../src/mcp/outsider.ts';
import { serveOverHttp } from '../../src/mcp/transports.ts';
import { type Answers, quiet, ScriptedBus } from '../actors/support.ts';
import { ManualTime } from '../evaluators/support/manualTime.ts';
import { agentSpec } from '../support/specs.ts';

const token = 'a-token-of-the-test';

async function served() {
  const claimed: unknown[] = [];
  const answers: Answers = {
    'agent-join': () => ({
      spec: agentSpec({ name: 'guest', model: 'outside/mcp', scaffold: { kind: 'outside' } }),
      ...{ space: { kind: 'stack', layers: 4, primitives: ['M', 'mA', 'Mb'] } as never, seed: 1, task: 'toy' },
      ...{ metric: 'accuracy', lowerIsBetter: false, next: 1 },
    }),
    'idea-claim': (asked) => {
      claimed.push(asked);
      const node = 'two-1' as never;
      return { state: 'taken', by: 'pending', agent: 'two' as never, node, distance: 1 };
    },
    'agent-retire': () => ({}),
  };
  const scripted = new ScriptedBus(answers);
  const outsider = new Outsider({
    ...{ search: searchIdSchema.parse('trial-1'), name: agentNameSchema.parse('guest'), token: 'x', bus: scripted.bus },
    ...{ openRetriever: null as never, timers: new ManualTime(), log: quiet },
  });
  const service = await serveOverHttp(outsider, { token, port: 0, version: '0', log: quiet });
  onTestFinished(async () => {
    service.stop();
    await service.ended;
  });
  return { service, scripted, claimed, port: Number(new URL(service.url).port) };
}

async function connected(url: string): Promise<Client> {
  const client = new Client({ name: 'a-client', version: '1' });
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }) as never);
  onTestFinished(() => client.close());
  return client;
}

/** The status of a raw request; `fetch` would set Host and Origin by itself. */
function statusOf(port: number, headers: Record<string, string>, { body = '{}', path = '/mcp', method = 'POST' } = {}) {
  return new Promise<number>((resolve, reject) => {
    const all = {
      host: `127.0.0.1:${port}`,
      'content-type': 'application/json',
      authorization: `Bearer ${token}`,
      ...headers,
    };
    const sent = request({ host: '127.0.0.1', port, path, method, headers: all }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', reject);
    sent.end(method === 'POST' ? body : undefined);
  });
}

const initialize = JSON.stringify({
  ...{ jsonrpc: '2.0', id: 1, method: 'initialize' },
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
});

describe('a request', () => {
  it.each([
    ['without a token', { authorization: '' }, {}, 401],
    ['with another token', { authorization: 'Bearer another' }, {}, 401],
    ['with a token in another scheme', { authorization: `Basic ${token}` }, {}, 401],
    ['for another host', { host: 'evil.example' }, {}, 403],
    ['for this host and another port', { host: '127.0.0.1:1' }, {}, 403],
    ['from a page', { origin: 'https://evil.example' }, {}, 403],
    ['from a page without an origin', { origin: 'null' }, {}, 403],
    ['of an unknown session', { 'mcp-session-id': 'x' }, {}, 404],
    ['without a session', {}, {}, 400],
    ['that is not JSON', {}, { body: 'hello' }, 400],
    ['that is too long', {}, { body: `"${'x'.repeat(5_000_000)}"` }, 413],
    ['to another path', {}, { path: '/' }, 404],
    ['that opens a stream without a session', {}, { method: 'GET' }, 400],
  ])('%s is refused', async (_, headers, more, status) => {
    const { port } = await served();
    expect(await statusOf(port, headers, more)).toBe(status);
  });

  it('that initializes is served, from this machine under either name', async () => {
    const { port } = await served();
    const accept = 'application/json, text/event-stream';
    expect(await statusOf(port, { accept }, { body: initialize })).toBe(200);
    const local = { accept, host: `localhost:${port}`, origin: `http://localhost:${port}` };
    expect(await statusOf(port, local, { body: initialize })).toBe(200);
  });
});

describe('a client of the SDK', () => {
  it('has the same tools, and the next one finds the same agent', async () => {
    const { service, claimed, scripted } = await served();
    const first = await connected(service.url);
    const names = (await first.listTools()).tools.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['get_task', 'submit_candidate', 'claim_idea', 'post_insight']));
    await first.close();
    const second = await connected(service.url);
    const { content } = await second.callTool({ name: 'claim_idea', arguments: { candidate: 'M mA M mA' } });
    expect(JSON.parse((content as [{ text: string }])[0].text)).toMatchObject({
      ...{ state: 'taken', node: 'two-1', message: 'two-1 of two, which is being evaluated, differs by 1 edit' },
    });
    expect(claimed).toEqual([{ search: 'trial-1', agent: 'guest', ordinal: 1, candidate: 'M mA M mA' }]);
    service.stop();
    await service.ended;
    expect(scripted.of('agent-retire')).toMatchObject([{ code: 'stopped', reason: 'its server was stopped' }]);
  });

  it('that was killed leaves a session that makes room for others', async () => {
    const { service } = await served();
    const clients = [];
    for (let count = 0; count < 10; count++) clients.push(await connected(service.url));
    await expect(clients[9]?.callTool({ name: 'get_task', arguments: {} })).resolves.toBeDefined();
    await expect(clients[0]?.callTool({ name: 'get_task', arguments: {} })).rejects.toThrow(/session/);
  });
});

it('says what is wrong where its port is in use', async () => {
  const { port } = await served();
  const again = serveOverHttp(null as never, { token, port, version: '0', log: quiet });
  await expect(again).rejects.toThrow(`cannot listen on 127.0.0.1:${port}`);
});
