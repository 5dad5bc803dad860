import { join, resolve } from 'node:path';
import * as z from 'zod';
import type { Usage } from '../domain/agent.ts';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import { formatZodError } from '../domain/inputFile.ts';
import { type JsonBounds, parseJson } from '../domain/json.ts';
import { type ChatModelName, splitModel } from '../domain/model.ts';
import { readTextFile } from '../platform/index.ts';
import { type ChatRequest, type Meter, textsOf } from './chat.ts';

const dollars = z.number().nonnegative();
/** US dollars per million tokens. `cached` and `written` default to `input`. */
const priceSchema = z.strictObject({
  input: dollars,
  cached: dollars.optional(),
  written: dollars.optional(),
  output: dollars,
});
type Price = z.infer<typeof priceSchema>;

const priceFileSchema = z.strictObject({
  /** Date of the prices. */
  asOf: z.iso.date(),
  unit: z.string().optional(),
  /** By `provider/name`; `provider/*` applies to all other models of a provider. */
  models: z.record(z.string().regex(/^(openai|anthropic|compatible)\/.+$/), priceSchema),
});
type PriceFile = z.infer<typeof priceFileSchema>;

export interface Prices {
  readonly asOf: string;
  /**
   * Null without a price. A dated name (`gpt-6-sol-2026-09-22`) has the price of its family.
   *
   * @param baseUrl where a `compatible/` model is served. Off this machine the shipped price of 0 does not apply: the
   * server may send a bill, and only a price of the user's own file says that it does not.
   */
  of(model: ChatModelName, baseUrl?: string): Price | null;
}

/** `src/llm` and `dist/llm` are equally deep below the package root. */
const shipped = join(resolve(import.meta.dirname, '../..'), 'prices/prices.json');

const bounds: JsonBounds = { characters: 1024 * 1024, depth: 8, items: 50_000 };

function read(path: string): PriceFile {
  const remedy = 'fix the file, or omit --prices';
  const text = readTextFile(path, { code: 'prices', remedy, mostBytes: bounds.characters });
  let raw: unknown;
  try {
    raw = parseJson(text, bounds);
  } catch (cause) {
    throw new PrerequisiteError('prices', `${path} is not JSON: ${errorMessage(cause)}`, remedy, { cause });
  }
  const parsed = priceFileSchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const why = formatZodError(parsed.error, priceFileSchema).join('; ');
  throw new PrerequisiteError('prices', `invalid price file ${path}: ${why}`, remedy);
}

/** Whether an address is of this machine. */
function isLoopback(baseUrl: string): boolean {
  if (!URL.canParse(baseUrl)) return false;
  const host = new URL(baseUrl).hostname.replace(/^\[|\]$/g, '');
  return host === 'localhost' || host.endsWith('.localhost') || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** The shipped prices, overridden per model by the user's file. @throws PrerequisiteError for an invalid file. */
export function loadPrices(override?: string): Prices {
  const own = override === undefined ? null : read(override);
  const files = [read(shipped), ...(own ? [own] : [])];
  const models = Object.assign({}, ...files.map((file) => file.models)) as Record<string, Price>;
  return {
    asOf: files.map((file) => file.asOf).sort()[0] as string,
    of(model, baseUrl) {
      const family = model.replace(/-\d{4}-?\d{2}-?\d{2}$/, '');
      const { provider } = splitModel(model);
      const any = `${provider}/*`;
      const isRemote = provider === 'compatible' && baseUrl !== undefined && !isLoopback(baseUrl);
      const general = isRemote ? own?.models[any] : models[any];
      return models[model] ?? models[family] ?? general ?? null;
    },
  };
}

/** Cost of a call in dollars. */
export function cost({ input, cached, written, output }: Usage, price: Price): number {
  const fresh = Math.max(0, input - cached - written);
  const perMillion =
    fresh * price.input +
    cached * (price.cached ?? price.input) +
    written * (price.written ?? price.input) +
    output * price.output;
  return perMillion / 1e6;
}

const bytesOf = ({ system, messages, tail = '', schema, tools = [] }: ChatRequest): number[] =>
  [
    system,
    ...messages.flatMap(textsOf),
    tail,
    ...(schema ? [JSON.stringify(schema.json)] : []),
    ...tools.map((tool) => JSON.stringify(tool)),
  ].map((text) => Buffer.byteLength(text));

/** Maximum tokens of a provider's message framing. */
const framing = 16;

/**
 * Upper bound of a request's usage: a token is at least one byte in every tokenizer, and all input is counted as cache
 * writes, its most expensive form. Two to four times the actual usage of our prompts; the settlement releases the rest.
 */
export function mostUsage(request: ChatRequest): Usage {
  const bytes = bytesOf(request);
  const input = bytes.reduce((sum, each) => sum + each + framing, 0);
  return { input, cached: 0, written: input, output: request.maxTokens };
}

/** Bytes of a token in our prompts, where no answer has stated another figure: counts of several tokenizers are 3 to 4.5. */
export const usualBytesPerToken = 3;

/** Estimated input tokens of a request. */
export function countedTokens(request: ChatRequest, bytesPerToken: number = usualBytesPerToken): number {
  return Math.ceil(bytesOf(request).reduce((sum, each) => sum + each, 0) / bytesPerToken);
}

/**
 * Usage where a provider stated none, or the answer did not arrive: input as stated, else counted; output as received.
 *
 * @param received characters of the answer.
 */
export function countedUsage(request: ChatRequest, { stated, received }: Meter, bytesPerToken: number): Usage {
  const output = Math.min(request.maxTokens, Math.ceil(received / bytesPerToken));
  const prompt = stated ?? { input: countedTokens(request, bytesPerToken), cached: 0, written: 0 };
  return { ...prompt, output };
}
