/** A client of the official SDK, over stdio, against a lab that runs a search. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { temporaryFolder } from '../support/home.ts';
import { withArchive } from '../support/ledger.ts';
import { aira, type Program, start } from '../support/program.ts';
import { toySearch, twoAgents } from '../support/toySearch.ts';

const guest = { name: 'guest', model: 'outside/mcp', scaffold: 'outside', literature: true };

type Answer = Readonly<Record<string, unknown>>;
type Call = (name: string, args?: Answer) => Promise<Answer>;

interface Session {
  readonly pid: number;
  /** Calls a tool that must succeed. */
  readonly call: Call;
  /** Calls a tool that must answer with an error. */
  readonly fails: Call;
  readonly tools: readonly string[];
  /** What is not a message of the protocol. */
  readonly stray: Error[];
  close(): Promise<void>;
}

/** Calls of a connected client. */
async function sessionOf(client: Client, stray: Error[], pid = 0): Promise<Session> {
  onTestFinished(() => client.close());
  const ask = async (name: string, given: Answer = {}) => {
    const { content, isError } = await client.callTool({ name, arguments: given });
    const [{ text }] = content as [{ text: string }];
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(24_000);
    return { text, isError: isError === true };
  };
  return {
    pid,
    stray,
    tools: (await client.listTools()).tools.map(({ name }) => name),
    close: () => client.close(),
    async call(name, given) {
      const { text, isError } = await ask(name, given);
      if (isError) throw new Error(`${name}: ${text}`);
      return JSON.parse(text) as Answer;
    },
    async fails(name, given) {
      const { text, isError } = await ask(name, given);
      if (!isError) throw new Error(`${name} succeeded: ${text}`);
      return text.startsWith('{') ? (JSON.parse(text) as Answer) : { message: text };
    },
  };
}

async function connected(args: readonly string[]): Promise<Session> {
  const { PATH = '', HOME = '' } = process.env;
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [join(inject('installation'), 'dist/cli/main.js'), 'mcp', ...args],
    env: { PATH, HOME, AIRA_ACK_WAIT_SECONDS: '3' },
    stderr: 'pipe',
  });
  const client = new Client({ name: 'a-client', version: '1' });
  const stray: Error[] = [];
  client.onerror = (error) => stray.push(error);
  let complained = '';
  transport.stderr?.on('data', (text) => {
    complained += String(text);
  });
  await client.connect(transport).catch((thrown) => {
    throw new Error(`${thrown}: ${complained}`);
  });
  return sessionOf(client, stray, transport.pid ?? 0);
}

/** The same over HTTP. */
async function connectedTo(url: string, token: string): Promise<Session> {
  const client = new Client({ name: 'a-client', version: '1' });
  const stray: Error[] = [];
  client.onerror = (error) => stray.push(error);
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }) as never);
  return sessionOf(client, stray);
}

/** A view, after waiting for what it needs. */
async function viewOf({ call }: Session): Promise<Answer> {
  for (;;) {
    const view = await call('get_view');
    if (view.state !== 'waiting') return view;
    for (const node of view.nodes as string[]) await call('wait_result', { node });
  }
}

const reasons = { change: 'another order of layers', hypothesis: 'mixing early helps' };

/** Orders of layers, each different. */
const architectures = Array.from({ length: 12 }, (_, index) =>
  Array.from({ length: 4 }, (_, at) => (((index + 1) >> at) % 2 === 0 ? 'M' : 'mA')).join(' '),
);

/** A search with a client and a local agent; it waits for the client. */
async function launched(home: string, file: string): Promise<Program> {
  const launcher = start(['launch', file, '--name', 'visited', '--home', home, '--json']);
  await launcher.until(() => launcher.events.some(({ event }) => event === 'started'), 'the start of the search');
  return launcher;
}

describe('clients of the SDK', () => {
  it('one submits twelve times beside a local agent, one is killed, and the search ends well', async () => {
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    const agents = [twoAgents[1], { ...guest, evaluations: 11 }, { ...guest, name: 'mortal' }];
    const launcher = await launched(home, toySearch(folder, { budget: { evaluations: 17 }, agents }));
    const session = await connected(['visited', 'guest', '--home', home]);
    const { call, fails } = session;
    expect(session.tools).toContain('submit_candidate');

    const program = join(inject('installation'), 'dist/cli/main.js');
    const mortal = spawn(
      process.execPath,
      ['tests/support/mcpClient.mjs', program, 'mcp', 'visited', 'mortal', '--home', home],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    onTestFinished(() => void mortal.kill('SIGKILL'));
    const [seen] = await once(mortal.stdout, 'data');
    expect(JSON.parse(String(seen))).toMatchObject({ state: 'ready', view: 'v1', evaluations_left: 3 });

    const task = await call('get_task');
    expect(task).toMatchObject({ agent: 'guest', metric: expect.any(String), evaluations: 11 });
    expect(await fails('get_task', { documnet: 'contract' })).toMatchObject({
      message: expect.stringContaining('documnet'),
    });

    let best: string | null = null;
    let submitted = 0;
    for (const [index, candidate] of architectures.entries()) {
      const view = await viewOf(session);
      expect(view).toMatchObject({ state: 'ready', view: `v${index + 1}` });
      const made = best === null ? { operator: 'draft' } : { operator: 'improve', parents: [best] };
      const submission = { key: `try-${index}`, view: view.view, candidate, ...made, ...reasons };
      if (index === 3) {
        // Not a candidate: an error with the reason, stored as an attempt, and no evaluation is used.
        const refusal = await fails('submit_candidate', { ...submission, candidate: 'M what M' });
        expect(refusal).toMatchObject({ error: 'invalid', node: 'guest-4', evaluations_left: 8 });
        expect(refusal.message).toMatch(/what/);
        continue;
      }
      const answer = await call('submit_candidate', submission);
      submitted++;
      expect(answer).toMatchObject({ node: `guest-${index + 1}`, evaluations_left: 11 - submitted });
      // The same again changes nothing, and another use of the key or the view is refused.
      expect(await call('submit_candidate', submission)).toEqual(answer);
      if (index === 1) {
        const changed = { ...submission, candidate: 'M M M M' };
        expect(await fails('submit_candidate', changed)).toMatchObject({ error: 'key-reused' });
        expect(await fails('submit_candidate', { ...changed, key: 'new' })).toMatchObject({ error: 'view-used' });
        const stranger = { ...submission, key: 'x', view: 'v3', operator: 'improve', parents: ['climber-1'] };
        await viewOf(session);
        expect(await fails('submit_candidate', stranger)).toMatchObject({ error: 'submission' });
        const { found } = await call('search_literature', { query: 'attention placement' });
        expect(found).toContainEqual(expect.stringMatching(/^<data source="corpus:/));
      }
      if (index === 0) {
        const outcome = await call('wait_result', { node: answer.node });
        expect(outcome).toMatchObject({ status: 'evaluated', fitness: expect.any(Number) });
        best = answer.node as string;
        expect(await call('get_node', { node: best })).toMatchObject({ candidate, status: 'evaluated' });
        expect(await fails('wait_result', { node: 'climber-1' })).toMatchObject({ error: 'unknown-node' });
      }
    }
    expect(await call('get_view')).toMatchObject({ state: 'closed', code: 'budget-used' });
    expect(await call('status')).toMatchObject({
      evaluations_left: 0,
      attempts: { proposed: 12, rejected: 1 },
      next: 'stop',
    });
    mortal.kill('SIGKILL');

    const { code, stderr } = await launcher.ended;
    expect(code, stderr).toBe(0);
    expect(launcher.events.at(-1)).toMatchObject({ event: 'finished', search: 'visited', failed: 0 });
    expect(session.stray).toEqual([]);
    await session.close();

    const count = 'SELECT agent, count(*) AS n FROM nodes WHERE ordinal > 0 GROUP BY agent';
    const counts = withArchive(home, (db) => db.prepare(count).all());
    expect(counts).toContainEqual({ agent: 'guest', n: 12 });
    expect(counts).toContainEqual({ agent: 'climber', n: 3 });
    const read = `SELECT json_array_length(rationale, '$.retrieved') AS n FROM nodes WHERE id = 'guest-3'`;
    expect(withArchive(home, (db) => db.prepare(read).get())).toEqual({ n: expect.toSatisfy((n: number) => n > 0) });
    const ends = 'SELECT subject, reason, sentence FROM endings WHERE kind = ?';
    expect(withArchive(home, (db) => db.prepare(ends).all('agent'))).toEqual([
      { subject: 'mortal', reason: 'stopped', sentence: 'its client disconnected' },
    ]);
    const audit = await aira(['audit', 'visited', '--home', home]);
    expect(audit.code, audit.stdout).toBe(0);
    expect(audit.stdout).toMatch(/guest: 12 attempts came from outside/);
  });

  it('over HTTP one is killed, and the next one submits the rest next to an agent that makes claims', async () => {
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    const climber = { ...twoAgents[1], claims: { distance: 1 }, evaluations: 4 };
    const agents = [climber, { ...guest, evaluations: 12, insights: 'own' }];
    const launcher = await launched(home, toySearch(folder, { budget: { evaluations: 16 }, agents }));
    const server = start(['mcp', 'visited', 'guest', '--home', home, '--http']);
    const [, url = '', file = ''] = await server.until(
      () => /at (http\S+); its bearer token is in (\S+)/.exec(server.stderr) ?? undefined,
      'the address',
    );
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const token = readFileSync(file, 'utf8').trim();
    expect(server.stderr).not.toContain(token);

    const [first = '', ...rest] = architectures;
    const mortal = spawn(process.execPath, ['tests/support/mcpHttpClient.mjs', url, file, first], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void mortal.kill('SIGKILL'));
    const [seen] = await once(mortal.stdout, 'data');
    expect(JSON.parse(String(seen))).toMatchObject({ node: 'guest-1', evaluations_left: 11 });
    mortal.kill('SIGKILL');

    const session = await connectedTo(url, token);
    const { call, fails } = session;
    expect(await call('claim_idea', { candidate: rest[0] })).toMatchObject({ state: 'granted', lease_seconds: 1800 });
    expect(await fails('claim_idea', { candidate: 'M what M' })).toMatchObject({
      message: expect.stringMatching(/what/),
    });
    for (const [index, candidate] of rest.entries()) {
      const view = await viewOf(session);
      expect(view).toMatchObject({ state: 'ready', view: `v${index + 2}` });
      const submission = { key: `try-${index}`, view: view.view, operator: 'draft', candidate, ...reasons };
      expect(await call('submit_candidate', submission)).toMatchObject({ node: `guest-${index + 2}` });
      if (index !== 1) continue;
      await call('wait_result', { node: 'guest-1' });
      const insight = { hypothesis: 'attention first helps', verdict: 'open', evidence: ['guest-1'] };
      expect(await call('post_insight', insight)).toEqual({ id: 'guest-i4x1' });
      expect(await fails('post_insight', { ...insight, evidence: ['climber-1'] })).toMatchObject({ error: 'insight' });
    }
    expect(await call('get_view')).toMatchObject({ state: 'closed', code: 'budget-used' });
    const { code, stderr } = await launcher.ended;
    expect(code, stderr).toBe(0);
    expect(session.stray).toEqual([]);
    server.kill('SIGTERM');
    await server.ended;

    const count = (sql: string) => withArchive(home, (db) => (db.prepare(sql).get() as { n: number }).n);
    expect(count(`SELECT count(*) AS n FROM nodes WHERE agent = 'guest' AND verdict = 'accepted'`)).toBe(12);
    expect(count(`SELECT count(*) AS n FROM idea_claims WHERE agent = 'climber'`)).toBeGreaterThanOrEqual(4);
    expect(count('SELECT count(*) AS n FROM insights')).toBe(1);
    // The claims of the local agent are repeated with what they got.
    const audit = await aira(['audit', 'visited', '--home', home]);
    expect(audit.code, audit.stdout).toBe(0);
    expect(audit.stdout).toMatch(/climber: (\d+) of \1 attempts re-executed/);
  });
});
