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
import type { OnlineSource } from './sources/source.ts';
import { capText, cleanLine, cleanText, contentWords } from './text.ts';

/**
 * All that agents can read, behind one door: Aira's notes, the laboratory's own results, and online services.
 *
 * L1 Notes are ranked among themselves: nothing that comes from elsewhere changes which notes are found, or their order.
 * L2 Hints come from notes alone. Whatever a text from elsewhere claims to be, it is text.
 * L3 A service that fails costs its own answers and a line in the log, not the thought.
 * L4 Each thought reads within its budget, and everything it is shown is recorded.
 * L5 Of the laboratory's own results a thought can find those that it brings along, and no others (I4, I5).
 */

export const defaultReadingBudget: ReadingBudget = { searches: 6, reads: 4, itemsPerSearch: 8 };

export interface LibraryOptions {
  readonly corpus: Corpus;
  readonly log: Logger;
  readonly sources?: readonly OnlineSource[];
  /** File of the index of what was found online; in memory without one. */
  readonly shelfPath?: string;
  readonly budget?: ReadingBudget;
  /** Called when the library closes: ends what its sources use. */
  readonly onClose?: () => void;
}

interface Ranked extends Candidate {
  readonly document: IndexedDocument;
  readonly snippet: string;
}

type Shown = Pick<Item, 'source' | 'id' | 'url' | 'retrievedAt' | 'licence' | 'title'>;

/** How far one reader's arm reaches. */
interface Reach {
  readonly limit: number;
  readonly allowed: (source: LiteratureSource) => boolean;
  readonly archive: () => OwnResults;
  /** Services that did not answer, and why; filled while searching. */
  readonly failures: string[];
}

const snippetCap = 600;

export class Library {
  readonly corpusVersion: string;
  readonly #notes = new SearchIndex();
  readonly #shelf: SearchIndex;
  readonly #sources: readonly OnlineSource[];
  readonly #budget: ReadingBudget;
  readonly #log: Logger;
  readonly #onClose: () => void;

  constructor({
    corpus,
    log,
    sources = [],
    shelfPath,
    budget = defaultReadingBudget,
    onClose = () => {},
  }: LibraryOptions) {
    this.#onClose = onClose;
    this.corpusVersion = corpus.version;
    this.#notes.put(corpus.notes.map(noteDocument));
    this.#shelf = new SearchIndex(shelfPath);
    this.#sources = sources;
    this.#budget = budget;
    this.#log = log;
  }

  /** The reading of one thought. */
  open({ sources, budget = this.#budget, results = [] }: RetrieverOptions = {}): Retriever {
    const left = { ...budget };
    const retrieved: Retrieval[] = [];
    const readings: Reading[] = [];
    // Most thoughts do not look there.
    let own: OwnResults | null = null;
    const archive = (): OwnResults => {
      own ??= new OwnResults(results);
      return own;
    };
    const reach: Omit<Reach, 'failures'> = {
      limit: budget.itemsPerSearch,
      allowed: (source) => sources === undefined || sources.includes(source),
      archive,
    };
    const spend = (what: 'searches' | 'reads') => {
      if (left[what] === 0) {
        throw new TerminalError('reading-budget', `this thought has used its ${what}; propose with what was read`);
      }
      left[what] -= 1;
    };
    const note = (how: ReadingKind, query: string, shown: readonly Shown[], failures: readonly string[] = []) => {
      const asked = cleanLine(query, 500);
      const failed = failures.length === 0 ? {} : { failed: cleanLine(failures.join('; '), 300) };
      readings.push({ how, query: asked, found: shown.map(({ id }) => id), ...failed });
      for (const [index, { source, id, url, retrievedAt, licence, title }] of shown.entries()) {
        retrieved.push({ source, id, url, retrievedAt, licence, title, how, query: asked, rank: index + 1 });
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
      const items = await this.#search(kinds, query, { ...reach, failures }, signal);
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
        const text = this.#read(id, reach);
        note('read', id, text ? [text] : []);
        return text;
      },
    };
  }

  close(): void {
    this.#onClose();
    this.#notes.close();
    this.#shelf.close();
  }

  #read(id: EvidenceId, { allowed, archive }: Omit<Reach, 'failures'>): ReadText | null {
    const document = this.#notes.get(id) ?? this.#shelf.get(id) ?? archive().get(id);
    if (!document || !allowed(document.source)) return null;
    const { source, url, retrievedAt, licence, title } = document;
    return { source, id, url, retrievedAt, licence, title, ...capText(cleanText(wholeText(document))) };
  }

  async #search(
    kinds: readonly Item['kind'][],
    query: LiteratureQuery,
    { limit: most, allowed, archive, failures }: Reach,
    signal?: AbortSignal,
  ): Promise<Item[]> {
    const { text, must, since, topic, hinted, sources } = query;
    const limit = Math.max(1, Math.min(query.limit ?? most, most));
    const wanted = (name: Item['source']) => allowed(name) && (sources === undefined || sources.includes(name));
    const asked = { text, must, limit: 3 * limit, kinds, since, topic, hinted };

    // Online works carry no topic and no hints: a search for those would be in vain.
    const online =
      hinted || topic !== undefined
        ? []
        : this.#sources.filter(({ name, kind }) => wanted(name) && kinds.includes(kind));
    const answers = await Promise.all(
      online.map((source) => this.#ask(source, { ...query, limit: 2 * limit }, failures, signal)),
    );
    signal?.throwIfAborted();
    this.#shelf.put(answers.flat());

    const notes = wanted('corpus') ? this.#notes.search(asked) : [];
    const shelved = this.#shelf.search({ ...asked, sources: onlineSources.filter(wanted) });
    const own = kinds.includes('lesson') && wanted('archive') ? archive().search({ ...asked, limit }) : [];
    const lists = [
      notes,
      own,
      shelved,
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
          // By rank: scores of different indexes and services do not compare.
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
      // That there is no network is said once, by the client.
      if (code !== 'literature-offline') this.#log.warn({ source: source.name, code }, errorMessage(thrown));
      return [];
    }
  }
}

/** Two services, or a service and a note, may know the same work: by its arXiv id, or by its title. */
function sameWork({ url, title, kind, id }: IndexedDocument): string {
  if (kind !== 'paper') return id;
  const words = contentWords(title).join(' ');
  return words === '' ? (url ?? id) : words;
}

function itemOf({ document, snippet }: Ranked): Item {
  const { topic: _, abstract: __, body: ___, ...item } = document;
  return { ...item, snippet: capText(cleanText(snippet), snippetCap).text };
}

/** Equal results give equal answers whenever they are asked, so that no clock enters them. */
const noMoment = '1970-01-01T00:00:00Z';

function documentOf({ id, title, text, author }: OwnResult): IndexedDocument {
  return {
    id: evidenceIdSchema.parse(`archive:${id}`),
    source: 'archive',
    url: null,
    retrievedAt: noMoment,
    licence: "the laboratory's own",
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
 * The laboratory's own results as one thought may know them: an index in memory, made of what the thought brings along and
 * dropped with it, so that no other thought's knowledge can be found in it or move its ranking (I5).
 */
export class OwnResults {
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

/**
 * A choice among ranked works that neither repeats itself nor comes from one place alone: maximal marginal relevance
 * (Carbonell and Goldstein 1998), with a cap per source.
 */

export interface Candidate {
  readonly source: LiteratureSource;
  /** In [0, 1], comparable between sources. */
  readonly relevance: number;
  /** What the likeness of two works is judged by. */
  readonly text: string;
}

/** Weight of relevance against novelty. */
const lambda = 0.7;

/** Share of words that two works have in common, of all that either has. */
function likeness(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  if (a.size === 0 || b.size === 0) return 0;
  let common = 0;
  for (const word of a) if (b.has(word)) common++;
  return common / (a.size + b.size - common);
}

/**
 * At most `limit` of them, best first. No source fills more than `share` of the places while others have something to
 * offer. Among equals the earlier one wins.
 */
export function diversify<T extends Candidate>(candidates: readonly T[], limit: number, share = 0.6): T[] {
  const bags = new Map(candidates.map((candidate) => [candidate, new Set(contentWords(candidate.text))]));
  const bag = (candidate: T) => bags.get(candidate) as ReadonlySet<string>;
  const sources = new Set(candidates.map(({ source }) => source)).size;
  const cap = sources > 1 ? Math.max(1, Math.ceil(limit * share)) : limit;
  const rest = [...candidates];
  const chosen: T[] = [];
  const taken = new Map<LiteratureSource, number>();
  while (chosen.length < limit && rest.length > 0) {
    const open = rest.filter(({ source }) => (taken.get(source) ?? 0) < cap);
    // Where only capped sources are left, a full answer is worth more than a mixed one.
    const pool = open.length > 0 ? open : rest;
    let best = pool[0] as T;
    let bestValue = Number.NEGATIVE_INFINITY;
    for (const candidate of pool) {
      const nearest = chosen.reduce((most, other) => Math.max(most, likeness(bag(candidate), bag(other))), 0);
      const value = lambda * candidate.relevance - (1 - lambda) * nearest;
      if (value > bestValue) [best, bestValue] = [candidate, value];
    }
    chosen.push(best);
    rest.splice(rest.indexOf(best), 1);
    taken.set(best.source, (taken.get(best.source) ?? 0) + 1);
  }
  return chosen;
}
