import { AiraError } from '../domain/errors.ts';
import { evaluationKey, type Job, jobSchema, laboratoryFailures, repeatedJob } from '../domain/evaluation.ts';
import { canonicalJson, type Json } from '../domain/json.ts';
import type { Rung } from '../domain/task.ts';
import { differingTotals } from '../memory/index.ts';
import { CheckReport, counted, countOf, type Finding, requestOf, rowsOf, type Subject, short } from './subject.ts';

/** Checks keys against job bodies. Returns the readable jobs by key. */
function checkKeys(subject: Subject, report: CheckReport): Map<string, Job> {
  const jobs = new Map<string, Job>();
  const rows = rowsOf<{ key: string; body: string }>(subject, 'SELECT key, body FROM jobs');
  let wrong = 0;
  for (const { key, body } of rows) {
    const parsed = jobSchema.safeParse(JSON.parse(body));
    if (!parsed.success) report.violation(`job ${short(key)} cannot be read: ${parsed.error.issues[0]?.message}`);
    else {
      const recomputed = evaluationKey(parsed.data);
      if (recomputed !== key || parsed.data.key !== key) {
        wrong++;
        report.violation(
          `job ${short(key)} should have the key ${short(recomputed)}: its body describes another training`,
        );
      }
      jobs.set(key, parsed.data);
    }
  }
  if (wrong === 0) report.pass(`${counted(jobs.size, 'key')} recomputed from job bodies, all equal`);
  return jobs;
}

/** Everything that determines an outcome; the host's timeout does not. */
function identity({ timeoutSeconds: _, ...rest }: Job): string {
  return canonicalJson(rest as unknown as Json);
}

/** A training is repeated only after infrastructure failures. */
function checkRepetition({ reader }: Subject, report: CheckReport, first: Job, again: number): void {
  for (let before = 0; before < again; before++) {
    const { key } = before === 0 ? first : repeatedJob(first, before);
    const reason = reader.evaluations.result(key)?.reason;
    if (reason && laboratoryFailures.includes(reason)) continue;
    report.violation(`${short(key)} was retrained without an infrastructure failure`);
  }
}

/** Each request is for the training that its node, rung and seed need under the specification. */
function checkRequests(subject: Subject, report: CheckReport, jobs: ReadonlyMap<string, Job>): void {
  interface RequestRow {
    node: string;
    candidate: string;
    key: string;
    rung: Rung;
    seed: number;
  }
  const { reader, search, spec } = subject;
  const requests = rowsOf<RequestRow>(
    subject,
    `SELECT w.node, n.candidate, w.key, w.rung, w.seed FROM evaluation_requests w
     JOIN nodes n ON n.search = w.search AND n.id = w.node WHERE w.search = ?`,
    search,
  );
  let wrong = 0;
  for (const request of requests) {
    const job = jobs.get(request.key);
    let expected: Job | null = null;
    try {
      const first = reader.evaluations.jobFor(spec, request.candidate, request.rung, request.seed);
      expected = job?.again === undefined ? first : repeatedJob(first, job.again);
      if (job?.again !== undefined) checkRepetition(subject, report, first, job.again);
    } catch (thrown) {
      if (!(thrown instanceof AiraError)) throw thrown;
    }
    if (expected?.key === request.key && job && identity(expected) === identity(job)) continue;
    wrong++;
    report.violation(`the job for ${requestOf(request)} is not the training that this node needs`);
  }
  if (wrong === 0)
    report.pass(`${counted(requests.length, 'request')} of this search, each for the job that its node needs`);
}

function checkUniqueness(subject: Subject, report: CheckReport): void {
  interface Repeated {
    key: string;
    n: number;
  }
  const evaluations = countOf(subject, 'SELECT count(*) FROM evaluations');
  const keys = countOf(subject, 'SELECT count(DISTINCT key) FROM evaluations');
  const repeated = rowsOf<Repeated>(subject, 'SELECT key, count(*) AS n FROM evaluations GROUP BY key HAVING n > 1');
  report.none(
    repeated,
    ({ key, n }) => `${short(key)} was evaluated ${n} times`,
    `${counted(evaluations, 'evaluation')} of ${counted(keys, 'key')}`,
  );
  const paid = rowsOf<Repeated>(
    subject,
    `SELECT j.key, (SELECT count(*) FROM evaluation_requests w WHERE w.key = j.key AND w.saved = 0) AS n FROM jobs j
     WHERE n <> (SELECT count(*) = 0 FROM paid_elsewhere p WHERE p.key = j.key)`,
  );
  const elsewhere = countOf(subject, 'SELECT count(*) FROM paid_elsewhere');
  report.none(
    paid,
    ({ key, n }) => `${counted(n, 'node')} paid for ${short(key)}, expected 1`,
    elsewhere === 0
      ? 'every job was paid for by exactly one node'
      : `every job was paid for by exactly one node, or by a search outside of this archive (${counted(elsewhere, 'cache hit')} of an imported search)`,
  );
}

/** One result per key counts; earlier ones led to a retry, later ones changed nothing. */
function checkDeliveries(subject: Subject, report: CheckReport): void {
  interface Delivery {
    key: string;
    verdict: 'counted' | 'surplus' | 'retry';
  }
  const deliveries = rowsOf<Delivery>(subject, 'SELECT key, verdict FROM deliveries ORDER BY seq');
  const settled = new Set<string>(
    rowsOf<{ key: string }>(subject, `SELECT key FROM evaluations WHERE reason IN ('poison', 'vetoed')`).map(
      ({ key }) => key,
    ),
  );
  const poisoned = new Set(settled);
  const totals = { counted: 0, surplus: 0, retry: 0 };
  for (const { key, verdict } of deliveries) {
    totals[verdict]++;
    const done = settled.has(key);
    if (verdict === 'counted' && done) report.violation(`a second result for ${short(key)} was counted`);
    if (verdict === 'surplus' && !done)
      report.violation(`a result for ${short(key)} was marked surplus before any was counted`);
    // Failed attempts may precede the end of the evaluation.
    if (verdict === 'retry' && done && !poisoned.has(key))
      report.violation(`${short(key)} was retried after its result`);
    if (verdict === 'counted') settled.add(key);
  }
  const { counted: countedResults, surplus, retry } = totals;
  report.pass(
    `${counted(deliveries.length, 'delivery', 'deliveries')}: ${countedResults} counted, ${surplus} surplus, ${retry} retried`,
  );
}

/** The cost of a search is a sum over rows; the totals that its status reads are equal to it. */
function checkSums(subject: Subject, report: CheckReport): void {
  const { reader, search } = subject;
  interface Sum {
    saved: 0 | 1;
    n: number;
    seconds: number;
  }
  const sums = rowsOf<Sum>(
    subject,
    `SELECT w.saved, count(*) AS n, coalesce(sum(e.seconds), 0) AS seconds FROM evaluation_requests w
     LEFT JOIN evaluations e ON e.key = w.key WHERE w.search = ? GROUP BY w.saved`,
    search,
  );
  const [paid, saved] = [0, 1].map((flag) => sums.find((sum) => sum.saved === flag) ?? { n: 0, seconds: 0 }) as [
    Sum,
    Sum,
  ];
  const differing = differingTotals(reader.db, search);
  for (const sentence of differing) report.violation(sentence);
  if (differing.length === 0) report.pass('the running totals of rungs, agents and scores are those of the rows');
  const reported = reader.budget.deviceSeconds(search);
  const rehearsed = reader.rehearsals.of(search).reduce((sum, { seconds, reserved }) => sum + (seconds ?? reserved), 0);
  if (Math.abs(reported - paid.seconds - rehearsed) > 1e-6) {
    report.violation(
      `the reported cost is ${reported} s, but the paid evaluations and rehearsals add up to ${paid.seconds + rehearsed} s`,
    );
  }
  report.pass(
    `this search: ${counted(paid.n, 'evaluation')} paid (${paid.seconds.toFixed(1)} s of training), ` +
      `${saved.n} cached (${saved.seconds.toFixed(1)} s of training avoided)`,
  );
}

/** I2: a key identifies one training, which is evaluated and paid for once, whatever is delivered twice. */
export function uniqueness(subject: Subject): Finding {
  const report = new CheckReport('I2');
  const jobs = checkKeys(subject, report);
  checkRequests(subject, report, jobs);
  checkUniqueness(subject, report);
  checkDeliveries(subject, report);
  checkSums(subject, report);
  return report.finding();
}
