import type { AgentSpec } from '../domain/agent.ts';
import { canonicalCandidate } from '../domain/candidate.ts';
import { errorMessage } from '../domain/errors.ts';
import { failureReasons } from '../domain/evaluation.ts';
import type { AgentName, NodeId } from '../domain/ids.ts';
import { describeNearDuplicate, findNearDuplicate } from '../domain/nearDuplicates.ts';
import {
  CheckReport,
  counted,
  type Finding,
  isOwnNode,
  ofKind,
  publishedEventsOf,
  requestOf,
  rowsOf,
  type Subject,
  short,
} from './subject.ts';

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
