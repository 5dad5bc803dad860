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

/** Whether the figures of a row are shares of right answers: those of layers are, unless they fall as things improve. */
const isShare = (table: string) =>
  `(SELECT json_extract(j.body, '$.candidate.kind') = 'stack' AND NOT json_extract(j.body, '$.lowerIsBetter')
    FROM jobs j WHERE j.key = ${table}.key)`;
const infinite = (figure: string) => `abs(${figure}) > 1.7976931348623157e308`;

/**
 * What the tables' CHECK constraints or the evaluators refuse, as far as no other check looks at it: SQLite does not examine them where it
 * may only read.
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

/** SQLite's own examination, and whether rows have left the tables from which nothing is ever removed. */
function checkFile(subject: Subject, inquiry: CheckReport): void {
  const { db } = subject.reader;
  const integrity = db.pragma('integrity_check(20)') as { integrity_check: string }[];
  const damages = integrity.filter((row) => row.integrity_check !== 'ok');
  inquiry.none(damages, (row) => `integrity_check: ${row.integrity_check}`, 'integrity_check: ok');
  const strays = db.pragma('foreign_key_check') as { table: string; rowid: number | null; parent: string }[];
  inquiry.none(
    strays,
    ({ table, rowid, parent }) =>
      `a row of ${table}${rowid === null ? '' : ` (${rowid})`} refers to no row of ${parent}`,
    'foreign_key_check: every reference has its row',
  );
  for (const { table, beyond } of ranges) {
    const rows = countOf(subject, `SELECT count(*) FROM ${table} WHERE ${beyond}`);
    if (rows > 0) inquiry.broken(`${counted(rows, 'row')} of ${table} with a value beyond its range (${beyond})`);
  }
  // Their numbers are given out without gaps, because no insertion into them is ever ignored.
  for (const table of ['phases', 'nodes', 'outbox', 'test_reads']) {
    const rows = countOf(subject, `SELECT count(*) FROM ${table}`);
    const given = countOf(subject, 'SELECT seq FROM sqlite_sequence WHERE name = ?', table);
    if (rows !== given) inquiry.broken(`${table} holds ${counted(rows, 'row')}, and ${given} were written`);
  }
}

/** Every job that was committed is in the outbox once per epoch, and the outbox holds nothing that was not committed. */
function checkJobs(subject: Subject, inquiry: CheckReport): void {
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
      if (!entry) inquiry.broken(`job ${short(key)} has no outbox row for its epoch ${each} of ${epoch}`);
      else if (entry.body !== body)
        inquiry.broken(`the outbox tells of job ${short(key)} something else than the ledger`);
    }
  }
  for (const { key, epoch } of published.values()) {
    inquiry.broken(`the outbox holds job ${short(key)}, epoch ${epoch}, which the ledger does not know`);
  }
  const waiting = entries.filter((entry) => entry.sentAt === null).length;
  const requeued = jobs.reduce((sum, job) => sum + job.epoch - 1, 0);
  inquiry.saw(
    `${counted(jobs.length, 'job')} in ${counted(entries.length, 'outbox row')}, one per job and epoch ` +
      `(${requeued} queued again, ${waiting} not yet published)`,
  );
  const early = rowsOf<{ seq: number }>(subject, 'SELECT seq FROM outbox WHERE sent_at < created_at');
  inquiry.none(
    early,
    ({ seq }) => `outbox row ${seq} was published before it was committed`,
    'only outbox rows are ever published, and each is a row of the transaction that decided it: ' +
      'so what was published is what the ledger holds',
  );
}

/** Every result was committed with the delivery that brought it and the attempt that it ends. */
function checkResults(subject: Subject, inquiry: CheckReport): void {
  const evaluations = countOf(subject, 'SELECT count(*) FROM evaluations');
  const orphans = rowsOf<{ key: string }>(
    subject,
    'SELECT key FROM evaluations e WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.key = e.key)',
  );
  for (const { key } of orphans) inquiry.broken(`evaluation ${short(key)} belongs to no job`);
  // Given up after too many attempts, a candidate is judged by the ledger itself: there is no result to deliver.
  const undelivered = rowsOf<{ key: string }>(
    subject,
    `SELECT key FROM evaluations e WHERE reason IS NOT 'poison' AND NOT EXISTS (SELECT 1 FROM deliveries d
       WHERE d.key = e.key AND d.worker = e.worker AND d.attempt = e.attempt AND d.verdict = 'counted')`,
  );
  for (const { key } of undelivered) inquiry.broken(`evaluation ${short(key)} was not delivered by anybody`);
  const unbegun = rowsOf<{ key: string }>(
    subject,
    'SELECT key FROM evaluations e WHERE NOT EXISTS (SELECT 1 FROM attempts a WHERE a.key = e.key)',
  );
  for (const { key } of unbegun) inquiry.broken(`evaluation ${short(key)} was never begun`);
  const dropped = rowsOf<{ key: string }>(
    subject,
    `SELECT key FROM deliveries d WHERE verdict = 'counted' AND NOT EXISTS (SELECT 1 FROM evaluations e WHERE e.key = d.key)`,
  );
  for (const { key } of dropped)
    inquiry.broken(`the result of ${short(key)} was counted, and there is no evaluation of it`);
  if (orphans.length + undelivered.length + unbegun.length + dropped.length === 0) {
    const poisoned = countOf(subject, `SELECT count(*) FROM evaluations WHERE reason = 'poison'`);
    const given = poisoned === 0 ? '' : ` (${poisoned} given up by the ledger itself)`;
    inquiry.saw(`${counted(evaluations, 'evaluation')}, each with a job, an attempt and a counted delivery${given}`);
  }
}

function compareTold(inquiry: CheckReport, what: string, expected: readonly string[], told: readonly string[]): void {
  const left = new Map<string, number>();
  for (const each of told) left.set(each, (left.get(each) ?? 0) + 1);
  for (const each of expected) {
    const count = left.get(each) ?? 0;
    if (count === 0) inquiry.broken(`${what} ${each} was never announced`);
    if (count <= 1) left.delete(each);
    else left.set(each, count - 1);
  }
  for (const each of left.keys()) inquiry.broken(`${what} ${each} was announced, and the ledger does not hold it`);
}

/** A change and the message that tells of it are one transaction: each has the other. */
function checkAnnouncements(subject: Subject, inquiry: CheckReport): void {
  const { reader, search } = subject;
  const { told, unreadable } = publishedEventsOf(subject);
  for (const { seq } of unreadable) inquiry.broken(`outbox row ${seq} is no announcement that anybody could read`);
  const nodes = rowsOf<{ id: string }>(
    subject,
    `SELECT id FROM nodes WHERE search = ? AND verdict = 'accepted'`,
    search,
  );
  compareTold(
    inquiry,
    'node',
    nodes.map(({ id }) => id),
    ofKind(told, 'node-submitted').map(({ node }) => node),
  );
  interface Answered {
    node: string;
    rung: string;
    seed: number;
    status: 'ok' | 'failed';
  }
  const answered = rowsOf<Answered>(
    subject,
    'SELECT w.node, w.rung, w.seed, e.status FROM evaluation_requests w JOIN evaluations e ON e.key = w.key WHERE w.search = ?',
    search,
  );
  const kinds = { ok: 'node-evaluated', failed: 'node-failed' } as const satisfies Record<string, LabEvent['kind']>;
  for (const status of ['ok', 'failed'] as const) {
    compareTold(
      inquiry,
      `the outcome "${status}" of`,
      answered.filter((each) => each.status === status).map(requestOf),
      ofKind(told, kinds[status]).map(requestOf),
    );
  }
  const phases = reader.searches.phaseTimes(search).slice(1);
  compareTold(
    inquiry,
    'phase',
    phases.map(({ phase }) => phase),
    ofKind(told, 'phase-changed').map(({ phase }) => phase),
  );
  const endingOf = ({ of, subject, reason }: Pick<Ending, 'of' | 'subject' | 'reason'>) => `${of} ${subject} ${reason}`;
  compareTold(
    inquiry,
    'the early end of',
    reader.endings.of(search).map(endingOf),
    ofKind(told, 'ended-early').map(endingOf),
  );
  inquiry.saw(
    `${counted(nodes.length, 'node')}, ${counted(answered.length, 'outcome')} and ${counted(phases.length, 'change')} of ` +
      `phase of this search, compared with ${counted(told.length, 'announcement')} in the outbox`,
  );
}

/**
 * I1: what was decided is in the ledger, and all that was told came out of it. Looks at the whole archive, since jobs and
 * evaluations are shared by its searches.
 */
export function ledgerFirst(subject: Subject): Finding {
  const inquiry = new CheckReport('I1');
  checkFile(subject, inquiry);
  checkSchema(subject, inquiry);
  checkJobs(subject, inquiry);
  checkResults(subject, inquiry);
  checkAnnouncements(subject, inquiry);
  return inquiry.finding();
}

interface Part {
  type: string;
  name: string;
  sql: string | null;
}

const parts = `SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name`;

/**
 * Tables, indices and triggers are those that the migrations make. The uniqueness of evaluations and the permanence of
 * facts rest on them, so that a schema that was altered for a moment is the first thing to look for.
 */
export function checkSchema(subject: Subject, inquiry: CheckReport): void {
  const version = subject.reader.db.pragma('user_version', { simple: true });
  if (version !== schemaVersion) {
    inquiry.unchecked(
      `the schema is of version ${version}, and this Aira knows the details of version ${schemaVersion}`,
    );
    return;
  }
  const fresh = new Database(':memory:');
  try {
    migrate(fresh, ':memory:', 0);
    const expected = fresh.prepare<[], Part>(parts).all();
    const found = new Map(rowsOf<Part>(subject, parts).map((part) => [`${part.type} ${part.name}`, part.sql]));
    for (const { type, name, sql } of expected) {
      const label = `${type} ${name}`;
      if (!found.has(label)) inquiry.broken(`the archive lacks its ${label}`);
      else if (found.get(label) !== sql) inquiry.broken(`the ${label} is not as the migrations made it`);
      found.delete(label);
    }
    for (const label of found.keys()) inquiry.broken(`the archive has a ${label} that no migration made`);
    const triggers = expected.filter(({ type }) => type === 'trigger').length;
    inquiry.saw(
      `schema version ${version}: ${counted(expected.length, 'table, index or trigger', 'tables, indices and triggers')}, ` +
        `${triggers} of which refuse changes to facts`,
    );
  } finally {
    fresh.close();
  }
}
