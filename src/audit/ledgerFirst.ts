import Database from 'better-sqlite3';
import type { Ending } from '../domain/ending.ts';
import type { LabEvent } from '../domain/messages.ts';
import { migrate, schemaVersion } from '../memory/index.ts';
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

/** Whether a row's scores are shares of correct answers: those of stacks, unless lower is better. */
const isShare = (table: string) =>
  `(SELECT json_extract(j.body, '$.candidate.kind') = 'stack' AND NOT json_extract(j.body, '$.lowerIsBetter')
    FROM jobs j WHERE j.key = ${table}.key)`;
const infinite = (figure: string) => `abs(${figure}) > 1.7976931348623157e308`;

/**
 * Values that the tables' CHECK constraints or the evaluators refuse and no other check covers: on a read-only archive
 * SQLite does not verify CHECK constraints.
 */
const ranges = [
  {
    table: 'evaluations',
    beyond: `(validation NOT BETWEEN 0 AND 1 AND ${isShare('evaluations')}) OR ${infinite('validation')} OR seconds < 0`,
  },
  { table: 'evaluations', beyond: `(status = 'failed') <> (reason IS NOT NULL) OR status NOT IN ('ok', 'failed')` },
  {
    table: 'test_scores',
    beyond: `(score NOT BETWEEN 0 AND 1 AND ${isShare('test_scores')}) OR ${infinite('score')}`,
  },
  { table: 'sessions', beyond: 'seen_at < opened_at' },
  { table: 'jobs', beyond: 'epoch < 1' },
] as const;

/** SQLite's integrity check, and whether rows are missing from append-only tables. */
function checkFile(subject: Subject, report: CheckReport): void {
  const { db } = subject.reader;
  const integrity = db.pragma('integrity_check(20)') as { integrity_check: string }[];
  const damage = integrity.filter((row) => row.integrity_check !== 'ok');
  report.none(damage, (row) => `integrity_check: ${row.integrity_check}`, 'integrity_check: ok');
  const strays = db.pragma('foreign_key_check') as { table: string; rowid: number | null; parent: string }[];
  report.none(
    strays,
    ({ table, rowid, parent }) =>
      `a row of ${table}${rowid === null ? '' : ` (${rowid})`} refers to a missing row of ${parent}`,
    'foreign_key_check: ok',
  );
  for (const { table, beyond } of ranges) {
    const rows = countOf(subject, `SELECT count(*) FROM ${table} WHERE ${beyond}`);
    if (rows > 0) report.violation(`${counted(rows, 'row')} of ${table} with a value out of range (${beyond})`);
  }
  // Their sequence numbers have no gaps, because no insert into them is ever ignored.
  for (const table of ['phases', 'nodes', 'outbox', 'test_reads']) {
    const rows = countOf(subject, `SELECT count(*) FROM ${table}`);
    const written = countOf(subject, 'SELECT seq FROM sqlite_sequence WHERE name = ?', table);
    if (rows !== written) report.violation(`${table} has ${counted(rows, 'row')}, but ${written} were written`);
  }
}

/** Every committed job is in the outbox once per epoch, and the outbox has no other jobs. */
function checkJobs(subject: Subject, report: CheckReport): void {
  interface Entry {
    key: string;
    epoch: number;
    body: string;
    sentAt: number | null;
  }
  const jobs = rowsOf<{ key: string; epoch: number; body: string }>(subject, 'SELECT key, epoch, body FROM jobs');
  const entries = rowsOf<Entry>(
    subject,
    `SELECT substr(message_id, 1, 64) AS key, CAST(substr(message_id, 66) AS INTEGER) AS epoch, body, sent_at AS sentAt
     FROM outbox WHERE kind = 'job'`,
  );
  const published = new Map(entries.map((entry) => [`${entry.key}:${entry.epoch}`, entry]));
  for (const { key, epoch, body } of jobs) {
    for (let each = 1; each <= epoch; each++) {
      const entry = published.get(`${key}:${each}`);
      published.delete(`${key}:${each}`);
      if (!entry) report.violation(`job ${short(key)} has no outbox row for its epoch ${each} of ${epoch}`);
      // Earlier versions stored the body in both.
      else if (entry.body !== '{}' && entry.body !== body)
        report.violation(`job ${short(key)} differs between outbox and ledger`);
    }
  }
  for (const { key, epoch } of published.values()) {
    report.violation(`the outbox has job ${short(key)}, epoch ${epoch}, which is not in the ledger`);
  }
  const waiting = entries.filter((entry) => entry.sentAt === null).length;
  const requeued = jobs.reduce((sum, job) => sum + job.epoch - 1, 0);
  report.pass(
    `${counted(jobs.length, 'job')} in ${counted(entries.length, 'outbox row')}, one per job and epoch ` +
      `(${requeued} requeued, ${waiting} not yet published)`,
  );
  const early = rowsOf<{ seq: number }>(subject, 'SELECT seq FROM outbox WHERE sent_at < created_at');
  report.none(
    early,
    ({ seq }) => `outbox row ${seq} was published before it was committed`,
    'only outbox rows are published, and each was committed with its decision: everything published is in the ledger',
  );
}

/** Every result was committed with its delivery and its attempt. */
function checkResults(subject: Subject, report: CheckReport): void {
  const evaluations = countOf(subject, 'SELECT count(*) FROM evaluations');
  const orphans = rowsOf<{ key: string }>(
    subject,
    'SELECT key FROM evaluations e WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.key = e.key)',
  );
  for (const { key } of orphans) report.violation(`evaluation ${short(key)} has no job`);
  // After too many failed attempts the ledger itself ends an evaluation, without a delivered result.
  const undelivered = rowsOf<{ key: string }>(
    subject,
    `SELECT key FROM evaluations e WHERE coalesce(reason, '') NOT IN ('poison', 'vetoed') AND NOT EXISTS (SELECT 1 FROM deliveries d
       WHERE d.key = e.key AND d.worker = e.worker AND d.attempt = e.attempt AND d.verdict = 'counted')`,
  );
  for (const { key } of undelivered) report.violation(`evaluation ${short(key)} has no counted delivery`);
  const unstarted = rowsOf<{ key: string }>(
    subject,
    `SELECT key FROM evaluations e WHERE coalesce(reason, '') <> 'vetoed'
       AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.key = e.key)`,
  );
  for (const { key } of unstarted) report.violation(`evaluation ${short(key)} has no attempt`);
  const dropped = rowsOf<{ key: string }>(
    subject,
    `SELECT key FROM deliveries d WHERE verdict = 'counted' AND NOT EXISTS (SELECT 1 FROM evaluations e WHERE e.key = d.key)`,
  );
  for (const { key } of dropped) report.violation(`the result of ${short(key)} was counted, but has no evaluation`);
  if (orphans.length + undelivered.length + unstarted.length + dropped.length === 0) {
    const endedAs = (reason: string, why: string): string => {
      const count = countOf(subject, `SELECT count(*) FROM evaluations WHERE reason = '${reason}'`);
      return count === 0 ? '' : ` (${count} ended by the ledger ${why})`;
    };
    const note = endedAs('poison', 'after repeated crashes') + endedAs('vetoed', 'as vetoed');
    report.pass(`${counted(evaluations, 'evaluation')}, each with a job, an attempt and a counted delivery${note}`);
  }
}

function compareAnnounced(
  report: CheckReport,
  what: string,
  expected: readonly string[],
  announced: readonly string[],
): void {
  const unmatched = new Map<string, number>();
  for (const each of announced) unmatched.set(each, (unmatched.get(each) ?? 0) + 1);
  for (const each of expected) {
    const count = unmatched.get(each) ?? 0;
    if (count === 0) report.violation(`${what} ${each} was never announced`);
    if (count <= 1) unmatched.delete(each);
    else unmatched.set(each, count - 1);
  }
  for (const each of unmatched.keys()) report.violation(`${what} ${each} was announced, but is not in the ledger`);
}

/** A change and its announcement are one transaction: each has the other. */
function checkAnnouncements(subject: Subject, report: CheckReport): void {
  const { reader, search } = subject;
  const { events, unreadable } = publishedEventsOf(subject);
  for (const { seq } of unreadable) report.violation(`outbox row ${seq} is not a readable announcement`);
  const nodes = rowsOf<{ id: string }>(
    subject,
    `SELECT id FROM nodes WHERE search = ? AND verdict = 'accepted'`,
    search,
  );
  compareAnnounced(
    report,
    'node',
    nodes.map(({ id }) => id),
    ofKind(events, 'node-submitted').map(({ node }) => node),
  );
  interface OutcomeRow {
    node: string;
    rung: string;
    seed: number;
    status: 'ok' | 'failed';
  }
  const outcomes = rowsOf<OutcomeRow>(
    subject,
    'SELECT w.node, w.rung, w.seed, e.status FROM evaluation_requests w JOIN evaluations e ON e.key = w.key WHERE w.search = ?',
    search,
  );
  const kinds = { ok: 'node-evaluated', failed: 'node-failed' } as const satisfies Record<string, LabEvent['kind']>;
  for (const status of ['ok', 'failed'] as const) {
    compareAnnounced(
      report,
      `the outcome "${status}" of`,
      outcomes.filter((each) => each.status === status).map(requestOf),
      ofKind(events, kinds[status]).map(requestOf),
    );
  }
  const phases = reader.searches.phaseTimes(search).slice(1);
  compareAnnounced(
    report,
    'phase',
    phases.map(({ phase }) => phase),
    ofKind(events, 'phase-changed').map(({ phase }) => phase),
  );
  const endingOf = ({ of, subject, reason }: Pick<Ending, 'of' | 'subject' | 'reason'>) => `${of} ${subject} ${reason}`;
  compareAnnounced(
    report,
    'the early end of',
    reader.endings.of(search).map(endingOf),
    ofKind(events, 'ended-early').map(endingOf),
  );
  report.pass(
    `${counted(nodes.length, 'node')}, ${counted(outcomes.length, 'outcome')} and ${counted(phases.length, 'change')} of ` +
      `phase of this search, compared with ${counted(events.length, 'announcement')} in the outbox`,
  );
}

/**
 * I1: every decision is in the ledger, and everything announced comes from it. Covers the whole archive, since its searches
 * share jobs and evaluations.
 */
export function ledgerFirst(subject: Subject): Finding {
  const report = new CheckReport('I1');
  checkFile(subject, report);
  checkSchema(subject, report);
  checkJobs(subject, report);
  checkResults(subject, report);
  checkAnnouncements(subject, report);
  return report.finding();
}

interface SchemaObject {
  type: string;
  name: string;
  sql: string | null;
}

const schemaQuery = `SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name`;

/**
 * Tables, indices and triggers match the migrations. The uniqueness of evaluations and the immutability of facts rest on
 * them, so an altered schema is checked first.
 */
export function checkSchema(subject: Subject, report: CheckReport): void {
  const version = subject.reader.db.pragma('user_version', { simple: true });
  if (version !== schemaVersion) {
    report.skipped(`the archive has schema version ${version}, and this Aira has version ${schemaVersion}`);
    return;
  }
  const fresh = new Database(':memory:');
  try {
    migrate(fresh, ':memory:', 0);
    const expected = fresh.prepare<[], SchemaObject>(schemaQuery).all();
    const actual = new Map(
      rowsOf<SchemaObject>(subject, schemaQuery).map((part) => [`${part.type} ${part.name}`, part.sql]),
    );
    for (const { type, name, sql } of expected) {
      const label = `${type} ${name}`;
      if (!actual.has(label)) report.violation(`the archive lacks its ${label}`);
      else if (actual.get(label) !== sql) report.violation(`the ${label} differs from the migrations`);
      actual.delete(label);
    }
    for (const label of actual.keys()) report.violation(`the archive has a ${label} that no migration creates`);
    const triggers = expected.filter(({ type }) => type === 'trigger').length;
    report.pass(
      `schema version ${version}: ${counted(expected.length, 'table, index or trigger', 'tables, indices and triggers')}, ` +
        `${triggers} of them triggers against changes of facts`,
    );
  } finally {
    fresh.close();
  }
}
