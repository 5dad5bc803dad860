import type { Database } from 'better-sqlite3';
import { parseCandidate } from '../domain/candidate.ts';
import { canonicalJson, contentHash } from '../domain/canonical.ts';
import { endingReasons } from '../domain/ending.ts';
import {
  type EvaluationResult,
  evaluationKey,
  type FailureReason,
  identityOf,
  type Job,
  jobSchema,
  laboratoryFailures,
  type Measurement,
  repeatedJob,
  splitHidden,
} from '../domain/evaluation.ts';
import type { AgentName, EvaluationKey, NodeId, SearchId, WorkerId } from '../domain/ids.ts';
import type { LabEvent } from '../domain/messages.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { Rung } from '../domain/task.ts';
import type { Endings } from './endings.ts';
import type { Outbox } from './outbox.ts';
import type { SearchStats } from './searchStats.ts';

/**
 * A candidate whose trainings were begun so often without an end, since the archive was opened, is not tried again. What was
 * under way when the archive itself ended says nothing about a candidate: whoever killed it killed the workers as well.
 */
export const maxAttempts = 5;
/** So many over all sessions are too many in any case. */
const mostAttempts = 25;
/** Losses of the laboratory. An end that a program causes itself counts: it must not draw its luck again. */
const worthRetrying: readonly FailureReason[] = ['lost', 'cancelled'];
const retries = 2;

/** What the trainer measured of the test set stays out of the row that everybody reads (I4). */
function withoutTest(measurement: Measurement): {
  open: Omit<Measurement, 'test' | 'status' | 'unsafe'>;
  testTasks: object;
} {
  const { open, hidden } = splitHidden(measurement);
  const { test: _, status: __, unsafe: ___, ...rest } = open;
  return { open: rest, testTasks: hidden?.tasks ?? {} };
}

interface WantRow {
  search: SearchId;
  node: NodeId;
  agent: AgentName;
  rung: Rung;
  seed: number;
  saved: number;
}

export interface EvaluationRow {
  status: 'ok' | 'failed';
  validation: number | null;
  reason: FailureReason | null;
  message: string | null;
  seconds: number;
}

/**
 * Jobs, attempts and results. All methods expect to be called inside a transaction.
 *
 * I2 is held twice: by the primary key of `evaluations`, and by asking before any training whether the key is known.
 */
export function evaluations(db: Database, out: Outbox, endings: Endings, tallies: SearchStats) {
  const job = db.prepare<[string], { body: string; epoch: number }>('SELECT body, epoch FROM jobs WHERE key = ?');
  const insertIdentity = db.prepare(
    'INSERT INTO identities (digest, components, at) VALUES (?, ?, ?) ON CONFLICT (digest) DO NOTHING',
  );
  const insertJob = db.prepare('INSERT INTO jobs (key, body, created_at, identity) VALUES (?, ?, ?, ?)');
  const raiseEpoch = db.prepare('UPDATE jobs SET epoch = epoch + 1 WHERE key = ?');
  const evaluation = db.prepare<[string], EvaluationRow>(
    'SELECT status, validation, reason, message, seconds FROM evaluations WHERE key = ?',
  );
  const wanted = db.prepare<[string, string, string], { one: number }>(
    'SELECT 1 AS one FROM evaluation_requests WHERE search = ? AND node = ? AND key = ?',
  );
  const insertWant = db.prepare(
    'INSERT INTO evaluation_requests (search, node, key, rung, seed, saved, at) VALUES (?, ?, ?, ?, ?, ?, ?)',
  );
  const wantsOf = db.prepare<[string], WantRow>(
    `SELECT w.search, w.node, n.agent, w.rung, w.seed, w.saved FROM evaluation_requests w
     JOIN nodes n ON n.search = w.search AND n.id = w.node WHERE w.key = ? ORDER BY w.search, n.seq`,
  );
  const insertAttempt = db.prepare('INSERT OR IGNORE INTO attempts (key, worker, attempt, at) VALUES (?, ?, ?, ?)');
  /** Trainings of a key without an end: those since this archive was opened, and all. */
  const unheard = db.prepare<[number, string], { recent: number; n: number }>(
    `SELECT coalesce(sum(a.seq > ?), 0) AS recent, count(*) AS n FROM attempts a WHERE a.key = ? AND NOT EXISTS
       (SELECT 1 FROM deliveries d WHERE d.key = a.key AND d.worker = a.worker AND d.attempt = a.attempt)`,
  );
  const opened = db.prepare<[], { seq: number }>('SELECT coalesce(max(seq), 0) AS seq FROM attempts').get()?.seq ?? 0;
  const failedTries = db.prepare<[string], { n: number }>(
    `SELECT count(*) AS n FROM deliveries WHERE key = ? AND verdict = 'retry'`,
  );
  const insertDelivery = db.prepare(
    `INSERT OR IGNORE INTO deliveries (key, worker, attempt, verdict, status, validation, reason, message, at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const insertEvaluation = db.prepare(
    `INSERT INTO evaluations (key, status, validation, reason, message, evaluator, worker, device, attempt, seconds,
       measurement, finished_at, unsafe) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const insertTest = db.prepare('INSERT INTO test_scores (key, score, tasks) VALUES (?, ?, ?)');
  const openJobs = db.prepare<[], { key: string; body: string; epoch: number; sent: number }>(
    `SELECT j.key, j.body, j.epoch,
       NOT EXISTS (SELECT 1 FROM outbox o WHERE o.sent_at IS NULL AND o.message_id = j.key || ':' || j.epoch) AS sent
     FROM jobs j WHERE NOT EXISTS (SELECT 1 FROM evaluations e WHERE e.key = j.key) ORDER BY j.created_at, j.key`,
  );

  /** The training that answers a request: not one at which the laboratory failed, unless it was for the one who asks. */
  const answering = (wantedJob: Job, isOwn: (key: EvaluationKey) => boolean): Job => {
    let found = wantedJob;
    for (let again = 1; !isOwn(found.key); again++) {
      const reason = evaluation.get(found.key)?.reason;
      if (!reason || !laboratoryFailures.includes(reason)) break;
      found = repeatedJob(wantedJob, again);
    }
    return found;
  };

  /** Records from what parts a key is made, and answers their digest; null for a job without content. */
  const identify = (wantedJob: Job, now: number): string | null => {
    const identity = identityOf(wantedJob);
    if (!identity) return null;
    const digest = contentHash(identity);
    insertIdentity.run(digest, canonicalJson(identity), now);
    return digest;
  };

  const announce = (want: WantRow, row: EvaluationRow, now: number): void => {
    const { search, node, agent, rung, seed } = want;
    const event: LabEvent =
      row.status === 'ok'
        ? {
            kind: 'node-evaluated',
            search,
            node,
            agent,
            rung,
            seed,
            validation: row.validation,
            seconds: row.seconds,
            saved: want.saved === 1,
          }
        : {
            kind: 'node-failed',
            search,
            node,
            agent,
            rung,
            seed,
            reason: row.reason ?? 'crash',
            message: row.message ?? '',
          };
    out.addEvent(event, now);
  };

  const conclude = (result: EvaluationResult, now: number): void => {
    const { key, worker, evaluator, attempt, outcome } = result;
    const ok = outcome.status === 'ok';
    const { open, testTasks } = ok ? withoutTest(outcome) : { open: {}, testTasks: {} };
    const row: EvaluationRow = {
      status: outcome.status,
      validation: ok ? outcome.validation : null,
      reason: ok ? null : outcome.reason,
      message: ok ? null : outcome.message,
      seconds: outcome.seconds,
    };
    insertEvaluation.run(
      key, row.status, row.validation, row.reason, row.message, evaluator, worker, outcome.device, attempt,
      row.seconds, JSON.stringify(open), now, ok && outcome.unsafe ? 1 : 0,
    );
    if (ok && outcome.test !== null) insertTest.run(key, outcome.test, JSON.stringify(testTasks));
    for (const want of wantsOf.all(key)) {
      tallies.addOutcome({ ...want, saved: want.saved === 1 }, row);
      announce(want, row, now);
    }
    tallies.settle(key);
  };

  const requeue = (key: EvaluationKey, now: number): void => {
    raiseEpoch.run(key);
    const row = job.get(key);
    if (row) out.addJob(key, row.epoch, row.body, now);
  };

  return {
    /** The job that judges a candidate on a rung with one seed. @throws CandidateError for a text outside the space. */
    jobFor(spec: SearchSpec, candidate: string, rung: Rung, seed: number): Job {
      const identity = {
        task: spec.task,
        taskVersion: spec.taskVersion,
        evaluator: spec.evaluator,
        deviceClass: spec.deviceClass,
        ...(spec.content ? { content: spec.content } : {}),
        rung,
        space: spec.space,
        settings: spec.rungs[rung].settings,
        candidate: parseCandidate(candidate, spec.space),
        seed,
        measure: rung === 'final' ? ('test' as const) : ('validation' as const),
        lowerIsBetter: spec.lowerIsBetter,
      };
      // Thirty times the estimate: far beyond a slow machine, well below a hang that would cost the search its time.
      const timeoutSeconds = Math.max(60, 30 * spec.rungs[rung].seconds);
      return jobSchema.parse({ ...identity, key: evaluationKey(identity), timeoutSeconds });
    },

    /** Would asking for this job train anything, or is it known, or asked for already? */
    isKnown(search: SearchId, node: NodeId, asked: Job): boolean {
      const { key } = answering(asked, (each) => wanted.get(search, node, each) !== undefined);
      return job.get(key) !== undefined;
    },

    /** Notes that a node wants an evaluation, and queues the training unless one is known or under way. */
    ask(search: SearchId, node: NodeId, agent: AgentName, asked: Job, now: number): { saved: boolean } {
      const wantedJob = answering(asked, (key) => wanted.get(search, node, key) !== undefined);
      const { key, rung, seed } = wantedJob;
      if (wanted.get(search, node, key)) return { saved: true };
      const known = job.get(key) !== undefined;
      const body = JSON.stringify(wantedJob);
      if (!known) insertJob.run(key, body, now, identify(wantedJob, now));
      insertWant.run(search, node, key, rung, seed, known ? 1 : 0, now);
      const wish = { search, node, agent, rung, saved: known };
      tallies.addWish(wish);
      if (!known) out.addJob(key, 1, body, now);
      const result = evaluation.get(key);
      if (result) {
        tallies.addOutcome(wish, result);
        announce({ search, node, agent, rung, seed, saved: 1 }, result, now);
      }
      return { saved: known };
    },

    /** Is this training still wanted? Records that it begins. A candidate that keeps taking workers down is given up. */
    claim(
      key: EvaluationKey,
      worker: WorkerId,
      attempt: number,
      mayTrain: (search: SearchId) => boolean,
      now: number,
    ): 'wanted' | 'done' | 'unknown' | 'withdrawn' {
      const row = job.get(key);
      if (!row) return 'unknown';
      if (evaluation.get(key)) return 'done';
      if (!wantsOf.all(key).some((want) => mayTrain(want.search))) return 'withdrawn';
      const silent = unheard.get(opened, key);
      if (silent && (silent.recent >= maxAttempts || silent.n >= mostAttempts)) {
        const { evaluator } = jobSchema.parse(JSON.parse(row.body));
        const message = `took its worker down ${silent.n} times`;
        const outcome = { status: 'failed', reason: 'poison', message, seconds: 0, device: 'none' } as const;
        conclude({ key, worker, evaluator, attempt, outcome }, now);
        for (const { search, node, rung } of wantsOf.all(key)) {
          const sentence = `The evaluation of ${node} on the ${rung} rung was given up: it ${message}.`;
          const end = { of: 'job', subject: key, reason: endingReasons.poison, sentence } as const;
          endings.record(search, { ...end, figures: { attempts: silent.n } }, now);
        }
        return 'done';
      }
      if (insertAttempt.run(key, worker, attempt, now).changes > 0) tallies.addAttempt(key, worker, attempt);
      return 'wanted';
    },

    /**
     * Takes a result. The first that ends the matter is counted; whatever comes later for the same key is kept as
     * surplus and changes nothing.
     */
    record(result: EvaluationResult, now: number): 'counted' | 'surplus' | 'retry' | 'unknown' {
      const { key, worker, attempt, outcome } = result;
      const row = job.get(key);
      if (!row) return 'unknown';
      const note = (verdict: 'counted' | 'surplus' | 'retry') => {
        const failed = outcome.status === 'failed';
        const figures = [failed ? null : outcome.validation, failed ? outcome.reason : null];
        const message = failed ? outcome.message : null;
        return insertDelivery.run(key, worker, attempt, verdict, outcome.status, ...figures, message, now).changes > 0;
      };
      if (evaluation.get(key)) {
        note('surplus');
        return 'surplus';
      }
      const again =
        outcome.status === 'failed' &&
        worthRetrying.includes(outcome.reason) &&
        (failedTries.get(key)?.n ?? 0) < retries;
      if (again) {
        // A repeated delivery of the same end must not queue the job twice.
        if (note('retry')) {
          tallies.endAttempt(key, worker, attempt);
          requeue(key, now);
        }
        return 'retry';
      }
      note('counted');
      conclude(result, now);
      return 'counted';
    },

    requeue,

    /** The searches that want an evaluation. */
    wantedBy: (key: EvaluationKey): SearchId[] => [...new Set(wantsOf.all(key).map(({ search }) => search))],

    /** Jobs without a result, and whether the present epoch of each has been published. */
    open: () =>
      openJobs.all().map((row) => ({
        key: row.key as EvaluationKey,
        epoch: row.epoch,
        published: row.sent === 1,
        wantedBy: wantsOf.all(row.key).map((want) => want.search),
      })),

    result: (key: EvaluationKey) => evaluation.get(key),
  };
}
export type Evaluations = ReturnType<typeof evaluations>;
