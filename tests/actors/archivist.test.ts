/** What the archive takes from whom (I12), with a real server, a real ledger and the connections of the roles. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createActor, toPromise } from 'xstate';
import { archivistMachine } from '../../src/actors/archivist.ts';
import {
  type Bus,
  labAccess,
  labUsers,
  type NatsServer,
  openResult,
  type Role,
  roles,
  sealingKey,
  sealResult,
} from '../../src/bus/index.ts';
import type { Job } from '../../src/domain/evaluation.ts';
import { agentNameSchema, workerIdSchema } from '../../src/domain/ids.ts';
import { Archive } from '../../src/memory/archive.ts';
import { wholeAtOnceBytes } from '../../src/memory/database.ts';
import { silenceLimitMs } from '../../src/memory/ensemble.ts';
import { newToken } from '../../src/platform/secrets.ts';
import { systemTimers } from '../../src/platform/timers.ts';
import { everything, laboratory, quiet, rawConnection, until } from '../bus/support.ts';
import { manualClock } from '../support/home.ts';
import { damageMiddle, largeArchive } from '../support/largeArchive.ts';
import { withArchive } from '../support/ledger.ts';
import { agentSpec, measurement, resultOf, searchSpec } from '../support/specs.ts';

const lab = laboratory();
const clock = manualClock();
let home: string;
let server: NatsServer;
let archive: Archive;
const buses = new Map<Role, Bus>();
const as = (role: Role): Bus => buses.get(role) as Bus;

beforeEach(async () => {
  home = lab.directory();
  server = await lab.server(join(home, 'nats'), undefined, [...labUsers(home), everything]);
  for (const role of roles) buses.set(role, await lab.bus(server, { role, access: labAccess(home, role) ?? {} }));
  archive = Archive.open(home, clock);
  lab.later(() => archive.close());
  const parts = { archive, bus: as('archive'), sealingKey: sealingKey(home), timers: systemTimers, log: quiet };
  const actor = createActor(archivistMachine({ ...parts, reconcileEveryMs: 60_000 }));
  actor.start();
  lab.later(async () => {
    actor.send({ type: 'STOP' });
    await toPromise(actor);
  });
  const spec = searchSpec({ agents: [agentSpec(), agentSpec({ name: 'runner' })] });
  await as('search').ask('search-open', { spec, source: '' }, { attempts: 40 });
});
afterEach(() => lab.clear());

const search = searchSpec().id;
const walker = agentNameSchema.parse('walker');
const runner = agentNameSchema.parse('runner');
const worker = workerIdSchema.parse('worker-1');
const proposal = (ordinal: number) => ({
  ...{ search, agent: walker, ordinal, operator: 'draft' as const, parents: [], candidate: 'M M mA M' },
  rationale: { choice: 'a test', change: 'a draft', expected: null, retrieved: [], evidence: [] },
});

async function submitted(): Promise<Job> {
  const token = newToken();
  await as('agent').ask('agent-join', { search, agent: walker }, { token });
  await as('agent').ask('agent-submit', proposal(1), { token });
  const delivery = await as('worker').takeJob('cpu', { expiresMs: 10_000 });
  if (!delivery) throw new Error('no job came');
  return delivery.job;
}

const refusals = () =>
  withArchive(home, (db) => db.prepare('SELECT worker, attempt, reason FROM refusals ORDER BY seq').all());
const evaluations = () =>
  withArchive(home, (db) => db.prepare('SELECT validation, attempt, worker FROM evaluations').all());

describe('a result', () => {
  it('counts for the claim that its sender holds, and no other', async () => {
    const job = await submitted();
    const token = newToken();
    const claim = { key: job.key, worker, attempt: 1 };
    const reply = await as('worker').ask('job-claim', claim, { token });
    expect(reply).toMatchObject({ go: true, reason: 'wanted' });
    const stated = resultOf(job, measurement(0.99));
    await as('worker').publishResult(stated, 'forged-1', { token: newToken() });
    await as('worker').publishResult(stated, 'forged-2');
    await as('worker').publishResult({ ...stated, attempt: 2 }, 'forged-3', { token });
    await as('worker').publishResult({ ...stated, worker: workerIdSchema.parse('other') }, 'forged-4', { token });
    await until(() => refusals().length === 3);
    expect(evaluations()).toEqual([]);
    expect(refusals()).toEqual([
      { worker, attempt: 1, reason: 'unheld' },
      { worker, attempt: 2, reason: 'unheld' },
      { worker: 'other', attempt: 1, reason: 'unheld' },
    ]);

    await as('worker').publishResult(resultOf(job, measurement(0.5)), 'honest', { token });
    await until(() => evaluations().length === 1);
    expect(evaluations()).toEqual([{ validation: 0.5, attempt: 1, worker }]);
  });

  it('is not taken for a job that nobody has claimed', async () => {
    const job = await submitted();
    await as('worker').publishResult(resultOf(job, measurement(0.99)), 'stated', { token: newToken() });
    await until(() => refusals().length === 1);
    expect(evaluations()).toEqual([]);
  });

  it('that carries hidden figures leaves them neither on the bus nor on its disk', async () => {
    const job = await submitted();
    const token = newToken();
    const { seal } = await as('worker').ask('job-claim', { key: job.key, worker, attempt: 1 }, { token });
    const tasks = { recall: { validation: 0.5, test: 0.7654321 } };
    const measured = resultOf(job, measurement(0.5, { test: 0.87654321, tasks }));
    await expect(as('worker').publishResult(measured, 'open', { token })).rejects.toThrow('an unsealed test score');
    const message = sealResult(measured, seal);
    await as('worker').publishResult(message, 'sealed', { token });
    await until(() => evaluations().length === 1);
    expect(withArchive(home, (db) => db.prepare('SELECT score, tasks FROM test_scores').all())).toEqual([
      { score: 0.87654321, tasks: '{"recall":0.7654321}' },
    ]);
    expect(openResult(message, sealingKey(home))).toEqual(measured);

    const raw = await rawConnection(server);
    lab.later(() => raw.close());
    const stored = await (await raw.jetstreamManager()).streams.getMessage('RESULTS', { last_by_subj: 'aira.result' });
    const files = readdirSync(join(home, 'nats'), { recursive: true, encoding: 'utf8', withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
    expect(stored.string()).toContain(job.key);
    expect(files.some((text) => text.includes(job.key))).toBe(true);
    for (const text of [stored.string(), ...files]) expect(text).not.toMatch(/0\.7654321|0\.87654321/);
  });

  it('that was sealed for somebody else, or for another training, is refused', async () => {
    const job = await submitted();
    const token = newToken();
    const { seal } = await as('worker').ask('job-claim', { key: job.key, worker, attempt: 1 }, { token });
    const measured = resultOf(job, measurement(0.5, { test: 0.9 }));
    const moved = { ...sealResult({ ...measured, attempt: 7 }, seal), attempt: 1 };
    await as('worker').publishResult(moved, 'moved', { token });
    await until(() => refusals().length === 1);
    expect(refusals()).toEqual([{ worker, attempt: 1, reason: 'unreadable' }]);
    expect(evaluations()).toEqual([]);
  });
});

describe('a claim', () => {
  it('is not given without a proof, nor to a second process under the same number', async () => {
    const job = await submitted();
    const claim = { key: job.key, worker, attempt: 1 };
    await expect(as('worker').ask('job-claim', claim)).rejects.toMatchObject({ code: 'unproven' });
    const token = newToken();
    await as('worker').ask('job-claim', claim, { token });
    expect(await as('worker').ask('job-claim', claim, { token })).toMatchObject({ go: true });
    await expect(as('worker').ask('job-claim', claim, { token: newToken() })).rejects.toMatchObject({
      code: 'claim-held',
    });
    expect(withArchive(home, (db) => db.prepare('SELECT count(*) AS n FROM attempts').get())).toEqual({ n: 1 });
  });
});

describe('an agent', () => {
  it('is spoken for by the process that joined, in every request', async () => {
    const [own, other] = [newToken(), newToken()];
    await as('agent').ask('agent-join', { search, agent: walker }, { token: own });
    await as('agent').ask('agent-join', { search, agent: runner }, { token: other });
    const about = { search, agent: walker };
    const reservation = {
      ...{ ...about, call: 'call-1', ordinal: 1, purpose: 'draft' as const, model: 'openai/some' as const },
      ...{ request: 'a'.repeat(64), dollars: 0, tokens: 1 },
    };
    const settlement = {
      ...{ search, call: 'call-1', outcome: 'complete' as const, served: null, dollars: 0, estimated: false },
      ...{ usage: { input: 0, cached: 0, written: 0, output: 0 }, latencyMs: 1, message: null },
    };
    for (const token of [other, newToken(), undefined]) {
      const code = token === undefined ? 'unproven' : 'not-the-agent';
      const tries = [
        as('agent').ask('agent-view', { ...about, ordinal: 1 }, { token }),
        as('agent').ask('agent-submit', proposal(1), { token }),
        as('agent').ask('agent-retire', { ...about, code: 'failed', reason: 'gone' }, { token }),
        as('agent').ask('call-reserve', reservation, { token }),
      ];
      for (const each of await Promise.allSettled(tries)) expect(each).toMatchObject({ reason: { code } });
    }
    await as('agent').ask('call-reserve', reservation, { token: own });
    await expect(as('agent').ask('call-settle', settlement, { token: other })).rejects.toMatchObject({
      code: 'not-the-agent',
    });
    expect(await as('agent').ask('call-settle', settlement, { token: own })).toEqual({ recorded: true });
    expect(await as('agent').ask('agent-submit', proposal(1), { token: own })).toMatchObject({ verdict: 'accepted' });
    const nodes = withArchive(home, (db) => db.prepare('SELECT id FROM nodes').all());
    expect(nodes).toEqual([{ id: 'walker-1' }]);
  });

  it('is taken over by another process only after a long silence of the one that holds it', async () => {
    const [own, other] = [newToken(), newToken()];
    const join = (token: string) => as('agent').ask('agent-join', { search, agent: walker }, { token });
    await join(own);
    await join(own);
    await expect(join(other)).rejects.toMatchObject({ code: 'agent-held', remedy: expect.stringContaining('--home') });
    clock.advance(silenceLimitMs - 1);
    await as('agent').ask('agent-view', { search, agent: walker, ordinal: 1 }, { token: own });
    clock.advance(silenceLimitMs - 1);
    await expect(join(other)).rejects.toMatchObject({ code: 'agent-held' });
    clock.advance(1);
    await join(other);
    await expect(
      as('agent').ask('agent-view', { search, agent: walker, ordinal: 1 }, { token: own }),
    ).rejects.toMatchObject({ code: 'not-the-agent' });
  });
});

describe('the archivist of a large archive', () => {
  it('serves at once, and ends with the remedy when the check of the whole file finds damage (ARC-5)', async () => {
    const large = lab.directory();
    largeArchive(large, wholeAtOnceBytes);
    damageMiddle(large);
    const opened = Archive.open(large, clock);
    lab.later(() => opened.close());
    const parts = {
      archive: opened,
      bus: as('archive'),
      sealingKey: sealingKey(large),
      timers: systemTimers,
      log: quiet,
    };
    const actor = createActor(archivistMachine({ ...parts, reconcileEveryMs: 60_000 }));
    const states: unknown[] = [];
    actor.subscribe(({ value }) => states.push(value));
    actor.start();
    await toPromise(actor);
    expect(states).toEqual(['preparing', 'serving', 'failing', 'failed']);
    expect(actor.getSnapshot().context.error).toMatchObject({
      code: 'archive-damaged',
      remedy: 'restore it from a backup',
    });
  });
});
