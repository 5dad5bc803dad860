import { useEffect, useState } from 'preact/hooks';
import type { Changed } from '../../../src/views/api.ts';
import { apiUrl } from './client.ts';
import { invalidate } from './data.ts';
import { readEvents } from './events.ts';

/** The page's connection to the events of one lab: what changed goes to the caches, and its state to the header. */
export type LiveState = 'connecting' | 'live' | 'reconnecting' | 'refused';

let state: LiveState = 'connecting';
const stateListeners = new Set<() => void>();
const changeListeners = new Set<(change: Changed | null) => void>();

function setState(next: LiveState): void {
  if (next === state) return;
  state = next;
  for (const listener of stateListeners) listener();
  // The first answers may be older than the connection, and later ones may have failed while the server was away.
  if (next === 'live') announce(null);
}

function announce(change: Changed | null): void {
  invalidate(change);
  for (const listener of changeListeners) listener(change);
}

/** Connects to a lab's events; the result ends it. @param eventsPath below the API's root. */
export function followEvents(eventsPath: string): () => void {
  setState('connecting');
  return readEvents({
    url: apiUrl(eventsPath),
    after: null,
    onState: setState,
    onEvent: (name, data) => {
      if (name === 'changed') announce(JSON.parse(data) as Changed);
    },
  });
}

/** Calls back for each change, and with null when everything may have changed. */
export function onChange(listener: (change: Changed | null) => void): () => void {
  changeListeners.add(listener);
  return () => changeListeners.delete(listener);
}

export function useLiveState(): LiveState {
  const [shown, setShown] = useState(state);
  useEffect(() => {
    const update = () => setShown(state);
    stateListeners.add(update);
    update();
    return () => {
      stateListeners.delete(update);
    };
  }, []);
  return shown;
}
