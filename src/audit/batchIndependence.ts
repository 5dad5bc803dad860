import { AiraError, errorMessage } from '../domain/errors.ts';
import { type Job, jobSchema, type Outcome } from '../domain/evaluation.ts';
import type { DeviceClass } from '../domain/task.ts';
import { CheckReport, counted, type Finding, rowsOf, type Subject, short } from './subject.ts';

/**
 * Allowed difference between two trainings of one candidate. On a CPU sums have one order, so results are bit-equal. On a
 * GPU the order depends on the batch; 0.01 is about the noise between two seeds.
 */
export const tolerance: Readonly<Record<DeviceClass, number>> = { cpu: 0, cuda: 0.01 };

/** Trains a job's candidate alone. @throws AiraError if it cannot be trained here. */
export type TrainAlone = (job: Job) => Promise<Outcome>;

/** Failures that depend on the candidate only, so two trainings must share them. */
const candidateFailures = ['invalid', 'nan'];

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

/** A result delivered after another one for its key was counted is a second measurement. */
function compareSurplus(subject: Subject, report: CheckReport): number {
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
      const difference =
        validation === countedValidation ? 0 : Math.abs((validation ?? Infinity) - (countedValidation ?? 0));
      if (difference <= allowed) continue;
      report.violation(`${short(key)} counted ${countedValidation}, but ${worker} measured ${validation}`);
    } else if (row.status !== row.countedStatus) {
      const reason = row.status === 'failed' ? row.reason : row.countedReason;
      if (!candidateFailures.includes(reason ?? '')) continue;
      compared++;
      report.violation(`${short(key)} ended as ${reason} in one training and scored in another`);
    }
  }
  report.pass(
    `${counted(rows.length, 'surplus delivery', 'surplus deliveries')}, ${compared} comparable ` +
      `(allowed difference ${allowed})`,
  );
  return compared;
}

/** `count` items, spread evenly from the first to the last. */
function sample<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  const last = items.length - 1;
  const indices = Array.from({ length: count }, (_, index) => Math.round((index * last) / Math.max(1, count - 1)));
  return indices.flatMap((index) => items[index] as T);
}

async function retrain(subject: Subject, count: number, train: TrainAlone, report: CheckReport): Promise<number> {
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
      report.skipped(`${short(key)} was not retrained: its job cannot be read`);
      continue;
    }
    let outcome: Outcome;
    try {
      outcome = await train(job.data);
    } catch (thrown) {
      if (!(thrown instanceof AiraError)) throw thrown;
      report.skipped(`not retrained: ${errorMessage(thrown)}`);
      return compared;
    }
    if (outcome.status === 'failed' && !candidateFailures.includes(outcome.reason)) {
      report.skipped(`${short(key)} had no result when trained alone: ${outcome.message}`);
      continue;
    }
    compared++;
    const again = outcome.status === 'ok' ? outcome.validation : null;
    const difference = again === null ? Infinity : Math.abs(again - validation);
    if (difference <= allowed) report.pass(`${short(key)} trained alone: ${again}, equal to ${worker}`);
    else {
      const alone = outcome.status === 'ok' ? `${again}` : outcome.reason;
      report.violation(
        `${short(key)} scored ${validation} on ${worker}, but ${alone} alone on this machine (allowed difference ${allowed}; ` +
          'other processors may differ in the last digits)',
      );
    }
  }
  return compared;
}

export interface Retraining {
  /** Number of candidates to retrain. */
  readonly count: number;
  readonly train: TrainAlone;
}

/**
 * I6: a candidate's score does not depend on its batch. The archive has second measurements only of repeated trainings;
 * --retrain adds more.
 */
export async function batchIndependence(subject: Subject, retraining: Retraining | null): Promise<Finding> {
  const report = new CheckReport('I6');
  let compared = compareSurplus(subject, report);
  if (retraining) compared += await retrain(subject, retraining.count, retraining.train, report);
  if (compared === 0) {
    report.skipped(
      retraining
        ? 'no candidate has a second measurement'
        : 'no candidate was measured twice; retrain some with --retrain',
    );
  }
  return report.finding();
}
