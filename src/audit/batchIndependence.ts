import { AiraError, errorMessage } from '../domain/errors.ts';
import { type Job, jobSchema, type Outcome } from '../domain/evaluation.ts';
import type { DeviceClass } from '../domain/task.ts';
import { CheckReport, counted, type Finding, rowsOf, type Subject, short } from './subject.ts';

/**
 * How far two trainings of one candidate may lie apart. On a CPU one thread adds in one order, and not a bit may differ.
 * On a GPU the order of sums depends on what runs beside: a hundredth is about the noise between two seeds.
 */
export const tolerance: Readonly<Record<DeviceClass, number>> = { cpu: 0, cuda: 0.01 };

/** Trains a job's candidate alone. @throws AiraError when it cannot be trained here. */
export type TrainAlone = (job: Job) => Promise<Outcome>;

/** Ends that two trainings of one candidate must share, because nothing but the candidate decides them. */
const decidedByCandidate = ['invalid', 'nan'];

interface Surplus {
  key: string;
  worker: string;
  status: 'ok' | 'failed';
  validation: number | null;
  reason: string | null;
  countedStatus: 'ok' | 'failed';
  countedValidation: number | null;
  countedReason: string | null;
}

/** A training that was delivered after another one of the same key had been counted is a second measurement. */
function compareSurplus(subject: Subject, inquiry: CheckReport): number {
  const allowed = tolerance[subject.spec.deviceClass];
  const rows = rowsOf<Surplus>(
    subject,
    `SELECT d.key, d.worker, d.status, d.validation, d.reason, e.status AS countedStatus,
       e.validation AS countedValidation, e.reason AS countedReason
     FROM deliveries d JOIN evaluations e ON e.key = d.key
     WHERE d.verdict = 'surplus' AND d.key IN (SELECT key FROM evaluation_requests WHERE search = ?)`,
    subject.search,
  );
  let compared = 0;
  for (const row of rows) {
    const { key, worker, validation, countedValidation } = row;
    if (row.status === 'ok' && row.countedStatus === 'ok') {
      compared++;
      const apart =
        validation === countedValidation ? 0 : Math.abs((validation ?? Infinity) - (countedValidation ?? 0));
      if (apart <= allowed) continue;
      inquiry.broken(`${short(key)} was counted with ${countedValidation}, and ${worker} measured ${validation}`);
    } else if (row.status !== row.countedStatus) {
      const reason = row.status === 'failed' ? row.reason : row.countedReason;
      if (!decidedByCandidate.includes(reason ?? '')) continue;
      compared++;
      inquiry.broken(`${short(key)} ended as ${reason} in one training and with a score in another`);
    }
  }
  inquiry.saw(
    `${counted(rows.length, 'surplus delivery', 'surplus deliveries')}, ${compared} with an end to compare ` +
      `(allowed difference ${allowed})`,
  );
  return compared;
}

/** So many candidates, spread over the search from its first result to its last. */
function sample<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  const last = items.length - 1;
  const chosen = Array.from({ length: count }, (_, index) => Math.round((index * last) / Math.max(1, count - 1)));
  return chosen.flatMap((index) => items[index] as T);
}

async function retrain(subject: Subject, count: number, train: TrainAlone, inquiry: CheckReport): Promise<number> {
  const allowed = tolerance[subject.spec.deviceClass];
  interface Scored {
    key: string;
    body: string;
    validation: number;
    worker: string;
  }
  const scored = rowsOf<Scored>(
    subject,
    `SELECT DISTINCT e.key, j.body, e.validation, e.worker, e.finished_at FROM evaluation_requests w
     JOIN evaluations e ON e.key = w.key JOIN jobs j ON j.key = w.key
     WHERE w.search = ? AND w.rung = 'screen' AND e.validation IS NOT NULL ORDER BY e.finished_at, e.key`,
    subject.search,
  );
  let compared = 0;
  for (const { key, body, validation, worker } of sample(scored, count)) {
    const job = jobSchema.safeParse(JSON.parse(body));
    if (!job.success) {
      inquiry.unchecked(`${short(key)} was not trained again, because its job cannot be read`);
      continue;
    }
    let outcome: Outcome;
    try {
      outcome = await train(job.data);
    } catch (thrown) {
      if (!(thrown instanceof AiraError)) throw thrown;
      inquiry.unchecked(`nothing was trained again: ${errorMessage(thrown)}`);
      return compared;
    }
    if (outcome.status === 'failed' && !decidedByCandidate.includes(outcome.reason)) {
      inquiry.unchecked(`${short(key)} trained alone came to no end: ${outcome.message}`);
      continue;
    }
    compared++;
    const again = outcome.status === 'ok' ? outcome.validation : null;
    const apart = again === null ? Infinity : Math.abs(again - validation);
    if (apart <= allowed) inquiry.saw(`${short(key)} trained alone: ${again}, as ${worker} measured it`);
    else {
      const said = outcome.status === 'ok' ? `${again}` : outcome.reason;
      inquiry.broken(
        `${short(key)} scored ${validation} on ${worker}, and alone on this machine ${said} (allowed difference ${allowed}; ` +
          'processors of another kind may differ in the last digits)',
      );
    }
  }
  return compared;
}

export interface Retraining {
  /** How many candidates to train again. */
  readonly count: number;
  readonly train: TrainAlone;
}

/**
 * I6: a candidate gets the score that it gets alone. The archive itself knows second measurements only where a training
 * was repeated, so that the rest is trained again on demand.
 */
export async function batchIndependence(subject: Subject, retraining: Retraining | null): Promise<Finding> {
  const inquiry = new CheckReport('I6');
  let compared = compareSurplus(subject, inquiry);
  if (retraining) compared += await retrain(subject, retraining.count, retraining.train, inquiry);
  if (compared === 0) {
    inquiry.unchecked(
      retraining
        ? 'there was no second measurement of any candidate'
        : 'no candidate was measured twice; --retrain trains some of them again, alone',
    );
  }
  return inquiry.finding();
}
