import OpenAI from 'openai';
import type { ChatCompletionChunk, ChatCompletionCreateParamsStreaming } from 'openai/resources/chat/completions';
import type { Usage } from '../domain/agent.ts';
import { splitModel } from '../domain/model.ts';
import {
  argumentsText,
  type ChatMessage,
  type ChatModel,
  type ChatReply,
  type ChatRequest,
  finished,
  type Meter,
  type ProviderState,
  refusalText,
  type ToolCall,
} from './chat.ts';
import { formInWords, type Ladder, type OptionalPart, type Sent } from './ladder.ts';
import { ChatFault } from './retry.ts';
import { type Collector, type Endpoint, type Fetch, sdkOptions, type Watch, wireModel } from './wire.ts';

/** Removes reasoning that some servers send in the answer, between these tags; some omit the opening one. */
function withoutReasoning(text: string): string {
  const end = text.lastIndexOf('</think>');
  if (end >= 0) return text.slice(end + '</think>'.length).trimStart();
  // Cut off within the thought: there is no answer.
  return /^\s*<think>/.test(text) ? '' : text;
}

/** The fields in which servers send reasoning; it is returned in the field that it came in. */
const reasoningFields = ['reasoning_content', 'reasoning'] as const;
type ReasoningField = (typeof reasoningFields)[number];

function messagesOf(message: ChatMessage, withReasoning: boolean): object[] {
  if (message.role === 'user') return [{ role: 'user', content: message.text }];
  if (message.role === 'tools') {
    return message.results.map(({ id, text }) => ({ role: 'tool', tool_call_id: id, content: text }));
  }
  const { text, calls = [], carried = [] } = message;
  const called = calls.map((call) => ({
    id: call.id,
    type: 'function' as const,
    // Servers that parse arguments fail for good on broken ones.
    function: { name: call.name, arguments: argumentsText(call) },
  }));
  const reasoning = withReasoning ? carried.flatMap(({ field, text }) => [[field, text]]) : [];
  return [
    {
      role: 'assistant',
      content: text,
      ...Object.fromEntries(reasoning),
      ...(called.length > 0 ? { tool_calls: called } : {}),
    },
  ];
}

/** Text, or a list of parts of which some are text. */
function plainText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .map((part: unknown) => {
      if (typeof part === 'string') return part;
      const { type = 'text', text } = (part ?? {}) as { type?: unknown; text?: unknown };
      return typeof text === 'string' && (type === 'text' || type === 'output_text') ? text : '';
    })
    .join('');
}

const finishes: Readonly<Record<string, 'truncated' | 'refused'>> = {
  length: 'truncated',
  max_tokens: 'truncated',
  model_length: 'truncated',
  model_context_window_exceeded: 'truncated',
  content_filter: 'refused',
  safety: 'refused',
  recitation: 'refused',
  refusal: 'refused',
};

const count = (value: unknown): number => {
  const number = Math.round(Number(value ?? 0));
  return Number.isFinite(number) && number > 0 ? number : 0;
};

/** Usage as stated; null where a server states none, or only zeros. */
function usageOf(stated: object): Usage | null {
  const {
    prompt_tokens,
    completion_tokens,
    prompt_tokens_details: details,
    prompt_cache_hit_tokens,
  } = stated as {
    readonly [key: string]: unknown;
  };
  const input = count(prompt_tokens);
  if (input === 0) return null;
  const { cached_tokens, cache_write_tokens } = (details ?? {}) as { readonly [key: string]: unknown };
  const cached = Math.min(input, count(cached_tokens ?? prompt_cache_hit_tokens));
  const written = Math.min(input - cached, count(cache_write_tokens));
  return { input, cached, written, output: count(completion_tokens) };
}

interface PartOfCall {
  readonly index?: unknown;
  readonly id?: unknown;
  readonly function?: { readonly name?: unknown; readonly arguments?: unknown } | null;
}

const textual = (value: unknown): string =>
  typeof value === 'string' ? value : value === null || value === undefined ? '' : JSON.stringify(value);

/** Assembles calls from their parts. Servers omit the index, repeat it for another call, or give two calls one id. */
function callCollector() {
  const calls: { index: unknown; id: string; name: string; arguments: string }[] = [];
  const find = ({ index, id, function: part }: PartOfCall) => {
    const last = calls.at(-1);
    const named = typeof id === 'string' && id !== '';
    if (index !== undefined && index !== null) {
      // A second id or a second name at the same index is another call.
      const known = calls.findLast((call) => call.index === index);
      return known && (!named || known.id === '' || known.id === id) && !(part?.name && known.arguments !== '')
        ? known
        : undefined;
    }
    if (named) return calls.findLast((call) => call.id === id && !part?.name);
    return part?.name ? undefined : last;
  };
  return {
    add(part: PartOfCall): void {
      const known = find(part);
      const call = known ?? { index: part.index, id: '', name: '', arguments: '' };
      if (!known) calls.push(call);
      call.id ||= textual(part.id);
      call.name ||= textual(part.function?.name);
      call.arguments += textual(part.function?.arguments);
    },
    all(): ToolCall[] {
      const ids = new Set<string>();
      return calls
        .filter(({ name }) => name !== '')
        .map(({ id, name, arguments: given }, position) => {
          const own = id === '' || ids.has(id) ? `${id || 'call'}-${position}` : id;
          ids.add(own);
          return { id: own, name, arguments: given || '{}' };
        });
    },
  };
}

/** Calls that a model wrote as text, because its server does not know its template. Linear in the length of the text. */
function callsInText(text: string): { text: string; calls: ToolCall[] } {
  const calls: ToolCall[] = [];
  const [rest = '', ...pieces] = text.split('<tool_call>');
  const others = pieces.map((piece) => {
    const end = piece.indexOf('</tool_call>');
    try {
      const { name, arguments: given } = JSON.parse(piece.slice(0, Math.max(0, end))) as Record<string, unknown>;
      if (typeof name !== 'string') throw new SyntaxError('a call without a name');
      calls.push({ id: `call-${calls.length}`, name, arguments: textual(given) || '{}' });
      return piece.slice(end + '</tool_call>'.length);
    } catch {
      return `<tool_call>${piece}`;
    }
  });
  return { text: rest + others.join(''), calls };
}

/** Tools that the model may call now. */
const openTools = ({ tools = [], toolsClosed }: ChatRequest) => (toolsClosed ? [] : tools);

function collector(request: ChatRequest, meter: Meter): Collector<ChatCompletionChunk> {
  const calling = openTools(request).length > 0;
  const called = callCollector();
  let text = '';
  let refusal = '';
  let served: string | null = null;
  let finish: string | null = null;
  let usage: Usage | null = null;
  let dollars: number | null = null;
  let reasoning: { field: ReasoningField; text: string } | null = null;
  const readUsage = (stated: object): void => {
    usage = usageOf(stated) ?? usage;
    const { cost } = stated as { cost?: unknown };
    const stands = cost === null || cost === undefined ? Number.NaN : Number(cost);
    if (Number.isFinite(stands) && stands >= 0) dollars = stands;
    if (usage) meter.stated = { input: usage.input, cached: usage.cached, written: usage.written };
  };
  return {
    take(chunk: ChatCompletionChunk): void {
      served = typeof chunk.model === 'string' && chunk.model !== '' ? chunk.model : served;
      const choice = chunk.choices?.[0] as
        | {
            delta?: Record<string, unknown>;
            message?: Record<string, unknown>;
            text?: unknown;
            finish_reason?: unknown;
          }
        | undefined;
      const part = choice?.delta ?? choice?.message ?? {};
      const content = plainText(part.content) || plainText(choice?.text);
      text += content;
      refusal += textual(part.refusal);
      for (const field of reasoningFields) {
        const thought = part[field];
        if (typeof thought !== 'string' || thought === '') continue;
        // Some servers send the same thought in both fields.
        if (reasoning && reasoning.field !== field) continue;
        reasoning = { field, text: (reasoning?.text ?? '') + thought };
        meter.received += thought.length;
      }
      for (const call of Array.isArray(part.tool_calls) ? (part.tool_calls as PartOfCall[]) : []) {
        called.add(call);
        meter.received += textual(call.function?.arguments).length;
      }
      meter.received += content.length;
      if (typeof choice?.finish_reason === 'string' && choice.finish_reason !== '') finish = choice.finish_reason;
      if (chunk.usage) readUsage(chunk.usage);
    },
    reply(done: boolean): ChatReply {
      // Some servers send no reason with their end mark.
      if (finish === null && !done) throw new ChatFault('dropped', 'the answer ended prematurely');
      if (finish === 'error') throw new ChatFault('unavailable', 'the model behind the provider failed');
      const inText = calling ? callsInText(withoutReasoning(text)) : { text: withoutReasoning(text), calls: [] };
      const structured = called.all();
      const calls = structured.length > 0 ? structured : inText.calls;
      const answer = inText.text;
      const ending = finishes[(finish ?? '').toLowerCase()];
      const shown = reasoning as { text: string } | null;
      const thought = shown ? { reasoning: shown.text } : {};
      const paid = { usage, served, ...thought, ...(dollars === null ? {} : { dollars }) };
      if (refusal !== '' || ending === 'refused')
        return { text: refusalText(finish === 'stop' ? null : finish, refusal || answer), finish: 'refused', ...paid };
      if (ending === 'truncated') return { text: answer, finish: 'truncated', ...paid };
      const carried: ProviderState[] = reasoning && calls.length > 0 ? [{ ...(reasoning as object) }] : [];
      return {
        text: answer,
        finish: finished(answer, calls),
        ...(calls.length > 0 ? { calls, ...(carried.length > 0 ? { carried } : {}) } : {}),
        ...paid,
      };
    },
  };
}

/** The body of a request in the form that the server accepts, and what it contains. */
function bodyOf(
  request: ChatRequest,
  ladder: Ladder,
): { body: ChatCompletionCreateParamsStreaming } & Pick<Sent, 'form' | 'parts'> {
  const { maxTokens, schema, effort, temperature } = request;
  const tools = openTools(request);
  const calling = tools.length > 0;
  // A grammar for the answer would keep the model from calling tools.
  const form = schema && !calling ? ladder.form : null;
  const inWords = schema && (calling || form !== 'schema') ? formInWords(schema, calling) : '';
  const parts = new Set<OptionalPart>();
  const offer = <T extends object>(part: OptionalPart, fields: T | null): Partial<T> => {
    if (fields === null || !ladder.accepts(part)) return {};
    parts.add(part);
    return fields;
  };
  const system = request.system + inWords;
  const turns = messagesWithTail(request);
  const withReasoning = ladder.accepts('reasoning');
  if (withReasoning && turns.some((turn) => turn.role === 'assistant' && (turn.carried ?? []).length > 0)) {
    parts.add('reasoning');
  }
  const [first, ...rest] = turns;
  const messages = ladder.accepts('system')
    ? [{ role: 'system', content: system }, ...turns.flatMap((turn) => messagesOf(turn, withReasoning))]
    : [
        { role: 'user', content: `${system}\n\n${first?.role === 'user' ? first.text : ''}` },
        ...rest.flatMap((turn) => messagesOf(turn, withReasoning)),
      ];
  if (ladder.accepts('system')) parts.add('system');
  if (ladder.accepts('max_tokens')) parts.add('max_tokens');
  const functions = tools.map(({ name, description, json }) => ({
    type: 'function' as const,
    function: { name, description, parameters: { ...json } },
  }));
  const body = {
    model: splitModel(request.model).name,
    messages,
    // Local servers know the older of the two names.
    [ladder.accepts('max_tokens') ? 'max_tokens' : 'max_completion_tokens']: maxTokens,
    stream: true,
    ...offer('stream_options', { stream_options: { include_usage: true } }),
    ...offer('temperature', temperature === undefined ? null : { temperature }),
    ...offer('effort', effort ? { reasoning_effort: effort } : null),
    ...(calling ? { tools: functions } : {}),
    ...(form === 'schema' && schema
      ? {
          response_format: {
            type: 'json_schema',
            json_schema: { name: schema.name, schema: { ...schema.json }, strict: true },
          },
        }
      : {}),
    ...(form === 'object' ? { response_format: { type: 'json_object' } } : {}),
  };
  return {
    body: body as unknown as ChatCompletionCreateParamsStreaming,
    form,
    parts: [...parts],
  };
}

/** The conversation with the changing line at its end. */
function messagesWithTail({ messages, tail = '' }: ChatRequest): readonly ChatMessage[] {
  const last = messages.at(-1);
  if (tail === '' || !last || last.role === 'assistant') return messages;
  const before = messages.slice(0, -1);
  if (last.role === 'user') return [...before, { role: 'user', text: `${last.text}\n\n${tail}` }];
  const end = last.results.at(-1);
  if (!end) return messages;
  return [...before, { ...last, results: [...last.results.slice(0, -1), { ...end, text: `${end.text}\n\n${tail}` }] }];
}

/** Events of an answer that came whole. */
const asEvents = (document: unknown): string => `data: ${JSON.stringify(document)}\n\ndata: [DONE]\n\n`;

/**
 * Any server of the Chat Completions API. Schemas are requested, but many servers ignore them, so answers are checked. While
 * tools may be called, no schema is sent: servers that enforce one would prevent the calls. What a server refuses is left out
 * from then on (`ladder.ts`).
 */
export function compatibleModel({ key, baseUrl }: Endpoint, watch: Watch): ChatModel {
  const client = new OpenAI({
    apiKey: key.reveal(),
    baseURL: baseUrl ?? null,
    ...sdkOptions,
  });
  const send = (body: ChatCompletionCreateParamsStreaming, signal: AbortSignal, fetch: Fetch) =>
    client.withOptions({ fetch }).chat.completions.create(body, { signal });
  return wireModel({ bodyOf, send, collector, asEvents }, watch);
}
