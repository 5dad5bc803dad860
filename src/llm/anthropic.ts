import Anthropic from '@anthropic-ai/sdk';
import type {
  ContentBlockParam,
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
  finished,
  type ProviderState,
} from './chat.ts';
import { ChatFault } from './faults.ts';
import type { Endpoint } from './keys.ts';
import { readStream, type Watch } from './stream.ts';

/** A message in the form of the Messages API: signed thoughts are returned before the calls that they led to. */
function paramOf(message: ChatMessage): MessageParam {
  if (message.role === 'user') return { role: 'user', content: message.text };
  if (message.role === 'tools') {
    const content = message.results.map(({ id, text, failed }) => ({
      type: 'tool_result' as const,
      tool_use_id: id,
      content: text,
      ...(failed ? { is_error: true } : {}),
    }));
    return { role: 'user', content };
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

/** A block in transit: a call, or a thought that its provider signs. */
type Block =
  | { readonly kind: 'call'; readonly id: string; readonly name: string; text: string }
  | { readonly kind: 'thought'; text: string; signature: string }
  | { readonly kind: 'hidden'; readonly data: string };

/** Collects the events of one answer. Input counts come with the first event, output counts with the last but one. */
function collector() {
  let text = '';
  let served: string | null = null;
  let stop: string | null = null;
  let isComplete = false;
  const blocks = new Map<number, Block>();
  const usage = { fresh: 0, cached: 0, written: 0, output: 0 };
  return {
    take(event: RawMessageStreamEvent): void {
      switch (event.type) {
        case 'message_start':
          served = event.message.model;
          usage.fresh = event.message.usage.input_tokens;
          usage.cached = event.message.usage.cache_read_input_tokens ?? 0;
          usage.written = event.message.usage.cache_creation_input_tokens ?? 0;
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
          if (delta.type === 'text_delta') text += delta.text;
          else if (delta.type === 'input_json_delta' && block?.kind === 'call') block.text += delta.partial_json;
          else if (delta.type === 'thinking_delta' && block?.kind === 'thought') block.text += delta.thinking;
          else if (delta.type === 'signature_delta' && block?.kind === 'thought') block.signature += delta.signature;
          break;
        }
        case 'message_delta':
          stop = event.delta.stop_reason;
          usage.output = event.usage.output_tokens;
          break;
        case 'message_stop':
          isComplete = true;
          break;
      }
    },
    reply(): ChatReply {
      if (!isComplete) throw new ChatFault('dropped', 'the answer isComplete prematurely');
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
      return {
        text,
        served,
        ...(stop === 'tool_use' && calls.length > 0 ? { calls, carried } : {}),
        finish: stop === 'refusal' ? 'refused' : cut ? 'truncated' : finished(text, calls),
        // This API counts cache reads and writes in addition to the input, not as parts of it.
        usage: { input: fresh + cached + written, cached, written, output },
      };
    },
  };
}

/** Anthropic's Messages API, streamed; the system prompt is marked for the prompt cache. It supports no temperature. */
export function anthropicModel({ key, baseUrl }: Endpoint, watch: Watch): ChatModel {
  const client = new Anthropic({
    apiKey: key.reveal(),
    authToken: null,
    baseURL: baseUrl ?? 'https://api.anthropic.com',
    maxRetries: 0,
    timeout: watch.timeouts.totalMs,
    logLevel: 'off',
  });
  return {
    async complete(request: ChatRequest, signal) {
      const { system, messages, schema, maxTokens, effort, tools, toolsClosed } = request;
      const { take, reply } = collector();
      const open = (inner: AbortSignal) =>
        client.messages.create(
          {
            model: splitModel(request.model).name,
            system: [{ type: 'text', text: system, cache_control: { type: 'ephemeral' } }],
            messages: messages.map(paramOf),
            max_tokens: maxTokens,
            stream: true,
            ...(tools
              ? {
                  tools: tools.map(({ name, description, json }) => {
                    return { name, description, input_schema: { ...json } as Tool.InputSchema };
                  }),
                  tool_choice: { type: toolsClosed ? ('none' as const) : ('auto' as const) },
                }
              : {}),
            ...(effort || schema
              ? {
                  output_config: {
                    ...(effort ? { effort } : {}),
                    ...(schema ? { format: { type: 'json_schema' as const, schema: { ...schema.json } } } : {}),
                  },
                }
              : {}),
          },
          { signal: inner },
        );
      await readStream(open, take, watch, signal);
      return reply();
    },
  };
}
