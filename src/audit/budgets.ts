import { overtimeMs } from '../domain/ladder.ts';
import { attemptsPerProposal, spareAttempts } from '../memory/nodes.ts';
import { checkCalls } from './callBudgets.ts';
import { checkDeviceSeconds } from './deviceSeconds.ts';
import { counted, type Finding, Inquiry, short } from './finding.ts';
import { isOwnNode, rowsOf, type Subject } from './subject.ts';
import { WallClock } from './wallClock.ts';

/** A search accounts for its wall time when it looks at its standing, twice a second; on a busy machine less often. */
const looksMs = 5000;

function checkProposals(subject: Subject, inquiry: Inquiry): void {
  const { reader, search, spec } = subject;
  let sum = 0;
  for (const { name, evaluations } of spec.agents) {
    const accepted = reader.budget.accepted(search, name);
    const attempted = reader.budget.attempted(search, name);
    const most = evaluations * attemptsPerProposal + spareAttempts;
    sum += accepted;
    if (accepted > evaluations) inquiry.broken(`${name} had ${accepted} proposals taken up, of ${evaluations}`);
    if (attempted > most) inquiry.broken(`${name} made ${attempted} attempts, of at most ${most}`);
    inquiry.saw(
      `${name}: ${accepted} of ${counted(evaluations, 'evaluation')}, ${attempted} of at most ${most} attempts`,
    );
  }
  const { evaluations } = spec.budget;
  if (sum > evaluations) inquiry.broken(`${counted(sum, 'proposal')} taken up, and the search has ${evaluations}`);
  else inquiry.saw(`the search: ${sum} of ${counted(evaluations, 'evaluation')}`);
}

/** What was begun, decided or asked for, each with its moment. */
const beginnings = `
  SELECT 'proposal ' || id AS what, created_at AS at FROM nodes n
  WHERE search = @search AND verdict = 'accepted' AND NOT ${isOwnNode('n')}
  UNION ALL
  SELECT 'a ' || rung || ' training of ' || node, at FROM wants WHERE search = @search AND saved = 0
  UNION ALL
  SELECT 'attempt ' || a.attempt || ' at ' || substr(a.key, 1, 12) || ' on ' || a.worker, a.at FROM attempts a
  WHERE a.key IN (SELECT key FROM wants WHERE search = @search)
    -- Others may go on wanting what this search does not want any more.
    AND NOT EXISTS (SELECT 1 FROM wants w WHERE w.key = a.key AND w.search <> @search)`;

function checkWallTime(subject: Subject, inquiry: Inquiry): void {
  const { reader, search, spec } = subject;
  const clock = new WallClock(subject);
  const elapsed = reader.searches.elapsedMs(search);
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  const spent = `${seconds(elapsed)} s of wall time in ${counted(clock.sittings, 'sitting')}`;
  const { minutes } = spec.budget;
  if (minutes === undefined) {
    inquiry.saw(`${spent}; no limit was set`);
    return;
  }
  const limit = minutes * 60_000;
  const over = clock.momentOf(limit);
  if (over === null || elapsed <= limit) {
    inquiry.saw(`${spent}, of ${seconds(limit)} s`);
    return;
  }
  const begun = reader.db.prepare<{ search: string }, { what: string; at: number }>(beginnings).all({ search });
  const late = begun.filter(({ at }) => at > over + looksMs);
  inquiry.none(
    late,
    ({ what, at }) => `${what} was begun ${seconds(at - over)} s after the wall time was over`,
    `${counted(begun.length, 'proposal, request or training', 'proposals, requests and trainings')}, none begun after the ` +
      `wall time was over (known to ${looksMs / 1000} s)`,
  );
  const ends = rowsOf<{ key: string; at: number }>(
    subject,
    `SELECT e.key, max(e.finished_at) AS at FROM evaluations e JOIN wants w ON w.key = e.key WHERE w.search = ?`,
    search,
  );
  const lastEnd = ends[0]?.at ?? over;
  // Each phase looks at its standing once more before it sees that the time is over, and so does each resume.
  const allowed = Math.max(limit + overtimeMs, clock.elapsedAt(lastEnd)) + looksMs * (clock.sittings + 4);
  if (elapsed > allowed)
    inquiry.broken(`the search lasted ${seconds(elapsed - limit)} s longer than its ${minutes} minutes`);
  inquiry.saw(
    `${spent}, of ${seconds(limit)} s: ${seconds(elapsed - limit)} s over, while trainings that had begun came to their end` +
      (ends[0]?.key ? ` (the last was ${short(ends[0].key)})` : ''),
  );
}

/** I9: evaluations, wall time, device seconds, tokens and dollars, checked before each spending. */
export function budgets(subject: Subject): Finding {
  const inquiry = new Inquiry('I9');
  checkProposals(subject, inquiry);
  checkWallTime(subject, inquiry);
  checkDeviceSeconds(subject, inquiry);
  checkCalls(subject, inquiry);
  return inquiry.finding();
}
