import { useEffect, useState } from 'preact/hooks';

/**
 * The address bar is the state of the page: a path of parts and a query behind `#`, so that a link shows another person the
 * same view, and Back works. The server never sees it.
 *
 * `#/searches/quickstart-1/nodes?sort=score&agent=climber`
 */
export interface Place {
  readonly parts: readonly string[];
  readonly query: Readonly<Record<string, string>>;
}

export type Query = Readonly<Record<string, string | number | null | undefined>>;

/** The place behind a hash; anything unreadable is the start page. */
export function parsePlace(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  try {
    return {
      parts: path.split('/').filter(Boolean).map(decodeURIComponent),
      query: Object.fromEntries(new URLSearchParams(query)),
    };
  } catch {
    return { parts: [], query: {} };
  }
}

/** A link to a place. Empty values of the query are left out. */
export function href(parts: readonly string[], query: Query = {}): string {
  const entries = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== '');
  const text = new URLSearchParams(entries.map(([key, value]) => [key, String(value)])).toString();
  return `#/${parts.map(encodeURIComponent).join('/')}${text && `?${text}`}`;
}

export function go(parts: readonly string[], query: Query = {}): void {
  location.hash = href(parts, query);
}

const listeners = new Set<() => void>();

/** Changes keys of the query in place: no new entry of the history, no scrolling. */
export function setQuery(change: Query): void {
  const { parts, query } = parsePlace(location.hash);
  const next = href(parts, { ...query, ...change });
  if (next === location.hash) return;
  history.replaceState(history.state, '', next);
  for (const listener of listeners) listener();
}

export function usePlace(): Place {
  const [place, setPlace] = useState(() => parsePlace(location.hash));
  useEffect(() => {
    const update = () => setPlace(parsePlace(location.hash));
    listeners.add(update);
    addEventListener('hashchange', update);
    update();
    return () => {
      listeners.delete(update);
      removeEventListener('hashchange', update);
    };
  }, []);
  return place;
}

const tokenKey = 'aira-token';
let token: string | null = null;

/**
 * The token of the printed URL (`#token=…`), which commands need, and every request off loopback. It leaves the address bar
 * at once, survives a reload of this tab and is gone with it; it is never part of an address.
 */
export function takeToken(): void {
  const match = /^#\/?(?:\?)?token=([^&]+)(?:&(.*))?$/s.exec(location.hash);
  if (match?.[1]) {
    sessionStorage.setItem(tokenKey, decodeURIComponent(match[1]));
    history.replaceState(null, '', `#/${(match[2] ?? '').replace(/^\/+/, '')}`);
  }
  token = sessionStorage.getItem(tokenKey);
}

export const accessToken = (): string | null => token;
