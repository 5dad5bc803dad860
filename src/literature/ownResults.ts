import { type EvidenceId, evidenceIdSchema, type OwnResult } from '../domain/literature.ts';
import type { IndexedDocument } from './corpus.ts';
import { type Hit, type IndexQuery, SearchIndex } from './searchIndex.ts';

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
