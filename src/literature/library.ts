import { AiraError, errorMessage, TerminalError } from '../domain/errors.ts';
import {
  type EvidenceId,
  evidenceIdSchema,
  type Item,
  type LiteratureQuery,
  type LiteratureSource,
  type OwnResult,
  onlineSources,
  type Reading,
  type ReadingBudget,
  type ReadingKind,
  type ReadText,
  type Retrieval,
  type Retriever,
  type RetrieverOptions,
} from '../domain/literature.ts';
import type { Logger } from '../platform/index.ts';
import { type Corpus, type IndexedDocument, noteDocument, wholeText } from './corpus.ts';
import { type Hit, type IndexQuery, SearchIndex } from './searchIndex.ts';
import type { OnlineSource } from './sources.ts';
import { capText, cleanLine, cleanText, contentWords } from './text.ts';

/**
 * Everything that agents can read: the corpus, the search's own results, and online services.
 *
 * LIB-1. Notes are ranked among themselves: no other source changes which notes are found, or their order.
 * LIB-2. Hints come from notes only. Text from other sources stays text, whatever it claims to be.
 * LIB-3. A failing service costs its own results and a line in the log, not the thought.
 * LIB-4. Each thought reads within its budget, and everything that it is shown is recorded.
 * LIB-5. Of the search's own results, a thought can find only those that it passes in (I4, I5).
 */

const defaultReadingBudget: ReadingBudget = { searches: 6, reads: 4, itemsPerSearch: 8 };

export interface LibraryOptions {
  readonly corpus: Corpus;
  readonly log: Logger;
  readonly sources?: readonly OnlineSource[];
  /** File of the index of online finds; in memory without one. */
  readonly onlineIndexPath?: string;
  readonly budget?: ReadingBudget;
  /** Called on close: releases the resources of the sources. */
  readonly onClose?: () => void;
}

interface Ranked extends Candidate {
  readonly document: IndexedDocument;
  readonly snippet: string;
}

type Shown = Pick<Item, 'source' | 'id' | 'url' | 'retrievedAt' | 'licence' | 'title'>;

/** What one reader may find. */
interface SearchScope {
  readonly limit: number;
  readonly allowed: (source: LiteratureSource) => boolean;
  readonly archive: () => OwnResults;
  /** Services that failed, with the reason; filled by the search. */
  readonly failures: string[];
}

const snippetCap = 600;

export class Library {
  readonly corpusVersion: string;
  readonly #notes = new SearchIndex();
  readonly #onlineIndex: SearchIndex;
  readonly #sources: readonly OnlineSource[];
  readonly #budget: ReadingBudget;
  readonly #log: Logger;
  readonly #onClose: () => void;

  constructor({
    corpus,
    log,
    sources = [],
    onlineIndexPath,
    budget = defaultReadingBudget,
    onClose = () => {},
  }: LibraryOptions) {
    this.#onClose = onClose;
    this.corpusVersion = corpus.version;
    this.#notes.put(corpus.notes.map(noteDocument));
    this.#onlineIndex = new SearchIndex(onlineIndexPath);
    this.#sources = sources;
    this.#budget = budget;
    this.#log = log;
  }

  /** The retriever of one thought. */
  open({ sources, budget = this.#budget, results = [] }: RetrieverOptions = {}): Retriever {
    const left = { ...budget };
    const retrieved: Retrieval[] = [];
    const readings: Reading[] = [];
    // Created on demand: most thoughts do not search the archive.
    let own: OwnResults | null = null;
    const archive = (): OwnResults => {
      own ??= new OwnResults(results);
      return own;
    };
    const searchScope: Omit<SearchScope, 'failures'> = {
      limit: budget.itemsPerSearch,
      allowed: (source) => sources === undefined || sources.includes(source),
      archive,
    };
    const spend = (what: 'searches' | 'reads') => {
      if (left[what] === 0) {
        throw new TerminalError('reading-budget', `no ${what} left in this attempt; propose with what you have read`);
      }
      left[what] -= 1;
    };
    const note = (how: ReadingKind, query: string, items: readonly Shown[], failures: readonly string[] = []) => {
      const recordedQuery = cleanLine(query, 500);
      const failed = failures.length === 0 ? {} : { failed: cleanLine(failures.join('; '), 300) };
      readings.push({ how, query: recordedQuery, found: items.map(({ id }) => id), ...failed });
      for (const [index, { source, id, url, retrievedAt, licence, title }] of items.entries()) {
        retrieved.push({ source, id, url, retrievedAt, licence, title, how, query: recordedQuery, rank: index + 1 });
      }
    };
    const search = async (
      how: ReadingKind,
      kinds: readonly Item['kind'][],
      query: LiteratureQuery,
      signal?: AbortSignal,
    ) => {
      spend('searches');
      const failures: string[] = [];
      const items = await this.#search(kinds, query, { ...searchScope, failures }, signal);
      note(how, query.text, items, failures);
      return items;
    };
    return {
      retrieved,
      readings,
      left,
      searchLiterature: (query, signal) => search('search-literature', ['paper'], query, signal),
      searchCode: (query, signal) => search('search-code', ['code'], query, signal),
      searchArchive: (query, signal) => search('search-archive', ['lesson'], query, signal),
      read: async (id) => {
        spend('reads');
        const text = this.#read(id, searchScope);
        note('read', id, text ? [text] : []);
        return text;
      },
    };
  }

  close(): void {
    this.#onClose();
    this.#notes.close();
    this.#onlineIndex.close();
  }

  #read(id: EvidenceId, { allowed, archive }: Omit<SearchScope, 'failures'>): ReadText | null {
    const document = this.#notes.get(id) ?? this.#onlineIndex.get(id) ?? archive().get(id);
    if (!document || !allowed(document.source)) return null;
    const { source, url, retrievedAt, licence, title } = document;
    return { source, id, url, retrievedAt, licence, title, ...capText(cleanText(wholeText(document))) };
  }

  async #search(
    kinds: readonly Item['kind'][],
    query: LiteratureQuery,
    { limit: most, allowed, archive, failures }: SearchScope,
    signal?: AbortSignal,
  ): Promise<Item[]> {
    const { text, must, since, topic, hinted, sources } = query;
    const limit = Math.max(1, Math.min(query.limit ?? most, most));
    const isIncluded = (name: Item['source']) => allowed(name) && (sources === undefined || sources.includes(name));
    const indexQuery = { text, must, limit: 3 * limit, kinds, since, topic, hinted };

    // Online works have no topic and no hints, so a search for those skips the services.
    const online =
      hinted || topic !== undefined
        ? []
        : this.#sources.filter(({ name, kind }) => isIncluded(name) && kinds.includes(kind));
    const answers = await Promise.all(
      online.map((source) => this.#ask(source, { ...query, limit: 2 * limit }, failures, signal)),
    );
    signal?.throwIfAborted();
    this.#onlineIndex.put(answers.flat());

    const notes = isIncluded('corpus') ? this.#notes.search(indexQuery) : [];
    const indexed = this.#onlineIndex.search({ ...indexQuery, sources: onlineSources.filter(isIncluded) });
    const own = kinds.includes('lesson') && isIncluded('archive') ? archive().search({ ...indexQuery, limit }) : [];
    const lists = [
      notes,
      own,
      indexed,
      ...answers.map((found) => found.map((document) => ({ document, snippet: '' }))),
    ];
    const candidates = new Map<string, Ranked>();
    for (const list of lists) {
      for (const [index, { document, snippet }] of list.entries()) {
        const key = sameWork(document);
        if (candidates.has(key)) continue;
        candidates.set(key, {
          document,
          snippet: snippet || document.abstract,
          source: document.source,
          // Ranks, because scores of different indexes and services are not comparable.
          relevance: 1 - index / list.length,
          text: `${document.title} ${document.abstract}`,
        });
      }
    }
    return diversify([...candidates.values()], limit).map(itemOf);
  }

  async #ask(
    source: OnlineSource,
    { text, must, since, limit }: LiteratureQuery & { limit: number },
    failures: string[],
    signal?: AbortSignal,
  ): Promise<IndexedDocument[]> {
    try {
      return await source.search({ text, must, since, limit, signal });
    } catch (thrown) {
      if (signal?.aborted) throw signal.reason;
      const code = thrown instanceof AiraError ? thrown.code : 'unknown';
      failures.push(`${source.name}: ${errorMessage(thrown)}`);
      // The client reports a missing network once.
      if (code !== 'literature-offline') this.#log.warn({ source: source.name, code }, errorMessage(thrown));
      return [];
    }
  }
}

/** Key of a work across services and notes: papers by title, else by URL. */
function sameWork({ url, title, kind, id }: IndexedDocument): string {
  if (kind !== 'paper') return id;
  const words = contentWords(title).join(' ');
  return words === '' ? (url ?? id) : words;
}

function itemOf({ document, snippet }: Ranked): Item {
  const { topic: _, abstract: __, body: ___, ...item } = document;
  return { ...item, snippet: capText(cleanText(snippet), snippetCap).text };
}

/** Constant, so that equal results give equal answers at any time. */
const epoch = '1970-01-01T00:00:00Z';

function documentOf({ id, title, text, author }: OwnResult): IndexedDocument {
  return {
    id: evidenceIdSchema.parse(`archive:${id}`),
    source: 'archive',
    url: null,
    retrievedAt: epoch,
    licence: "Aira's own",
    kind: 'lesson',
    topic: null,
    title,
    authors: [author],
    year: null,
    abstract: text,
    body: '',
    hints: [],
    certainty: 'unverified',
  };
}

/**
 * The search's own results as one thought may know them: an index in memory, filled with the results that the thought passes
 * in and dropped with it, so that other thoughts' knowledge is neither found nor affects the ranking (I5).
 */
class OwnResults {
  readonly #index = new SearchIndex();

  constructor(results: readonly OwnResult[]) {
    this.#index.put(results.map(documentOf));
  }

  search(query: IndexQuery): Hit[] {
    return this.#index.search(query);
  }

  get(id: EvidenceId): IndexedDocument | null {
    return this.#index.get(id);
  }
}

/** Selection of ranked works by maximal marginal relevance (Carbonell and Goldstein 1998), with a cap per source. */

interface Candidate {
  readonly source: LiteratureSource;
  /** In [0, 1], comparable between sources. */
  readonly relevance: number;
  /** Text for the similarity of two works. */
  readonly text: string;
}

/** Weight of relevance against novelty. */
const lambda = 0.7;

/** Jaccard similarity of two sets of words. */
function jaccard(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  if (a.size === 0 || b.size === 0) return 0;
  let common = 0;
  for (const word of a) if (b.has(word)) common++;
  return common / (a.size + b.size - common);
}

/**
 * At most `limit` candidates, best first, ties to the earlier. No source takes more than `share` of the places while others
 * have candidates left.
 */
export function diversify<T extends Candidate>(candidates: readonly T[], limit: number, share = 0.6): T[] {
  const bags = new Map(candidates.map((candidate) => [candidate, new Set(contentWords(candidate.text))]));
  const bag = (candidate: T) => bags.get(candidate) as ReadonlySet<string>;
  const sources = new Set(candidates.map(({ source }) => source)).size;
  const cap = sources > 1 ? Math.max(1, Math.ceil(limit * share)) : limit;
  const rest = [...candidates];
  const chosen: T[] = [];
  const counts = new Map<LiteratureSource, number>();
  while (chosen.length < limit && rest.length > 0) {
    const open = rest.filter(({ source }) => (counts.get(source) ?? 0) < cap);
    // If only capped sources are left, a full list is better than a mixed one.
    const pool = open.length > 0 ? open : rest;
    let best = pool[0] as T;
    let bestValue = Number.NEGATIVE_INFINITY;
    for (const candidate of pool) {
      const nearest = chosen.reduce((most, other) => Math.max(most, jaccard(bag(candidate), bag(other))), 0);
      const value = lambda * candidate.relevance - (1 - lambda) * nearest;
      if (value > bestValue) [best, bestValue] = [candidate, value];
    }
    chosen.push(best);
    rest.splice(rest.indexOf(best), 1);
    counts.set(best.source, (counts.get(best.source) ?? 0) + 1);
  }
  return chosen;
}
