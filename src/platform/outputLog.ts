import { printable } from './printable.ts';

/**
 * What a child wrote to stderr: its first bytes, which often name the cause, and its last, which tell how it ended. What
 * lies between is counted and dropped, so that a child which never stops writing costs `limit` bytes and no more.
 */
export class OutputLog {
  readonly #half: number;
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #total = 0;

  /** @param limit bytes kept, half of them at either end. */
  constructor(limit = 256 * 1024) {
    this.#half = Math.floor(limit / 2);
  }

  push(chunk: Buffer): void {
    this.#total += chunk.length;
    const free = this.#half - this.#headBytes;
    const first = chunk.subarray(0, free);
    if (first.length > 0) {
      this.#head.push(first);
      this.#headBytes += first.length;
    }
    const rest = chunk.subarray(first.length);
    if (rest.length === 0) return;
    this.#tail.push(rest);
    this.#tailBytes += rest.length;
    // Compacted only when twice as much has gathered, so that many small writes cost a copy each and not a tail each.
    if (this.#tailBytes > 2 * this.#half) {
      const kept = Buffer.from(Buffer.concat(this.#tail).subarray(-this.#half));
      this.#tail = [kept];
      this.#tailBytes = kept.length;
    }
  }

  /** Everything that was kept, with a note where something is missing. */
  text(): string {
    const head = Buffer.concat(this.#head).toString('utf8');
    const tail = Buffer.concat(this.#tail).subarray(-this.#half);
    const dropped = this.#total - this.#headBytes - tail.length;
    const gap = dropped > 0 ? `\n[${dropped} bytes dropped]\n` : '';
    return `${head}${gap}${tail.toString('utf8')}`;
  }

  /** The last `count` lines that say anything, joined by ` | `, at most `limit` characters, cut at the beginning. */
  lastLines(count: number, limit: number): string {
    const lines = this.text()
      .split(/\r?\n/)
      .map((line) => printable(line, { width: limit }))
      .filter((line) => line !== '');
    const joined = lines.slice(-count).join(' | ');
    return joined.length > limit ? `…${joined.slice(1 - limit)}` : joined;
  }
}
