/** The archivist: its machine, the comparison of queue and ledger, the publisher of the outbox, the group commit. */
import { assign, fromCallback, fromPromise, setup } from 'xstate';
import { type Bus, type Handlers, type Meta, openResult } from '../bus/index.ts';
import { errorMessage, RetryableError, TerminalError, toError } from '../domain/errors.ts';
import type { ResultMessage } from '../domain/evaluation.ts';
import type { EvaluationKey } from '../domain/ids.ts';
import type { ReplyOf, RequestOf, Verb } from '../domain/messages.ts';
import { deviceClasses } from '../domain/task.ts';
import type { Archive, OutboxEntry } from '../memory/index.ts';
import { failpoint, type Logger, publicSealingKey, type Timers } from '../platform/index.ts';
import { retryTransient, type SubscriptionFailed, subscriptionActor } from './machines.ts';

interface ArchivistDeps {
  readonly archive: Archive;
  readonly bus: Bus;
  /** Opens what workers have sealed: private, as PEM. */
  readonly sealingKey: string;
  readonly timers: Timers;
  readonly log: Logger;
  /** How often queue and ledger are compared while all is well. */
  readonly reconcileEveryMs: number;
}

/**
 * Results that came while no archivist listened are taken in first: a job whose result is on its way looks lost to a
 * comparison of queue and ledger, and would be trained again in vain.
 */
const firstReconcileMs = 2000;

type ArchivistEvent = { type: 'STOP' } | SubscriptionFailed;

/**
 * The archivist: the only writer of a lab's ledger.
 *
 * Role: answers requests, takes results off the bus, publishes what was decided, keeps queue and ledger in agreement.
 * Non-role: deciding what a search does next (the search actor), judging candidates (workers).
 *
 * ARC-1. A result is acknowledged only after its transaction is on disk (I1).
 * ARC-2. A request or a result that arrives twice changes nothing the second time (I2).
 * ARC-3. Everything it knows is in the ledger: a new archivist on the same home continues where a killed one stood.
 * ARC-4. A request counts as its sender's and a result as its claimant's only with the token that proves it (I12).
 * ARC-5. A large file is checked for damage while it is in use; damage ends the archivist (CHK-2).
 */
export function archivistMachine({ archive, bus, sealingKey, timers, log, reconcileEveryMs }: ArchivistDeps) {
  const pump = new OutboxPublisher({ archive, bus, timers, log });

  const committer = new Committer(archive, () => pump.wake());

  const verbs = Object.keys(archive.handlers) as Verb[];
  const answered = <V extends Verb>(verb: V, request: RequestOf<V>, { token }: Meta): Promise<ReplyOf<V>> =>
    committer.run(() => archive.answer(verb, request, token));
  const seal = publicSealingKey(sealingKey);
  /** Compares queue and ledger soon; set while the archivist serves. */
  let compareSoon = (): void => undefined;
  const handlers = {
    ...Object.fromEntries(
      verbs.map((verb) => [verb, (request: RequestOf<Verb>, meta: Meta) => answered(verb, request, meta)]),
    ),
    // Jobs of a search that lay still have left the queue.
    'search-open': async (request: RequestOf<'search-open'>, meta: Meta) => {
      const reply = await answered('search-open', request, meta);
      if (reply.resumed) compareSoon();
      return reply;
    },
    'search-rule': async (request: RequestOf<'search-rule'>, meta: Meta) => {
      const reply = await answered('search-rule', request, meta);
      if (request.kind === 'pause' || request.kind === 'resume') compareSoon();
      return reply;
    },
    'job-claim': async (request: RequestOf<'job-claim'>, meta: Meta) => {
      const reply = await answered('job-claim', request, meta);
      return reply.go ? { ...reply, seal } : reply;
    },
  } as unknown as Handlers;

  const take = async (message: ResultMessage, { token }: Meta): Promise<'ack' | 'term'> => {
    const { key, worker } = message;
    const result = openResult(message, sealingKey);
    if (result === null) {
      log.warn({ key, worker }, 'a result was refused: its hidden figures are not sealed for this archive');
      await committer.run(() => archive.refuse(message, 'unreadable'));
      return 'term';
    }
    const verdict = await committer.run(() => archive.take(result, token));
    if (verdict === 'unheld') log.warn({ key, worker }, 'a result was refused: its sender does not hold the claim');
    if (verdict === 'unknown') log.warn({ key }, 'a result for an unknown job');
    return verdict === 'unknown' || verdict === 'unheld' ? 'term' : 'ack';
  };

  return setup({
    types: { events: {} as ArchivistEvent, context: {} as { error: Error | null } },
    actors: {
      prepare: fromPromise(async ({ signal }) => {
        await retryTransient(() => bus.ensureStreams(), { signal, timers, log });
        pump.wake();
      }),
      answering: subscriptionActor<ArchivistEvent>(() => bus.serve(handlers), { timers, log }),
      collecting: subscriptionActor<ArchivistEvent>(() => bus.consumeResults('archivist', take), { timers, log }),
      reconciling: fromCallback<ArchivistEvent>(() => {
        // One comparison at a time: two would queue the same job twice.
        let running = false;
        let again = false;
        let stopped = false;
        const compare = async (): Promise<void> => {
          again = true;
          if (running) return;
          running = true;
          while (again && !stopped) {
            again = false;
            await reconcile(archive, bus, log).then(
              () => pump.wake(),
              (thrown) => log.warn({ error: errorMessage(thrown) }, 'could not compare queue and ledger'),
            );
          }
          running = false;
        };
        const first = timers.after(firstReconcileMs, () => {
          compareSoon = () => void compare();
          compareSoon();
        });
        const others = timers.every(reconcileEveryMs, () => void compare());
        return () => {
          compareSoon = () => undefined;
          stopped = true;
          first();
          others();
        };
      }),
      checking: fromPromise(({ signal }) => archive.checked(signal)),
      windUp: fromPromise(() => {
        committer.stop();
        return pump.stop();
      }),
    },
  }).createMachine({
    id: 'archivist',
    initial: 'preparing',
    context: { error: null },
    states: {
      preparing: {
        invoke: {
          src: 'prepare',
          onDone: 'serving',
          onError: { target: 'failed', actions: assign({ error: ({ event }) => toError(event.error) }) },
        },
        on: { STOP: 'stopping' },
      },
      serving: {
        invoke: [
          { src: 'answering' },
          { src: 'collecting' },
          { src: 'reconciling' },
          {
            src: 'checking',
            onError: { target: 'failing', actions: assign({ error: ({ event }) => toError(event.error) }) },
          },
        ],
        on: {
          STOP: 'stopping',
          SUBSCRIPTION_FAILED: { target: 'failing', actions: assign({ error: ({ event }) => event.error }) },
        },
      },
      stopping: { invoke: { src: 'windUp', onDone: 'stopped', onError: 'stopped' } },
      // What is under way still needs the archive, which is closed once this has ended.
      failing: { invoke: { src: 'windUp', onDone: 'failed', onError: 'failed' } },
      stopped: { type: 'final' },
      failed: { type: 'final' },
    },
  });
}

/** What a reconciliation changed. */
interface ReconcileResult {
  /** Jobs that the ledger holds open and the queue would not have delivered. */
  republished: number;
  /** Removed messages: of jobs that are done or withdrawn, of no job, or that the queue would never deliver. */
  purged: number;
}

/**
 * Makes the work queue agree with the ledger (I1): the queue may have lost messages (a power failure, a deleted stream),
 * hold some it believes acknowledged and will never deliver (seen after a kill of nats-server), or hold work that is done.
 *
 * Progress is never read off the queue; only this function looks into it, and the ledger is right where they differ.
 */
async function reconcile(archive: Archive, bus: Bus, log: Logger): Promise<ReconcileResult> {
  // Read before the queue and after it: what is published in between must look neither lost nor withdrawn.
  const open = archive.openJobs();
  const { entries, classes } = await bus.inspectWork();
  const wanted = new Set(archive.openJobs().map(({ key }) => key));
  const changes: ReconcileResult = { republished: 0, purged: 0 };
  const deliverable = new Set<EvaluationKey>();
  const purge = async (seq: number): Promise<void> => {
    if (await bus.purgeJob(seq)) changes.purged++;
  };
  for (const { seq, key } of entries.filter((entry) => entry.jobClass === null || entry.key === null)) {
    log.warn({ seq, key }, 'no job in the work queue');
    await purge(seq);
  }
  for (const device of deviceClasses) {
    const queued = entries.filter((entry) => entry.jobClass === device && entry.key !== null);
    const { waiting, unacknowledged } = classes[device];
    // A queue that is not empty, but has delivered nothing and will deliver nothing, stores messages that it takes for done.
    const orphaned = waiting + unacknowledged === 0;
    for (const { seq, key } of queued) {
      if (key === null) continue;
      // Of a search whose process died nothing is left in the way of others; when it is resumed its jobs are queued again.
      if (orphaned || !wanted.has(key)) await purge(seq);
      else deliverable.add(key);
    }
  }
  for (const job of open) {
    if (archive.isDone(job.key) || !job.published || deliverable.has(job.key)) continue;
    archive.requeue(job.key);
    changes.republished++;
  }
  if (changes.republished + changes.purged > 0) log.info({ ...changes }, 'queue and ledger differed');
  return changes;
}

/** Publications under way at once. */
const batch = 64;
const pauseAfterFailureMs = 1000;
/** Errors that no retry cures: the entry itself is not a valid message. */
const unsendable = ['message-too-large', 'message-invalid'];

/**
 * Publishes what the ledger has decided.
 *
 * Role: from outbox to bus, in order, each entry until the bus has confirmed it. Non-role: deciding what to publish.
 *
 * PUB-1. An entry is published after its transaction is on disk, and marked after its publication is confirmed (I1), as many
 *     as there are at once. A crash between the two publishes some twice under one message id each, which the stream
 *     recognises and every reader tolerates.
 * PUB-2. Entries leave in the order of the decisions, without waiting for each other's confirmation: a lab would pass no more
 *     messages than one per round trip to its server, three of which an evaluation needs. An entry that the server refused
 *     while it took a later one is published behind that, which every reader tolerates.
 * PUB-3. After a failure one entry is tried alone, until the server confirms again.
 */
export class OutboxPublisher {
  readonly #archive: Archive;
  readonly #bus: Bus;
  readonly #timers: Timers;
  readonly #log: Logger;
  #running: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  /** The latest publication was not confirmed. */
  #failed = false;
  #cancelRetry: (() => void) | undefined;

  constructor(parts: { archive: Archive; bus: Bus; timers: Timers; log: Logger }) {
    this.#archive = parts.archive;
    this.#bus = parts.bus;
    this.#timers = parts.timers;
    this.#log = parts.log;
  }

  /** Says that there may be something to publish. */
  wake(): void {
    if (this.#stopped) return;
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#again && !this.#cancelRetry) this.wake();
    });
  }

  /** Stops after the publications under way. What is left stays in the outbox. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#again = false;
    this.#cancelRetry?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stopped) {
      const width = this.#failed ? 1 : batch;
      const entries = this.#archive.unsent(width);
      this.#again = entries.length === width;
      const failures = await Promise.all(entries.map((entry) => this.#publish(entry)));
      const sent = entries.filter((_, index) => failures[index] === null).map(({ seq }) => seq);
      if (sent.length > 0) this.#archive.markSent(sent);
      const failure = failures.find((each) => each !== null);
      this.#failed = failure !== undefined;
      if (failure) {
        const count = entries.length - sent.length;
        this.#log.warn({ entries: count, error: failure.message }, 'not published; trying again');
        this.#retryLater();
        return;
      }
    }
  }

  /** Null once an entry needs no further publication. */
  async #publish(entry: OutboxEntry): Promise<Error | null> {
    try {
      failpoint('publish.before-send');
      if (entry.kind === 'job') await this.#bus.publishJob(entry.body.deviceClass, entry.body, entry.messageId);
      else await this.#bus.publishEvent(entry.body, entry.messageId);
      failpoint('publish.after-send');
      return null;
    } catch (thrown) {
      if (!(thrown instanceof TerminalError) || !unsendable.includes(thrown.code)) return toError(thrown);
      // It would fail permanently and block everything behind it.
      this.#log.error({ entry: entry.messageId, error: thrown.message }, 'cannot be published; left out');
      return null;
    }
  }

  #retryLater(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = this.#timers.after(pauseAfterFailureMs, () => {
      this.#cancelRetry = undefined;
      this.wake();
    });
  }
}

interface Waiting {
  readonly action: () => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (reason: unknown) => void;
}

/** Bounds how long the process is deaf while it commits. */
const most = 256;

/**
 * Group commit: what arrives in one turn of the event loop shares one transaction.
 *
 * Role: gathers requests and results, has the archive take them together, answers each. While a commit waits for the disk
 * the next group gathers by itself, so that a slower disk makes larger groups and not a longer queue. Non-role: what a
 * request does.
 *
 * COM-1. Actions run in the order in which they came; each stands or falls by itself.
 * COM-2. An action is announced only after its transaction is on disk (I1).
 */
export class Committer {
  readonly #archive: Archive;
  readonly #afterwards: () => void;
  #waiting: Waiting[] = [];
  #scheduled = false;
  #stopped = false;

  /** `afterwards` is called after each commit. */
  constructor(archive: Archive, afterwards: () => void) {
    this.#archive = archive;
    this.#afterwards = afterwards;
  }

  /** @throws RetryableError `archive-away` after `stop`. */
  run<T>(action: () => T): Promise<T> {
    if (this.#stopped) return Promise.reject(new RetryableError('archive-away', 'the archive is closing', 250));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ action, resolve, reject });
      this.#schedule();
    });
  }

  /** Commits what has come and takes nothing more. */
  stop(): void {
    while (this.#waiting.length > 0) this.#commit();
    this.#stopped = true;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // Runs after everything that has already arrived.
    setImmediate(() => {
      this.#scheduled = false;
      this.#commit();
    });
  }

  #commit(): void {
    const group = this.#waiting.splice(0, most);
    if (group.length === 0) return;
    if (this.#waiting.length > 0) this.#schedule();
    const outcomes = this.#archive.together(group.map(({ action }) => action));
    this.#afterwards();
    for (const [index, outcome] of outcomes.entries()) {
      const { resolve, reject } = group[index] as Waiting;
      if (outcome.status === 'fulfilled') resolve(outcome.value as never);
      else reject(outcome.reason);
    }
  }
}
