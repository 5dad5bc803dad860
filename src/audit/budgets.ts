import { mostAttempts, type Spend } from '../domain/agent.ts';
import { graceMs } from '../domain/ladder.ts';
import type { Budget } from '../domain/search.ts';
import { type Rung, rungs } from '../domain/task.ts';
import type { RehearsalRecord } from '../memory/index.ts';
import { CheckReport, counted, type Finding, isOwnNode, requestOf, rowsOf, type Subject, short } from './subject.ts';

/** A search checks its wall time with its status, twice a second; less often on a busy machine. */
const statusIntervalMs = 5000;

function checkProposals(subject: Subject, report: CheckReport): void {
  const { reader, search, spec } = subject;
  let sum = 0;
  for (const { name, evaluations } of spec.agents) {
    const accepted = reader.budget.accepted(search, name);
    const attempted = reader.budget.attempted(search, name);
    const maxAttempts = mostAttempts({ evaluations });
    sum += accepted;
    if (accepted > evaluations) report.violation(`${name} had ${accepted} proposals accepted, limit ${evaluations}`);
    if (attempted > maxAttempts) report.violation(`${name} made ${attempted} attempts, limit ${maxAttempts}`);
    report.pass(
      `${name}: ${accepted} of ${counted(evaluations, 'evaluation')}, ${attempted} of at most ${maxAttempts} attempts`,
    );
  }
  const { evaluations } = spec.budget;
  if (sum > evaluations) report.violation(`${counted(sum, 'proposal')} accepted, and the search has ${evaluations}`);
  else report.pass(`the search: ${sum} of ${counted(evaluations, 'evaluation')}`);
}

/** Everything that was started, decided or requested, with its time. */
const starts = `
  SELECT 'proposal ' || id AS what, created_at AS at FROM nodes n
  WHERE search = @search AND verdict = 'accepted' AND NOT ${isOwnNode('n')}
  UNION ALL
  SELECT 'a ' || rung || ' training of ' || node, at FROM evaluation_requests WHERE search = @search AND saved = 0
  UNION ALL
  SELECT 'attempt ' || a.attempt || ' at ' || substr(a.key, 1, 12) || ' on ' || a.worker, a.at FROM attempts a
  WHERE a.key IN (SELECT key FROM evaluation_requests WHERE search = @search)
    -- Other searches may still need what this search no longer needs.
    AND NOT EXISTS (SELECT 1 FROM evaluation_requests w WHERE w.key = a.key AND w.search <> @search)`;

function checkWallTime(subject: Subject, report: CheckReport): void {
  const { reader, search } = subject;
  const clock = new WallClock(subject);
  const elapsed = reader.searches.elapsedMs(search);
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  const spent = `${seconds(elapsed)} s of wall time in ${counted(clock.sessions, 'session')}`;
  const raises = new Raises(subject);
  const { minutes } = raises.at(Number.POSITIVE_INFINITY);
  if (minutes === undefined) {
    report.pass(`${spent}; no limit was set`);
    return;
  }
  const limit = minutes * 60_000;
  const over = clock.momentOf(limit);
  if (over === null || elapsed <= limit) {
    report.pass(`${spent}, of ${seconds(limit)} s`);
    return;
  }
  const started = reader.db.prepare<{ search: string }, { what: string; at: number }>(starts).all({ search });
  const late = started.filter(({ at }) => at > over + statusIntervalMs);
  for (const { what, at } of started) {
    const then = (raises.at(at).minutes ?? minutes) * 60_000;
    if (then < limit && clock.elapsedAt(at) > then + statusIntervalMs)
      report.violation(`${what} started before a person raised the limit of ${seconds(then)} s, which was used`);
  }
  report.none(
    late,
    ({ what, at }) => `${what} started ${seconds(at - over)} s after the wall time was used`,
    `${counted(started.length, 'proposal, request or training', 'proposals, requests and trainings')}, none started after the ` +
      `wall time was used (resolution ${statusIntervalMs / 1000} s)`,
  );
  const ends = rowsOf<{ key: string; at: number }>(
    subject,
    `SELECT e.key, max(e.finished_at) AS at FROM evaluations e JOIN evaluation_requests w ON w.key = e.key WHERE w.search = ?`,
    search,
  );
  const lastEnd = ends[0]?.at ?? over;
  // Each phase, and each resume, checks its status once more before it notices that the time is used.
  const allowed = Math.max(limit + graceMs, clock.elapsedAt(lastEnd)) + statusIntervalMs * (clock.sessions + 4);
  if (elapsed > allowed)
    report.violation(`the search lasted ${seconds(elapsed - limit)} s longer than its ${minutes} minutes`);
  report.pass(
    `${spent}, of ${seconds(limit)} s: ${seconds(elapsed - limit)} s over, to finish running trainings` +
      (ends[0]?.key ? ` (the last was ${short(ends[0].key)})` : ''),
  );
}

/** I9: evaluations, wall time, device seconds, tokens and dollars, checked before each use. */
export function budgets(subject: Subject): Finding {
  const report = new CheckReport('I9');
  checkProposals(subject, report);
  checkWallTime(subject, report);
  checkDeviceSeconds(subject, report);
  checkRehearsals(subject, report);
  checkCalls(subject, report);
  return report.finding();
}

/** Float sums depend on their order. */
const rounding = 1e-9;

interface Limits {
  readonly dollars?: number | undefined;
  readonly tokens?: number | undefined;
}

function compare(report: CheckReport, whose: string, { dollars, tokens }: Limits, spend: Spend): void {
  if (dollars !== undefined && spend.dollars > dollars + rounding) {
    report.violation(`${whose} spent $${spend.dollars} on LLM calls, limit $${dollars}`);
  }
  if (tokens !== undefined && spend.tokens > tokens) {
    report.violation(`${whose} used ${spend.tokens} LLM tokens, limit ${tokens}`);
  }
}

/** Dollars and tokens of the search and each agent: settled, or reserved and not yet settled. */
export function checkCalls({ reader, search, spec }: Subject, report: CheckReport): void {
  const calls = reader.calls.of(search);
  compare(report, 'the search', reader.budget.limits(spec), reader.calls.spend(search));
  for (const agent of spec.agents) compare(report, agent.name, agent, reader.calls.spend(search, agent.name));
  const over = calls.filter(({ dollars, reservedDollars }) => (dollars ?? 0) > reservedDollars + rounding);
  report.none(
    over,
    ({ id, dollars, reservedDollars }) => `call ${id} cost $${dollars}, more than the reserved $${reservedDollars}`,
    `${counted(calls.length, 'LLM call')}, each within its reservation`,
  );
}

/** Device time of rehearsals: each within its reservation, and within the limit of its agent at each reservation. */
export function checkRehearsals({ reader, search, spec }: Subject, report: CheckReport): void {
  const runs = reader.rehearsals.of(search);
  if (runs.length === 0) return;
  const seconds = ({ seconds: used, reserved }: RehearsalRecord) => used ?? reserved;
  for (const { name, operators } of spec.agents) {
    const limit = operators?.deviceSeconds ?? 0;
    let used = 0;
    for (const run of runs.filter(({ agent }) => agent === name)) {
      if (used + run.reserved > limit + roundingOfDeviceSeconds) {
        report.violation(`rehearsal ${run.id} of ${name} was granted when ${used.toFixed(1)} of ${limit} s were used`);
      }
      used += seconds(run);
    }
    if (operators) report.pass(`${name}: ${used.toFixed(1)} of ${limit} device seconds of rehearsals`);
  }
  const over = runs.filter((run) => seconds(run) > run.reserved + roundingOfDeviceSeconds);
  report.none(
    over,
    ({ id, seconds: used, reserved }) => `rehearsal ${id} took ${used} s, more than the reserved ${reserved} s`,
    `${counted(runs.length, 'rehearsal')}, each within its reservation`,
  );
}

interface Session {
  openedAt: number;
  seenAt: number;
}

/** The wall time of a search: the sum of its sessions, not the time from the first to the last. */
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

  /** Wall time at a moment, in milliseconds; constant between sessions. */
  elapsedAt(moment: number): number {
    return this.#sessions.reduce(
      (sum, { openedAt, seenAt }) => sum + Math.max(0, Math.min(moment, seenAt) - openedAt),
      0,
    );
  }

  /** The moment when `elapsedMs` of wall time were used; null if never. */
  momentOf(elapsedMs: number): number | null {
    let rest = elapsedMs;
    for (const { openedAt, seenAt } of this.#sessions) {
      if (seenAt - openedAt >= rest) return openedAt + rest;
      rest -= seenAt - openedAt;
    }
    return null;
  }
}

/** The limits of a search at a moment: as recorded, and with what people had raised by then. */
class Raises {
  readonly #budget: Budget;
  readonly #raised: readonly { readonly at: number; readonly limits: object }[];

  constructor({ reader, search, spec }: Subject) {
    this.#budget = spec.budget;
    this.#raised = reader.rulings.of(search).filter(({ kind }) => kind === 'raise-budget');
  }

  at(moment: number): Budget {
    const raised = this.#raised.filter(({ at }) => at <= moment).map(({ limits }) => limits);
    return Object.assign({}, this.#budget, ...raised) as Budget;
  }
}

/** Float sums may differ in their last digits. */
const roundingOfDeviceSeconds = 1e-6;

interface Step {
  kind: 'asked' | 'ended';
  node: string;
  rung: Rung;
  seed: number;
  status: 'ok' | 'failed' | null;
  seconds: number | null;
  at: number;
}

/**
 * The account of the search's paid trainings, in order: each was requested when its job entered the outbox, and ended with
 * its payer's outcome.
 */
const account = `
  SELECT o.seq, 'asked' AS kind, w.node, w.rung, w.seed, NULL AS status, NULL AS seconds, o.created_at AS at
  FROM evaluation_requests w JOIN outbox o ON o.kind = 'job' AND o.message_id = w.key || ':1' WHERE w.search = @search AND w.saved = 0
  UNION ALL
  SELECT o.seq, 'ended', w.node, w.rung, w.seed, e.status, e.seconds, o.created_at
  FROM outbox o JOIN evaluation_requests w ON w.search = @search AND w.saved = 0
    AND w.node = json_extract(o.body, '$.node') AND w.rung = json_extract(o.body, '$.rung')
    AND w.seed = json_extract(o.body, '$.seed')
  JOIN evaluations e ON e.key = w.key
  WHERE o.kind = 'event' AND json_extract(o.body, '$.search') = @search
    AND json_extract(o.body, '$.kind') IN ('node-evaluated', 'node-failed')
  ORDER BY 1`;

/**
 * Replays the ledger's account: before each request, used seconds, outstanding requests (at the mean of their
 * rung, or the profile's estimate) and the new training must be within the limit.
 */
export function checkDeviceSeconds(subject: Subject, report: CheckReport): void {
  const { reader, search, spec } = subject;
  const raises = new Raises(subject);
  const steps = reader.db.prepare<{ search: string }, Step>(account).all({ search });
  const open: Record<Rung, number> = { screen: 0, confirm: 0, final: 0 };
  const done: Record<Rung, { n: number; seconds: number }> = {
    screen: { n: 0, seconds: 0 },
    confirm: { n: 0, seconds: 0 },
    final: { n: 0, seconds: 0 },
  };
  const rehearsals = reader.rehearsals.of(search);
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
    // What a rehearsal took is known later than its reservation, and is not more: this is what was used at least.
    const rehearsed = rehearsals.reduce((sum, run) => sum + (run.at < step.at ? (run.seconds ?? run.reserved) : 0), 0);
    const after = spent + rehearsed + reserved + price(rung);
    const limit = raises.at(step.at).deviceSeconds;
    if (limit !== undefined && after > limit * (1 + roundingOfDeviceSeconds)) {
      report.violation(
        `${requestOf(step)} was requested when ${after.toFixed(1)} of ${limit} device seconds were used or reserved`,
      );
    }
    open[rung]++;
  }
  const limit = raises.at(Number.POSITIVE_INFINITY).deviceSeconds;
  const requests = steps.filter(({ kind }) => kind === 'asked').length;
  const sum = `${spent.toFixed(1)} device seconds for ${counted(requests, 'training')}`;
  report.pass(
    limit === undefined
      ? `${sum}; no limit was set`
      : `${sum}, of ${limit}: used plus reserved was within the limit at each request` +
          (spent > limit ? `; running trainings then took ${(spent - limit).toFixed(1)} s longer than estimated` : ''),
  );
}
