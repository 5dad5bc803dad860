import * as z from 'zod';
import { evidenceIdSchema } from '../../domain/literature.ts';
import type { LiteratureClient } from '../client.ts';
import { RefusedError } from '../client.ts';
import { askService, foundDocument, type OnlineSource, plainWords, searchTtlMs } from '../sources.ts';
import { cleanLine } from '../text.ts';

/** Code search allows ten requests a minute; repository lookups are rated separately. */
const codeSearchRate = { burst: 1, everyMs: 6_000 };
const repositoryRate = { burst: 5, everyMs: 1_000 };
/** GitHub rejects queries of more than 256 characters. */
const longestQuery = 200;
const licenceTtlMs = 30 * 24 * 60 * 60 * 1000;

const codeSearchSchema = z.object({
  items: z.array(
    z.object({
      path: z.string().min(1),
      html_url: z.url({ protocol: /^https?$/ }),
      repository: z.object({
        full_name: z.string().regex(/^[\w.-]+\/[\w.-]+$/),
        description: z.string().nullish(),
      }),
      text_matches: z.array(z.object({ fragment: z.string() })).nullish(),
    }),
  ),
});
const repositorySchema = z.object({ license: z.object({ spdx_id: z.string().nullable() }).nullable() });

/** Licences under which agents may reuse an idea without further checks. */
const permissive = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BSL-1.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MIT-0',
  'Unlicense',
  'Zlib',
]);

export interface GithubOptions {
  readonly token: string;
  /** `permissive` omits code under copyleft or unknown licences. */
  readonly licences: 'permissive' | 'any';
  readonly base?: string;
}

export function githubCodeSource(
  client: LiteratureClient,
  { token, licences, base = 'https://api.github.com' }: GithubOptions,
): OnlineSource {
  const headers = { accept: 'application/vnd.github.text-match+json', 'x-github-api-version': '2022-11-28' };
  const secretHeaders = { authorization: `Bearer ${token}` };

  /** The repository's SPDX id, `NOASSERTION` if GitHub knows none. */
  async function licenceOf(repository: string, signal: AbortSignal | undefined): Promise<string> {
    const url = new URL(`/repos/${repository}`, base);
    try {
      const rate = repositoryRate;
      const { answer } = await askService(client, 'GitHub', repositorySchema, {
        url,
        rate,
        lane: 'repos',
        ttlMs: licenceTtlMs,
        headers,
        secretHeaders,
        signal,
      });
      return answer.license?.spdx_id ?? 'NOASSERTION';
    } catch (thrown) {
      // Renamed or deleted since it was indexed: the licence is unknown.
      if (thrown instanceof RefusedError) return 'NOASSERTION';
      throw thrown;
    }
  }

  return {
    name: 'github',
    kind: 'code',
    async search(query) {
      const { limit, signal } = query;
      let terms = 'language:python';
      for (const word of plainWords(query, 6)) {
        if (terms.length + word.length + 1 <= longestQuery) terms = `${word} ${terms}`;
      }
      if (terms === 'language:python') return [];
      const url = new URL('/search/code', base);
      url.searchParams.set('q', terms);
      url.searchParams.set('per_page', String(Math.min(100, limit)));
      const rate = codeSearchRate;
      const {
        answer: { items },
        retrievedAt,
      } = await askService(client, 'GitHub', codeSearchSchema, {
        url,
        rate,
        lane: 'code',
        ttlMs: searchTtlMs,
        headers,
        secretHeaders,
        signal,
      });
      const known = new Map<string, string>();
      for (const name of new Set(items.map(({ repository }) => repository.full_name))) {
        known.set(name, await licenceOf(name, signal));
      }
      return items.flatMap(({ path, html_url, repository, text_matches }) => {
        const name = repository.full_name;
        const licence = known.get(name) ?? 'NOASSERTION';
        if (licences === 'permissive' && !permissive.has(licence)) return [];
        return foundDocument({
          id: evidenceIdSchema.parse(`github:${name}/${encodeURI(cleanLine(path, 500))}`.slice(0, 300)),
          source: 'github',
          kind: 'code',
          url: html_url,
          retrievedAt,
          licence,
          title: `${name}: ${path}`,
          authors: [name.slice(0, name.indexOf('/'))],
          year: null,
          abstract: repository.description ?? '',
          body: (text_matches ?? []).map(({ fragment }) => fragment).join('\n...\n'),
        });
      });
    },
  };
}
