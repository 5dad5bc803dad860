/** Another user of the machine against a running lab: nothing read, nothing forged, nothing run (S1, S2, S3, S18; I12). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { connectBus, type Handlers } from '../../src/bus/index.ts';
import { systemClock } from '../../src/platform/timers.ts';
import { quiet, until } from '../bus/support.ts';
import { freePort } from '../chaos/distributedLab.ts';
import { serve } from '../chaos/server.ts';
import { contentsOf, withArchive } from '../support/ledger.ts';
import { aira, type Program, start } from '../support/program.ts';
import { agentSpec } from '../support/specs.ts';
import { toySearch } from '../support/toySearch.ts';

const stranger = 65_534;
const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('not root: the outsider is tried as this user without credentials only');

const script = readFileSync(join(import.meta.dirname, '../support/outsider.mjs'), 'utf8');

interface Report {
  readonly uid: number;
  readonly said: Readonly<Record<'nobody' | 'password' | 'token' | 'nkey', string>>;
  readonly readable: readonly string[];
  readonly seedsInArguments: readonly string[];
  readonly seedsInEnvironments: readonly string[];
}

/** Runs the outsider's program, as that user where we may. */
async function intrude(port: number, home: string, uid: number | undefined): Promise<Report> {
  const args = ['--input-type=module', '-e', script, JSON.stringify({ port, home })];
  const rights = uid === undefined ? {} : { uid, gid: uid };
  const child = spawn(process.execPath, args, { ...rights, cwd: '/', env: {}, stdio: ['ignore', 'pipe', 'pipe'] });
  let [said, complained] = ['', ''];
  child.stdout.on('data', (bytes) => {
    said += String(bytes);
  });
  child.stderr.on('data', (bytes) => {
    complained += String(bytes);
  });
  await once(child, 'close');
  if (said === '') throw new Error(complained);
  return JSON.parse(said) as Report;
}

/** Where the server of a home listens. */
function portOf(home: string): number {
  const folder = join(home, 'nats/ports');
  const [file = ''] = readdirSync(folder);
  const { nats } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { nats: [string] };
  return Number(new URL(nats[0]).port);
}

let folder: string;
let file: string;
let calm: ReturnType<typeof contentsOf>;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'aira-outsider-'));
  // Others may look in here: what protects the lab is the lab.
  chmodSync(folder, 0o755);
  file = toySearch(folder, { profile: 'long', budget: { evaluations: 4 } });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function expectShutOut({ said, seedsInArguments }: Report): void {
  for (const [shown, text] of Object.entries(said)) {
    expect(text, shown).toMatch(/^INFO /);
    expect(text, shown).toContain("-ERR 'Authorization Violation'");
    expect(text, shown).not.toMatch(/^(MSG|HMSG|PONG)/m);
  }
  expect(seedsInArguments).toEqual([]);
}

describe('an outsider', () => {
  it.each([
    ['another user', stranger],
    ['this user without credentials', undefined],
  ])('as %s gets nothing out of a running search, and the search ends as an undisturbed one', async (_, uid) => {
    if (uid !== undefined && !isRoot) return;
    const home = join(folder, `home-${uid ?? 'own'}`);
    const launcher = start(['launch', file, '--name', 'toy', '--home', home, '--json']);
    await launcher.event(({ event }) => event === 'node-evaluated', 'a first result');
    const report = await intrude(portOf(home), home, uid);
    expectShutOut(report);
    if (uid !== undefined) {
      expect(report.uid).toBe(stranger);
      expect(report.readable).toEqual([]);
      expect(report.seedsInEnvironments).toEqual([]);
    }
    const { code, stderr } = await launcher.ended;
    expect(code, stderr).toBe(0);
    const found = contentsOf(home, 'toy');
    calm ??= found;
    expect(found).toEqual(calm);
    expect(withArchive(home, (db) => db.prepare('SELECT count(*) AS n FROM refusals').get())).toEqual({ n: 0 });
    for (const command of [['nodes'], ['nodes', 'toy'], ['audit', 'toy']]) {
      expect(await aira([...command, '--home', home]), command.join(' ')).toMatchObject({ code: 0 });
    }
  });

  it('gets nothing out of parts that run apart, neither as another user nor without credentials', async () => {
    const home = join(folder, 'apart');
    const archive = start(['archive', '--home', home]);
    const url = await archive.until(() => /at (nats:\S+)/.exec(archive.stderr)?.[1], 'the address of the archive');
    const worker = start(['worker', '--nats', url, '--home', home, '--workers', '1']);
    await worker.until(() => / workers? at /.test(worker.stderr), 'the worker');
    expectShutOut(await intrude(portOf(home), home, isRoot ? stranger : undefined));
    const parts: readonly (readonly string[])[] = [
      ['worker'],
      ['agent', 'toy', 'chance'],
      ['archive'],
      ['launch', file],
    ];
    for (const part of parts) {
      const elsewhere = join(folder, 'elsewhere');
      const { code, stderr } = await aira([...part, '--nats', url, '--home', elsewhere]);
      expect(code, part.join(' ')).toBe(2);
      expect(stderr).toMatch(/^aira: .*refused the credentials\.\n {2}remedy: .*--home.*\n$/);
    }
    expect([archive.isOver, worker.isOver]).toEqual([false, false]);
  });

  it.runIf(isRoot)('who asks for the nodes of somebody else’s lab is told that it is not theirs', async () => {
    const home = join(folder, 'seen');
    await aira([
      'launch',
      toySearch(folder, { budget: { evaluations: 1 } }, 'short'),
      '--name',
      'short',
      '--home',
      home,
    ]);
    const installation = inject('installation');
    const before = statSync(installation).mode;
    chmodSync(installation, 0o755);
    onTestFinished(() => chmodSync(installation, before));
    const main = join(installation, 'dist/cli/main.js');
    const child = spawn(process.execPath, [main, 'nodes', '--home', home], {
      ...{
        uid: stranger,
        gid: stranger,
        cwd: '/',
        env: { PATH: process.env.PATH },
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    });
    let complained = '';
    child.stderr?.on('data', (bytes) => {
      complained += String(bytes);
    });
    const [code] = await once(child, 'close');
    expect(complained).toMatch(/^aira: permission denied: .* belongs to another user/);
    expect(code).toBe(2);
  });
});

describe('an archive that is not ours', () => {
  it('does not get the key of a language model sent to an address of its choice', async () => {
    const received: string[] = [];
    const thief = createServer((request, response) => {
      received.push(`${request.headers.authorization}`);
      response.writeHead(500).end();
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void thief.close());
    await once(thief, 'listening');
    const baseUrl = `http://127.0.0.1:${(thief.address() as AddressInfo).port}/v1`;
    const port = await freePort();
    const server = await serve(join(folder, 'open'), port);
    onTestFinished(() => void server.kill('SIGKILL'));
    const url = `nats://127.0.0.1:${port}`;
    const bus = await connectBus({ url, name: 'false', clock: systemClock, ids: () => 'id', log: quiet });
    onTestFinished(() => bus.close());
    await bus.ensureStreams();
    const spec = agentSpec({ name: 'victim', model: 'compatible/qwen3:8b', baseUrl });
    const space = { kind: 'stack', layers: 4, primitives: ['M', 'mA', 'Mb'] };
    let retired = '';
    await bus.serve({
      'agent-join': () => ({ spec, space, seed: 1, task: 'toy', metric: 'accuracy', lowerIsBetter: false, next: 1 }),
      'agent-view': () => ({ state: 'ready', view: { ordinal: 1, remaining: 4, nodes: [] }, more: false }),
      'call-reserve': () => ({ state: 'granted' }),
      'call-settle': () => ({ recorded: true }),
      'agent-retire': ({ reason }: { reason: string }) => {
        retired = reason;
        return {};
      },
    } as unknown as Handlers);
    const agent: Program = start(['agent', 'toy', 'victim', '--nats', url, '--home', join(folder, 'agent')], {
      env: { AIRA_COMPATIBLE_API_KEY: 'canary-of-the-outsider' },
    });
    await until(() => retired !== '' || received.length > 0 || agent.isOver);
    expect(received).toEqual([]);
    const { stderr } = await agent.ended;
    expect(stderr).toMatch(/not allowed on this machine/);
    expect(stderr).toMatch(/AIRA_COMPATIBLE_BASE_URL/);
    expect(stderr).toMatch(/does not separate the roles/);
  });
});
