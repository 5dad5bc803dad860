import type { Bus } from '../../bus/index.ts';
import { errorMessage, TerminalError } from '../../domain/errors.ts';
import type { Archive } from '../../memory/archive.ts';
import { failpoint } from '../../platform/failpoint.ts';
import type { Logger } from '../../platform/log.ts';
import type { Timers } from '../../platform/timers.ts';

const batch = 64;
const pauseAfterFailureMs = 1000;
/** What no repetition mends: the entry itself is no message. */
const unsendable = ['message-too-large', 'message-invalid'];

/**
 * Publishes what the ledger has decided.
 *
 * Role: from outbox to bus, in order, each entry until the bus has confirmed it. Non-role: deciding what to publish.
 *
 * P1. An entry is published after its transaction is on disk, and marked after its publication is confirmed (I1), as many
 *     as there are at once. A crash between the two publishes some twice under one message id each, which the stream
 *     recognises and every reader tolerates.
 * P2. One publication at a time: entries reach the bus in the order of the decisions.
 */
export class Pump {
  readonly #archive: Archive;
  readonly #bus: Bus;
  readonly #timers: Timers;
  readonly #log: Logger;
  #running: Promise<void> | undefined;
  #again = false;
  #stopped = false;
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

  /** Stops after the publication under way. What is left stays in the outbox. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#again = false;
    this.#cancelRetry?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      const entries = this.#archive.unsent(batch);
      if (entries.length === batch) this.#again = true;
      const sent: number[] = [];
      for (const entry of entries) {
        if (this.#stopped) break;
        try {
          failpoint('publish.before-send');
          if (entry.kind === 'job') await this.#bus.publishJob(entry.body.deviceClass, entry.body, entry.messageId);
          else await this.#bus.publishEvent(entry.body, entry.messageId);
          failpoint('publish.after-send');
        } catch (thrown) {
          if (thrown instanceof TerminalError && unsendable.includes(thrown.code)) {
            // It would fail for ever, and everything after it would wait.
            this.#log.error({ entry: entry.messageId, error: thrown.message }, 'cannot be published; left out');
            sent.push(entry.seq);
            continue;
          }
          this.#log.warn({ entry: entry.messageId, error: errorMessage(thrown) }, 'not published; trying again');
          this.#retryLater();
          break;
        }
        sent.push(entry.seq);
      }
      if (sent.length > 0) this.#archive.markSent(sent);
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
