import { TerminalError } from '../domain/errors.ts';
import type { Item, LiteratureQuery, OpenRetriever, Reading, Retrieval, Retriever } from '../domain/literature.ts';

type Search = 'searchLiterature' | 'searchCode' | 'searchArchive';

interface Answer {
  readonly items: Item[];
  readonly retrieved: readonly Retrieval[];
  readonly readings: readonly Reading[];
}

const spent = () =>
  new TerminalError('reading-budget', 'this thought has used its searches; propose with what was read');

/**
 * A retriever that answers a question that was asked before as it was answered then. For shelves that do not change, as
 * Aira's own notes: a study's thousands of thoughts ask the same few questions of them. What a thought is shown, and what
 * is recorded of it, is the same.
 */
export function remembering(open: OpenRetriever): OpenRetriever {
  const known = new Map<string, Promise<Answer>>();
  return (occasion) => {
    const base = open(occasion);
    let searches = base.left.searches;
    const retrieved: Retrieval[] = [];
    const readings: Reading[] = [];
    const search = (kind: Search) => async (query: LiteratureQuery) => {
      if (searches === 0) throw spent();
      searches -= 1;
      const key = JSON.stringify([kind, query, occasion]);
      let answer = known.get(key);
      if (!answer) {
        const inner = open(occasion);
        answer = inner[kind](query).then((items) => ({ items, retrieved: inner.retrieved, readings: inner.readings }));
        known.set(key, answer);
      }
      const { items, ...records } = await answer;
      retrieved.push(...records.retrieved);
      readings.push(...records.readings);
      return items;
    };
    return {
      searchLiterature: search('searchLiterature'),
      searchCode: search('searchCode'),
      searchArchive: search('searchArchive'),
      read: (id, signal) => base.read(id, signal),
      get retrieved() {
        return [...retrieved, ...base.retrieved];
      },
      get readings() {
        return [...readings, ...base.readings];
      },
      get left() {
        return { ...base.left, searches };
      },
    } satisfies Retriever;
  };
}
