/** Claims of ideas, insights and plateaus, on a real archive with a clock that the test moves. */

import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { agentEntrySchema } from '../../src/domain/agent.ts';
import { maxClaims } from '../../src/domain/ideas.ts';
import type { ReplyOf } from '../../src/domain/messages.ts';
import { Archive } from '../../src/memory/archive.ts';
import { plateauAfter } from '../../src/memory/ideas.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { agentSpec, measurement, resultOf, searchSpec } from '../support/specs.ts';

const claims = { distance: 2, minutes: 30 };
const rationale = { choice: 'c', change: 'd', expected: null, retrieved: [], evidence: [] };

function laboratory(changes: Record<string, object> = {}) {
  const home = temporaryFolder();
  const clock = manualClock();
  const archive = Archive.open(home, clock);
  onTestFinished(() => archive.close());
  const ask = archive.handlers;
  const open = (id: string, task = 'toy') => {
    const agents = ['one', 'two'].map((name) => agentSpec({ name, claims, evaluations: 60, ...changes[name] }));
    ask['search-open']({ spec: searchSpec({ id, task, agents, budget: { evaluations: 120 } }), source: '' });
    return of(id);
  };
  const of = (id: string) => {
    const search = id as never;
    const who = (agent: string) => ({ search, agent: agent as never });
    return {
      claim: (agent: string, candidate: string, ordinal = 1) =>
        ask['idea-claim']({ ...who(agent), ordinal, candidate }),
      submit: (agent: string, candidate: string, ordinal = 1, more = {}) =>
        ask['agent-submit']({ ...who(agent), ordinal, operator: 'draft', parents: [], candidate, rationale, ...more }),
      view: (agent: string, ordinal: number) =>
        ask['agent-view']({ ...who(agent), ordinal }) as Extract<ReplyOf<'agent-view'>, { state: 'ready' }>,
      post: (agent: string, ordinal: number, insight: object) =>
        ask['insight-post']({
          ...who(agent),
          ordinal,
          insight: {
            hypothesis: 'early mixing helps',
            verdict: 'open',
            evidence: [],
            supersedes: null,
            ...insight,
          } as never,
        }),
      retire: (agent: string) => ask['agent-retire']({ ...who(agent), code: 'failed', reason: 'tired' }),
    };
  };
  /** Records the same score for everything that waits, or one per call. */
  const score = (value: number): void => {
    for (const entry of archive.unsent(1000)) {
      if (entry.kind !== 'job') continue;
      ask['job-claim']({ key: entry.body.key, worker: 'worker-1' as never, attempt: 1 });
      archive.record(resultOf(entry.body, measurement(value)));
      archive.markSent([entry.seq]);
    }
  };
  const events = () => archive.unsent(1000).flatMap((entry) => (entry.kind === 'event' ? [entry.body] : []));
  return { home, clock, archive, open, score, events };
}

describe('a claim', () => {
  it('is granted, and then taken for an agent that comes near (IDE-2)', () => {
    const { open } = laboratory();
    const { claim } = open('trial-1');
    expect(claim('one', 'M mA M mA')).toEqual({ state: 'granted', leaseSeconds: 1800 });
    const taken = { state: 'taken', by: 'claim', agent: 'one', node: null };
    expect(claim('two', 'M mA M mA')).toEqual({ ...taken, distance: 0 });
    expect(claim('two', 'mA mA M mA')).toEqual({ ...taken, distance: 1 });
    expect(claim('two', 'mA M M mA')).toMatchObject({ state: 'granted' });
    // Its own claims never stand in its way.
    expect(claim('one', 'M mA M M')).toMatchObject({ state: 'granted' });
  });

  it('counts as the node that was submitted, until its outcome is known', () => {
    const { open, score } = laboratory();
    const { claim, submit } = open('trial-1');
    claim('one', 'M M M M');
    submit('one', 'M mA M mA');
    // What was claimed and not submitted is free again.
    expect(claim('two', 'M M M M')).toMatchObject({ state: 'granted' });
    const taken = { state: 'taken', by: 'pending', agent: 'one', node: 'one-1', distance: 1 };
    expect(claim('two', 'mA mA M mA')).toEqual(taken);
    score(0.5);
    expect(claim('two', 'Mb mA M mA')).toMatchObject({ state: 'granted' });
    expect(claim('two', 'M mA M mA')).toEqual({ state: 'known', agent: 'one', node: 'one-1' });
  });

  it('ends with its lease, by the clock of the archive', () => {
    const { open, clock } = laboratory();
    const { claim } = open('trial-1');
    claim('one', 'M mA M mA');
    clock.advance(1_799_999);
    expect(claim('two', 'M mA M mA')).toMatchObject({ state: 'taken' });
    clock.advance(1);
    expect(claim('two', 'M mA M M')).toMatchObject({ state: 'granted' });
  });

  it('ends with its agent', () => {
    const { open } = laboratory();
    const { claim, retire } = open('trial-1');
    claim('one', 'M mA M mA');
    retire('one');
    expect(claim('two', 'M mA M mA')).toMatchObject({ state: 'granted' });
  });

  it('gets the same reply when it is repeated, whatever has happened since (IDE-1)', () => {
    const { open, clock, home } = laboratory();
    const { claim, submit } = open('trial-1');
    claim('one', 'M mA M mA');
    const refused = claim('two', 'M mA M mA');
    clock.advance(86_400_000);
    expect(claim('two', 'M mA M mA')).toEqual(refused);
    submit('two', 'Mb Mb Mb Mb');
    expect(claim('two', 'M mA M mA')).toEqual(refused);
    expect(() => claim('two', 'M M M mA')).toThrow('attempt 1 of two cannot claim: the next is 2');
    const reader = readArchive(home);
    onTestFinished(() => reader.close());
    expect(reader.ideas.replyOf('trial-1' as never, 'two' as never, 1, 'M mA M mA')).toEqual(refused);
    expect(reader.ideas.claimsOf('trial-1' as never)).toHaveLength(2);
  });

  it('reserves ideas, not a region', () => {
    const { open } = laboratory();
    const { claim } = open('trial-1');
    const layers = (index: number) =>
      [0, 1, 2, 3].map((at) => ['M', 'mA', 'Mb'][Math.floor(index / 3 ** at) % 3]).join(' ');
    for (let index = 0; index < maxClaims; index++) claim('one', layers(index));
    expect(() => claim('one', layers(maxClaims))).toThrow(`has made its ${maxClaims} claims`);
  });

  it('needs a candidate of the space', () => {
    const { open } = laboratory();
    expect(() => open('trial-1').claim('one', 'M what M')).toThrow(/what/);
  });

  it('is a fact', () => {
    const { open, home } = laboratory();
    open('trial-1').claim('one', 'M mA M mA');
    const db = new Database(join(home, 'archive.db'));
    onTestFinished(() => void db.close());
    expect(() => db.exec('UPDATE idea_claims SET expires_at = 0')).toThrow('never changed');
    expect(() => db.exec('DELETE FROM idea_claims')).toThrow('never deleted');
  });
});

describe('an insight', () => {
  const texts = (view: ReturnType<ReturnType<ReturnType<typeof laboratory>['open']>['view']>) =>
    view.view.insights?.map(({ id, hypothesis }) => `${id}: ${hypothesis}`);

  it('is read by its author from the next attempt on, and by no one who does not ask (IDE-3)', () => {
    const { open, score } = laboratory({ one: { insights: 'own', pending: 1 }, two: { pending: 1 } });
    const { submit, view, post } = open('trial-1');
    submit('one', 'M mA M mA');
    submit('two', 'M M M M');
    score(0.5);
    expect(post('one', 2, { evidence: ['one-1'] })).toEqual({ id: 'one-i2x1' });
    expect(post('one', 2, { evidence: ['one-1'] })).toEqual({ id: 'one-i2x1' });
    expect(texts(view('one', 2))).toEqual([]);
    const stated = { hypothesis: 'late mixing helps', verdict: 'refuted', evidence: ['one-1'], supersedes: null };
    submit('one', 'M M mA mA', 2, { insights: [stated, { ...stated, evidence: ['one-9'] }] });
    score(0.4);
    expect(texts(view('one', 3))).toEqual(['one-i2x2: late mixing helps', 'one-i2x1: early mixing helps']);
    expect(view('two', 2).view).not.toHaveProperty('insights');
  });

  it('of the ensemble is read up to the horizon', () => {
    const both = { insights: 'ensemble', memory: 'ensemble', pending: 1 };
    const { open, score } = laboratory({ one: both, two: both });
    const { submit, view, post } = open('trial-1');
    submit('one', 'M mA M mA');
    submit('two', 'M M M M');
    score(0.5);
    post('two', 2, { evidence: ['one-1', 'two-1'] });
    expect(texts(view('one', 2))).toEqual([]);
    submit('one', 'M M mA mA', 2);
    submit('two', 'mA M M M', 2);
    score(0.5);
    expect(texts(view('one', 3))).toEqual(['two-i2x1: early mixing helps']);
  });

  it('that replaces another one hides it, and the ledger says so', () => {
    const { open, score, home } = laboratory({ one: { insights: 'own', pending: 1 } });
    const { submit, view, post } = open('trial-1');
    submit('one', 'M mA M mA');
    score(0.5);
    post('one', 2, { evidence: ['one-1'] });
    post('one', 2, { evidence: ['one-1'], hypothesis: 'nothing helps', supersedes: 'one-i2x1' });
    submit('one', 'M M M M', 2);
    score(0.5);
    expect(texts(view('one', 3))).toEqual(['one-i2x2: nothing helps']);
    const reader = readArchive(home);
    onTestFinished(() => reader.close());
    expect(reader.ideas.insightsOf('trial-1' as never)).toMatchObject([
      { id: 'one-i2x1', supersededBy: 'one-i2x2' },
      { id: 'one-i2x2', supersedes: 'one-i2x1', supersededBy: null },
    ]);
  });

  it('of an earlier search on the task is read by agents with insights: lab, as it was at the start', () => {
    const { open, score, clock } = laboratory({ one: { insights: 'lab', pending: 1 }, two: { insights: 'own' } });
    const first = open('trial-1');
    first.submit('one', 'M mA M mA');
    score(0.5);
    first.post('one', 2, { evidence: ['one-1'] });
    clock.advance(1000);
    const second = open('trial-2');
    const elsewhere = open('trial-3', 'another');
    first.post('one', 2, { evidence: ['one-1'], hypothesis: 'said too late' });
    expect(texts(second.view('one', 1))).toEqual(['trial-1/one-i2x1: early mixing helps']);
    expect(texts(second.view('two', 1))).toEqual([]);
    expect(texts(elsewhere.view('one', 1))).toEqual([]);
  });

  it.each([
    [{ evidence: ['one-1'] }, 'one-1 is no node with an outcome'],
    [{ evidence: ['other-1'] }, 'other-1 is no node with an outcome'],
    [{ evidence: ['two-1'], supersedes: 'one-i9x9' }, 'there is no insight "one-i9x9" in this search'],
  ])('without what it rests on is refused: %j', (insight, message) => {
    const { open, score } = laboratory();
    const { submit, post } = open('trial-1');
    submit('two', 'M M M M');
    score(0.5);
    submit('one', 'M mA M mA');
    expect(() => post('one', 2, insight)).toThrow(message);
  });

  it('of others needs their horizon', () => {
    const entry = { name: 'one', model: 'local/mutate', scaffold: 'greedy', insights: 'ensemble' };
    expect(agentEntrySchema.safeParse(entry).error?.message).toMatch(/need memory: ensemble/);
    expect(agentEntrySchema.safeParse({ ...entry, memory: 'ensemble' }).success).toBe(true);
  });
});

describe('a plateau', () => {
  it('is announced once per best node, by what the attempt may know', () => {
    const { open, score, events, home } = laboratory({ one: { pending: 1, evaluations: 60 } });
    const { submit, view } = open('trial-1');
    const after = plateauAfter({ evaluations: 60 });
    expect(after).toBe(15);
    const layers = (index: number) =>
      [0, 1, 2, 3].map((at) => ['M', 'mA', 'Mb'][Math.floor(index / 3 ** at) % 3]).join(' ');
    const best = 3;
    for (let ordinal = 1; ordinal <= best + after + 3; ordinal++) {
      view('one', ordinal);
      const seen = events().filter(({ kind }) => kind === 'agent-plateaued');
      expect(seen).toHaveLength(ordinal > best + after ? 1 : 0);
      submit('one', layers(ordinal), ordinal);
      score(ordinal === best ? 0.9 : 0.5);
    }
    const reader = readArchive(home);
    onTestFinished(() => reader.close());
    expect(reader.plateaus.of('trial-1' as never)).toEqual([
      { agent: 'one', best: 'one-3', ordinal: best + after + 1, results: after, at: expect.any(Number) },
    ]);
  });
});
