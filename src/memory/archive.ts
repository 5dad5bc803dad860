import type { Database } from 'better-sqlite3';
import { endedEarly } from '../domain/ending.ts';
import { RetryableError, TerminalError } from '../domain/errors.ts';
import type { EvaluationResult } from '../domain/evaluation.ts';
import type { EvaluationKey, SearchId } from '../domain/ids.ts';
import type { ReplyOf, RequestOf, Verb } from '../domain/messages.ts';
import { isOutside } from '../domain/model.ts';
import { experimentOf, stageOf } from '../domain/search.ts';
import { type Clock, type Failpoint, failpoint } from '../platform/index.ts';
import { checkApart, diskFull, openForWriting, type WritableDatabase } from './database.ts';
import { pieceOf } from './records.ts';
import { type Repositories, repositories } from './repositories.ts';

/**
 * The ledger of a home, open for writing: the source of truth.
 *
 * Role: every change, each in one transaction that is on disk before the method returns. Non-role: publishing (the archivist
 * publishes `unsent`), decisions about a search.
 *
 * LED-1  A change and its announcement are one transaction (I1).
 * LED-2  Every method is idempotent: a second call changes nothing and returns the same (I2).
 * LED-3  Only the disk blocks, once per transaction; changes that arrive together share one (`together`).
 * LED-4  Publishing progress may be lost in a power failure, but not with a process: entries are then published again, which
 *        every reader tolerates. Everything else is on disk before it is announced.
 * LED-5  Recorded times never decrease, whatever happens to the machine's calendar (`ledgerClock`).
 */
export class Archive {
  readonly #db: Database;
  readonly #close: () => void;
  readonly #isChecked: boolean;
  readonly #clock: Clock;
  readonly #now: () => number;
  readonly #parts: Repositories;
  /** Failpoints to run after the current transaction is on disk. */
  readonly #passed: Failpoint[] = [];

  private constructor({ db, close, isChecked }: WritableDatabase, clock: Clock) {
    this.#db = db;
    this.#close = close;
    this.#isChecked = isChecked;
    this.#clock = clock;
    this.#now = ledgerClock(db, clock);
    this.#parts = repositories(db, true);
  }

  /** @throws PrerequisiteError if the home is in use, the disk is full, or the file is newer, foreign or damaged. */
  static open(home: string, clock: Clock): Archive {
    return new Archive(openForWriting(home, clock.now()), clock);
  }

  #commit<T>(change: (now: number) => T): T {
    const before = this.#parts.tallies.touches;
    try {
      return this.#db.transaction(() => change(this.#now())).immediate();
    } catch (thrown) {
      if (this.#parts.tallies.touches !== before) this.#parts.tallies.forget();
      throw diskFull(this.#db.name, thrown) ?? thrown;
    }
  }

  #afterCommit(place: Failpoint): void {
    if (this.#db.inTransaction) this.#passed.push(place);
    else failpoint(place);
  }

  /**
   * Runs actions in order in one transaction, so that a slow disk is waited for once. Each succeeds or fails on its own;
   * results may be sent once this returns.
   */
  together<T>(actions: readonly (() => T)[]): PromiseSettledResult<T>[] {
    const outcomes: PromiseSettledResult<T>[] = [];
    try {
      this.#db
        .transaction(() => {
          for (const action of actions) {
            const before = this.#parts.tallies.touches;
            try {
              outcomes.push({ status: 'fulfilled', value: this.#db.transaction(action)() });
            } catch (reason) {
              // SQLite has rolled back the whole transaction, as on a full disk: no earlier action is committed.
              if (!this.#db.inTransaction) throw reason;
              if (this.#parts.tallies.touches !== before) this.#parts.tallies.forget();
              outcomes.push({ status: 'rejected', reason });
            }
          }
        })
        .immediate();
    } catch (thrown) {
      this.#passed.length = 0;
      this.#parts.searches.forget();
      this.#parts.tallies.forget();
      const reason = diskFull(this.#db.name, thrown) ?? thrown;
      return actions.map(() => ({ status: 'rejected', reason }));
    }
    for (const place of this.#passed.splice(0)) failpoint(place);
    return outcomes;
  }

  /** Running time counts up to here; that of a paused search does not (RUL-4). */
  #touch(search: SearchId, now: number): void {
    const { searches, rulings } = this.#parts;
    if (rulings.pauseOfSearch(search) === null) searches.touch(search, now);
  }

  #isRunning(search: SearchId, now: number): boolean {
    const { searches, rulings } = this.#parts;
    return searches.isLive(search, now) && rulings.pauseOfSearch(search) === null;
  }

  /** A search that was stopped or paused, lost its process, or has used its wall time trains nothing (I9): workers stay free. */
  #mayTrain(search: SearchId, now: number): boolean {
    const { searches, budget } = this.#parts;
    const { minutes } = budget.limits(searches.spec(search));
    return this.#isRunning(search, now) && (minutes === undefined || searches.elapsedMs(search) < minutes * 60_000);
  }

  /** Why an agent may spend nothing on thoughts any more, or null. */
  #closedForThoughts(search: SearchId): string | null {
    const { searches, budget } = this.#parts;
    const { minutes } = budget.limits(searches.spec(search));
    if (searches.phase(search) !== 'screening') return 'screening is over';
    return minutes !== undefined && searches.elapsedMs(search) >= minutes * 60_000
      ? `the ${minutes} minutes are used`
      : null;
  }

  /** The handlers of all requests, by verb. */
  readonly handlers: { [V in Verb]: (request: RequestOf<V>) => ReplyOf<V> } = {
    'search-open': ({ spec, source }) => this.#commit((now) => this.#parts.searches.open(spec, source, now)),
    'search-name': ({ family }) => ({ search: this.#parts.searches.freeName(family) }),
    'search-spec': ({ search }) => {
      const { searches } = this.#parts;
      return { spec: searches.spec(search), source: searches.source(search), phase: searches.phase(search) };
    },
    'search-status': ({ search }) => {
      const { searches, searchStatus } = this.#parts;
      if (searches.isOpen(search)) this.#commit((now) => this.#touch(search, now));
      return searchStatus.of(search);
    },
    'search-phase': ({ search, phase, ending }) =>
      this.#commit((now) => {
        const { searches, earlyEnds } = this.#parts;
        this.#touch(search, now);
        const before = searches.phase(search);
        const entered = searches.enter(search, phase, now);
        // A repeated request finds the phase entered and its ending recorded.
        earlyEnds.record(searches.spec(search), before, entered, ending, now);
        return { phase: entered };
      }),
    'search-ranking': (request) => this.#parts.searchStatus.ranking(request),
    'search-evaluations': ({ search, from }) => this.#parts.evaluations.requestsOf(search, from),
    'search-tests': ({ search, purpose, from = 0 }) => {
      if (this.#parts.searches.isOpen(search)) {
        throw new TerminalError('test-hidden', `the test scores of "${search}" stay hidden until it has ended`);
      }
      // All pages of one reply count as one access.
      const all = this.#commit((now) => this.#parts.testScores.read(search, from === 0 ? purpose : null, now));
      const scores = pieceOf(all, from, (score) => score);
      return { scores, more: from + scores.length < all.length };
    },
    'search-rule': (request) =>
      this.#commit((now) => {
        const { searches, rulings } = this.#parts;
        const { search } = request;
        const spec = searches.spec(search);
        if (!searches.isOpen(search)) throw new TerminalError('ruling', `search "${search}" is not running`);
        const { id, sentence } = rulings.record(request, spec, now);
        // Its minutes run again from here.
        if (request.kind === 'resume') this.#touch(search, now);
        return { id, sentence };
      }),
    'node-add': (request) => this.#commit((now) => this.#parts.nodes.add(request, now)),
    'node-evaluate': (request) => this.#commit((now) => this.#parts.nodes.evaluate(request, now)),
    'agent-join': ({ search, agent }) => {
      if (!this.#parts.searches.exists(search)) {
        throw new RetryableError('search-not-yet', `there is no search "${search}" in this lab yet`, 1000);
      }
      const spec = this.#parts.searches.spec(search);
      const self = spec.agents.find((each) => each.name === agent);
      if (!self) throw new TerminalError('unknown-agent', `"${agent}" is not an agent of search "${search}"`);
      const { space, seed, task, metric, lowerIsBetter, primitives, brief } = spec;
      const topic = {
        task,
        metric,
        lowerIsBetter,
        ...(primitives ? { primitives } : {}),
        ...(brief ? { brief } : {}),
        experiment: experimentOf(spec, self),
        ...(self.operators ? { stage: stageOf(spec) } : {}),
      };
      return { spec: self, space, seed, ...topic, next: this.#parts.views.next(search, agent) };
    },
    'agent-view': (request) =>
      this.#commit((now) => {
        const { searches, views, plateaus } = this.#parts;
        const reply = views.view(request, now);
        const self = searches.spec(request.search).agents.find(({ name }) => name === request.agent);
        if (reply.state === 'ready' && self) plateaus.notice(request.search, self, request.ordinal, now);
        return reply;
      }),
    'idea-claim': (request) => this.#commit((now) => this.#parts.ideas.claim(request, now)),
    'insight-post': (request) => this.#commit((now) => this.#parts.ideas.post(request, now)),
    'agent-retire': ({ search, agent, ...end }) =>
      this.#commit((now) => {
        const { searches, ensemble, endings, budget, calls } = this.#parts;
        const phase = searches.phase(search);
        const self = searches.spec(search).agents.find(({ name }) => name === agent);
        const isDone = budget.accepted(search, agent) >= (self?.evaluations ?? 0);
        // An agent that stops with its search returns on resume: others still wait for it. A client from outside that
        // disconnects may never return.
        const outside = self !== undefined && isOutside(self.model);
        const willReturn = phase === 'stopped' || (phase === 'screening' && end.code === 'stopped' && !outside);
        if (willReturn) return {};
        // During screening, also record that others need not wait for it.
        if (phase === 'screening') ensemble.retire(search, agent, end.reason, now);
        if (endedEarly(end) && !isDone) {
          const occurrence = ensemble.lastOf(search, agent);
          const spend = calls.spend(search, agent);
          const paid = spend.calls > 0 ? { figures: { ...spend } } : {};
          const about = { of: 'agent' as const, subject: agent, reason: end.code, sentence: end.reason };
          endings.record(search, { ...about, occurrence, ...paid }, now);
        }
        return {};
      }),
    'agent-away': ({ search, agent, reason }) =>
      this.#commit((now) => {
        const { searches, ensemble } = this.#parts;
        if (searches.phase(search) === 'screening') ensemble.retire(search, agent, `was away: ${reason}`, now);
        return {};
      }),
    'agent-submit': (request) => {
      failpoint('submit.before-commit');
      const reply = this.#commit((now) => {
        this.#touch(request.search, now);
        return this.#parts.nodes.submit(request, now);
      });
      this.#afterCommit('submit.after-commit');
      return reply;
    },
    'call-reserve': (request) => {
      const closed = this.#closedForThoughts(request.search);
      if (closed !== null) return { state: 'closed', reason: closed };
      const { searches, calls, budget } = this.#parts;
      const spec = searches.spec(request.search);
      return this.#commit((now) => calls.reserve(request, { ...spec, budget: budget.limits(spec) }, now));
    },
    'rehearsal-reserve': (request) => {
      const closed = this.#closedForThoughts(request.search);
      if (closed !== null) return { state: 'closed', reason: closed };
      const { searches, rehearsals } = this.#parts;
      return this.#commit((now) => rehearsals.reserve(request, searches.spec(request.search), now));
    },
    'rehearsal-settle': (request) => this.#commit((now) => this.#parts.rehearsals.settle(request, now)),
    'call-settle': (request) => this.#commit((now) => this.#parts.calls.settle(request, now)),
    'job-claim': ({ key, worker, attempt }) =>
      this.#commit((now) => {
        const { evaluations, searches } = this.#parts;
        const reason = evaluations.claim(key, worker, attempt, (search) => this.#mayTrain(search, now), now);
        if (reason === 'wanted') for (const search of evaluations.wantedBy(key)) searches.train(search, now);
        return { go: reason === 'wanted', reason };
      }),
    'job-checkpoint': ({ key, worker, attempt, checkpoint }) =>
      this.#commit((now) => ({
        recorded: this.#parts.evaluations.checkpoint(key, worker, attempt, checkpoint, now),
      })),
    'job-release': ({ key, worker, attempt }) =>
      this.#commit((now) => {
        this.#parts.evaluations.release(key, worker, attempt, now);
        return {};
      }),
    // The calendar: a worker compares its own with it.
    'worker-hello': () => ({ at: this.#clock.now(), evaluators: this.#parts.evaluations.openEvaluators() }),
  };

  /**
   * Replies to a request from the bus, whose sender proves by a token that it is the agent it claims to be, or binds its
   * claim to a token (I12).
   *
   * @throws TerminalError `unproven`, `not-the-agent`, `claim-held`; PrerequisiteError `agent-held`; errors of the handler.
   */
  answer<V extends Verb>(verb: V, request: RequestOf<V>, token: string | undefined): ReplyOf<V> {
    const { holdings } = this.#parts;
    const handler = this.handlers[verb] as (request: RequestOf<V>) => ReplyOf<V>;
    const typedRequest = { verb, request } as TypedRequest;
    switch (typedRequest.verb) {
      case 'agent-join': {
        const reply = handler(request);
        this.#commit((now) => holdings.joinAs(typedRequest.request.search, typedRequest.request.agent, token, now));
        return reply;
      }
      case 'agent-view':
      case 'agent-submit':
      case 'agent-retire':
      case 'agent-away':
      case 'idea-claim':
      case 'insight-post':
      case 'call-reserve':
      case 'rehearsal-reserve':
        holdings.speaksAs(typedRequest.request.search, typedRequest.request.agent, token, this.#now());
        return handler(request);
      case 'call-settle': {
        const agent = holdings.callerOf(typedRequest.request.search, typedRequest.request.call);
        if (agent !== undefined) holdings.speaksAs(typedRequest.request.search, agent, token, this.#now());
        return handler(request);
      }
      case 'rehearsal-settle': {
        const agent = this.#parts.rehearsals.agentOf(typedRequest.request.search, typedRequest.request.run);
        if (agent !== undefined) holdings.speaksAs(typedRequest.request.search, agent, token, this.#now());
        return handler(request);
      }
      case 'job-claim':
        return this.#commit(() => {
          const reply = handler(request);
          if ((reply as ReplyOf<'job-claim'>).go) holdings.bindClaim(typedRequest.request, token);
          return reply;
        });
      case 'job-checkpoint':
      case 'job-release':
        if (!holdings.holdsClaim(typedRequest.request, token)) {
          throw new TerminalError('claim-held', 'a checkpoint or a return counts with the token of its claim only');
        }
        return handler(request);
      default:
        return handler(request);
    }
  }

  /** Records a result from the bus if its sender holds the claim (I12); otherwise records a refusal. */
  take(result: EvaluationResult, token: string | undefined): ReturnType<Archive['record']> | 'unheld' {
    if (this.#parts.holdings.holdsClaim(result, token)) return this.record(result);
    this.refuse(result, 'unheld');
    return 'unheld';
  }

  /** Records that a result was refused. */
  refuse(result: EvaluationResult, reason: 'unheld' | 'unreadable'): void {
    this.#commit((now) => this.#parts.holdings.refuse(result, reason, now));
  }

  /** Records a result from the bus. Acknowledge the message only after this returns (I1). */
  record(result: EvaluationResult): 'counted' | 'surplus' | 'retry' | 'unknown' {
    failpoint('archive.before-commit');
    const verdict = this.#commit((now) => this.#parts.evaluations.record(result, now));
    this.#afterCommit('archive.after-commit');
    return verdict;
  }

  /** Committed entries that are not yet published, oldest first. */
  unsent(limit: number) {
    return this.#parts.out.unsent(limit);
  }

  /** Records that entries are published (LED-4). */
  markSent(entries: readonly number[]): void {
    this.#db.pragma('synchronous = NORMAL');
    try {
      this.#commit((now) => {
        for (const seq of entries) this.#parts.out.markSent(seq, now);
      });
    } finally {
      this.#db.pragma('synchronous = FULL');
    }
  }

  /** Jobs without a result that a running search needs. */
  openJobs() {
    const { evaluations } = this.#parts;
    const now = this.#now();
    return evaluations.open().filter((job) => job.wantedBy.some((search) => this.#isRunning(search, now)));
  }

  isDone(key: EvaluationKey): boolean {
    return this.#parts.evaluations.result(key) !== undefined;
  }

  /** Requeues a job under a new epoch, so that the stream does not deduplicate it. */
  requeue(key: EvaluationKey): void {
    this.#commit((now) => this.#parts.evaluations.requeue(key, now));
  }

  /**
   * Resolves when every page of the file has been checked, which for a large one is long after the opening (CHK-2), or when the
   * signal is aborted.
   *
   * @throws PrerequisiteError `archive-damaged`.
   */
  async checked(signal: AbortSignal): Promise<void> {
    if (!this.#isChecked) await checkApart(this.#db, signal);
  }

  close(): void {
    this.#close();
  }
}

/** A request with its verb, as a discriminated union. */
type TypedRequest = { [V in Verb]: { readonly verb: V; readonly request: RequestOf<V> } }[Verb];

/**
 * The time that a ledger records, in milliseconds since the epoch.
 *
 * A calendar may be set back while a lab runs or between two processes; what follows from the order of two records (what was proposed after
 * the end of screening) or their distance (the minutes of a budget, a lease) must not change with it. So this follows the calendar forward,
 * also over the sleep of a machine, and passes by the monotonic clock where the calendar is behind the last record.
 */
function ledgerClock(db: Database, clock: Clock): () => number {
  const recorded = db
    .prepare<[], { at: number | null }>(
      `SELECT max(at) AS at FROM (
         SELECT max(seen_at) AS at FROM sessions
         UNION ALL SELECT at FROM (SELECT created_at AS at FROM outbox ORDER BY seq DESC LIMIT 1)
         UNION ALL SELECT at FROM (SELECT at FROM test_reads ORDER BY seq DESC LIMIT 1)
       )`,
    )
    .get();
  let last = recorded?.at ?? Number.NEGATIVE_INFINITY;
  let passed = clock.monotonic();
  /** How far the ledger is ahead of the calendar. */
  let ahead = 0;
  return () => {
    const before = passed;
    passed = clock.monotonic();
    if (clock.now() + ahead < last) ahead = last + (passed - before) - clock.now();
    last = Math.max(last, clock.now() + ahead);
    return Math.floor(last);
  };
}
