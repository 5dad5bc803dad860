import { type ApiError, apiError } from './client.ts';

const shortestPauseMs = 400;

/**
 * Role: keeps one thing of the server fresh while components watch it, at a pace that the server bears.
 * Non-role: what is fetched and where it is stored; the caller's function does both.
 *
 * - PUL-1 One request at a time; changes during it cause exactly one more.
 * - PUL-2 A failed request leaves what was there; its error stays until one succeeds.
 * - PUL-3 What nothing watches is not fetched; if it has changed, it is fetched when it is watched again.
 * - PUL-4 The pause before the next request is twice what the last one took, so that a page that is open all day occupies a
 *   busy server for at most a third of the time.
 */
export class Pull {
  error: ApiError | null = null;
  private readonly fetchInto: () => Promise<void>;
  private readonly watchers = new Set<() => void>();
  private stale = true;
  private loading = false;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private tookMs = 0;

  /** @param fetchInto one request, whose answer it stores. */
  constructor(fetchInto: () => Promise<void>) {
    this.fetchInto = fetchInto;
  }

  get watched(): boolean {
    return this.watchers.size > 0;
  }

  /** Calls back after each request, and at once where there is none to wait for; the result ends it. */
  watch(watcher: () => void): () => void {
    this.watchers.add(watcher);
    if (this.stale) void this.load();
    else watcher();
    return () => {
      this.watchers.delete(watcher);
    };
  }

  /** The server has something newer. */
  changed(): void {
    this.stale = true;
    if (this.watched) this.soon();
  }

  /** Asks again after the pause, which begins when the present request has ended. */
  soon(): void {
    if (this.loading) this.stale = true;
    else this.timer ??= setTimeout(() => void this.load(), Math.max(shortestPauseMs, 2 * this.tookMs));
  }

  private async load(): Promise<void> {
    if (this.loading) {
      this.stale = true;
      return;
    }
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (!this.watched) return;
    this.loading = true;
    this.stale = false;
    const from = performance.now();
    try {
      await this.fetchInto();
      this.error = null;
    } catch (thrown) {
      this.error = apiError(thrown);
    }
    this.loading = false;
    this.tookMs = performance.now() - from;
    for (const watcher of [...this.watchers]) watcher();
    if (this.stale && this.watched) this.soon();
  }
}
