import { useEffect, useState } from 'preact/hooks';
import type { Changed, CommandBody, CommandReply, Problem } from '../../../src/views/api.ts';
import { accessToken } from './location.ts';

/**
 * Role: answers of the API, cached by path and shared by all components that show them. A change that concerns a path fetches
 * it again in the background; until the new answer is there, the old one stays, so that nothing flickers or loses its place.
 * Non-role: what changed; `live.ts` reports it.
 *
 * - CLI-1 One request per path at a time; changes during it cause exactly one more.
 * - CLI-2 A failed refresh keeps the old value, and the error is shown next to it.
 * - CLI-3 A path that no component shows is not fetched; it is stale when it is shown again.
 * - CLI-4 A page that is open all day occupies a busy server for at most a third of the time.
 *
 * Answers are not checked again here: they come from this page's own server, which checks each against its schema.
 */
export class ApiError extends Error {
  readonly status: number;
  readonly remedy: string | null;

  constructor(status: number, message: string, remedy: string | null) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.remedy = remedy;
  }
}

const apiVersion = 1;

/** Absolute URL of a path of the API: next to the page, also behind the prefix of a proxy. */
export const apiUrl = (path: string): string => new URL(`api/${path}`, document.baseURI.replace(/#.*$/s, '')).href;

const authorization = (): Record<string, string> => {
  const token = accessToken();
  return token === null ? {} : { authorization: `Bearer ${token}` };
};

async function failure(answer: Response): Promise<ApiError> {
  const problem = (await answer.json().catch(() => null)) as Partial<Problem> | null;
  const message = problem?.message ?? `the server answered ${answer.status}`;
  const remedy =
    problem?.remedy ??
    (answer.status === 401 ? 'open the address that `aira dashboard` printed, with its #token' : null);
  return new ApiError(answer.status, message, remedy);
}

/** @throws ApiError with the server's sentence, or one about the connection. */
export async function getJson<T>(path: string): Promise<T> {
  const answer = await fetch(apiUrl(path), { headers: { accept: 'application/json', ...authorization() } }).catch(
    () => {
      throw new ApiError(
        0,
        'the dashboard does not answer',
        'start `aira dashboard` again; this page reconnects by itself',
      );
    },
  );
  if (!answer.ok) throw await failure(answer);
  const value = (await answer.json()) as T & { readonly version?: number };
  if (value.version !== undefined && value.version !== apiVersion) {
    throw new ApiError(0, `the server speaks version ${value.version} of the API`, 'reload the page');
  }
  return value;
}

/** A text behind `raw`, for copying and downloading. @throws ApiError */
export async function getText(path: string): Promise<string> {
  const answer = await fetch(apiUrl(path), { headers: authorization() });
  if (!answer.ok) throw await failure(answer);
  return answer.text();
}

/** @throws ApiError; status 409 if no lab runs there. */
export async function sendCommand(path: string, body: CommandBody): Promise<CommandReply> {
  const answer = await fetch(apiUrl(path), {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json', ...authorization() },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw await failure(answer);
  return (await answer.json()) as CommandReply;
}

interface Entry {
  value: unknown;
  error: ApiError | null;
  stale: boolean;
  loading: boolean;
  timer: ReturnType<typeof setTimeout> | null;
  tookMs: number;
  concerns: (change: Changed) => boolean;
  readonly watchers: Set<() => void>;
}

const entries = new Map<string, Entry>();
const largestCache = 200;
/** Shortest pause before the next request for a path; after a slow answer twice as long as that took (CLI-4). */
const restMs = 400;
export const restAfter = (tookMs: number): number => Math.max(restMs, 2 * tookMs);

async function load(path: string, entry: Entry): Promise<void> {
  if (entry.loading) {
    entry.stale = true;
    return;
  }
  entry.loading = true;
  entry.stale = false;
  const from = performance.now();
  try {
    entry.value = await getJson(path);
    entry.error = null;
  } catch (thrown) {
    entry.error = thrown instanceof ApiError ? thrown : new ApiError(0, String(thrown), null);
  }
  entry.loading = false;
  entry.tookMs = performance.now() - from;
  for (const watcher of [...entry.watchers]) watcher();
  if (entry.stale && entry.watchers.size > 0) refreshSoon(path, entry);
}

function refreshSoon(path: string, entry: Entry): void {
  entry.timer ??= setTimeout(() => {
    entry.timer = null;
    if (entry.watchers.size > 0) void load(path, entry);
  }, restAfter(entry.tookMs));
}

/** Fetches again whatever a change concerns. `null`: everything, after a break of the connection. */
export function invalidate(change: Changed | null): void {
  for (const [path, entry] of entries) {
    if (change !== null && !entry.concerns(change)) continue;
    entry.stale = true;
    if (entry.watchers.size > 0) refreshSoon(path, entry);
  }
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
    let entry = entries.get(path);
    if (!entry) {
      if (entries.size >= largestCache) {
        for (const [old, { watchers }] of entries) if (watchers.size === 0) entries.delete(old);
      }
      entry = {
        value: null,
        error: null,
        stale: true,
        loading: false,
        timer: null,
        tookMs: 0,
        concerns,
        watchers: new Set(),
      };
      entries.set(path, entry);
    }
    const watched = entry;
    const watcher = () => render((count) => count + 1);
    watched.watchers.add(watcher);
    if (watched.stale) void load(path, watched);
    else watcher();
    const timer = everyMs === null ? null : setInterval(() => refreshSoon(path, watched), everyMs);
    return () => {
      watched.watchers.delete(watcher);
      if (timer !== null) clearInterval(timer);
    };
    // `concerns` is a pure function of the path.
  }, [path, everyMs]);
  const entry = path === null ? undefined : entries.get(path);
  return { value: (entry?.value ?? null) as T | null, error: entry?.error ?? null };
}
