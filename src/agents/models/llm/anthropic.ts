import Anthropic from '@anthropic-ai/sdk';
import type { RawMessageStreamEvent } from '@anthropic-ai/sdk/resources/messages/messages';
import { splitModel } from '../../../domain/model.ts';
import { type ChatModel, type ChatReply, type ChatRequest, finished } from './chat.ts';
import { ChatFault } from './faults.ts';
import type { Endpoint } from './keys.ts';
import { readStream, type Watch } from './stream.ts';

/** Adds up the events of one answer. Input figures come with the first, output figures with the last but one. */
function collector() {
  let text = '';
  let served: string | null = null;
  let stop: string | null = null;
  let ended = false;
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
        case 'content_block_delta':
          if (event.delta.type === 'text_delta') text += event.delta.text;
          break;
        case 'message_delta':
          stop = event.delta.stop_reason;
          usage.output = event.usage.output_tokens;
          break;
        case 'message_stop':
          ended = true;
          break;
      }
    },
    reply(): ChatReply {
      if (!ended) throw new ChatFault('dropped', 'the answer broke off before its end');
      const cut = stop === 'max_tokens' || stop === 'model_context_window_exceeded';
      const { fresh, cached, written, output } = usage;
      return {
        text,
        served,
        finish: stop === 'refusal' ? 'refused' : cut ? 'truncated' : finished(text),
        // This API counts what is read from and written to the cache beside the input, not within it.
        usage: { input: fresh + cached + written, cached, written, output },
      };
    },
  };
}

/** Anthropic's Messages API, streamed; the system prompt is marked for the prompt cache. It takes no temperature. */
export function anthropicModel({ key, baseUrl }: Endpoint, watch: Watch): ChatModel {
  const client = new Anthropic({
    apiKey: key.reveal(),
    authToken: null,
    baseURL: baseUrl ?? 'https://api.anthropic.com',
    maxRetries: 0,
    timeout: watch.patience.totalMs,
    logLevel: 'off',
  });
  return {
    async complete(request: ChatRequest, signal) {
      const { system, messages, schema, maxTokens, effort } = request;
      const { take, reply } = collector();
      const open = (inner: AbortSignal) =>
        client.messages.create(
          {
            model: splitModel(request.model).name,
            system: [{ type: 'text', text: system, cache_control: { type: 'ephemeral' } }],
            messages: messages.map(({ role, text }) => ({ role, content: text })),
            max_tokens: maxTokens,
            stream: true,
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
