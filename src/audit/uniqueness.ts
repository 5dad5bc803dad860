import { canonicalJson, type Json } from '../domain/canonical.ts';
import { AiraError } from '../domain/errors.ts';
import { evaluationKey, type Job, jobSchema, laboratoryFailures, repeatedJob } from '../domain/evaluation.ts';
import type { Rung } from '../domain/task.ts';
import { CheckReport, counted, countOf, type Finding, requestOf, rowsOf, type Subject, short } from './subject.ts';

/** The bodies of all jobs that can be read, by key. */
function checkKeys(subject: Subject, inquiry: CheckReport): Map<string, Job> {
  const jobs = new Map<string, Job>();
  const rows = rowsOf<{ key: string; body: string }>(subject, 'SELECT key, body FROM jobs');
  let wrong = 0;
  for (const { key, body } of rows) {
    const parsed = jobSchema.safeParse(JSON.parse(body));
    if (!parsed.success) inquiry.broken(`job ${short(key)} cannot be read: ${parsed.error.issues[0]?.message}`);
    else {
      const recomputed = evaluationKey(parsed.data);
      if (recomputed !== key || parsed.data.key !== key) {
        wrong++;
        inquiry.broken(
          `job ${short(key)} should have the key ${short(recomputed)}: its body is that of another training`,
        );
      }
      jobs.set(key, parsed.data);
    }
  }
  if (wrong === 0) inquiry.saw(`${counted(jobs.size, 'key')} recomputed from the jobs' bodies, all equal`);
  return jobs;
}

/** All that decides an outcome; how long the host waits for it does not. */
function identity({ timeoutSeconds: _, ...rest }: Job): string {
  return canonicalJson(rest as unknown as Json);
}

/** A training is made again only where the laboratory failed at the ones before. */
function checkRepetition({ reader }: Subject, inquiry: CheckReport, first: Job, again: number): void {
  for (let before = 0; before < again; before++) {
    const { key } = before === 0 ? first : repeatedJob(first, before);
    const reason = reader.evaluations.result(key)?.reason;
    if (reason && laboratoryFailures.includes(reason)) continue;
    inquiry.broken(`${short(key)} was trained again, although the laboratory did not fail at it`);
  }
}

/** Each wish of the search is for the training that its node, rung and seed ask for under the search's specification. */
function checkWishes(subject: Subject, inquiry: CheckReport, jobs: ReadonlyMap<string, Job>): void {
  interface Wish {
    node: string;
    candidate: string;
    key: string;
    rung: Rung;
    seed: number;
  }
  const { reader, search, spec } = subject;
  const wishes = rowsOf<Wish>(
    subject,
    `SELECT w.node, n.candidate, w.key, w.rung, w.seed FROM evaluation_requests w
     JOIN nodes n ON n.search = w.search AND n.id = w.node WHERE w.search = ?`,
    search,
  );
  let wrong = 0;
  for (const wish of wishes) {
    const job = jobs.get(wish.key);
    let asked: Job | null = null;
    try {
      const first = reader.evaluations.jobFor(spec, wish.candidate, wish.rung, wish.seed);
      asked = job?.again === undefined ? first : repeatedJob(first, job.again);
      if (job?.again !== undefined) checkRepetition(subject, inquiry, first, job.again);
    } catch (thrown) {
      if (!(thrown instanceof AiraError)) throw thrown;
    }
    if (asked?.key === wish.key && job && identity(asked) === identity(job)) continue;
    wrong++;
    inquiry.broken(`the job for ${requestOf(wish)} is not the training that this node asks for`);
  }
  if (wrong === 0)
    inquiry.saw(`${counted(wishes.length, 'wish', 'wishes')} of this search, each for the job its node asks for`);
}

function checkUniqueness(subject: Subject, inquiry: CheckReport): void {
  interface Repeated {
    key: string;
    n: number;
  }
  const evaluations = countOf(subject, 'SELECT count(*) FROM evaluations');
  const keys = countOf(subject, 'SELECT count(DISTINCT key) FROM evaluations');
  const repeated = rowsOf<Repeated>(subject, 'SELECT key, count(*) AS n FROM evaluations GROUP BY key HAVING n > 1');
  inquiry.none(
    repeated,
    ({ key, n }) => `${short(key)} was evaluated ${n} times`,
    `${counted(evaluations, 'evaluation')} of ${counted(keys, 'key')}`,
  );
  const paid = rowsOf<Repeated>(
    subject,
    `SELECT j.key, (SELECT count(*) FROM evaluation_requests w WHERE w.key = j.key AND w.saved = 0) AS n FROM jobs j WHERE n <> 1`,
  );
  inquiry.none(
    paid,
    ({ key, n }) => `${counted(n, 'node')} paid for ${short(key)}; it should be 1`,
    'every job was paid for by exactly one node',
  );
}

/** Of the results for a key one was counted; those before it asked for another try, those after it changed nothing. */
function checkDeliveries(subject: Subject, inquiry: CheckReport): void {
  interface Delivery {
    key: string;
    verdict: 'counted' | 'surplus' | 'retry';
  }
  const deliveries = rowsOf<Delivery>(subject, 'SELECT key, verdict FROM deliveries ORDER BY seq');
  const settled = new Set<string>(
    rowsOf<{ key: string }>(subject, `SELECT key FROM evaluations WHERE reason = 'poison'`).map(({ key }) => key),
  );
  const poisoned = new Set(settled);
  const totals = { counted: 0, surplus: 0, retry: 0 };
  for (const { key, verdict } of deliveries) {
    totals[verdict]++;
    const done = settled.has(key);
    if (verdict === 'counted' && done) inquiry.broken(`a second result for ${short(key)} was counted`);
    if (verdict === 'surplus' && !done)
      inquiry.broken(`a result for ${short(key)} was put aside before any was counted`);
    // Tries that failed may have come before the candidate was given up.
    if (verdict === 'retry' && done && !poisoned.has(key))
      inquiry.broken(`${short(key)} was tried again after its result`);
    if (verdict === 'counted') settled.add(key);
  }
  const { counted: kept, surplus, retry } = totals;
  inquiry.saw(
    `${counted(deliveries.length, 'delivery', 'deliveries')}: ${kept} counted, ${surplus} surplus, ${retry} tried again`,
  );
}

/** What the search's wishes cost, paid and saved, are sums over rows; there is no counter that could differ from them. */
function checkSums(subject: Subject, inquiry: CheckReport): void {
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
  const stated = reader.budget.deviceSeconds(search);
  if (Math.abs(stated - paid.seconds) > 1e-6) {
    inquiry.broken(`the search is said to have cost ${stated} s, and its paid evaluations add up to ${paid.seconds} s`);
  }
  inquiry.saw(
    `this search: ${counted(paid.n, 'evaluation')} paid (${paid.seconds.toFixed(1)} s of training), ` +
      `${saved.n} saved (${saved.seconds.toFixed(1)} s not trained again)`,
  );
}

/** I2: a key stands for one training, is evaluated once and paid for once, whatever was delivered twice. */
export function uniqueness(subject: Subject): Finding {
  const inquiry = new CheckReport('I2');
  const jobs = checkKeys(subject, inquiry);
  checkWishes(subject, inquiry, jobs);
  checkUniqueness(subject, inquiry);
  checkDeliveries(subject, inquiry);
  checkSums(subject, inquiry);
  return inquiry.finding();
}
