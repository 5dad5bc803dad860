import { createParser } from 'eventsource-parser';
import { accessToken } from './location.ts';

/**
 * Server-sent events, read with `fetch`: unlike `EventSource` it can send the token in a header.
 *
 * Role: one connection, resumed with `Last-Event-ID` after any break, so that no event is lost or repeated.
 * Non-role: what events mean; see `live.ts`.
 *
 * - EVT-1 The id of the last event that was handed on is sent at every new connection.
 * - EVT-2 A connection without a byte for 40 s is dead (the server sends a comment every 15 s) and is opened again.
 * - EVT-3 After a failure the pause doubles from 0.4 s up to 5 s; a byte received resets it.
 */
export interface EventsOptions {
  readonly url: string;
  /** Sequence after which to start; null for "from now on". */
  readonly after: number | null;
  readonly onEvent: (name: string, data: string) => void;
  readonly onState: (state: 'live' | 'reconnecting' | 'refused') => void;
}

const silentMs = 40_000;
const shortestPauseMs = 400;
const longestPauseMs = 5_000;

/** Starts reading; the result stops it. */
export function readEvents({ url, after, onEvent, onState }: EventsOptions): () => void {
  let stopped = false;
  let lastId: string | null = after === null ? null : String(after);
  let pauseMs = shortestPauseMs;
  let abort = new AbortController();
  let silence: ReturnType<typeof setTimeout> | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;

  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => abort.abort(), silentMs);
  };

  async function connect(): Promise<'refused' | 'broken'> {
    abort = new AbortController();
    heard();
    const token = accessToken();
    const answer = await fetch(url, {
      headers: {
        accept: 'text/event-stream',
        ...(lastId !== null && { 'last-event-id': lastId }),
        ...(token !== null && { authorization: `Bearer ${token}` }),
      },
      cache: 'no-store',
      signal: abort.signal,
    });
    if (answer.status === 401 || answer.status === 403) return 'refused';
    if (!answer.ok || !answer.body) return 'broken';
    onState('live');
    const parser = createParser({
      onEvent: ({ id, event, data }) => {
        if (id !== undefined) lastId = id;
        onEvent(event ?? 'message', data);
      },
    });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return 'broken';
      pauseMs = shortestPauseMs;
      heard();
      parser.feed(value);
    }
  }

  async function run(): Promise<void> {
    while (!stopped) {
      const end = await connect().catch(() => 'broken' as const);
      clearTimeout(silence);
      if (stopped) return;
      onState(end === 'refused' ? 'refused' : 'reconnecting');
      if (end === 'refused') return;
      await new Promise<void>((resolve) => {
        retry = setTimeout(resolve, pauseMs);
      });
      pauseMs = Math.min(2 * pauseMs, longestPauseMs);
    }
  }

  void run();
  return () => {
    stopped = true;
    clearTimeout(silence);
    clearTimeout(retry);
    abort.abort();
  };
}
