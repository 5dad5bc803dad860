import * as z from 'zod';
import { AiraError, errorMessage } from '../domain/errors.ts';
import { evaluationKey, identityOf, identitySchema, type Job, jobSchema, type Outcome } from '../domain/evaluation.ts';
import { contentHash, type Json } from '../domain/json.ts';
import { rationaleSchema } from '../domain/node.ts';
import { scaleFiguresSchema } from '../domain/scale.ts';
import type { SearchSpec } from '../domain/search.ts';
import { type DeviceClass, metricValue } from '../domain/task.ts';
import { maxAttempts } from '../memory/index.ts';
import {
  CheckReport,
  counted,
  countOf,
  type Finding,
  ofKind,
  publishedEventsOf,
  requestOf,
  rowsOf,
  type Subject,
  short,
} from './subject.ts';

/**
 * What a score rests on: a worker's measurement (I3), the candidate alone and not its batch (I6), and the recorded data, task and
 * evaluator that its key is derived from (I10).
 */

/** All columns of a proposal. There is none for a score. */
const proposalColumns = [
  'seq',
  'search',
  'id',
  'agent',
  'ordinal',
  'origin',
  'candidate',
  'verdict',
  'message',
  'rationale',
  'created_at',
];

function checkProposals(subject: Subject, report: CheckReport): void {
  const columns = rowsOf<{ name: string }>(subject, `SELECT name FROM pragma_table_info('nodes')`).map(
    ({ name }) => name,
  );
  const extraColumns = columns.filter((name) => !proposalColumns.includes(name));
  report.none(
    extraColumns,
    (name) => `nodes have a column "${name}", which could carry a score`,
    'nodes have candidate, parents, operator and rationale, and no column for a score',
  );
  const nodes = rowsOf<{ id: string; rationale: string }>(
    subject,
    'SELECT id, rationale FROM nodes WHERE search = ?',
    subject.search,
  );
  const invalidRows = nodes.filter(({ rationale }) => !rationaleSchema.safeParse(JSON.parse(rationale)).success);
  report.none(
    invalidRows,
    ({ id }) => `the rationale of ${id} has more than choice, change, expectation and reading`,
    `${counted(nodes.length, 'rationale')}, each with choice, change, expectation and reading only`,
  );
}

interface EvaluationRow {
  key: string;
  status: 'ok' | 'failed';
  reason: string | null;
  validation: number | null;
  evaluator: string;
  worker: string;
  attempt: number;
  finishedAt: number;
  measured: number | null;
  jobEvaluator: string | null;
  begunAt: number | null;
  claims: number;
  delivered: number | null;
  deliveredStatus: string | null;
  isVetoed: 0 | 1;
}

/** The search's evaluations, with the claim and the delivery of each. */
const evaluationsQuery = `SELECT e.key, e.status, e.reason, e.validation, e.evaluator, e.worker, e.attempt,
    e.finished_at AS finishedAt, json_extract(e.measurement, '$.validation') AS measured,
    json_extract(j.body, '$.evaluator') AS jobEvaluator, a.at AS begunAt,
    (SELECT count(*) FROM attempts c WHERE c.key = e.key) AS claims,
    d.validation AS delivered, d.status AS deliveredStatus,
    EXISTS (SELECT 1 FROM evaluation_requests w JOIN vetoes v ON v.search = w.search AND v.node = w.node
      WHERE w.key = e.key) AS isVetoed
  FROM evaluations e LEFT JOIN jobs j ON j.key = e.key
  LEFT JOIN attempts a ON a.key = e.key AND a.worker = e.worker AND a.attempt = e.attempt
  LEFT JOIN deliveries d ON d.key = e.key AND d.worker = e.worker AND d.attempt = e.attempt AND d.verdict = 'counted'
  WHERE e.key IN (SELECT key FROM evaluation_requests WHERE search = ?)`;

function objection(row: EvaluationRow, evaluator: string, agents: ReadonlySet<string>): string | null {
  if (row.evaluator !== evaluator || row.jobEvaluator !== evaluator) {
    return `is by evaluator ${row.evaluator}, but the search uses ${evaluator}`;
  }
  if (agents.has(row.worker)) return `comes from ${row.worker}, which is an agent`;
  if (row.reason === 'poison') {
    return row.claims >= maxAttempts ? null : `was ended after ${row.claims} of ${maxAttempts} attempts`;
  }
  if (row.reason === 'vetoed') return row.isVetoed === 1 ? null : 'ended as vetoed, but no veto covers it';
  if (row.begunAt === null) return `comes from ${row.worker}, which never claimed the job`;
  if (row.begunAt > row.finishedAt) return 'finished before it started';
  if (row.deliveredStatus === null) return `comes from ${row.worker}, which delivered no result`;
  if (row.deliveredStatus !== row.status || row.delivered !== row.validation) {
    return `differs from what ${row.worker} delivered`;
  }
  if (row.status === 'ok' && row.measured !== row.validation) return 'differs from its measurement';
  return null;
}

/** Each score was measured by a worker that had claimed the job, with the search's evaluator. */
function checkScores(subject: Subject, report: CheckReport): EvaluationRow[] {
  const { spec, search } = subject;
  const rows = rowsOf<EvaluationRow>(subject, evaluationsQuery, search);
  const agents = new Set<string>(spec.agents.map(({ name }) => name));
  let wrong = 0;
  for (const row of rows) {
    const problem = objection(row, spec.evaluator, agents);
    if (problem === null) continue;
    wrong++;
    report.violation(`evaluation ${short(row.key)} ${problem}`);
  }
  const workers = new Set(
    rows.filter((row) => row.reason !== 'poison' && row.reason !== 'vetoed').map(({ worker }) => worker),
  );
  if (wrong === 0) {
    report.pass(
      `${counted(rows.length, 'evaluation')} by ${counted(workers.size, 'worker')}, each from the worker that had claimed the job,  ` +
        `as delivered, with evaluator ${spec.evaluator}`,
    );
  }
  return rows;
}

/** Announced scores equal the measured ones. */
function checkAnnounced(subject: Subject, report: CheckReport, evaluations: readonly EvaluationRow[]): void {
  const { events } = publishedEventsOf(subject);
  const keyOf = new Map(
    rowsOf<{ node: string; rung: string; seed: number; key: string }>(
      subject,
      'SELECT node, rung, seed, key FROM evaluation_requests WHERE search = ?',
      subject.search,
    ).map((request) => [requestOf(request), request.key]),
  );
  const scores = new Map(evaluations.map((row) => [row.key, row.validation]));
  const announced = ofKind(events, 'node-evaluated');
  const altered = announced.filter((event) => scores.get(keyOf.get(requestOf(event)) ?? '') !== event.validation);
  report.none(
    altered,
    (event) => `${requestOf(event)} was announced with ${event.validation}, which differs from the measurement`,
    `${counted(announced.length, 'announced score')}, each equal to its measurement`,
  );
}

const figuresSchema = z.object({ scale: scaleFiguresSchema.optional() });

/** A loss of a run at scale is that of the steps and tokens of its budget; a checkpoint belongs to a claimed training. */
function checkScaleRuns(subject: Subject, report: CheckReport): void {
  if (!subject.spec.scale) return;
  const rows = rowsOf<{ key: string; validation: number; measurement: string; body: string }>(
    subject,
    `SELECT DISTINCT e.key, e.validation, e.measurement, j.body FROM evaluation_requests w
     JOIN evaluations e ON e.key = w.key JOIN jobs j ON j.key = w.key WHERE w.search = ? AND e.status = 'ok'`,
    subject.search,
  );
  const wrong = rows.flatMap(({ key, validation, measurement, body }) => {
    const { candidate, lowerIsBetter } = jobSchema.parse(JSON.parse(body));
    const { scale } = figuresSchema.parse(JSON.parse(measurement));
    if (candidate.kind !== 'scale' || !scale) return [`${short(key)} has no figures of a run at scale`];
    const { steps, batch_tokens } = candidate.recipe;
    if (metricValue(validation, lowerIsBetter) !== scale.loss) {
      return [`${short(key)} scores ${validation}, but its loss is ${scale.loss}`];
    }
    if (scale.steps === steps && scale.tokens === steps * batch_tokens) return [];
    return [`${short(key)} was requested for ${steps} steps, but trained ${scale.steps} on ${scale.tokens} tokens`];
  });
  const trained = counted(rows.length, 'loss of a run at scale', 'losses of runs at scale');
  report.none(wrong, (sentence) => sentence, `${trained}, each of the steps and tokens of its budget`);
  const checkpoints = `FROM checkpoints c WHERE c.key IN (SELECT key FROM evaluation_requests WHERE search = ?)`;
  const strays = countOf(
    subject,
    `SELECT count(*) ${checkpoints} AND NOT EXISTS (
       SELECT 1 FROM claims a WHERE a.key = c.key AND a.worker = c.worker AND a.attempt = c.attempt)`,
    subject.search,
  );
  if (strays > 0) report.violation(`${counted(strays, 'checkpoint')} of trainings that no worker had claimed`);
  else {
    const all = countOf(subject, `SELECT count(*) ${checkpoints}`, subject.search);
    report.pass(`${counted(all, 'checkpoint')}, each of a claimed training`);
  }
}

/** I3: agents propose, evaluators decide. */
export function scoreProvenance(subject: Subject): Finding {
  const report = new CheckReport('I3');
  checkProposals(subject, report);
  checkAnnounced(subject, report, checkScores(subject, report));
  checkScaleRuns(subject, report);
  const unclaimed = countOf(
    subject,
    `SELECT count(*) FROM deliveries d WHERE key IN (SELECT key FROM evaluation_requests WHERE search = ?) AND NOT EXISTS (
       SELECT 1 FROM attempts a WHERE a.key = d.key AND a.worker = d.worker AND a.attempt = d.attempt)`,
    subject.search,
  );
  if (unclaimed > 0) report.violation(`${counted(unclaimed, 'result')} from workers that had not claimed the job`);
  return report.finding();
}

/**
 * Allowed difference between two trainings of one candidate. On a CPU sums have one order, so results are bit-equal. On a
 * GPU the order depends on the batch; 0.01 is about the noise between two seeds.
 */
const tolerance: Readonly<Record<DeviceClass, number>> = { cpu: 0, cuda: 0.01 };

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

/** A search's files compared with this machine's, as sentences. */
export interface FilesNow {
  /** Data sets and task directory that are unchanged. */
  readonly same: readonly string[];
  /** Changed or missing since: a reason to retrain, not a fault of the scores. */
  readonly changed: readonly string[];
}
/** Compares the files of a search, given its specification and search file. */
export type FilesOf = (spec: SearchSpec, source: string) => Promise<FilesNow>;

interface IdentityRow {
  key: string;
  body: string;
  identity: string | null;
  components: string | null;
}

/** For every evaluation of the search: the recorded components, their digest, and the key derived from it. */
function checkIdentities(subject: Subject, report: CheckReport): void {
  const rows = rowsOf<IdentityRow>(
    subject,
    `SELECT DISTINCT e.key, j.body, j.identity, i.components FROM evaluation_requests w
     JOIN evaluations e ON e.key = w.key JOIN jobs j ON j.key = e.key LEFT JOIN identities i ON i.digest = j.identity
     WHERE w.search = ?`,
    subject.search,
  );
  let [verified, unknown, wrong] = [0, 0, 0];
  const fail = (problem: string): void => {
    wrong++;
    report.violation(problem);
  };
  for (const { key, body, identity, components } of rows) {
    const what = `evaluation ${short(key)}`;
    const job = jobSchema.safeParse(JSON.parse(body));
    if (!job.success) {
      fail(`${what} has an unreadable job`);
      continue;
    }
    const expected = identityOf(job.data);
    if (identity === null) {
      if (expected) fail(`${what} has no identity, although its job has data and a task directory`);
      else unknown++;
      continue;
    }
    const recorded = components === null ? null : identitySchema.safeParse(JSON.parse(components));
    if (!recorded?.success) fail(`${what} has identity ${short(identity)}, whose components are not recorded`);
    else if (contentHash(recorded.data as Json) !== identity) {
      fail(`identity ${short(identity)} of ${what} is not the digest of its recorded components`);
    } else if (!expected || contentHash(expected) !== identity) {
      fail(`${what} has identity ${short(identity)}, but its job has other components`);
    } else if (evaluationKey(job.data) !== key) fail(`${what} does not have the key derived from its identity`);
    else verified++;
  }
  if (wrong === 0) {
    report.pass(`${counted(verified, 'evaluation')} of this search, each key recomputed from its recorded components`);
  }
  if (unknown > 0) {
    report.skipped(`${counted(unknown, 'evaluation')} older than the record of data and task directories`);
  }
}

/** I10: each key is derived from recorded components: data, task directory, profile, evaluator, device class. */
export async function namedContent(subject: Subject, files: FilesOf): Promise<Finding> {
  const report = new CheckReport('I10');
  checkIdentities(subject, report);
  if (subject.spec.content) {
    const { same, changed } = await files(subject.spec, subject.reader.searches.source(subject.search));
    for (const each of same) report.pass(each);
    for (const each of changed) report.pass(`on this machine, since the search started: ${each}`);
  }
  return report.finding();
}
