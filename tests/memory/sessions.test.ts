/** What `budget.minutes` counts: time in which somebody works on a search, and no time that a kill took away. */
import Database from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import type { Job } from '../../src/domain/evaluation.ts';
import { type WorkerId, workerIdSchema } from '../../src/domain/ids.ts';
import { Archive } from '../../src/memory/archive.ts';
import { archivePath } from '../../src/memory/database.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { measurement, resultOf, searchSpec } from '../support/specs.ts';

const spec = searchSpec();
const rationale = { choice: '', change: '', expected: null, retrieved: [], evidence: [] };

function laboratory() {
  const home = temporaryFolder();
  const clock = manualClock();
  let archive = Archive.open(home, clock);
  onTestFinished(() => archive.close());
  const open = () => archive.handlers['search-open']({ spec, source: '' });
  open();
  const elapsed = () => archive.handlers['search-status']({ search: spec.id }).elapsedMs;
  return {
    home,
    elapsed,
    /** The search is looked at twice a second. */
    pass(seconds: number) {
      for (let step = 0; step < 2 * seconds; step++) {
        clock.advance(500);
        elapsed();
      }
    },
    lieStill: (seconds: number) => clock.advance(1000 * seconds),
    kill(downSeconds: number) {
      archive.close();
      clock.advance(1000 * downSeconds);
      archive = Archive.open(home, clock);
    },
    open,
    submit(ordinal: number, candidate: string): Job {
      archive.handlers['agent-submit']({
        ...{ search: spec.id, agent: 'walker' as never, ordinal, operator: 'draft', parents: [], candidate, rationale },
      });
      const job = archive.unsent(1000).findLast((entry) => entry.kind === 'job');
      if (job?.kind !== 'job') throw new Error('no job');
      return job.body;
    },
    claim: (job: Job, worker: WorkerId, attempt = 1) =>
      archive.handlers['job-claim']({ key: job.key, worker, attempt }),
    end: (job: Job, worker: WorkerId, attempt = 1) =>
      archive.record({ ...resultOf(job, measurement(0.5), attempt), worker }),
  };
}

const [one, two] = ['cpu-1', 'cpu-2'].map((name) => workerIdSchema.parse(name)) as [WorkerId, WorkerId];

it('counts running time over sessions, and none between them', () => {
  const lab = laboratory();
  lab.pass(10);
  lab.kill(3600);
  lab.open();
  lab.pass(5);
  expect(lab.elapsed()).toBe(15_000);
});

it('does not count the sleep of a machine', () => {
  const lab = laboratory();
  lab.pass(10);
  lab.lieStill(8 * 3600);
  lab.pass(5);
  expect(lab.elapsed()).toBeLessThanOrEqual(15_000);
  expect(lab.elapsed()).toBeGreaterThanOrEqual(14_500);
});

it('takes back what a kill cut off, shared among the workers', () => {
  const lab = laboratory();
  const jobs = ['4M', '4mA', '4Mb'].map((text, index) => lab.submit(index + 1, text)) as [Job, Job, Job];
  lab.claim(jobs[0], one);
  lab.claim(jobs[1], two);
  lab.pass(4);
  lab.end(jobs[0], one);
  lab.claim(jobs[2], one, 2);
  lab.pass(2);
  lab.kill(1);
  lab.open();
  // Of two workers one lost six seconds and the other two: four seconds of both.
  expect(lab.elapsed()).toBe(2_000);
});

it('shares it among the workers of the latest trainings, not with one that left long before', () => {
  const lab = laboratory();
  const [first, second] = ['4M', '4mA'].map((text, index) => lab.submit(index + 1, text)) as [Job, Job];
  lab.claim(first, two);
  lab.pass(1);
  lab.end(first, two);
  // Five thousand starts of the other one since then, all of them answered.
  const db = new Database(archivePath(lab.home));
  const start = db.prepare('INSERT INTO attempts (key, worker, attempt, at) SELECT ?, ?, ?, max(at) FROM attempts');
  db.transaction(() => {
    for (let attempt = 2; attempt <= 5001; attempt++) start.run(first.key, one, attempt);
  })();
  db.close();
  lab.claim(second, one, 5002);
  lab.pass(4);
  lab.kill(1);
  lab.open();
  expect(lab.elapsed()).toBe(1_000);
});

it('counts a resumed session from its first training, and after a minute without one', () => {
  const lab = laboratory();
  const job = lab.submit(1, '4M');
  lab.pass(10);
  lab.kill(1);
  lab.open();
  lab.pass(20);
  lab.claim(job, one);
  expect(lab.elapsed()).toBe(10_000);
  lab.pass(3);
  expect(lab.elapsed()).toBe(13_000);
  lab.kill(1);
  lab.open();
  lab.pass(100);
  lab.claim(job, one, 2);
  // Three seconds were cut off before; of this session forty count.
  expect(lab.elapsed()).toBe(10_000 + 40_000);
});
