import * as z from 'zod';
import { type JsonBounds, parseJson } from '../../domain/json.ts';
import type { Item, LiteratureSource } from '../../domain/literature.ts';
import type { IndexedDocument } from '../corpus.ts';
import type { GetRequest, LiteratureClient } from '../http/client.ts';
import { MalformedAnswerError } from '../http/errors.ts';
import { cleanLine, contentWords } from '../text.ts';

export interface SourceQuery {
  readonly text: string;
  readonly must?: readonly string[] | undefined;
  readonly since?: number | undefined;
  readonly limit: number;
  readonly signal?: AbortSignal | undefined;
}

/** A service that knows works which the notes do not. */
export interface OnlineSource {
  readonly name: LiteratureSource;
  readonly kind: Item['kind'];
  /**
   * Works in the service's own order of relevance, none with hints. @throws MalformedAnswerError when the service does not
   * answer in its format; and whatever the client throws.
   */
  search(query: SourceQuery): Promise<IndexedDocument[]>;
}

const day = 24 * 60 * 60 * 1000;
/** How long an answer is used without asking again: new works appear daily, and searches are repeated within days. */
export const searchTtlMs = 7 * day;

/** The first telling words of a query, for services that look for plain words; empty when there are none. */
export function plainWords({ text, must = [] }: SourceQuery, most: number): string[] {
  return contentWords([...must, text].join(' ')).slice(0, most);
}

/**
 * What a service that speaks JSON answers, and when that was known to be current (ISO 8601).
 *
 * @throws MalformedAnswerError when it is not what `schema` says; and whatever the client throws.
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

/** OpenAlex sends each abstract word by word, with the places of each. */
const answerBounds: JsonBounds = { characters: 2 * 1024 * 1024, depth: 24, items: 200_000 };

/** An answer as this schema. @throws MalformedAnswerError naming the first thing that is wrong. */
function parseAnswer<T>(service: string, body: string, schema: z.ZodType<T>): T {
  let raw: unknown;
  try {
    raw = parseJson(body, answerBounds);
  } catch (cause) {
    throw new MalformedAnswerError(service, 'no JSON', { cause });
  }
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new MalformedAnswerError(service, `${z.core.toDotPath(issue?.path ?? [])} ${issue?.message}`.slice(0, 200));
}

/** What all documents of online sources have in common: nobody of Aira has checked them, and they carry no hints. */
export function foundDocument(
  given: Pick<IndexedDocument, 'id' | 'source' | 'kind' | 'url' | 'retrievedAt' | 'licence' | 'title' | 'abstract'> & {
    authors: readonly string[];
    year: number | null;
    body?: string;
  },
): IndexedDocument {
  const { authors, year, body = '', ...rest } = given;
  return {
    ...rest,
    title: cleanLine(given.title, 1000),
    authors: authors.slice(0, 100).map((name) => cleanLine(name, 200)),
    year: year !== null && Number.isInteger(year) && year >= 1900 && year <= 2100 ? year : null,
    body,
    topic: null,
    hints: [],
    certainty: 'unverified',
  };
}
