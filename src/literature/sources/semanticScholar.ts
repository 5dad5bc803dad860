import * as z from 'zod';
import { evidenceIdSchema } from '../../domain/literature.ts';
import type { LiteratureClient } from '../http/client.ts';
import { askService, foundDocument, type OnlineSource, plainWords, searchTtlMs } from '../sources.ts';

/** One request per second with a key; without one all anonymous callers share a pool, which rejects more. */
const semanticScholarRate = { burst: 1, everyMs: 1_000 };

const semanticScholarSchema = z.object({
  total: z.number().optional(),
  // Absent if nothing was found.
  data: z
    .array(
      z.object({
        paperId: z.string().regex(/^[0-9a-f]{40}$/),
        title: z.string().min(1),
        abstract: z.string().nullish(),
        year: z.int().nullish(),
        authors: z.array(z.object({ name: z.string() })).nullish(),
      }),
    )
    .default([]),
});

export function semanticScholarSource(
  client: LiteratureClient,
  key: string | null,
  base = 'https://api.semanticscholar.org',
): OnlineSource {
  return {
    name: 'semantic-scholar',
    kind: 'paper',
    async search(query) {
      const { since, limit, signal } = query;
      // The service finds nothing for words with hyphens.
      const words = plainWords(query, 16);
      if (words.length === 0) return [];
      const url = new URL('/graph/v1/paper/search', base);
      url.searchParams.set('query', words.join(' '));
      url.searchParams.set('limit', String(Math.min(100, limit)));
      url.searchParams.set('fields', 'title,abstract,year,authors');
      if (since !== undefined) url.searchParams.set('year', `${since}-`);
      const { answer, retrievedAt } = await askService(client, 'Semantic Scholar', semanticScholarSchema, {
        url,
        rate: semanticScholarRate,
        ttlMs: searchTtlMs,
        signal,
        ...(key === null ? {} : { secretHeaders: { 'x-api-key': key } }),
      });
      return answer.data.map((paper) =>
        foundDocument({
          id: evidenceIdSchema.parse(`semantic-scholar:${paper.paperId}`),
          source: 'semantic-scholar',
          kind: 'paper',
          url: `https://www.semanticscholar.org/paper/${paper.paperId}`,
          retrievedAt,
          licence: 'Semantic Scholar API licence (attribution)',
          title: paper.title,
          authors: paper.authors?.map(({ name }) => name) ?? [],
          year: paper.year ?? null,
          abstract: paper.abstract ?? '',
        }),
      );
    },
  };
}
