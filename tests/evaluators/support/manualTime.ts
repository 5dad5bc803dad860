import type { Clock, Timers } from '../../../src/platform/timers.ts';

interface Entry {
  at: number;
  readonly every: number | null;
  readonly action: () => void;
}

/** Time that passes when a test says so: the clock and the timers of one world. */
export class ManualTime implements Clock, Timers {
  #now = 0;
  readonly #entries = new Set<Entry>();
  readonly #waiting: { ms: number; found: () => void }[] = [];

  now(): number {
    return this.#now;
  }
  monotonic(): number {
    return this.#now;
  }
  after(ms: number, action: () => void): () => void {
    return this.#add({ at: this.#now + ms, every: null, action }, ms);
  }
  every(ms: number, action: () => void): () => void {
    return this.#add({ at: this.#now + ms, every: ms, action }, ms);
  }

  /** How many timers wait: none may be left when all is over. */
  get armed(): number {
    return this.#entries.size;
  }

  /** Resolves as soon as a timer of this length has been set from now on. */
  nextArmed(ms: number): Promise<void> {
    return new Promise((found) => this.#waiting.push({ ms, found }));
  }

  /** Lets time pass; whatever falls due happens in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#entries].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#now = Math.max(this.#now, due.at);
      if (due.every === null) this.#entries.delete(due);
      else due.at += due.every;
      due.action();
    }
    this.#now = end;
  }

  #add(entry: Entry, ms: number): () => void {
    this.#entries.add(entry);
    for (const waiting of this.#waiting.filter((each) => each.ms === ms)) {
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      waiting.found();
    }
    return () => this.#entries.delete(entry);
  }
}
