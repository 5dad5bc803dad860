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
  candidate: string;
  verdict: 'accepted' | 'rejected' | 'duplicate';
  message: string | null;
  asked: number;
}

/** Why the candidate is not one of the task, or null. */
function problemOf({ spec }: Subject, candidate: string): string | null {
  try {
    const canonical = canonicalCandidate(candidate, spec.space);
    return canonical === candidate ? null : 'it is not in canonical form';
  } catch (thrown) {
    return errorMessage(thrown);
  }
}

/** What an attempt was to differ from: what its agent remembered at the time and had been taken up. */
function remembered(subject: Subject, self: AgentSpec, ordinal: number, all: readonly Proposal[]): Proposal[] {
  const horizons = new Map(subject.reader.ensemble.of(subject.spec, self, ordinal)).set(self.name, ordinal - 1);
  return all.filter(
    (each) => each.verdict === 'accepted' && each.ordinal <= (horizons.get(each.agent as AgentName) ?? 0),
  );
}

/** The attempts of an agent are numbered without gaps, and each says what became of it. */
function checkAgent(subject: Subject, self: AgentSpec, all: readonly Proposal[], inquiry: CheckReport): void {
  const { name, novelty } = self;
  const proposals = all.filter(({ agent }) => agent === name);
  let refused = 0;
  for (const [index, proposal] of proposals.entries()) {
    const { id, ordinal, candidate, verdict, message } = proposal;
    const before = proposals[index - 1]?.ordinal ?? 0;
    if (ordinal !== before + 1) {
      const lost = ordinal - before - 1;
      inquiry.broken(
        `${name} lacks ${lost === 1 ? `attempt ${before + 1}` : `attempts ${before + 1} to ${ordinal - 1}`}`,
      );
    }
    const problem = problemOf(subject, candidate);
    const close =
      problem === null ? findNearDuplicate(candidate, remembered(subject, self, ordinal, all), novelty) : null;
    if (verdict === 'accepted') {
      if (problem !== null) inquiry.broken(`${id} was accepted, and ${problem}`);
      if (close) inquiry.broken(`${id} was accepted, and ${describeNearDuplicate(close, novelty)}`);
      if (proposal.asked === 0) inquiry.broken(`${id} was accepted, and nobody asked for its evaluation`);
      continue;
    }
    refused += 1;
    if (message === null || message === '') inquiry.broken(`${id} was refused without a reason`);
    if (verdict === 'rejected' && problem === null)
      inquiry.broken(`${id} was refused as invalid, and it is a candidate`);
    if (verdict === 'duplicate' && !close) inquiry.broken(`${id} was refused as a duplicate, and repeats nothing`);
  }
  inquiry.saw(
    `${name}: ${counted(proposals.length, 'attempt')} up to number ${proposals.at(-1)?.ordinal ?? 0}, ${refused} of them refused`,
  );
}

function checkProposals(subject: Subject, inquiry: CheckReport): void {
  const { search, spec } = subject;
  const proposals = rowsOf<Proposal>(
    subject,
    `SELECT id, agent, ordinal, candidate, verdict, message,
       (SELECT count(*) FROM evaluation_requests w WHERE w.search = n.search AND w.node = n.id AND w.rung = 'screen') AS asked
     FROM nodes n WHERE search = ? AND NOT ${isOwnNode('n')} ORDER BY agent, ordinal`,
    search,
  );
  for (const self of spec.agents) checkAgent(subject, self, proposals, inquiry);
  const known = new Set<string>(spec.agents.map(({ name }) => name));
  for (const { id, agent } of proposals) if (!known.has(agent)) inquiry.broken(`${id} is by ${agent}, who is no agent`);
  const refused = proposals.filter(({ verdict }) => verdict !== 'accepted').length;
  const told = ofKind(publishedEventsOf(subject).told, 'node-refused').length;
  if (told !== refused) inquiry.broken(`${counted(refused, 'proposal')} refused, and ${told} refusals announced`);
}

/** A training without a score says why, in a word that programs know and a sentence that people read. */
function checkFailures(subject: Subject, inquiry: CheckReport): void {
  interface Wanted {
    node: string;
    rung: string;
    seed: number;
    status: 'ok' | 'failed' | null;
    validation: number | null;
    reason: string | null;
    message: string | null;
  }
  const wanted = rowsOf<Wanted>(
    subject,
    `SELECT w.node, w.rung, w.seed, e.status, e.validation, e.reason, e.message FROM evaluation_requests w
     LEFT JOIN evaluations e ON e.key = w.key WHERE w.search = ?`,
    subject.search,
  );
  const reasons = new Map<string, number>();
  for (const each of wanted.filter(({ status }) => status === 'failed')) {
    const reason = each.reason ?? '';
    if (!(failureReasons as readonly string[]).includes(reason)) {
      inquiry.broken(`${requestOf(each)} failed for "${reason}", which is no reason code`);
    } else reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    if (!each.message) inquiry.broken(`${requestOf(each)} failed as ${reason} without a message`);
    if (each.validation !== null) inquiry.broken(`${requestOf(each)} failed as ${reason}, and has a score`);
  }
  const listed = [...reasons].map(([reason, count]) => `${count} ${reason}`).join(', ');
  const failed = wanted.filter(({ status }) => status === 'failed').length;
  const open = wanted.filter(({ status }) => status === null).length;
  inquiry.saw(
    `${counted(wanted.length, 'evaluation')} asked for: ${wanted.length - failed - open} scored, ` +
      `${failed} failed${listed === '' ? '' : ` (${listed})`}, ${open} without a result yet`,
  );
}

/** A training that was begun has an end, or was begun again, or is still waited for. */
function checkTrainings(subject: Subject, inquiry: CheckReport): void {
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
  const lost = { again: 0, settled: 0, open: 0 };
  for (const { key, seq, worker, at, endedAt, last, settled } of attempts) {
    if (endedAt !== null) {
      if (endedAt < at) inquiry.broken(`the training of ${short(key)} on ${worker} ended before it was begun`);
    } else if (seq < last) lost.again++;
    else if (settled === 1) lost.settled++;
    else lost.open++;
  }
  const { again, settled, open } = lost;
  inquiry.saw(
    `${counted(attempts.length, 'training')} begun: ${attempts.length - again - settled - open} with an end, ` +
      `${again} lost and begun again, ${settled} lost after another one had ended, ${open} not heard of since`,
  );
  const unbegun = rowsOf<{ key: string; worker: string }>(
    subject,
    `SELECT key, worker FROM deliveries d WHERE key IN (SELECT key FROM evaluation_requests WHERE search = ?) AND NOT EXISTS (
       SELECT 1 FROM attempts a WHERE a.key = d.key AND a.worker = d.worker AND a.attempt = d.attempt)`,
    subject.search,
  );
  inquiry.none(
    unbegun,
    ({ key, worker }) =>
      `${worker} delivered a result for ${short(key)}, and no beginning of that training is recorded`,
    'every delivered result ends a training whose beginning is recorded',
  );
}

/** I8: failed, rejected, duplicate, lost: a row with a reason. */
export function completeness(subject: Subject): Finding {
  const inquiry = new CheckReport('I8');
  checkProposals(subject, inquiry);
  checkFailures(subject, inquiry);
  checkTrainings(subject, inquiry);
  return inquiry.finding();
}
