import { StringDecoder } from 'node:string_decoder';

/**
 * Cuts a stream of bytes into lines. A line longer than `limit` characters is handed over as what there is of it, once,
 * and the rest is dropped: a child that never ends a line must not fill the host's memory.
 */
export class LineReader {
  readonly #limit: number;
  readonly #onLine: (line: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';
  #overflowed = false;

  constructor(limit: number, onLine: (line: string) => void) {
    this.#limit = limit;
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    if (this.#overflowed) return;
    const lines = (this.#rest + this.#decoder.write(chunk)).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#emit(line);
    if (this.#rest.length > this.#limit) {
      this.#overflowed = true;
      this.#emit(this.#rest);
      this.#rest = '';
    }
  }

  #emit(line: string): void {
    if (line.trim() !== '') this.#onLine(line);
  }
}
