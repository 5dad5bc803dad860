import { describe, expect, it, onTestFinished } from 'vitest';
import { candidateText } from '../../src/domain/candidate.ts';
import type { Job } from '../../src/domain/evaluation.ts';
import type { AgentName, EvaluationKey } from '../../src/domain/ids.ts';
import type { RequestOf } from '../../src/domain/messages.ts';
import { Archive } from '../../src/memory/archive.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { agentSpec, measurement, resultOf, searchSpec } from '../support/specs.ts';

const walker = 'walker' as AgentName;

function openArchive(home = temporaryFolder(), clock = manualClock()) {
  const archive = Archive.open(home, clock);
  onTestFinished(() => archive.close());
  return { archive, home, clock, ask: archive.handlers };
}

function proposal(ordinal: number, candidate: string, overrides: Partial<RequestOf<'agent-submit'>> = {}) {
  const rationale = { choice: 'test', change: 'test', expected: null, retrieved: [], evidence: [] };
  const search = searchSpec().id;
  return {
    search,
    agent: walker,
    ordinal,
    operator: 'draft' as const,
    parents: [],
    candidate,
    rationale,
    ...overrides,
  };
}

const jobs = (archive: Archive) => archive.unsent(1000).flatMap((entry) => (entry.kind === 'job' ? [entry.body] : []));
const events = (archive: Archive) =>
  archive.unsent(1000).flatMap((entry) => (entry.kind === 'event' ? [entry.body] : []));

it('names to a machine that would join the evaluators that open jobs need', () => {
  const { archive, ask } = openArchive();
  ask['search-open']({ spec: searchSpec(), source: '' });
  const waiting = () => ask['worker-hello']({}).evaluators;
  expect(waiting()).toEqual([]);
  ask['agent-submit'](proposal(1, 'M M M M'));
  const [job] = jobs(archive) as [Job];
  expect(waiting()).toEqual([job.evaluator]);
  archive.record(resultOf(job, measurement(0.5)));
  expect(waiting()).toEqual([]);
});

describe('submitting', () => {
  it('records node, job and announcement together', () => {
    const { archive, ask } = openArchive();
    ask['search-open']({ spec: searchSpec(), source: '' });
    const reply = ask['agent-submit'](proposal(1, 'M,mA 2Mb'));
    expect(reply).toEqual({ verdict: 'accepted', node: 'walker-1', saved: false });
    expect(jobs(archive).map((job) => candidateText(job.candidate))).toEqual(['M mA Mb Mb']);
    expect(events(archive).map((event) => event.kind)).toEqual(['node-submitted']);
  });

  it('answers a repeated request as the first time and changes nothing (LED-2)', () => {
    const { archive, ask } = openArchive();
    ask['search-open']({ spec: searchSpec(), source: '' });
    const first = ask['agent-submit'](proposal(1, 'M M M M'));
    const before = archive.unsent(100).length;
    expect(ask['agent-submit'](proposal(1, 'mA M M M'))).toEqual(first);
    expect(archive.unsent(100)).toHaveLength(before);
  });

  it('keeps what is no candidate, with the reason (I8)', () => {
    const { home, ask } = openArchive();
    ask['search-open']({ spec: searchSpec(), source: '' });
    expect(ask['agent-submit'](proposal(1, 'M M M'))).toMatchObject({ verdict: 'refused', reason: 'invalid' });
    expect(ask['agent-submit'](proposal(2, 'M M M Conv'))).toMatchObject({ verdict: 'refused', reason: 'invalid' });
    const reader = readArchive(home);
    expect(reader.records.nodes(searchSpec().id).map((node) => node.verdict)).toEqual(['rejected', 'rejected']);
    reader.close();
  });

  it('refuses an agent its own candidate again, and a different agent not', () => {
    const { archive, ask } = openArchive();
    const agents = [agentSpec(), agentSpec({ name: 'rival' })];
    ask['search-open']({ spec: searchSpec({ agents }), source: '' });
    ask['agent-submit'](proposal(1, 'M M M M'));
    expect(ask['agent-submit'](proposal(2, '4M'))).toMatchObject({ reason: 'duplicate', node: 'walker-2' });
    const rival = ask['agent-submit'](proposal(1, '4M', { agent: 'rival' as AgentName }));
    expect(rival).toEqual({ verdict: 'accepted', node: 'rival-1', saved: true });
    expect(jobs(archive)).toHaveLength(1);
  });

  it('stops at the agent’s budget, at the wall time and after screening (I9)', () => {
    const { ask, clock } = openArchive();
    const spec = searchSpec({
      agents: [agentSpec({ evaluations: 1 }), agentSpec({ name: 'rival' })],
      budget: { evaluations: 2, minutes: 1 },
    });
    ask['search-open']({ spec, source: '' });
    ask['agent-submit'](proposal(1, '4M'));
    expect(ask['agent-submit'](proposal(2, '4mA'))).toMatchObject({ verdict: 'refused', reason: 'budget', node: null });
    for (const ms of [30_000, 31_000]) {
      clock.advance(ms);
      ask['search-status']({ search: spec.id });
    }
    const rival = proposal(1, '4mA', { agent: 'rival' as AgentName });
    expect(ask['agent-submit'](rival)).toMatchObject({ reason: 'budget', message: 'the 1 minutes are used' });
    ask['search-phase']({ search: spec.id, phase: 'confirming' });
    expect(ask['agent-submit'](rival)).toMatchObject({ reason: 'closed' });
  });

  it('reserves what is queued against the device seconds (I9)', () => {
    const { ask } = openArchive();
    ask['search-open']({ spec: searchSpec({ budget: { evaluations: 4, deviceSeconds: 2.5 } }), source: '' });
    expect(ask['agent-submit'](proposal(1, '4M'))).toMatchObject({ verdict: 'accepted' });
    expect(ask['agent-submit'](proposal(2, '4mA'))).toMatchObject({ verdict: 'accepted' });
    expect(ask['agent-submit'](proposal(3, '4Mb'))).toMatchObject({ verdict: 'refused', reason: 'budget' });
  });
});

describe('results', () => {
  const begun = (spec = searchSpec()) => {
    const opened = openArchive();
    opened.ask['search-open']({ spec, source: '' });
    opened.ask['agent-submit'](proposal(1, '4M'));
    const [job] = jobs(opened.archive);
    if (!job) throw new Error('no job');
    return { ...opened, job };
  };

  it('are counted once, whatever is delivered twice (I2)', () => {
    const { archive, job, home } = begun();
    expect(archive.record(resultOf(job, measurement(0.5)))).toBe('counted');
    expect(archive.record(resultOf(job, measurement(0.5)))).toBe('surplus');
    expect(archive.record(resultOf(job, measurement(0.7), 2))).toBe('surplus');
    const reader = readArchive(home);
    const [node] = reader.records.nodes(searchSpec().id);
    expect(node?.evaluations).toMatchObject([{ status: 'ok', validation: 0.5 }]);
    reader.close();
  });

  it('are reused by a later search under the same evaluator and by no other', () => {
    const { archive, job, ask } = begun();
    archive.record(resultOf(job, measurement(0.5)));
    const later = searchSpec({ id: 'trial-2' });
    ask['search-open']({ spec: later, source: '' });
    expect(ask['agent-submit'](proposal(1, '4M', { search: later.id }))).toMatchObject({ saved: true });
    expect(ask['search-status']({ search: later.id })).toMatchObject({
      proposals: { evaluated: 1, cached: 1 },
      trainings: { done: 1, cached: 1 },
      deviceSeconds: 0,
    });
    const other = searchSpec({ id: 'trial-3', evaluator: 'torch-111111111111' });
    ask['search-open']({ spec: other, source: '' });
    expect(ask['agent-submit'](proposal(1, '4M', { search: other.id }))).toMatchObject({ saved: false });
  });

  it('that the laboratory lost are tried again twice, then kept as failed', () => {
    const { archive, job } = begun();
    const crash = { status: 'failed', reason: 'lost', message: 'signal 9', seconds: 1, device: 'cpu' } as const;
    expect(archive.record(resultOf(job, crash, 1))).toBe('retry');
    expect(archive.record(resultOf(job, crash, 1))).toBe('retry');
    expect(archive.record(resultOf(job, crash, 2))).toBe('retry');
    expect(jobs(archive)).toHaveLength(3);
    expect(archive.record(resultOf(job, crash, 3))).toBe('counted');
    expect(archive.openJobs()).toEqual([]);
  });

  it.each(['crash', 'oom', 'timeout', 'data'] as const)('that a program causes itself count at once: %s', (reason) => {
    const { archive, job } = begun();
    const end = { status: 'failed', reason, message: 'exited with 1', seconds: 1, device: 'cpu' } as const;
    expect(archive.record(resultOf(job, end, 1))).toBe('counted');
    expect(jobs(archive)).toHaveLength(1);
  });

  it('that workers returned because they had to leave are never held against the candidate', () => {
    const { archive, job, ask } = begun();
    const worker = resultOf(job, measurement(0)).worker;
    for (let attempt = 1; attempt <= 40; attempt++) {
      const training = { key: job.key, worker, attempt };
      expect(archive.answer('job-claim', training, `token ${attempt}`)).toEqual({ go: true, reason: 'wanted' });
      expect(() => archive.answer('job-release', training, 'of another')).toThrow(/token of its claim/);
      expect(ask['search-status']({ search: searchSpec().id }).training).toBe(1);
      // A lost reply is asked for again.
      for (const _ of [1, 2]) expect(archive.answer('job-release', training, `token ${attempt}`)).toEqual({});
      expect(ask['search-status']({ search: searchSpec().id }).training).toBe(0);
    }
    expect(archive.openJobs()).toHaveLength(1);
  });

  it('of a candidate that keeps killing workers are given up', () => {
    const { job, ask, home } = begun();
    const worker = resultOf(job, measurement(0)).worker;
    for (let attempt = 1; attempt <= 5; attempt++) {
      expect(ask['job-claim']({ key: job.key, worker, attempt })).toEqual({ go: true, reason: 'wanted' });
    }
    expect(ask['job-claim']({ key: job.key, worker, attempt: 6 })).toEqual({ go: false, reason: 'done' });
    const reader = readArchive(home);
    expect(reader.records.nodes(searchSpec().id)[0]?.evaluations).toMatchObject([{ reason: 'poison' }]);
    expect(reader.endings.of(searchSpec().id)).toMatchObject([{ of: 'job', subject: job.key, reason: 'poison' }]);
    reader.close();
  });

  it('of a candidate that was in hand whenever the whole lab was killed are not held against it', () => {
    const home = temporaryFolder();
    const clock = manualClock();
    const first = Archive.open(home, clock);
    first.handlers['search-open']({ spec: searchSpec(), source: '' });
    first.handlers['agent-submit'](proposal(1, '4M'));
    const [job] = jobs(first) as [Job];
    const worker = resultOf(job, measurement(0)).worker;
    first.close();
    // Twelve kills, each in the midst of the same training.
    for (let kill = 1; kill <= 12; kill++) {
      const again = Archive.open(home, clock);
      again.handlers['search-open']({ spec: searchSpec(), source: '' });
      expect(again.handlers['job-claim']({ key: job.key, worker, attempt: kill })).toMatchObject({ go: true });
      again.close();
    }
  });

  it('keep the test figure apart, and record each look at it (I4)', () => {
    const { archive, ask, home } = begun();
    const search = searchSpec().id;
    ask['node-evaluate']({ search, nodes: ['walker-1' as never], rung: 'final', seeds: 1 });
    const final = jobs(archive).find((job) => job.rung === 'final');
    if (!final) throw new Error('no final job');
    const outcome = measurement(0.5, {
      test: 0.77,
      tasks: { recall: { validation: 0.5, test: 0.77 }, floor_bag: { validation: 0.25, test: 0.771 } },
    });
    archive.record(resultOf(final, outcome));
    expect(JSON.stringify(archive.unsent(100))).not.toContain('0.77');
    expect(() => ask['search-tests']({ search, purpose: 'report' })).toThrow('stay hidden');
    ask['search-phase']({ search, phase: 'finished' });
    const { scores } = ask['search-tests']({ search, purpose: 'report' });
    expect(scores).toEqual([{ node: 'walker-1', seed: 2001, score: 0.77, floors: { bag: 0.771 } }]);
    const reader = readArchive(home);
    const recorded = reader.records.nodes(search);
    expect(JSON.stringify(recorded)).not.toContain('0.77');
    const evaluation = recorded.flatMap((node) => node.evaluations).find(({ rung }) => rung === 'final');
    expect(evaluation?.floors).toEqual({ bag: 0.25 });
    expect(reader.db.prepare('SELECT purpose FROM test_reads').all()).toEqual([{ purpose: 'report' }]);
    const open = reader.db.prepare('SELECT * FROM evaluations').all();
    expect(JSON.stringify(open)).not.toContain('0.77');
    reader.close();
  });

  it('for a job nobody asked for are not taken', () => {
    const { archive, job } = begun();
    expect(archive.record(resultOf({ ...job, key: 'f'.repeat(64) as EvaluationKey }, measurement(0.5)))).toBe(
      'unknown',
    );
  });
});

describe('views', () => {
  it('show outcomes up to the horizon only, whatever has arrived (I5)', () => {
    const { archive, ask } = openArchive();
    const search = searchSpec().id;
    ask['search-open']({ spec: searchSpec(), source: '' });
    for (const [index, text] of ['4M', '4mA'].entries()) ask['agent-submit'](proposal(index + 1, text));
    const waiting = ask['agent-view']({ search, agent: walker, ordinal: 3 });
    expect(waiting).toMatchObject({ state: 'waiting' });
    const [first, second] = jobs(archive);
    if (!first || !second) throw new Error('no jobs');
    archive.record(resultOf(second, measurement(0.9)));
    expect(ask['agent-view']({ search, agent: walker, ordinal: 3 })).toMatchObject({ state: 'waiting' });
    archive.record(resultOf(first, measurement(0.4)));
    const reply = ask['agent-view']({ search, agent: walker, ordinal: 3 });
    if (reply.state !== 'ready') throw new Error(reply.state);
    expect(reply.view.remaining).toBe(2);
    expect(reply.view.nodes.map((node) => [node.status, node.fitness])).toEqual([
      ['evaluated', 0.4],
      ['pending', null],
    ]);
  });

  it('close when the budget is used or nearly every attempt is refused', () => {
    const { ask } = openArchive();
    const search = searchSpec().id;
    ask['search-open']({ spec: searchSpec({ agents: [agentSpec({ evaluations: 1 })] }), source: '' });
    ask['agent-submit'](proposal(1, '4M'));
    expect(ask['agent-view']({ search, agent: walker, ordinal: 2 })).toMatchObject({ state: 'closed' });
    const spec = searchSpec({ id: 'trial-2' });
    ask['search-open']({ spec, source: '' });
    for (let ordinal = 1; ordinal <= 36; ordinal++)
      ask['agent-submit'](proposal(ordinal, 'nonsense', { search: spec.id }));
    expect(ask['agent-view']({ search: spec.id, agent: walker, ordinal: 36 })).toMatchObject({ state: 'ready' });
    expect(ask['agent-view']({ search: spec.id, agent: walker, ordinal: 37 })).toMatchObject({ state: 'closed' });
  });
});

describe('a search', () => {
  it('continues where it stopped and pays only for the time it was worked on', () => {
    const { ask, clock } = openArchive();
    const spec = searchSpec();
    expect(ask['search-open']({ spec, source: '' })).toEqual({ resumed: false, phase: 'screening' });
    clock.advance(5000);
    ask['search-phase']({ search: spec.id, phase: 'confirming' });
    ask['search-phase']({ search: spec.id, phase: 'stopped' });
    clock.advance(1_000_000);
    expect(ask['search-open']({ spec, source: '' })).toEqual({ resumed: true, phase: 'confirming' });
    clock.advance(1000);
    expect(ask['search-status']({ search: spec.id }).elapsedMs).toBe(6000);
  });

  it('whose process died keeps no worker from the jobs of others, and has its own again when it is resumed', () => {
    const { archive, ask, clock } = openArchive();
    const spec = searchSpec();
    ask['search-open']({ spec, source: '' });
    ask['agent-submit'](proposal(1, '4M'));
    const [job] = jobs(archive) as [Job];
    const worker = resultOf(job, measurement(0)).worker;
    archive.markSent(archive.unsent(100).map(({ seq }) => seq));
    expect(archive.openJobs()).toHaveLength(1);
    clock.advance(120_000);
    const other = searchSpec({ id: 'trial-2' });
    ask['search-open']({ spec: other, source: '' });
    ask['agent-submit'](proposal(1, '4mA', { search: other.id }));
    expect(archive.openJobs().flatMap(({ wantedBy }) => wantedBy)).toEqual(['trial-2']);
    expect(ask['job-claim']({ key: job.key, worker, attempt: 1 })).toEqual({ go: false, reason: 'withdrawn' });
    ask['search-open']({ spec, source: '' });
    expect(archive.openJobs()).toHaveLength(2);
    expect(ask['job-claim']({ key: job.key, worker, attempt: 2 })).toMatchObject({ go: true });
  });

  it('never goes back on its ladder', () => {
    const { ask } = openArchive();
    const search = searchSpec().id;
    ask['search-open']({ spec: searchSpec(), source: '' });
    ask['search-phase']({ search, phase: 'aggregating' });
    expect(ask['search-phase']({ search, phase: 'confirming' })).toEqual({ phase: 'aggregating' });
    ask['search-phase']({ search, phase: 'finished' });
    expect(ask['search-phase']({ search, phase: 'stopped' })).toEqual({ phase: 'finished' });
  });

  it('does not share its name with another specification', () => {
    const { ask } = openArchive();
    ask['search-open']({ spec: searchSpec(), source: '' });
    expect(() => ask['search-open']({ spec: searchSpec({ seed: 2 }), source: '' })).toThrow('names another search');
  });
});
