import Anthropic from '@anthropic-ai/sdk';
import type {
  ContentBlockParam,
  MessageCreateParamsStreaming,
  MessageDeltaUsage,
  MessageParam,
  RawMessageStreamEvent,
  Tool,
} from '@anthropic-ai/sdk/resources/messages/messages';
import { splitModel } from '../domain/model.ts';
import {
  argumentsOf,
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
import { ChatFault } from './retry.ts';
import { type Collector, type Endpoint, type Fetch, sdkOptions, type Watch, wireModel } from './wire.ts';

const mark = { cache_control: { type: 'ephemeral' as const } };

/**
 * A message in the form of the Messages API: signed thoughts are returned before the calls that they led to.
 *
 * @param marked the cached part of the conversation ends with this message.
 * @param tail text behind the mark.
 */
function paramOf(message: ChatMessage, marked: boolean, tail: string): MessageParam {
  const after = tail === '' ? [] : [{ type: 'text' as const, text: tail }];
  if (message.role === 'user') {
    const { text } = message;
    return { role: 'user', content: [{ type: 'text' as const, text, ...(marked ? mark : {}) }, ...after] };
  }
  if (message.role === 'tools') {
    const results = message.results.map(({ id, text, failed }, index) => ({
      type: 'tool_result' as const,
      tool_use_id: id,
      content: text,
      ...(failed ? { is_error: true } : {}),
      ...(marked && index === message.results.length - 1 ? mark : {}),
    }));
    return { role: 'user', content: [...results, ...after] };
  }
  const { text, calls = [], carried = [] } = message;
  if (calls.length === 0) return { role: 'assistant', content: text };
  const content: ContentBlockParam[] = [
    ...(carried as unknown as ContentBlockParam[]),
    ...(text.trim() === '' ? [] : [{ type: 'text' as const, text }]),
    ...calls.map((call) => ({ type: 'tool_use' as const, id: call.id, name: call.name, input: argumentsOf(call) })),
  ];
  return { role: 'assistant', content };
}

/** An answer that came whole, as the events of a stream. */
function asEvents(document: unknown): string {
  const {
    content = [],
    stop_reason,
    stop_details,
    usage = {},
    ...message
  } = document as Record<string, never> & {
    content?: Record<string, unknown>[];
    usage?: object;
  };
  const blocks = content.flatMap((block, index) => {
    const { type, text, input, thinking, signature } = block;
    const deltas: Record<string, object[]> = {
      text: [{ type: 'text_delta', text }],
      tool_use: [{ type: 'input_json_delta', partial_json: JSON.stringify(input ?? {}) }],
      thinking: [
        { type: 'thinking_delta', thinking },
        { type: 'signature_delta', signature: signature ?? '' },
      ],
    };
    return [
      { type: 'content_block_start', index, content_block: block },
      ...(deltas[String(type)] ?? []).map((delta) => ({ type: 'content_block_delta', index, delta })),
    ];
  });
  const events: { type: string }[] = [
    { type: 'message_start', message: { ...message, usage } } as { type: string },
    ...blocks,
    { type: 'message_delta', delta: { stop_reason, stop_details }, usage } as { type: string },
    { type: 'message_stop' },
  ];
  return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
}

/** A block in transit: a call, or a thought that its provider signs. */
type Block =
  | { readonly kind: 'call'; readonly id: string; readonly name: string; text: string }
  | { readonly kind: 'thought'; text: string; signature: string }
  | { readonly kind: 'hidden'; readonly data: string };

/** Collects the events of one answer. Input counts come with the first event, output counts with the last but one. */
function collector(_request: ChatRequest, meter: Meter): Collector<RawMessageStreamEvent> {
  let text = '';
  let served: string | null = null;
  let stop: string | null = null;
  let refusal: { readonly category?: string | null; readonly explanation?: string | null } | null = null;
  let isComplete = false;
  const blocks = new Map<number, Block>();
  const usage = { fresh: 0, cached: 0, written: 0, output: 0 };
  /** Gateways of other models may state the input at the end only, or not at all. */
  const readInput = (stated: Partial<Record<keyof MessageDeltaUsage, unknown>> | null | undefined): void => {
    const { input_tokens, cache_read_input_tokens, cache_creation_input_tokens } = stated ?? {};
    usage.fresh = Math.max(usage.fresh, Number(input_tokens ?? 0));
    usage.cached = Math.max(usage.cached, Number(cache_read_input_tokens ?? 0));
    usage.written = Math.max(usage.written, Number(cache_creation_input_tokens ?? 0));
    const { fresh, cached, written } = usage;
    const input = fresh + cached + written;
    if (input > 0) meter.stated = { input, cached, written };
  };
  return {
    take(event: RawMessageStreamEvent): void {
      switch (event.type) {
        case 'message_start':
          served = event.message.model;
          readInput(event.message.usage);
          break;
        case 'content_block_start': {
          const { index, content_block: start } = event;
          if (start.type === 'tool_use') blocks.set(index, { kind: 'call', id: start.id, name: start.name, text: '' });
          if (start.type === 'thinking') blocks.set(index, { kind: 'thought', text: '', signature: '' });
          if (start.type === 'redacted_thinking') blocks.set(index, { kind: 'hidden', data: start.data });
          break;
        }
        case 'content_block_delta': {
          const { delta } = event;
          const block = blocks.get(event.index);
          const piece = delta as { text?: string; thinking?: string; partial_json?: string };
          meter.received += (piece.text ?? piece.thinking ?? piece.partial_json ?? '').length;
          if (delta.type === 'text_delta') text += delta.text;
          else if (delta.type === 'input_json_delta' && block?.kind === 'call') block.text += delta.partial_json;
          else if (delta.type === 'thinking_delta' && block?.kind === 'thought') block.text += delta.thinking;
          else if (delta.type === 'signature_delta' && block?.kind === 'thought') block.signature += delta.signature;
          break;
        }
        case 'message_delta':
          stop = event.delta.stop_reason ?? stop;
          refusal = event.delta.stop_details ?? refusal;
          usage.output = Math.max(usage.output, event.usage?.output_tokens ?? 0);
          readInput(event.usage);
          break;
        case 'message_stop':
          isComplete = true;
          break;
      }
    },
    reply(): ChatReply {
      // Some gateways omit the last event; a stop reason ends an answer as well.
      if (!isComplete && stop === null) throw new ChatFault('dropped', 'the answer ended prematurely');
      const cut = stop === 'max_tokens' || stop === 'model_context_window_exceeded';
      const { fresh, cached, written, output } = usage;
      const inOrder = [...blocks].sort(([a], [b]) => a - b).map(([, block]) => block);
      // A call without arguments has no deltas.
      const calls = inOrder.flatMap((block) =>
        block.kind === 'call' ? [{ id: block.id, name: block.name, arguments: block.text || '{}' }] : [],
      );
      const carried = inOrder.flatMap((block): ProviderState[] => {
        if (block.kind === 'hidden') return [{ type: 'redacted_thinking', data: block.data }];
        if (block.kind === 'call' || block.signature === '') return [];
        return [{ type: 'thinking', thinking: block.text, signature: block.signature }];
      });
      const reasoning = inOrder
        .flatMap((block) => (block.kind === 'thought' && block.text ? [block.text] : []))
        .join('\n\n');
      const isRefused = stop === 'refusal';
      const input = fresh + cached + written;
      return {
        text: isRefused ? refusalText(refusal?.category, refusal?.explanation || text) : text,
        served,
        ...(!isRefused && !cut && calls.length > 0 ? { calls, carried } : {}),
        ...(reasoning === '' ? {} : { reasoning }),
        finish: isRefused ? 'refused' : cut ? 'truncated' : finished(text, calls),
        // This API counts cache reads and writes in addition to the input, not as parts of it.
        usage: input + output > 0 ? { input, cached, written, output } : null,
      };
    },
  };
}

/** The body of a request in the form that the server accepts, and what it contains. */
function bodyOf(
  request: ChatRequest,
  ladder: Ladder,
): { body: MessageCreateParamsStreaming } & Pick<Sent, 'form' | 'parts'> {
  const { system, messages, maxTokens, schema, effort, tools, toolsClosed, tail = '' } = request;
  const form = schema ? (ladder.form === 'schema' ? 'schema' : 'words') : null;
  const withEffort = effort !== undefined && ladder.accepts('effort');
  // A model thinks where an effort is set; its summary is shown only on request.
  const withSummary = withEffort && ladder.accepts('summary');
  const marked = cacheMark(request);
  const body: MessageCreateParamsStreaming = {
    model: splitModel(request.model).name,
    system: [
      { type: 'text', text: form === 'words' && schema ? system + formInWords(schema, false) : system, ...mark },
    ],
    messages: messages.map((message, index) =>
      paramOf(message, index === marked, index === messages.length - 1 ? tail : ''),
    ),
    max_tokens: maxTokens,
    stream: true,
    ...(withSummary ? { thinking: { type: 'adaptive' as const, display: 'summarized' as const } } : {}),
    ...(tools
      ? {
          tools: tools.map(({ name, description, json }) => {
            return { name, description, input_schema: { ...json } as Tool.InputSchema };
          }),
          tool_choice: { type: toolsClosed ? ('none' as const) : ('auto' as const) },
        }
      : {}),
    ...(withEffort || form === 'schema'
      ? {
          output_config: {
            ...(withEffort ? { effort } : {}),
            ...(form === 'schema' && schema
              ? { format: { type: 'json_schema' as const, schema: { ...schema.json } } }
              : {}),
          },
        }
      : {}),
  };
  return {
    body,
    form,
    parts: [...(withEffort ? (['effort'] as const) : []), ...(withSummary ? (['summary'] as const) : [])],
  };
}

/** Anthropic's Messages API, streamed; what requests share is marked for the prompt cache. It supports no temperature. */
export function anthropicModel({ key, baseUrl }: Endpoint, watch: Watch): ChatModel {
  const client = new Anthropic({
    apiKey: key.reveal(),
    authToken: null,
    baseURL: baseUrl ?? 'https://api.anthropic.com',
    ...sdkOptions,
  });
  const send = (body: MessageCreateParamsStreaming, signal: AbortSignal, fetch: Fetch) =>
    client.withOptions({ fetch }).messages.create(body, { signal });
  return wireModel({ bodyOf, send, collector, asEvents }, watch);
}
