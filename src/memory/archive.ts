import type { Database } from 'better-sqlite3';
import { endedEarly } from '../domain/ending.ts';
import { RetryableError, TerminalError } from '../domain/errors.ts';
import type { EvaluationResult } from '../domain/evaluation.ts';
import type { EvaluationKey, SearchId } from '../domain/ids.ts';
import type { ReplyOf, RequestOf, Verb } from '../domain/messages.ts';
import { type Clock, type Failpoint, failpoint } from '../platform/index.ts';
import { budget } from './budget.ts';
import { calls } from './calls.ts';
import { archivePath, diskFull, explainOpen, openForReading, openForWriting } from './database.ts';
import { earlyEnds, endings } from './endings.ts';
import { ensemble } from './ensemble.ts';
import { evaluations } from './evaluations.ts';
import { holdings } from './holdings.ts';
import { nodes } from './nodes.ts';
import { outbox } from './outbox.ts';
import { pieceOf, records, testScores } from './records.ts';
import { searches } from './searches.ts';
import { searchStats } from './searchStats.ts';
import { searchStatus } from './searchStatus.ts';
import { views } from './views.ts';

function repositories(db: Database, live: boolean) {
  const sums = searchStats(db, live);
  const out = outbox(db);
  const ended = endings(db, out);
  const found = searches(db, out);
  const spent = budget(db, sums);
  const judged = evaluations(db, out, ended, sums);
  const called = calls(db);
  const seen = ensemble(db, spent);
  return {
    out,
    endings: ended,
    searches: found,
    budget: spent,
    calls: called,
    evaluations: judged,
    ensemble: seen,
    nodes: nodes(db, {
      out, searches: found, evaluations: judged, budget: spent, endings: ended, ensemble: seen, tallies: sums,
    }),
    earlyEnds: earlyEnds(db, { searches: found, budget: spent, endings: ended, tallies: sums }),
    views: views(db, { searches: found, budget: spent, calls: called, ensemble: seen }),
    searchStatus: searchStatus(db, {
      searches: found,
      budget: spent,
      calls: called,
      ensemble: seen,
      endings: ended,
      tallies: sums,
    }),
    tallies: sums,
    records: records(db),
    testScores: testScores(db),
    holdings: holdings(db),
  };
}

/**
 * The ledger of a home, open for writing: what is true.
 *
 * Role: every change of it, each in one transaction that is on disk before the method returns. Non-role: publishing
 * (the archivist does that from `unsent`), deciding anything about a search.
 *
 * L1. A change and the messages that tell of it are one transaction (I1).
 * L2. Every method may be repeated: the second call changes nothing and answers as the first did (I2).
 * L3. Nothing here waits but for the disk, once per transaction; changes that come together share one (`together`).
 * L4. What says how far the transport has got may be lost with the machine's power, but never with a process: it is
 *     published again then, which every reader tolerates. All else is on disk before anybody is told.
 */
export class Archive {
  readonly #db: Database;
  readonly #close: () => void;
  readonly #clock: Clock;
  readonly #parts: ReturnType<typeof repositories>;
  /** Places to die at once the transaction under way is on disk. */
  readonly #passed: Failpoint[] = [];

  private constructor(db: Database, close: () => void, clock: Clock) {
    this.#db = db;
    this.#close = close;
    this.#clock = clock;
    this.#parts = repositories(db, true);
  }

  /** @throws PrerequisiteError when the home is in use, the disk is full, or the file is newer, foreign or damaged. */
  static open(home: string, clock: Clock): Archive {
    const { db, close } = openForWriting(home, clock.now());
    return new Archive(db, close, clock);
  }

  #commit<T>(change: (now: number) => T): T {
    const before = this.#parts.tallies.touches;
    try {
      return this.#db.transaction(() => change(this.#clock.now())).immediate();
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
   * Runs actions on this archive in order, all of them in one transaction: a disk that takes long to confirm is waited for
   * once. Each stands or falls by itself; what it answers may be told when this returns.
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
              // SQLite has given up the whole transaction, as it does on a full disk: nothing that came before is kept.
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

  /**
   * A search that was stopped, whose process died, or whose wall time is over, has nothing trained any more (I9): its jobs
   * must not take the workers of others.
   */
  #mayTrain(search: SearchId, now: number): boolean {
    const { searches } = this.#parts;
    const { minutes } = searches.spec(search).budget;
    return searches.isLive(search, now) && (minutes === undefined || searches.elapsedMs(search) < minutes * 60_000);
  }

  /** The answers to all requests, by verb. */
  readonly handlers: { [V in Verb]: (request: RequestOf<V>) => ReplyOf<V> } = {
    'search-open': ({ spec, source }) => this.#commit((now) => this.#parts.searches.open(spec, source, now)),
    'search-name': ({ family }) => ({ search: this.#parts.searches.freeName(family) }),
    'search-spec': ({ search }) => {
      const { searches } = this.#parts;
      return { spec: searches.spec(search), source: searches.source(search), phase: searches.phase(search) };
    },
    'search-status': ({ search }) => {
      const { searches, searchStatus } = this.#parts;
      if (searches.isOpen(search)) this.#commit((now) => searches.touch(search, now));
      return searchStatus.of(search);
    },
    'search-phase': ({ search, phase, ending }) =>
      this.#commit((now) => {
        const { searches, earlyEnds } = this.#parts;
        searches.touch(search, now);
        const before = searches.phase(search);
        const entered = searches.enter(search, phase, now);
        // A request that comes again finds the phase entered, and its ending recorded.
        earlyEnds.record(searches.spec(search), before, entered, ending, now);
        return { phase: entered };
      }),
    'search-ranking': (request) => this.#parts.searchStatus.ranking(request),
    'search-tests': ({ search, purpose, from = 0 }) => {
      if (this.#parts.searches.isOpen(search)) {
        throw new TerminalError('test-hidden', `the test figures of "${search}" stay hidden until it has ended`);
      }
      // All pieces of one answer are one look.
      const all = this.#commit((now) => this.#parts.testScores.read(search, from === 0 ? purpose : null, now));
      const scores = pieceOf(all, from, (score) => score);
      return { scores, more: from + scores.length < all.length };
    },
    'node-add': (request) => this.#commit((now) => this.#parts.nodes.add(request, now)),
    'node-evaluate': (request) => this.#commit((now) => this.#parts.nodes.evaluate(request, now)),
    'agent-join': ({ search, agent }) => {
      if (!this.#parts.searches.exists(search)) {
        throw new RetryableError('search-not-yet', `there is no search "${search}" in this lab yet`, 1000);
      }
      const spec = this.#parts.searches.spec(search);
      const self = spec.agents.find((each) => each.name === agent);
      if (!self) throw new TerminalError('unknown-agent', `"${agent}" is not an agent of search "${search}"`);
      const { space, seed, task, metric, lowerIsBetter, brief } = spec;
      const topic = { task, metric, lowerIsBetter, ...(brief ? { brief } : {}) };
      return { spec: self, space, seed, ...topic, next: this.#parts.views.next(search, agent) };
    },
    'agent-view': (request) => this.#commit((now) => this.#parts.views.view(request, now)),
    'agent-retire': ({ search, agent, ...end }) =>
      this.#commit((now) => {
        const { searches, ensemble, endings, budget } = this.#parts;
        const phase = searches.phase(search);
        const self = searches.spec(search).agents.find(({ name }) => name === agent);
        const isDone = budget.accepted(search, agent) >= (self?.evaluations ?? 0);
        // An agent that is stopped with its search comes back when the search is resumed: others still wait for it.
        const comesBack = phase === 'stopped' || (phase === 'screening' && end.code === 'stopped');
        if (comesBack) return {};
        // What others do not wait for is decided while the search takes proposals; later it only has to be said.
        if (phase === 'screening') ensemble.retire(search, agent, end.reason, now);
        if (endedEarly(end) && !isDone) {
          const occurrence = ensemble.lastOf(search, agent);
          endings.record(
            search,
            { of: 'agent', subject: agent, reason: end.code, sentence: end.reason, occurrence },
            now,
          );
        }
        return {};
      }),
    'agent-submit': (request) => {
      failpoint('submit.before-commit');
      const reply = this.#commit((now) => {
        this.#parts.searches.touch(request.search, now);
        return this.#parts.nodes.submit(request, now);
      });
      this.#afterCommit('submit.after-commit');
      return reply;
    },
    'call-reserve': (request) => {
      const { searches, calls } = this.#parts;
      const { search } = request;
      const { minutes } = searches.spec(search).budget;
      if (searches.phase(search) !== 'screening') return { state: 'closed', reason: 'the screening is over' };
      if (minutes !== undefined && searches.elapsedMs(search) >= minutes * 60_000) {
        return { state: 'closed', reason: `the ${minutes} minutes are over` };
      }
      return this.#commit((now) => calls.reserve(request, searches.spec(search), now));
    },
    'call-settle': (request) => this.#commit((now) => this.#parts.calls.settle(request, now)),
    'job-claim': ({ key, worker, attempt }) =>
      this.#commit((now) => {
        const { evaluations, searches } = this.#parts;
        const reason = evaluations.claim(key, worker, attempt, (search) => this.#mayTrain(search, now), now);
        if (reason === 'wanted') for (const search of evaluations.wantedBy(key)) searches.train(search, now);
        return { go: reason === 'wanted', reason };
      }),
  };

  /**
   * The answer to a request off the bus, whose sender proves by a token that it is the agent that it speaks as, or binds its
   * claim to one (I12).
   *
   * @throws TerminalError `unproven`, `not-the-agent`, `claim-held`; PrerequisiteError `agent-held`; all that the handler throws.
   */
  answer<V extends Verb>(verb: V, request: RequestOf<V>, token: string | undefined): ReplyOf<V> {
    const { holdings } = this.#parts;
    const handler = this.handlers[verb] as (request: RequestOf<V>) => ReplyOf<V>;
    const asked = { verb, request } as Asked;
    switch (asked.verb) {
      case 'agent-join': {
        const reply = handler(request);
        this.#commit((now) => holdings.joinAs(asked.request.search, asked.request.agent, token, now));
        return reply;
      }
      case 'agent-view':
      case 'agent-submit':
      case 'agent-retire':
      case 'call-reserve':
        holdings.speaksAs(asked.request.search, asked.request.agent, token, this.#clock.now());
        return handler(request);
      case 'call-settle': {
        const agent = holdings.callerOf(asked.request.search, asked.request.call);
        if (agent !== undefined) holdings.speaksAs(asked.request.search, agent, token, this.#clock.now());
        return handler(request);
      }
      case 'job-claim':
        return this.#commit(() => {
          const reply = handler(request);
          if ((reply as ReplyOf<'job-claim'>).go) holdings.bindClaim(asked.request, token);
          return reply;
        });
      default:
        return handler(request);
    }
  }

  /** Takes a result off the bus if its sender holds the claim (I12); keeps it as a refusal if not. */
  take(result: EvaluationResult, token: string | undefined): ReturnType<Archive['record']> | 'unheld' {
    if (this.#parts.holdings.holdsClaim(result, token)) return this.record(result);
    this.refuse(result, 'unheld');
    return 'unheld';
  }

  /** Keeps that a result was not taken. */
  refuse(result: EvaluationResult, reason: 'unheld' | 'unreadable'): void {
    this.#commit((now) => this.#parts.holdings.refuse(result, reason, now));
  }

  /** Takes a result off the bus. Only after this returns may the message be acknowledged (I1). */
  record(result: EvaluationResult): 'counted' | 'surplus' | 'retry' | 'unknown' {
    failpoint('archive.before-commit');
    const verdict = this.#commit((now) => this.#parts.evaluations.record(result, now));
    this.#afterCommit('archive.after-commit');
    return verdict;
  }

  /** What has been decided and not yet published, oldest first. */
  unsent(limit: number) {
    return this.#parts.out.unsent(limit);
  }

  /** Notes that entries are published (L4). */
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

  /** Jobs without a result that a search wants on which somebody works. */
  openJobs() {
    const { evaluations, searches } = this.#parts;
    const now = this.#clock.now();
    return evaluations.open().filter((job) => job.wantedBy.some((search) => searches.isLive(search, now)));
  }

  isDone(key: EvaluationKey): boolean {
    return this.#parts.evaluations.result(key) !== undefined;
  }

  /** Queues a job again under a new epoch, so that neither stream nor deduplication can hold it back. */
  requeue(key: EvaluationKey): void {
    this.#commit((now) => this.#parts.evaluations.requeue(key, now));
  }

  close(): void {
    this.#close();
  }
}

/** A request with its verb, so that each can be told from the others. */
type Asked = { [V in Verb]: { readonly verb: V; readonly request: RequestOf<V> } }[Verb];

type Repositories = ReturnType<typeof repositories>;

/** A home's archive for reading, beside whoever writes it. Test figures are not among what it reads (I4). */
export interface ArchiveReader
  extends Pick<
    Repositories,
    'searches' | 'budget' | 'calls' | 'views' | 'ensemble' | 'searchStatus' | 'records' | 'evaluations' | 'endings'
  > {
  readonly db: Database;
  close(): void;
}

/** @throws PrerequisiteError `archive-missing` where there is none, `archive-damaged` where it cannot be read. */
export function readArchive(home: string): ArchiveReader {
  const { db, close } = openForReading(home);
  try {
    const parts = repositories(db, false);
    const { searches, budget, calls, views, ensemble, searchStatus, records, evaluations, endings } = parts;
    return { db, searches, budget, calls, views, ensemble, searchStatus, records, evaluations, endings, close };
  } catch (thrown) {
    close();
    throw explainOpen(archivePath(home), thrown);
  }
}
