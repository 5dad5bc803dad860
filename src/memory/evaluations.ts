import type { Database } from 'better-sqlite3';
import { parseCandidate } from '../domain/candidate.ts';
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
import { canonicalJson, contentHash } from '../domain/json.ts';
import type { LabEvent, ReplyOf } from '../domain/messages.ts';
import type { Checkpoint } from '../domain/scale.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { Rung } from '../domain/task.ts';
import type { Endings } from './endings.ts';
import type { Outbox } from './outbox.ts';
import { pieceOf } from './records.ts';
import type { Rulings } from './rulings.ts';
import type { SearchStats } from './searchStats.ts';

/**
 * Unfinished trainings of a key, since the archive was opened, after which it is not retried. Trainings that were running
 * when the archive died do not count: their workers probably died for the same reason.
 */
export const maxAttempts = 5;
/** Bound over all sessions. */
const maxAttemptsEver = 25;
const maxOpenEvaluators = 64;
/** Infrastructure failures. Failures that a program causes count: it must not get a second draw. */
const worthRetrying: readonly FailureReason[] = ['lost', 'cancelled'];
const retries = 2;

/** Test scores stay out of the row that everyone reads (I4). */
function withoutTest(measurement: Measurement): {
  open: Omit<Measurement, 'test' | 'status' | 'unsafe'>;
  testTasks: object;
} {
  const { open, hidden } = splitHidden(measurement);
  const { test: _, status: __, unsafe: ___, ...rest } = open;
  return { open: rest, testTasks: hidden?.tasks ?? {} };
}

/** What the run of a scale plan with this candidate needs; undefined for any other search. */
function resourcesOf({ scale, references }: SearchSpec, candidate: string): Job['resources'] {
  if (!scale) return undefined;
  const name = references.find((reference) => reference.candidate === candidate)?.name;
  return scale.points.find(({ reference }) => reference === name)?.resources;
}

interface RequestRow {
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
 * Jobs, attempts and results. Call all methods inside a transaction.
 *
 * I2 is enforced twice: by the primary key of `evaluations`, and by a lookup of the key before any training.
 */
export function evaluations(db: Database, out: Outbox, endings: Endings, tallies: SearchStats, rulings: Rulings) {
  const job = db.prepare<[string], { body: string; epoch: number }>('SELECT body, epoch FROM jobs WHERE key = ?');
  const insertIdentity = db.prepare(
    'INSERT INTO identities (digest, components, at) VALUES (?, ?, ?) ON CONFLICT (digest) DO NOTHING',
  );
  const insertJob = db.prepare('INSERT INTO jobs (key, body, created_at, identity) VALUES (?, ?, ?, ?)');
  const raiseEpoch = db.prepare('UPDATE jobs SET epoch = epoch + 1 WHERE key = ?');
  const evaluation = db.prepare<[string], EvaluationRow>(
    'SELECT status, validation, reason, message, seconds FROM evaluations WHERE key = ?',
  );
  const requested = db.prepare<[string, string, string], { one: number }>(
    'SELECT 1 AS one FROM evaluation_requests WHERE search = ? AND node = ? AND key = ?',
  );
  const insertRequest = db.prepare(
    `INSERT INTO evaluation_requests (search, node, key, rung, seed, saved, at)
     VALUES (@search, @node, @key, @rung, @seed, @saved, @now)`,
  );
  const requestsOf = db.prepare<[string], RequestRow>(
    `SELECT w.search, w.node, n.agent, w.rung, w.seed, w.saved FROM evaluation_requests w
     JOIN nodes n ON n.search = w.search AND n.id = w.node WHERE w.key = ? ORDER BY w.search, n.seq`,
  );
  const insertAttempt = db.prepare('INSERT OR IGNORE INTO attempts (key, worker, attempt, at) VALUES (?, ?, ?, ?)');
  /** Unfinished trainings of a key that were not returned and left no checkpoint: since this archive was opened, and in total. */
  const unheard = db.prepare<[number, string], { recent: number; n: number }>(
    `SELECT coalesce(sum(a.seq > ?), 0) AS recent, count(*) AS n FROM attempts a WHERE a.key = ? AND NOT EXISTS
       (SELECT 1 FROM deliveries d WHERE d.key = a.key AND d.worker = a.worker AND d.attempt = a.attempt)
     AND NOT EXISTS
       (SELECT 1 FROM releases r WHERE r.key = a.key AND r.worker = a.worker AND r.attempt = a.attempt)
     AND NOT EXISTS
       (SELECT 1 FROM checkpoints c WHERE c.key = a.key AND c.worker = a.worker AND c.attempt = a.attempt)`,
  );
  const begun = db.prepare<[string], { at: number | null }>('SELECT min(at) AS at FROM attempts WHERE key = ?');
  const opened = db.prepare<[], { seq: number }>('SELECT coalesce(max(seq), 0) AS seq FROM attempts').get()?.seq ?? 0;
  const failedTries = db.prepare<[string], { n: number }>(
    `SELECT count(*) AS n FROM deliveries WHERE key = ? AND verdict = 'retry'`,
  );
  const insertDelivery = db.prepare(
    `INSERT OR IGNORE INTO deliveries (key, worker, attempt, verdict, status, validation, reason, message, at)
     VALUES (@key, @worker, @attempt, @verdict, @status, @validation, @reason, @message, @now)`,
  );
  const insertEvaluation = db.prepare(
    `INSERT INTO evaluations (key, status, validation, reason, message, evaluator, worker, device, attempt, seconds,
       measurement, finished_at, unsafe)
     VALUES (@key, @status, @validation, @reason, @message, @evaluator, @worker, @device, @attempt, @seconds,
       @measurement, @now, @unsafe)`,
  );
  const insertCheckpoint = db.prepare(
    `INSERT OR IGNORE INTO checkpoints (key, worker, attempt, step, path, bytes, sha256, at)
     VALUES (@key, @worker, @attempt, @step, @path, @bytes, @sha256, @now)`,
  );
  const insertRelease = db.prepare(
    `INSERT OR IGNORE INTO releases (key, worker, attempt, at)
     SELECT key, worker, attempt, @now FROM attempts WHERE key = @key AND worker = @worker AND attempt = @attempt`,
  );
  const requestedRows = db.prepare<[string], ReplyOf<'search-evaluations'>['evaluations'][number]>(
    `SELECT w.node, w.key, w.seed, coalesce(e.status, 'pending') AS status, e.validation, e.reason, e.message, e.seconds
     FROM evaluation_requests w LEFT JOIN evaluations e ON e.key = w.key WHERE w.search = ? ORDER BY w.at, w.node, w.seed`,
  );
  const insertTest = db.prepare('INSERT INTO test_scores (key, score, tasks) VALUES (?, ?, ?)');
  const openEvaluators = db.prepare<[], { evaluator: string }>(
    `SELECT DISTINCT json_extract(j.body, '$.evaluator') AS evaluator FROM open_jobs p CROSS JOIN jobs j ON j.key = p.key
     ORDER BY evaluator LIMIT ${maxOpenEvaluators}`,
  );
  const openJobs = db.prepare<[], { key: string; body: string; epoch: number; sent: number }>(
    `SELECT j.key, j.body, j.epoch,
       NOT EXISTS (SELECT 1 FROM outbox o WHERE o.sent_at IS NULL AND o.message_id = j.key || ':' || j.epoch) AS sent
     FROM open_jobs p CROSS JOIN jobs j ON j.key = p.key ORDER BY j.created_at, j.key`,
  );

  /** The job that answers a request: not one with an infrastructure failure, unless this node requested it. */
  const answering = (newJob: Job, isOwn: (key: EvaluationKey) => boolean): Job => {
    let job = newJob;
    for (let again = 1; !isOwn(job.key); again++) {
      const reason = evaluation.get(job.key)?.reason;
      if (!reason || !laboratoryFailures.includes(reason)) break;
      job = repeatedJob(newJob, again);
    }
    return job;
  };

  /** Records the components of a key and returns their digest; null for a job without content. */
  const identify = (newJob: Job, now: number): string | null => {
    const identity = identityOf(newJob);
    if (!identity) return null;
    const digest = contentHash(identity);
    insertIdentity.run(digest, canonicalJson(identity), now);
    return digest;
  };

  const announce = (request: RequestRow, row: EvaluationRow, now: number): void => {
    const { search, node, agent, rung, seed } = request;
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
            saved: request.saved === 1,
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
    insertEvaluation.run({
      ...row,
      key,
      evaluator,
      worker,
      device: outcome.device,
      attempt,
      measurement: JSON.stringify(open),
      now,
      unsafe: ok && outcome.unsafe ? 1 : 0,
    });
    if (ok && outcome.test !== null) insertTest.run(key, outcome.test, JSON.stringify(testTasks));
    for (const request of requestsOf.all(key)) {
      tallies.addOutcome({ ...request, saved: request.saved === 1 }, row);
      announce(request, row, now);
    }
    tallies.settle(key);
  };

  const requeue = (key: EvaluationKey, now: number): void => {
    raiseEpoch.run(key);
    const row = job.get(key);
    if (row) out.addJob(key, row.epoch, now);
  };

  return {
    /** The job for a candidate on a rung with one seed. @throws CandidateError for a text outside the space. */
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
      const resources = resourcesOf(spec, candidate);
      // Thirty times the estimate: slower than any machine, but well below a hang that would cost the search its time.
      const timeoutSeconds = Math.max(60, 30 * (resources?.seconds ?? spec.rungs[rung].seconds));
      return jobSchema.parse({
        ...identity,
        key: evaluationKey(identity),
        timeoutSeconds,
        ...(resources ? { resources } : {}),
      });
    },

    /** Whether requesting this job trains nothing new: it is cached or already requested. */
    isKnown(search: SearchId, node: NodeId, asked: Job): boolean {
      const { key } = answering(asked, (each) => requested.get(search, node, each) !== undefined);
      return job.get(key) !== undefined;
    },

    /** Records a node's request, and queues the training unless it is cached or running. */
    ask(search: SearchId, node: NodeId, agent: AgentName, asked: Job, now: number): { saved: boolean } {
      const newJob = answering(asked, (key) => requested.get(search, node, key) !== undefined);
      const { key, rung, seed } = newJob;
      if (requested.get(search, node, key)) return { saved: true };
      const known = job.get(key) !== undefined;
      const body = JSON.stringify(newJob);
      if (!known) insertJob.run(key, body, now, identify(newJob, now));
      insertRequest.run({ search, node, key, rung, seed, saved: known ? 1 : 0, now });
      const addedRequest = { search, node, agent, rung, saved: known };
      tallies.addRequest(addedRequest);
      if (!known) out.addJob(key, 1, now);
      const result = evaluation.get(key);
      if (result) {
        tallies.addOutcome(addedRequest, result);
        announce({ search, node, agent, rung, seed, saved: 1 }, result, now);
      }
      return { saved: known };
    },

    /** Whether the training is still needed; records its start. A candidate that keeps crashing workers is ended. */
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
      if (!requestsOf.all(key).some((request) => mayTrain(request.search))) return 'withdrawn';
      const vetoed = requestsOf.all(key).map(({ search, node }) => rulings.vetoedAt(search, node));
      const first = begun.get(key)?.at ?? null;
      // One that had started before may start again after a kill (RUL-3).
      if (vetoed.every((at) => at !== null && (first === null || first > at))) {
        const { evaluator } = jobSchema.parse(JSON.parse(row.body));
        const message = 'a person vetoed its branch before its training started';
        const outcome = { status: 'failed', reason: 'vetoed', message, seconds: 0, device: 'none' } as const;
        conclude({ key, worker, evaluator, attempt, outcome }, now);
        return 'done';
      }
      const silent = unheard.get(opened, key);
      if (silent && (silent.recent >= maxAttempts || silent.n >= maxAttemptsEver)) {
        const { evaluator } = jobSchema.parse(JSON.parse(row.body));
        const message = `crashed its worker ${silent.n} times`;
        const outcome = { status: 'failed', reason: 'poison', message, seconds: 0, device: 'none' } as const;
        conclude({ key, worker, evaluator, attempt, outcome }, now);
        for (const { search, node, rung } of requestsOf.all(key)) {
          const sentence = `The evaluation of ${node} on the ${rung} rung was ended: it ${message}.`;
          const end = { of: 'job', subject: key, reason: endingReasons.poison, sentence } as const;
          endings.record(search, { ...end, figures: { attempts: silent.n } }, now);
        }
        return 'done';
      }
      if (insertAttempt.run(key, worker, attempt, now).changes > 0) tallies.addAttempt(key, worker, attempt);
      return 'wanted';
    },

    /** Records a result. The first final one counts; later ones for the key are surplus and change nothing. */
    record(result: EvaluationResult, now: number): 'counted' | 'surplus' | 'retry' | 'unknown' {
      const { key, worker, attempt, outcome } = result;
      const row = job.get(key);
      if (!row) return 'unknown';
      const note = (verdict: 'counted' | 'surplus' | 'retry') => {
        const failed = outcome.status === 'failed';
        const row = {
          key,
          worker,
          attempt,
          verdict,
          status: outcome.status,
          validation: failed ? null : outcome.validation,
          reason: failed ? outcome.reason : null,
          message: failed ? outcome.message : null,
          now,
        };
        return insertDelivery.run(row).changes > 0;
      };
      if (evaluation.get(key)) {
        note('surplus');
        return 'surplus';
      }
      const retry =
        outcome.status === 'failed' &&
        worthRetrying.includes(outcome.reason) &&
        (failedTries.get(key)?.n ?? 0) < retries;
      if (retry) {
        // A redelivered failure must not queue the job twice.
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

    /** Records a checkpoint of a training; a repeated report changes nothing. */
    checkpoint(key: EvaluationKey, worker: WorkerId, attempt: number, checkpoint: Checkpoint, now: number): boolean {
      if (!job.get(key)) return false;
      insertCheckpoint.run({ key, worker, attempt, ...checkpoint, now });
      return true;
    },

    /** Records that a worker returned a training unfinished; a repeated report changes nothing. */
    release(key: EvaluationKey, worker: WorkerId, attempt: number, now: number): void {
      if (insertRelease.run({ key, worker, attempt, now }).changes > 0) tallies.endAttempt(key, worker, attempt);
    },

    /** Evaluators that open jobs need. */
    openEvaluators: (): string[] => openEvaluators.all().map(({ evaluator }) => evaluator),

    /** A page of the requested evaluations of a search. */
    requestsOf(search: SearchId, from: number): ReplyOf<'search-evaluations'> {
      const rows = requestedRows.all(search);
      const evaluations = pieceOf(rows, from, (row) => row);
      return { evaluations, more: from + evaluations.length < rows.length };
    },

    /** The searches that need an evaluation. */
    wantedBy: (key: EvaluationKey): SearchId[] => [...new Set(requestsOf.all(key).map(({ search }) => search))],

    /** Jobs without a result, and whether the current epoch of each is published. */
    open: () =>
      openJobs.all().map((row) => ({
        key: row.key as EvaluationKey,
        epoch: row.epoch,
        published: row.sent === 1,
        wantedBy: requestsOf.all(row.key).map((request) => request.search),
      })),

    result: (key: EvaluationKey) => evaluation.get(key),
  };
}
export type Evaluations = ReturnType<typeof evaluations>;
