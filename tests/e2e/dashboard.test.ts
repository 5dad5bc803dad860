/** A person at the dashboard of a running lab: pause, kill, resume, veto, propose; the search ends and audits clean. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandReplySchema } from '../../src/views/apiHome.ts';
import { overviewSchema } from '../../src/views/apiSearch.ts';
import { aira, type Program, start } from '../support/program.ts';
import { toySearch, twoAgents } from '../support/toySearch.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'aira-dashboard-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const search = 'toy';

/** The dashboard whose address a program has printed. */
async function dashboardOf(program: Program) {
  const { url } = (await program.event(({ event }) => event === 'dashboard', 'the address')) as unknown as {
    url: string;
  };
  const { origin, hash } = new URL(url);
  const token = hash.replace('#token=', '');
  return {
    async overview() {
      return overviewSchema.parse(await (await fetch(`${origin}/api/searches/${search}`)).json());
    },
    async command(body: object, status = 200) {
      const response = await fetch(`${origin}/api/searches/${search}/commands`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      const text = await response.text();
      expect(response.status, text).toBe(status);
      return JSON.parse(text) as { message?: string };
    },
  };
}

describe('a person at the dashboard', () => {
  it('pauses, resumes after a kill, vetoes and proposes', { timeout: 240_000 }, async () => {
    const home = join(folder, 'home');
    const person = { name: 'person', model: 'outside/mcp', scaffold: 'outside', evaluations: 1 };
    const file = toySearch(folder, { budget: { evaluations: 10 }, agents: [...twoAgents, person] });
    const launcher = start(['launch', file, '--name', search, '--home', home, '--json', '--dashboard']);
    const before = await dashboardOf(launcher);
    const scored = await launcher.event(
      ({ event, node }) => event === 'node-evaluated' && /^climber|^chance/.test(`${node}`),
    );
    await before.command({ kind: 'pause', idempotencyKey: 'pause-0001', why: 'to think' });
    await before.command({ kind: 'pause', idempotencyKey: 'pause-0001', why: 'to think' });
    expect((await before.overview()).search.status).toBe('paused');
    launcher.kill('SIGKILL');
    await launcher.ended;

    const resumed = start(['launch', '--resume', search, '--home', home, '--json', '--dashboard']);
    await resumed.event(({ event }) => event === 'started');
    const after = await dashboardOf(resumed);
    expect((await after.overview()).rulings.map(({ sentence }) => sentence)).toEqual([
      'A person paused the search: to think.',
    ]);
    await after.command({ kind: 'veto', idempotencyKey: 'veto-00001', node: scored.node });
    const refused = await after.command({ kind: 'veto', idempotencyKey: 'veto-00002', node: scored.node }, 409);
    expect(refused.message).toMatch(/vetoed already/);
    await after.command({ kind: 'resume', idempotencyKey: 'resume-001' });
    const proposal = {
      ...{ kind: 'propose', idempotencyKey: 'propose-01', operator: 'draft', parents: [] },
      ...{ candidate: 'Mb Mb M mA', why: 'attention last' },
    };
    const reply = commandReplySchema.parse(await after.command(proposal));
    expect(reply).toMatchObject({ node: 'person-1', sentence: 'person-1 was accepted.' });
    expect(await after.command(proposal)).toMatchObject({ node: 'person-1' });
    const { code, stderr } = await resumed.ended;
    expect(code, stderr).toBe(0);
    const nodes = await aira(['nodes', search, '--home', home, '--json']);
    const rows = nodes.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: string; confirm: number[] });
    expect(rows.find(({ id }) => id === 'person-1')).toBeDefined();
    expect(rows.find(({ id }) => id === scored.node)?.confirm).toEqual([]);
    expect(await aira(['audit', search, '--home', home])).toMatchObject({ code: 0 });

    // A finished search on the same home: everything to read, nothing to command.
    const reader = start(['dashboard', '--home', home, '--port', '0', '--open', 'no']);
    let printed = '';
    await reader.until(() => {
      printed = /dashboard: (\S+)/.exec(reader.stdout)?.[1] ?? '';
      return printed !== '';
    }, 'the address');
    const { origin } = new URL(printed);
    const overview = overviewSchema.parse(await (await fetch(`${origin}/api/searches/${search}`)).json());
    expect(overview.search.status).toBe('finished');
    expect(overview.claims.length).toBeGreaterThan(0);
    reader.kill('SIGINT');
    expect(await reader.ended).toMatchObject({ code: 130, stderr: '' });
  });

  it('gets one sentence for a port in use and for a home without a lab', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      const home = join(folder, 'home');
      const taken = await aira(['dashboard', '--home', home, '--port', String(port), '--open', 'no']);
      expect(taken.code).toBe(2);
      expect(taken.stderr).toMatch(/^aira: port \d+ of 127\.0\.0\.1 is in use\n {2}remedy: .*--port.*\n$/);
    } finally {
      server.close();
    }
    const missing = await aira(['dashboard', '--home', join(folder, 'nothing'), '--open', 'no']);
    expect(missing.code).toBe(2);
    expect(missing.stderr).toMatch(/^aira: there is no archive in .*\n {2}remedy: .*\n$/);
  });
});
