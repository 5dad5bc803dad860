import OpenAI from 'openai';
import type {
  ResponseCreateParamsStreaming,
  ResponseInputItem,
  ResponseInputText,
  ResponseStreamEvent,
  Response as ResponsesAnswer,
} from 'openai/resources/responses/responses';
import { splitModel } from '../domain/model.ts';
import {
  argumentsText,
  type ChatMessage,
  type ChatModel,
  type ChatReply,
  type ChatRequest,
  cacheMark,
  finished,
  type Meter,
  type ProviderState,
  refusalText,
} from './chat.ts';
import { formInWords, type Ladder, type Sent } from './ladder.ts';
import { ChatFault, eventFault } from './retry.ts';
import { type Collector, type Endpoint, type Fetch, sdkOptions, type Watch, wireModel } from './wire.ts';

const breakpoint = { prompt_cache_breakpoint: { mode: 'explicit' as const } };
const piece = (text: string, marked = false): ResponseInputText => ({
  type: 'input_text',
  text,
  ...(marked ? breakpoint : {}),
});

/**
 * A message as items of the Responses API: encrypted reasoning is returned before the calls that it led to.
 *
 * @param marked the cached part of the conversation ends with this message.
 * @param tail text behind the mark.
 */
function itemsOf(message: ChatMessage, marked: boolean, tail: string): ResponseInputItem[] {
  const after = tail === '' ? [] : [piece(tail)];
  if (message.role === 'tools') {
    return message.results.map(({ id, text }, index) => {
      const isLast = index === message.results.length - 1;
      const output = isLast && (marked || tail !== '') ? [piece(text, marked), ...after] : text;
      return { type: 'function_call_output', call_id: id, output };
    });
  }
  if (message.role === 'user') return [{ role: 'user', content: [piece(message.text, marked), ...after] }];
  const { text, calls = [], carried = [] } = message;
  return [
    ...(carried as unknown as ResponseInputItem[]),
    ...(text === '' ? [] : [{ role: 'assistant' as const, content: text }]),
    ...calls.map((call) => ({
      type: 'function_call' as const,
      call_id: call.id,
      name: call.name,
      arguments: argumentsText(call),
    })),
  ];
}

function replyOf(answer: ResponsesAnswer): ChatReply {
  const calls = answer.output.flatMap((item) =>
    item.type === 'function_call' ? [{ id: item.call_id, name: item.name, arguments: item.arguments }] : [],
  );
  const carried = answer.output.flatMap((item) =>
    item.type === 'reasoning' && item.encrypted_content ? [JSON.parse(JSON.stringify(item)) as ProviderState] : [],
  );
  const parts = answer.output.flatMap((item) => (item.type === 'message' ? item.content : []));
  const text = parts.map((part) => (part.type === 'output_text' ? part.text : '')).join('');
  const refusal = parts.find((part) => part.type === 'refusal');
  const reasoning = answer.output
    .flatMap((item) => (item.type === 'reasoning' ? (item.summary ?? []).map((part) => part.text) : []))
    .join('\n\n');
  const { usage, incomplete_details: incomplete } = answer;
  const declined = refusal !== undefined || incomplete?.reason === 'content_filter';
  return {
    text: declined ? refusalText(incomplete?.reason, refusal?.type === 'refusal' ? refusal.refusal : text) : text,
    finish: declined ? 'refused' : incomplete ? 'truncated' : finished(text, calls),
    ...(declined || incomplete || calls.length === 0 ? {} : { calls, carried }),
    ...(reasoning === '' ? {} : { reasoning }),
    served: answer.model ?? null,
    usage: usage
      ? {
          input: usage.input_tokens,
          cached: usage.input_tokens_details?.cached_tokens ?? 0,
          written: usage.input_tokens_details?.cache_write_tokens ?? 0,
          output: usage.output_tokens,
        }
      : null,
  };
}

/** The body of a request in the form that the server accepts, and what it contains. */
function bodyOf(
  request: ChatRequest,
  ladder: Ladder,
): { body: ResponseCreateParamsStreaming } & Pick<Sent, 'form' | 'parts'> {
  const { system, messages, maxTokens, schema, effort, tools, toolsClosed, tail = '' } = request;
  const form = schema ? ladder.form : null;
  const caching = ladder.accepts('cache');
  const withEffort = effort !== undefined && ladder.accepts('effort');
  const withSummary = ladder.accepts('summary');
  const marked = caching ? cacheMark(request) : null;
  const rules = schema && form !== 'schema' ? system + formInWords(schema, false) : system;
  const body: ResponseCreateParamsStreaming = {
    model: splitModel(request.model).name,
    input: [
      { role: 'developer', content: [piece(rules, caching)] },
      ...messages.flatMap((message, index) =>
        itemsOf(message, index === marked, index === messages.length - 1 ? tail : ''),
      ),
    ],
    max_output_tokens: maxTokens,
    store: false,
    stream: true,
    // The implicit breakpoint is at the last message, which always changes: it would be written each time and never read.
    ...(caching ? { prompt_cache_options: { mode: 'explicit' } } : {}),
    ...(withEffort || withSummary
      ? { reasoning: { ...(withEffort ? { effort } : {}), ...(withSummary ? { summary: 'auto' as const } : {}) } }
      : {}),
    ...(form === 'schema' && schema
      ? { text: { format: { type: 'json_schema', name: schema.name, schema: schema.json, strict: true } } }
      : {}),
    ...(form === 'object' ? { text: { format: { type: 'json_object' } } } : {}),
    ...(tools
      ? {
          tools: tools.map(({ name, description, json }) => ({
            type: 'function' as const,
            name,
            description,
            parameters: { ...json },
            strict: true,
          })),
          tool_choice: toolsClosed ? ('none' as const) : ('auto' as const),
        }
      : {}),
  };
  const parts = [
    ...(caching ? (['cache'] as const) : []),
    ...(withEffort ? (['effort'] as const) : []),
    ...(withSummary ? (['summary'] as const) : []),
  ];
  return { body, form, parts };
}

/** An answer that came whole, as the last event of a stream. */
const asEvents = (document: unknown): string =>
  `data: ${JSON.stringify({ type: 'response.completed', response: document })}\n\n`;

function collector(_request: ChatRequest, meter: Meter, now: () => number): Collector<ResponseStreamEvent> {
  let answer: ResponsesAnswer | null = null;
  return {
    take(event: ResponseStreamEvent): void {
      if ('delta' in event && typeof event.delta === 'string') meter.received += event.delta.length;
      switch (event.type) {
        case 'response.completed':
        case 'response.incomplete':
          answer = event.response;
          break;
        case 'response.failed': {
          const { code, message } = event.response.error ?? { code: null, message: 'no reason given' };
          const stated = event.response.usage;
          if (stated) meter.stated = { input: stated.input_tokens, cached: 0, written: 0 };
          throw eventFault(code, message, now());
        }
        case 'error':
          throw eventFault(event.code, event.message, now());
      }
    },
    reply(): ChatReply {
      if (answer === null) throw new ChatFault('dropped', 'the answer ended prematurely');
      return replyOf(answer);
    },
  };
}

/** OpenAI's Responses API, streamed. Nothing is stored at the provider; what requests share is marked for the prompt cache. */
export function openaiModel({ key, baseUrl }: Endpoint, watch: Watch): ChatModel {
  const client = new OpenAI({
    apiKey: key.reveal(),
    baseURL: baseUrl ?? 'https://api.openai.com/v1',
    ...sdkOptions,
  });
  const send = (body: ResponseCreateParamsStreaming, signal: AbortSignal, fetch: Fetch) =>
    client.withOptions({ fetch }).responses.create(body, { signal });
  return wireModel({ bodyOf, send, collector, asEvents }, watch);
}
