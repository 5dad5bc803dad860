import { useEffect, useState } from 'preact/hooks';
import type { Changed } from '../../../src/views/api.ts';
import { type ApiError, getJson } from './client.ts';
import { Pull } from './pull.ts';

/**
 * Role: answers of the API, cached by path and shared by all components that show them. A change that concerns a path fetches
 * it again in the background; until the new answer is there, the old one stays, so that nothing flickers or loses its place.
 * Non-role: what changed, which `live.ts` reports; when to ask, which `pull.ts` decides.
 *
 * - DAT-1 A path has one entry, whichever components show it.
 * - DAT-2 The cache forgets only paths that no component shows.
 */
interface Entry {
  value: unknown;
  readonly pull: Pull;
  readonly concerns: (change: Changed) => boolean;
}

const entries = new Map<string, Entry>();
const largestCache = 200;

function entryOf(path: string, concerns: (change: Changed) => boolean): Entry {
  const known = entries.get(path);
  if (known) return known;
  if (entries.size >= largestCache) {
    for (const [old, { pull }] of entries) if (!pull.watched) entries.delete(old);
  }
  const entry: Entry = {
    value: null,
    pull: new Pull(async () => {
      entry.value = await getJson(path);
    }),
    concerns,
  };
  entries.set(path, entry);
  return entry;
}

/** Fetches again whatever a change concerns. `null`: everything, after a break of the connection. */
export function invalidate(change: Changed | null): void {
  for (const { pull, concerns } of entries.values()) if (change === null || concerns(change)) pull.changed();
}

export interface Data<T> {
  readonly value: T | null;
  readonly error: ApiError | null;
}

/**
 * The answer of a path, fresh as long as the component is shown; null paths are not fetched.
 *
 * @param concerns whether a change may alter the answer.
 * @param everyMs for answers that change without an event, such as heartbeats.
 */
export function useData<T>(
  path: string | null,
  concerns: (change: Changed) => boolean = () => false,
  everyMs: number | null = null,
): Data<T> {
  const [, render] = useState(0);
  useEffect(() => {
    if (path === null) return;
    const { pull } = entryOf(path, concerns);
    const stop = pull.watch(() => render((count) => count + 1));
    const timer = everyMs === null ? null : setInterval(() => pull.soon(), everyMs);
    return () => {
      stop();
      if (timer !== null) clearInterval(timer);
    };
    // `concerns` is a pure function of the path.
  }, [path, everyMs]);
  const entry = path === null ? undefined : entries.get(path);
  return { value: (entry?.value ?? null) as T | null, error: entry?.pull.error ?? null };
}
