import type { Spend } from '../domain/call.ts';
import { graceMs } from '../domain/ladder.ts';
import { type Rung, rungs } from '../domain/task.ts';
import { attemptsPerProposal, spareAttempts } from '../memory/index.ts';
import { CheckReport, counted, type Finding, isOwnNode, requestOf, rowsOf, type Subject, short } from './subject.ts';

/** A search accounts for its wall time when it looks at its status, twice a second; on a busy machine less often. */
const looksMs = 5000;

function checkProposals(subject: Subject, inquiry: CheckReport): void {
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
  SELECT 'a ' || rung || ' training of ' || node, at FROM evaluation_requests WHERE search = @search AND saved = 0
  UNION ALL
  SELECT 'attempt ' || a.attempt || ' at ' || substr(a.key, 1, 12) || ' on ' || a.worker, a.at FROM attempts a
  WHERE a.key IN (SELECT key FROM evaluation_requests WHERE search = @search)
    -- Others may go on wanting what this search does not want any more.
    AND NOT EXISTS (SELECT 1 FROM evaluation_requests w WHERE w.key = a.key AND w.search <> @search)`;

function checkWallTime(subject: Subject, inquiry: CheckReport): void {
  const { reader, search, spec } = subject;
  const clock = new WallClock(subject);
  const elapsed = reader.searches.elapsedMs(search);
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  const spent = `${seconds(elapsed)} s of wall time in ${counted(clock.sessions, 'session')}`;
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
    `SELECT e.key, max(e.finished_at) AS at FROM evaluations e JOIN evaluation_requests w ON w.key = e.key WHERE w.search = ?`,
    search,
  );
  const lastEnd = ends[0]?.at ?? over;
  // Each phase looks at its status once more before it sees that the time is over, and so does each resume.
  const allowed = Math.max(limit + graceMs, clock.elapsedAt(lastEnd)) + looksMs * (clock.sessions + 4);
  if (elapsed > allowed)
    inquiry.broken(`the search lasted ${seconds(elapsed - limit)} s longer than its ${minutes} minutes`);
  inquiry.saw(
    `${spent}, of ${seconds(limit)} s: ${seconds(elapsed - limit)} s over, while trainings that had begun came to their end` +
      (ends[0]?.key ? ` (the last was ${short(ends[0].key)})` : ''),
  );
}

/** I9: evaluations, wall time, device seconds, tokens and dollars, checked before each spending. */
export function budgets(subject: Subject): Finding {
  const inquiry = new CheckReport('I9');
  checkProposals(subject, inquiry);
  checkWallTime(subject, inquiry);
  checkDeviceSeconds(subject, inquiry);
  checkCalls(subject, inquiry);
  return inquiry.finding();
}

/** Sums of many floats differ by their order. */
const rounding = 1e-9;

interface Limits {
  readonly dollars?: number | undefined;
  readonly tokens?: number | undefined;
}

function compare(inquiry: CheckReport, whose: string, { dollars, tokens }: Limits, spend: Spend): void {
  if (dollars !== undefined && spend.dollars > dollars + rounding) {
    inquiry.broken(`${whose} spent $${spend.dollars} on calls of language models, of $${dollars}`);
  }
  if (tokens !== undefined && spend.tokens > tokens) {
    inquiry.broken(`${whose} used ${spend.tokens} tokens of language models, of ${tokens}`);
  }
}

/** Dollars and tokens of the search and of each agent: what was settled, and what was reserved and is not settled yet. */
export function checkCalls({ reader, search, spec }: Subject, inquiry: CheckReport): void {
  const calls = reader.calls.of(search);
  compare(inquiry, 'the search', spec.budget, reader.calls.spend(search));
  for (const agent of spec.agents) compare(inquiry, agent.name, agent, reader.calls.spend(search, agent.name));
  const over = calls.filter(({ dollars, reservedDollars }) => (dollars ?? 0) > reservedDollars + rounding);
  inquiry.none(
    over,
    ({ id, dollars, reservedDollars }) => `call ${id} cost $${dollars}, and $${reservedDollars} were reserved for it`,
    `${counted(calls.length, 'call')} of language models, none dearer than what was reserved before it`,
  );
}

interface Session {
  openedAt: number;
  seenAt: number;
}

/** The wall time of a search: the sum of its sessions, not the time between its first and its last. */
export class WallClock {
  readonly #sessions: readonly Session[];

  constructor(subject: Subject) {
    this.#sessions = rowsOf<Session>(
      subject,
      'SELECT opened_at AS openedAt, seen_at AS seenAt FROM sessions WHERE search = ? ORDER BY seq',
      subject.search,
    );
  }

  get sessions(): number {
    return this.#sessions.length;
  }

  /** Wall time at a moment, in milliseconds. Between sessions it stands still. */
  elapsedAt(moment: number): number {
    return this.#sessions.reduce(
      (sum, { openedAt, seenAt }) => sum + Math.max(0, Math.min(moment, seenAt) - openedAt),
      0,
    );
  }

  /**
   * The moment at which so many milliseconds of wall time were over, or null if they never were.
   */
  momentOf(elapsedMs: number): number | null {
    let rest = elapsedMs;
    for (const { openedAt, seenAt } of this.#sessions) {
      if (seenAt - openedAt >= rest) return openedAt + rest;
      rest -= seenAt - openedAt;
    }
    return null;
  }
}

/** Sums of many floats may differ in their last digits. */
const roundingOfDeviceSeconds = 1e-6;

interface Step {
  kind: 'asked' | 'ended';
  node: string;
  rung: Rung;
  seed: number;
  status: 'ok' | 'failed' | null;
  seconds: number | null;
}

/**
 * What the search's paid trainings did to its account, in the order of the decisions: each was asked for when its job
 * entered the outbox, and ended when the outcome of its payer did.
 */
const account = `
  SELECT o.seq, 'asked' AS kind, w.node, w.rung, w.seed, NULL AS status, NULL AS seconds
  FROM evaluation_requests w JOIN outbox o ON o.kind = 'job' AND o.message_id = w.key || ':1' WHERE w.search = @search AND w.saved = 0
  UNION ALL
  SELECT o.seq, 'ended', w.node, w.rung, w.seed, e.status, e.seconds
  FROM outbox o JOIN evaluation_requests w ON w.search = @search AND w.saved = 0
    AND w.node = json_extract(o.body, '$.node') AND w.rung = json_extract(o.body, '$.rung')
    AND w.seed = json_extract(o.body, '$.seed')
  JOIN evaluations e ON e.key = w.key
  WHERE o.kind = 'event' AND json_extract(o.body, '$.search') = @search
    AND json_extract(o.body, '$.kind') IN ('node-evaluated', 'node-failed')
  ORDER BY 1`;

/**
 * Goes through the account as the ledger did: before a training is asked for, what is spent, what is asked for and not
 * ended yet (at the mean of its rung, or the profile's estimate) and the training itself must lie within the limit.
 */
export function checkDeviceSeconds(subject: Subject, inquiry: CheckReport): void {
  const { reader, search, spec } = subject;
  const limit = spec.budget.deviceSeconds;
  const steps = reader.db.prepare<{ search: string }, Step>(account).all({ search });
  const open: Record<Rung, number> = { screen: 0, confirm: 0, final: 0 };
  const done: Record<Rung, { n: number; seconds: number }> = {
    screen: { n: 0, seconds: 0 },
    confirm: { n: 0, seconds: 0 },
    final: { n: 0, seconds: 0 },
  };
  let spent = 0;
  for (const step of steps) {
    const { rung } = step;
    if (step.kind === 'ended') {
      const seconds = step.seconds ?? 0;
      spent += seconds;
      open[rung]--;
      if (step.status === 'ok') {
        done[rung].n++;
        done[rung].seconds += seconds;
      }
      continue;
    }
    const price = (each: Rung) => (done[each].n > 0 ? done[each].seconds / done[each].n : spec.rungs[each].seconds);
    const reserved = rungs.reduce((sum, each) => sum + open[each] * price(each), 0);
    const after = spent + reserved + price(rung);
    if (limit !== undefined && after > limit * (1 + roundingOfDeviceSeconds)) {
      inquiry.broken(
        `${requestOf(step)} was asked for when ${after.toFixed(1)} of ${limit} device seconds were spent or reserved`,
      );
    }
    open[rung]++;
  }
  const asked = steps.filter(({ kind }) => kind === 'asked').length;
  const sum = `${spent.toFixed(1)} device seconds for ${counted(asked, 'training')}`;
  inquiry.saw(
    limit === undefined
      ? `${sum}; no limit was set`
      : `${sum}, of ${limit}: at each the sum of spent and reserved was within the limit` +
          (spent > limit ? `; trainings under way then took ${(spent - limit).toFixed(1)} s longer than foreseen` : ''),
  );
}
