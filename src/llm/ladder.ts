import type { AnswerSchema } from './chat.ts';
import { type ChatFault, namesTools } from './retry.ts';

/** How the form of an answer is requested: enforced by the server, JSON of any form, or words alone. */
const answerForms = ['schema', 'object', 'words'] as const;
type AnswerFormKind = (typeof answerForms)[number];

/** Parts of a request that a server may refuse and that an answer does not depend on, and what a request without one gets. */
const without = {
  stream_options: 'no stream_options: usage may be estimated',
  temperature: 'no temperature: its own default applies',
  effort: 'no effort: its own default applies',
  summary: 'no request for a summary of its reasoning',
  reasoning: 'no reasoning of earlier answers',
  cache: 'no marks for its prompt cache',
  system: 'the system prompt in the first message',
  max_tokens: 'max_completion_tokens for max_tokens',
} as const;
export type OptionalPart = keyof typeof without;

/** What one request contained, so that a refusal of something else is not misread. */
export interface Sent {
  readonly form: AnswerFormKind | null;
  readonly parts: readonly OptionalPart[];
  readonly maxTokens: number;
  /** Tokens of the prompt, as counted. */
  readonly promptTokens: number;
}

/** How servers name what they refuse. The first rule whose part was sent and whose words occur applies. */
const rules: readonly { readonly part: OptionalPart | 'form'; readonly words: RegExp }[] = [
  { part: 'stream_options', words: /stream_options|include_usage/i },
  { part: 'summary', words: /summar|adaptive/i },
  { part: 'cache', words: /cache_control|prompt_cache/i },
  { part: 'reasoning', words: /reasoning_content|reasoning_details/i },
  { part: 'temperature', words: /temperature/i },
  { part: 'effort', words: /effort|\breasoning\b|thinking/i },
  { part: 'summary', words: /\breasoning\b|thinking/i },
  {
    part: 'max_tokens',
    words: /['"`]?max_tokens['"`]?.{0,80}(not supported|unsupported|deprecated|use|unknown)|max_completion_tokens/i,
  },
  {
    part: 'system',
    words: /system (role|message|prompt)|role.{0,20}system|roles must alternate|only user and assistant roles/i,
  },
  {
    part: 'form',
    words:
      /response_format|json_schema|json_object|output_config|output_format|text\.format|structured.?output|guided|grammar|schema/i,
  },
];

/** A server that names nothing gets less and less, in this order. */
const blindOrder: readonly (OptionalPart | 'form')[] = [
  'form',
  'form',
  'stream_options',
  'summary',
  'effort',
  'temperature',
  'max_tokens',
];
const saysNothing =
  /^\W*(\{\W*)?("?(error|message|detail|code|status)"?\W*)*(bad request|invalid request|unprocessable entity|validation error|not implemented|no reason given|4\d\d|50\d)?\W*$/i;

const tooLong =
  /context|too long|n_ctx|max_model_len|maximum.{0,30}(tokens|length)|max_tokens.{0,40}(too large|at most|exceed|less than|greater)|prompt is too/i;

/** Fewer output tokens than this cannot carry an answer. */
const leastTokens = 256;
const margin = 64;

/** What a refusal for length states: a limit of the output, or of the whole context and the prompt's share of it. */
type Lengths = { readonly output: number } | { readonly context: number; readonly prompt: number | null };

const numberIn = (text: string, patterns: readonly RegExp[], fits: (value: number) => boolean): number | null => {
  for (const pattern of patterns) {
    const value = Number(pattern.exec(text)?.[1]?.replaceAll(',', '') ?? Number.NaN);
    if (fits(value)) return value;
  }
  return null;
};

const outputLimits = [
  /(?:at most |maximum (?:allowed )?(?:number of )?(?:output|completion) tokens[^\d]{0,40}|> ?)(\d[\d,]*)/i,
  /max(?:_completion|_output)?_tokens[^\d]{0,60}(?:less than or equal to|<=|up to)[^\d]{0,20}(\d[\d,]*)/i,
];
const contextLimits = [
  /"n_ctx":\s*(\d[\d,]*)/i,
  /context (?:length|size|window)[^\d]{0,40}(\d[\d,]*)/i,
  /max_model_len[^\d]{0,20}(\d[\d,]*)/i,
  /(?:maximum|limit)[^\d]{0,60}(\d[\d,]*)/i,
];
const promptShares = [
  /"n_prompt_tokens":\s*(\d[\d,]*)/i,
  /(\d[\d,]*) (?:tokens )?(?:in|from|of) (?:the |your )?(?:messages|prompt|input)/i,
  /(?:prompt|input|messages)[^\d]{0,40}(\d[\d,]*) (?:input )?tokens/i,
];

/** Null for a refusal that states no limit. */
function lengthsIn(text: string, maxTokens: number): Lengths | null {
  if (!tooLong.test(text)) return null;
  if (!/context|n_ctx|max_model_len/i.test(text)) {
    const output = numberIn(text, outputLimits, (value) => value >= leastTokens && value < maxTokens);
    if (output !== null) return { output };
  }
  const context = numberIn(text, contextLimits, (value) => value > leastTokens);
  return context === null
    ? null
    : { context, prompt: numberIn(text, promptShares, (value) => value > 0 && value < context) };
}

/**
 * What one model at one server accepts.
 *
 * Role: remembers refused parts of requests, so that each is refused once per process. Non-role: sending.
 *
 * LAD-1. Each refusal that it answers makes the request strictly smaller, so it ends after a few tries.
 * LAD-2. Only parts that were sent are dropped. Tools are not among them: a thought without tools is another thought, and the
 *        gateway records that.
 * LAD-3. It changes the form of a request and never its identity (I5).
 */
export class Ladder {
  #form: AnswerFormKind = 'schema';
  readonly #refused = new Set<OptionalPart>();
  #output = Number.POSITIVE_INFINITY;
  #context = Number.POSITIVE_INFINITY;
  /** The server's tokens per counted one. */
  #share = 1;

  get form(): AnswerFormKind {
    return this.#form;
  }

  accepts(part: OptionalPart): boolean {
    return !this.#refused.has(part);
  }

  /** The output limit of a request; servers count the frame of a conversation, so a margin stays free. */
  limit(maxTokens: number, promptTokens: number): number {
    const room = Math.floor(this.#context - promptTokens * this.#share) - margin;
    return Math.min(maxTokens, this.#output, Math.max(leastTokens, room));
  }

  /** What the next request does without, in words; null if the refusal concerns nothing that could be left out. */
  learn({ status, detail }: ChatFault, sent: Sent): string | null {
    const refusing = status !== null && [400, 404, 405, 413, 415, 422, 500, 501].includes(status);
    if (!refusing || namesTools.test(detail)) return null;
    const lengths = status === 500 ? null : lengthsIn(detail, sent.maxTokens);
    if (lengths) return this.#shrink(lengths, sent);
    for (const { part, words } of rules) {
      if (!words.test(detail)) continue;
      const step = this.#drop(part, sent);
      if (step) return step;
    }
    // A long text says something; and the pattern's cost grows faster than its length.
    if (status === 500 || status === 404 || detail.length > 200 || !saysNothing.test(detail)) return null;
    for (const part of blindOrder) {
      const step = this.#drop(part, sent);
      if (step) return step;
    }
    return null;
  }

  #shrink(lengths: Lengths, { maxTokens, promptTokens }: Sent): string | null {
    if ('output' in lengths) this.#output = Math.min(this.#output, lengths.output);
    else {
      this.#context = Math.min(this.#context, lengths.context);
      if (lengths.prompt !== null) this.#share = Math.max(this.#share, lengths.prompt / promptTokens);
    }
    const next = this.limit(maxTokens, promptTokens);
    return next < maxTokens && next > leastTokens ? `answers of at most ${next} tokens` : null;
  }

  #drop(part: OptionalPart | 'form', { form, parts }: Sent): string | null {
    if (part === 'form') {
      const next = answerForms[answerForms.indexOf(form ?? 'words') + 1];
      if (form === null || next === undefined) return null;
      if (answerForms.indexOf(next) > answerForms.indexOf(this.#form)) this.#form = next;
      return next === 'object'
        ? 'the schema of answers is in the prompt'
        : 'the form of answers is in the prompt alone';
    }
    if (!parts.includes(part)) return null;
    this.#refused.add(part);
    // A model that takes no effort does not reason, and has nothing to summarise.
    if (part === 'effort') this.#refused.add('summary');
    return without[part];
  }
}

/** The schema in the prompt, for a server that does not enforce it or while a grammar would keep a model from calling tools. */
export const formInWords = ({ json }: AnswerSchema, calling: boolean): string =>
  `\n\n${calling ? 'When you need no more tools, answer' : 'Answer'} with JSON that matches this JSON Schema:\n${JSON.stringify(json)}`;
