import * as z from 'zod';
import { evidenceIdSchema } from '../../domain/literature.ts';
import type { LiteratureClient } from '../http/client.ts';
import { askService, foundDocument, type OnlineSource, plainWords, searchTtlMs } from '../sources.ts';

/** Far below OpenAlex's limit of a hundred per second: each search uses up a daily credit. */
const openAlexRate = { burst: 2, everyMs: 1_000 };

/** Maximum words of an abstract; higher positions are an error or an attack. */
const mostAbstractWords = 20_000;

const openAlexSchema = z.object({
  results: z.array(
    z.object({
      id: z.string().regex(/^https:\/\/openalex\.org\/W\d+$/),
      display_name: z.string().nullable(),
      publication_year: z.int().nullable(),
      authorships: z.array(z.object({ author: z.object({ display_name: z.string().nullable() }) })).default([]),
      abstract_inverted_index: z.record(z.string(), z.array(z.int().nonnegative().max(mostAbstractWords))).nullish(),
    }),
  ),
});

/** Rebuilds an abstract from OpenAlex's index of positions per word. */
export function rebuildAbstract(inverted: Readonly<Record<string, readonly number[]>>): string {
  const placed = Object.entries(inverted).flatMap(([word, places]) => places.map((place) => ({ word, place })));
  return placed
    .sort((a, b) => a.place - b.place)
    .map(({ word }) => word)
    .join(' ');
}

export function openAlexSource(
  client: LiteratureClient,
  key: string | null,
  base = 'https://api.openalex.org',
): OnlineSource {
  return {
    name: 'openalex',
    kind: 'paper',
    async search(query) {
      const { since, limit, signal } = query;
      const words = plainWords(query, 16);
      if (words.length === 0) return [];
      const url = new URL('/works', base);
      url.searchParams.set('search', words.join(' '));
      url.searchParams.set('per-page', String(Math.min(100, limit)));
      url.searchParams.set('select', 'id,display_name,publication_year,authorships,abstract_inverted_index');
      if (since !== undefined) url.searchParams.set('filter', `from_publication_date:${since}-01-01`);
      const { answer, retrievedAt } = await askService(client, 'OpenAlex', openAlexSchema, {
        url,
        rate: openAlexRate,
        ttlMs: searchTtlMs,
        signal,
        ...(key === null ? {} : { secretQuery: { api_key: key } }),
      });
      return answer.results
        .filter(({ display_name }) => display_name !== null)
        .map((work) =>
          foundDocument({
            id: evidenceIdSchema.parse(`openalex:${work.id.slice('https://openalex.org/'.length)}`),
            source: 'openalex',
            kind: 'paper',
            url: work.id,
            retrievedAt,
            licence: 'CC0-1.0 (metadata)',
            title: work.display_name ?? '',
            authors: work.authorships.flatMap(({ author }) => author.display_name ?? []),
            year: work.publication_year,
            abstract: work.abstract_inverted_index ? rebuildAbstract(work.abstract_inverted_index) : '',
          }),
        );
    },
  };
}
