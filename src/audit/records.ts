import type { AgentSpec } from '../domain/agent.ts';
import { canonicalCandidate } from '../domain/candidate.ts';
import { AiraError, errorMessage } from '../domain/errors.ts';
import {
  evaluationKey,
  failureReasons,
  type Job,
  jobSchema,
  laboratoryFailures,
  repeatedJob,
} from '../domain/evaluation.ts';
import type { AgentName, NodeId } from '../domain/ids.ts';
import { canonicalJson, type Json } from '../domain/json.ts';
import { describeNearDuplicate, findNearDuplicate } from '../domain/nearDuplicates.ts';
import type { Rung } from '../domain/task.ts';
import { differingTotals } from '../memory/index.ts';
import {
  CheckReport,
  counted,
  countOf,
  type Finding,
  isOwnNode,
  ofKind,
  publishedEventsOf,
  requestOf,
  rowsOf,
  type Subject,
  short,
} from './subject.ts';

/**
 * What is recorded once, and what is recorded at all.
 *
 * I2: keys, requests, deliveries and sums of a search belong to evaluations that exist once. I8: each attempt of an agent and each
 * training that was started is a row.
 */

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

interface Proposal {
  id: NodeId;
  agent: string;
  ordinal: number;
  /** The attempt whose thought gave it. */
  thought: number;
  candidate: string;
  verdict: 'accepted' | 'rejected' | 'duplicate';
  message: string | null;
  asked: number;
}

/** Why the candidate is invalid for the task; null if it is valid. */
function problemOf({ spec }: Subject, candidate: string): string | null {
  try {
    const canonical = canonicalCandidate(candidate, spec.space);
    return canonical === candidate ? null : 'it is not in canonical form';
  } catch (thrown) {
    return errorMessage(thrown);
  }
}

/** What an attempt must differ from: the accepted candidates in its agent's memory at the time of its thought. */
function memoryOf(
  subject: Subject,
  self: AgentSpec,
  { ordinal, thought }: Proposal,
  all: readonly Proposal[],
): Proposal[] {
  const horizons = new Map(subject.reader.ensemble.of(subject.spec, self, thought)).set(self.name, ordinal - 1);
  return all.filter(
    (each) => each.verdict === 'accepted' && each.ordinal <= (horizons.get(each.agent as AgentName) ?? 0),
  );
}

/** An agent's attempts are numbered without gaps, and each has an outcome. */
function checkAgent(subject: Subject, self: AgentSpec, all: readonly Proposal[], report: CheckReport): void {
  const { name, novelty } = self;
  const proposals = all.filter(({ agent }) => agent === name);
  let declined = 0;
  for (const [index, proposal] of proposals.entries()) {
    const { id, ordinal, candidate, verdict, message } = proposal;
    const before = proposals[index - 1]?.ordinal ?? 0;
    if (ordinal !== before + 1) {
      const lost = ordinal - before - 1;
      report.violation(
        `${name} lacks ${lost === 1 ? `attempt ${before + 1}` : `attempts ${before + 1} to ${ordinal - 1}`}`,
      );
    }
    const problem = problemOf(subject, candidate);
    const close =
      problem === null ? findNearDuplicate(candidate, memoryOf(subject, self, proposal, all), novelty) : null;
    if (verdict === 'accepted') {
      if (problem !== null) report.violation(`${id} was accepted, but ${problem}`);
      if (close) report.violation(`${id} was accepted, but ${describeNearDuplicate(close, novelty)}`);
      if (proposal.asked === 0) report.violation(`${id} was accepted, but its evaluation was not requested`);
      continue;
    }
    declined += 1;
    if (message === null || message === '') report.violation(`${id} was refused without a reason`);
    if (verdict === 'rejected' && problem === null)
      report.violation(`${id} was refused as invalid, but is a valid candidate`);
    if (verdict === 'duplicate' && !close) report.violation(`${id} was refused as a duplicate, but repeats nothing`);
  }
  report.pass(
    `${name}: ${counted(proposals.length, 'attempt')} up to number ${proposals.at(-1)?.ordinal ?? 0}, ${declined} refused`,
  );
}

function checkProposals(subject: Subject, report: CheckReport): void {
  const { search, spec } = subject;
  const proposals = rowsOf<Proposal>(
    subject,
    `SELECT id, agent, ordinal, coalesce(json_extract(rationale, '$.thought.first'), ordinal) AS thought, candidate, verdict,
       message,
       (SELECT count(*) FROM evaluation_requests w WHERE w.search = n.search AND w.node = n.id AND w.rung = 'screen') AS asked
     FROM nodes n WHERE search = ? AND NOT ${isOwnNode('n')} ORDER BY agent, ordinal`,
    search,
  );
  for (const self of spec.agents) checkAgent(subject, self, proposals, report);
  const agents = new Set<string>(spec.agents.map(({ name }) => name));
  for (const { id, agent } of proposals)
    if (!agents.has(agent)) report.violation(`${id} is by ${agent}, which is not an agent of the search`);
  const refused = proposals.filter(({ verdict }) => verdict !== 'accepted').length;
  const announced = ofKind(publishedEventsOf(subject).events, 'node-refused').length;
  if (announced !== refused)
    report.violation(`${counted(refused, 'proposal')} refused, but ${announced} refusals announced`);
}

/** A training without a score has a reason code for programs and a sentence for people. */
function checkFailures(subject: Subject, report: CheckReport): void {
  interface RequestRow {
    node: string;
    rung: string;
    seed: number;
    status: 'ok' | 'failed' | null;
    validation: number | null;
    reason: string | null;
    message: string | null;
  }
  const requests = rowsOf<RequestRow>(
    subject,
    `SELECT w.node, w.rung, w.seed, e.status, e.validation, e.reason, e.message FROM evaluation_requests w
     LEFT JOIN evaluations e ON e.key = w.key WHERE w.search = ?`,
    subject.search,
  );
  const reasons = new Map<string, number>();
  for (const each of requests.filter(({ status }) => status === 'failed')) {
    const reason = each.reason ?? '';
    if (!(failureReasons as readonly string[]).includes(reason)) {
      report.violation(`${requestOf(each)} failed for "${reason}", which is not a reason code`);
    } else reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    if (!each.message) report.violation(`${requestOf(each)} failed as ${reason} without a message`);
    if (each.validation !== null) report.violation(`${requestOf(each)} failed as ${reason}, but has a score`);
  }
  const listed = [...reasons].map(([reason, count]) => `${count} ${reason}`).join(', ');
  const failed = requests.filter(({ status }) => status === 'failed').length;
  const open = requests.filter(({ status }) => status === null).length;
  report.pass(
    `${counted(requests.length, 'evaluation')} requested: ${requests.length - failed - open} scored, ` +
      `${failed} failed${listed === '' ? '' : ` (${listed})`}, ${open} without a result yet`,
  );
}

/** A training that was started has ended, was restarted, or is still pending. */
function checkTrainings(subject: Subject, report: CheckReport): void {
  interface Attempt {
    key: string;
    seq: number;
    worker: string;
    at: number;
    endedAt: number | null;
    last: number;
    settled: 0 | 1;
  }
  const attempts = rowsOf<Attempt>(
    subject,
    `SELECT a.key, a.seq, a.worker, a.at, d.at AS endedAt,
       (SELECT max(seq) FROM attempts b WHERE b.key = a.key) AS last,
       EXISTS (SELECT 1 FROM evaluations e WHERE e.key = a.key) AS settled
     FROM attempts a
     LEFT JOIN deliveries d ON d.key = a.key AND d.worker = a.worker AND d.attempt = a.attempt
     WHERE a.key IN (SELECT key FROM evaluation_requests WHERE search = ?)`,
    subject.search,
  );
  const unfinished = { again: 0, settled: 0, open: 0 };
  for (const { key, seq, worker, at, endedAt, last, settled } of attempts) {
    if (endedAt !== null) {
      if (endedAt < at) report.violation(`the training of ${short(key)} on ${worker} ended before it started`);
    } else if (seq < last) unfinished.again++;
    else if (settled === 1) unfinished.settled++;
    else unfinished.open++;
  }
  const { again, settled, open } = unfinished;
  report.pass(
    `${counted(attempts.length, 'training')} started: ${attempts.length - again - settled - open} ended,  ` +
      `${again} lost and restarted, ${settled} lost after another had ended, ${open} still pending`,
  );
  const unstarted = rowsOf<{ key: string; worker: string }>(
    subject,
    `SELECT key, worker FROM deliveries d WHERE key IN (SELECT key FROM evaluation_requests WHERE search = ?) AND NOT EXISTS (
       SELECT 1 FROM attempts a WHERE a.key = d.key AND a.worker = d.worker AND a.attempt = d.attempt)`,
    subject.search,
  );
  report.none(
    unstarted,
    ({ key, worker }) => `${worker} delivered a result for ${short(key)}, but no start of that training is recorded`,
    'every delivered result belongs to a training whose start is recorded',
  );
}

/** I8: failed, rejected, duplicate or lost: every attempt is a row with a reason. */
export function completeness(subject: Subject): Finding {
  const report = new CheckReport('I8');
  checkProposals(subject, report);
  checkFailures(subject, report);
  checkTrainings(subject, report);
  return report.finding();
}
