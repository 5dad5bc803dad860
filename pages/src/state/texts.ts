import { useEffect, useState } from 'preact/hooks';
import type { NodeRow, Nodes } from '../../../src/views/api.ts';
import { getJson } from './client.ts';
import { onChange } from './live.ts';

/**
 * Texts of nodes, which columns of numbers lack: what changed, names of references. The newest 2000, read in pages in the
 * background; a change reads the newest page again.
 */
const most = 2000;
const pageSize = 200;
const caches = new Map<string, Map<string, NodeRow>>();

async function page(path: string, after: string | null): Promise<Nodes> {
  const query = new URLSearchParams({ sort: 'sequence', direction: 'descending', limit: String(pageSize) });
  if (after !== null) query.set('after', after);
  return getJson<Nodes>(`${path}/nodes?${query}`);
}

/** For a component that appears when all else is there: texts come last. */
export function useTexts(path: string, search: string): ReadonlyMap<string, NodeRow> {
  const [, render] = useState(0);
  useEffect(() => {
    let stopped = false;
    const rows = caches.get(path) ?? new Map<string, NodeRow>();
    if (caches.size > 6) caches.clear();
    caches.set(path, rows);
    const read = async (pages: number) => {
      let after: string | null = null;
      for (let at = 0; at < pages && !stopped; at++) {
        const answer: Nodes = await page(path, after);
        for (const row of answer.rows) rows.set(row.id, row);
        after = answer.next;
        render((count) => count + 1);
        if (after === null) return;
      }
    };
    // Texts are an extra: without them the table shows the columns.
    const quietly = (pages: number) => void read(pages).catch(() => undefined);
    quietly(most / pageSize);
    let timer: ReturnType<typeof setTimeout> | null = null;
    const stop = onChange((change) => {
      if (change !== null && change.search !== search) return;
      timer ??= setTimeout(() => {
        timer = null;
        quietly(1);
      }, 1000);
    });
    return () => {
      stopped = true;
      if (timer !== null) clearTimeout(timer);
      stop();
    };
  }, [path, search]);
  return caches.get(path) ?? empty;
}

const empty: ReadonlyMap<string, NodeRow> = new Map();
