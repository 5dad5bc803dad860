import { parseXml, XmlElement, XmlError } from '@rgrove/parse-xml';
import * as z from 'zod';
import { type JsonBounds, parseJson } from '../domain/json.ts';
import { type EvidenceId, evidenceIdSchema, type Item, type LiteratureSource } from '../domain/literature.ts';
import { type GetRequest, type LiteratureClient, MalformedAnswerError, RefusedError } from './client.ts';
import type { IndexedDocument } from './corpus.ts';
import { cleanLine, contentWords, words } from './text.ts';

/**
 * The literature services: arXiv, Semantic Scholar, OpenAlex, and GitHub's code search.
 *
 * Role: what a question becomes at each service, and a document of each answer. Non-role: rates, caching, retries (client.ts).
 */

interface SourceQuery {
  readonly text: string;
  readonly must?: readonly string[] | undefined;
  readonly since?: number | undefined;
  readonly limit: number;
  readonly signal?: AbortSignal | undefined;
}

/** A literature service. */
export interface OnlineSource {
  readonly name: LiteratureSource;
  readonly kind: Item['kind'];
  /**
   * Works in the service's order of relevance, without hints. @throws MalformedAnswerError for an invalid response; and the
   * client's errors.
   */
  search(query: SourceQuery): Promise<IndexedDocument[]>;
}

const day = 24 * 60 * 60 * 1000;
/** How long a search result stays fresh: new works appear daily, and searches are repeated within days. */
const searchTtlMs = 7 * day;

/** The first content words of a query, for services that search plain words; may be empty. */
function plainWords({ text, must = [] }: SourceQuery, most: number): string[] {
  return contentWords([...must, text].join(' ')).slice(0, most);
}

/**
 * The parsed answer of a JSON service, and when it was last known to be current (ISO 8601).
 *
 * @throws MalformedAnswerError if it does not match `schema`; and the client's errors.
 */
async function askService<T>(
  client: LiteratureClient,
  service: string,
  schema: z.ZodType<T>,
  request: Omit<GetRequest, 'check'>,
): Promise<{ readonly answer: T; readonly retrievedAt: string }> {
  const parse = (body: string): T => parseAnswer(service, body, schema);
  const { body, retrievedAt } = await client.get({ ...request, check: parse });
  return { answer: parse(body), retrievedAt };
}

/** OpenAlex sends each abstract as words with their positions. */
const answerBounds: JsonBounds = { characters: 2 * 1024 * 1024, depth: 24, items: 200_000 };

/** Parses an answer by the schema. @throws MalformedAnswerError naming the first problem. */
function parseAnswer<T>(service: string, body: string, schema: z.ZodType<T>): T {
  let raw: unknown;
  try {
    raw = parseJson(body, answerBounds);
  } catch (cause) {
    throw new MalformedAnswerError(service, 'not JSON', { cause });
  }
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new MalformedAnswerError(service, `${z.core.toDotPath(issue?.path ?? [])} ${issue?.message}`.slice(0, 200));
}

/** An online document with its common fields: unverified and without hints. */
function foundDocument(
  found: Pick<IndexedDocument, 'id' | 'source' | 'kind' | 'url' | 'retrievedAt' | 'licence' | 'title' | 'abstract'> & {
    authors: readonly string[];
    year: number | null;
    body?: string;
  },
): IndexedDocument {
  const { authors, year, body = '', ...rest } = found;
  return {
    ...rest,
    title: cleanLine(found.title, 1000),
    authors: authors.slice(0, 100).map((name) => cleanLine(name, 200)),
    year: year !== null && Number.isInteger(year) && year >= 1900 && year <= 2100 ? year : null,
    body,
    topic: null,
    hints: [],
    certainty: 'unverified',
  };
}

/** arXiv's terms: at most one request in three seconds, over one connection. */
const arxivRate = { burst: 1, everyMs: 3_000 };
const mostQueryWords = 12;

const elements = (parent: XmlElement, name: string): XmlElement[] =>
  parent.children.filter((child): child is XmlElement => child instanceof XmlElement && child.name === name);
const textOf = (parent: XmlElement, name: string): string => elements(parent, name)[0]?.text.trim() ?? '';

/** `all:` searches all fields; quotes keep AND, OR and ANDNOT from acting as operators. */
function searchQuery(text: string, must: readonly string[]): string | null {
  const field = (word: string) => `all:"${word}"`;
  const required = must.flatMap(words).slice(0, mostQueryWords).map(field);
  const optional = contentWords(text).slice(0, mostQueryWords).map(field);
  if (optional.length === 0 && required.length === 0) return null;
  const any = optional.length > 0 ? [`(${optional.join(' OR ')})`] : [];
  return [...required, ...any].join(' AND ');
}

function parseEntry(entry: XmlElement, retrievedAt: string): IndexedDocument {
  const link = textOf(entry, 'id');
  const id = /\/abs\/(\S{1,100}?)(v\d+)?$/.exec(link)?.[1];
  const title = textOf(entry, 'title');
  if (!id || title === '')
    throw new MalformedAnswerError('arXiv', `an entry without id or title (${link.slice(0, 80)})`);
  const published = Number(textOf(entry, 'published').slice(0, 4));
  return foundDocument({
    id: evidenceIdSchema.parse(`arxiv:${id}`) as EvidenceId,
    source: 'arxiv',
    kind: 'paper',
    url: `https://arxiv.org/abs/${id}`,
    retrievedAt,
    licence: 'CC0-1.0 (metadata)',
    title,
    authors: elements(entry, 'author').map((author) => textOf(author, 'name')),
    year: published,
    abstract: textOf(entry, 'summary'),
  });
}

/** A feed of twenty works has about sixty thousand. The parser takes a third of a millisecond per thousand. */
const mostCharacters = 128 * 1024;
const mostDepth = 16;

/** Deep nesting exhausts the parser's stack. Comments and the like can only make a feed seem deeper than it is. */
function isShallow(body: string): boolean {
  let depth = 0;
  for (let at = body.indexOf('<'); at >= 0; at = body.indexOf('<', at + 1)) {
    const next = body[at + 1];
    if (next === '/') depth--;
    else if (next !== '?' && next !== '!') {
      const end = body.indexOf('>', at);
      if (end < 0) return true;
      if (body[end - 1] !== '/' && ++depth > mostDepth) return false;
      at = end;
    }
  }
  return true;
}

/** Parses the Atom feed of the arXiv API. @throws MalformedAnswerError if it is invalid, or reports an error. */
export function parseArxivFeed(body: string, retrievedAt: string): IndexedDocument[] {
  if (body.length > mostCharacters) throw new MalformedAnswerError('arXiv', `more than ${mostCharacters} characters`);
  if (!isShallow(body)) throw new MalformedAnswerError('arXiv', 'nested too deep');
  let root: XmlElement | null;
  try {
    root = parseXml(body).root;
  } catch (cause) {
    if (!(cause instanceof XmlError)) throw cause;
    throw new MalformedAnswerError('arXiv', 'not XML', { cause });
  }
  if (root?.name !== 'feed') throw new MalformedAnswerError('arXiv', 'not an Atom feed');
  const entries = elements(root, 'entry');
  // An error is a feed, too, whose only entry has its title and message.
  const [first] = entries;
  if (first && textOf(first, 'title') === 'Error') {
    throw new MalformedAnswerError('arXiv', textOf(first, 'summary').slice(0, 200));
  }
  return entries.map((entry) => parseEntry(entry, retrievedAt));
}

export function arxivSource(client: LiteratureClient, base = 'https://export.arxiv.org'): OnlineSource {
  return {
    name: 'arxiv',
    kind: 'paper',
    async search({ text, must = [], since, limit, signal }) {
      const query = searchQuery(text, must);
      if (query === null) return [];
      const url = new URL('/api/query', base);
      url.searchParams.set('search_query', query);
      url.searchParams.set('start', '0');
      url.searchParams.set('max_results', String(limit));
      url.searchParams.set('sortBy', 'relevance');
      const { body, retrievedAt } = await client.get({
        url,
        rate: arxivRate,
        ttlMs: searchTtlMs,
        check: (text) => parseArxivFeed(text, ''),
        signal,
      });
      return parseArxivFeed(body, retrievedAt).filter(({ year }) => since === undefined || (year ?? 0) >= since);
    },
  };
}

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

interface GithubOptions {
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
