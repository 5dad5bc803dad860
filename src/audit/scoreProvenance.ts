import { rationaleSchema } from '../domain/node.ts';
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

/** All that is kept of a proposal. A score has no place among it. */
const proposalColumns = [
  ...['seq', 'search', 'id', 'agent', 'ordinal', 'origin', 'candidate'],
  ...['verdict', 'message', 'rationale', 'created_at'],
];

function checkProposals(subject: Subject, inquiry: CheckReport): void {
  const columns = rowsOf<{ name: string }>(subject, `SELECT name FROM pragma_table_info('nodes')`).map(
    ({ name }) => name,
  );
  const strangers = columns.filter((name) => !proposalColumns.includes(name));
  inquiry.none(
    strangers,
    (name) => `nodes have a column "${name}", which could carry a score`,
    'a node consists of candidate, parents, operator and rationale; it has no column for a score',
  );
  const nodes = rowsOf<{ id: string; rationale: string }>(
    subject,
    'SELECT id, rationale FROM nodes WHERE search = ?',
    subject.search,
  );
  const odd = nodes.filter(({ rationale }) => !rationaleSchema.safeParse(JSON.parse(rationale)).success);
  inquiry.none(
    odd,
    ({ id }) => `the rationale of ${id} carries more than choice, change, expectation and reading`,
    `${counted(nodes.length, 'rationale')}, each with choice, change, expectation and reading alone`,
  );
}

interface Judged {
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
}

/** The figures of the search, with who begun each training and what was delivered. */
const judgedQuery = `SELECT e.key, e.status, e.reason, e.validation, e.evaluator, e.worker, e.attempt,
    e.finished_at AS finishedAt, json_extract(e.measurement, '$.validation') AS measured,
    json_extract(j.body, '$.evaluator') AS jobEvaluator, a.at AS begunAt,
    (SELECT count(*) FROM attempts c WHERE c.key = e.key) AS claims,
    d.validation AS delivered, d.status AS deliveredStatus
  FROM evaluations e LEFT JOIN jobs j ON j.key = e.key
  LEFT JOIN attempts a ON a.key = e.key AND a.worker = e.worker AND a.attempt = e.attempt
  LEFT JOIN deliveries d ON d.key = e.key AND d.worker = e.worker AND d.attempt = e.attempt AND d.verdict = 'counted'
  WHERE e.key IN (SELECT key FROM evaluation_requests WHERE search = ?)`;

function objection(row: Judged, evaluator: string, agents: ReadonlySet<string>): string | null {
  if (row.evaluator !== evaluator || row.jobEvaluator !== evaluator) {
    return `is by evaluator ${row.evaluator}, and this search is judged by ${evaluator}`;
  }
  if (agents.has(row.worker)) return `comes from ${row.worker}, which is an agent`;
  if (row.reason === 'poison') {
    return row.claims >= maxAttempts ? null : `was given up after ${row.claims} of ${maxAttempts} attempts`;
  }
  if (row.begunAt === null) return `comes from ${row.worker}, which never claimed the job`;
  if (row.begunAt > row.finishedAt) return 'was finished before it was begun';
  if (row.deliveredStatus === null) return `comes from ${row.worker}, which delivered no result`;
  if (row.deliveredStatus !== row.status || row.delivered !== row.validation) {
    return `differs from what ${row.worker} delivered`;
  }
  if (row.status === 'ok' && row.measured !== row.validation) return 'differs from the measurement it was taken from';
  return null;
}

/** Each score is what a worker that had claimed the job measured with the search's evaluator. */
function checkScores(subject: Subject, inquiry: CheckReport): Judged[] {
  const { spec, search } = subject;
  const rows = rowsOf<Judged>(subject, judgedQuery, search);
  const agents = new Set<string>(spec.agents.map(({ name }) => name));
  let wrong = 0;
  for (const row of rows) {
    const problem = objection(row, spec.evaluator, agents);
    if (problem === null) continue;
    wrong++;
    inquiry.broken(`evaluation ${short(row.key)} ${problem}`);
  }
  const workers = new Set(rows.filter((row) => row.reason !== 'poison').map(({ worker }) => worker));
  if (wrong === 0) {
    inquiry.saw(
      `${counted(rows.length, 'evaluation')} by ${counted(workers.size, 'worker')}, each by one that had claimed the job, ` +
        `as it was delivered, and with evaluator ${spec.evaluator}`,
    );
  }
  return rows;
}

/** What agents were told of a score is what was measured. */
function checkTold(subject: Subject, inquiry: CheckReport, judged: readonly Judged[]): void {
  const { told } = publishedEventsOf(subject);
  const keyOf = new Map(
    rowsOf<{ node: string; rung: string; seed: number; key: string }>(
      subject,
      'SELECT node, rung, seed, key FROM evaluation_requests WHERE search = ?',
      subject.search,
    ).map((want) => [requestOf(want), want.key]),
  );
  const scores = new Map(judged.map((row) => [row.key, row.validation]));
  const announced = ofKind(told, 'node-evaluated');
  const altered = announced.filter((event) => scores.get(keyOf.get(requestOf(event)) ?? '') !== event.validation);
  inquiry.none(
    altered,
    (event) => `${requestOf(event)} was announced with ${event.validation}, which is not what was measured`,
    `${counted(announced.length, 'announced score')}, each as it was measured`,
  );
}

/** I3: agents propose, evaluators decide. */
export function scoreProvenance(subject: Subject): Finding {
  const inquiry = new CheckReport('I3');
  checkProposals(subject, inquiry);
  checkTold(subject, inquiry, checkScores(subject, inquiry));
  const unclaimed = countOf(
    subject,
    `SELECT count(*) FROM deliveries d WHERE key IN (SELECT key FROM evaluation_requests WHERE search = ?) AND NOT EXISTS (
       SELECT 1 FROM attempts a WHERE a.key = d.key AND a.worker = d.worker AND a.attempt = d.attempt)`,
    subject.search,
  );
  if (unclaimed > 0) inquiry.broken(`${counted(unclaimed, 'result')} came from workers that had not claimed the job`);
  return inquiry.finding();
}
