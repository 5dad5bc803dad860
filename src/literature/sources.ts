import * as z from 'zod';
import { type JsonBounds, parseJson } from '../domain/json.ts';
import type { Item, LiteratureSource } from '../domain/literature.ts';
import type { IndexedDocument } from './corpus.ts';
import type { GetRequest, LiteratureClient } from './http/client.ts';
import { MalformedAnswerError } from './http/errors.ts';
import { cleanLine, contentWords } from './text.ts';

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
export const searchTtlMs = 7 * day;

/** The first content words of a query, for services that search plain words; may be empty. */
export function plainWords({ text, must = [] }: SourceQuery, most: number): string[] {
  return contentWords([...must, text].join(' ')).slice(0, most);
}

/**
 * The parsed answer of a JSON service, and when it was last known to be current (ISO 8601).
 *
 * @throws MalformedAnswerError if it does not match `schema`; and the client's errors.
 */
export async function askService<T>(
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
export function foundDocument(
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
