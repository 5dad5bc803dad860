import OpenAI from 'openai';
import type {
  ResponseInputItem,
  ResponseStreamEvent,
  Response as ResponsesAnswer,
} from 'openai/resources/responses/responses';
import { splitModel } from '../domain/model.ts';
import {
  type ChatMessage,
  type ChatModel,
  type ChatReply,
  type ChatRequest,
  finished,
  type ProviderState,
} from './chat.ts';
import { asFault, ChatFault } from './faults.ts';
import type { Endpoint } from './keys.ts';
import { readStream, type Watch } from './stream.ts';

/** A message as items of the Responses API: encrypted reasoning is returned before the calls that it led to. */
function itemsOf(message: ChatMessage): ResponseInputItem[] {
  if (message.role === 'tools') {
    return message.results.map(({ id, text }) => ({ type: 'function_call_output', call_id: id, output: text }));
  }
  if (message.role === 'user') return [{ role: 'user', content: message.text }];
  const { text, calls = [], carried = [] } = message;
  return [
    ...(carried as unknown as ResponseInputItem[]),
    ...(text === '' ? [] : [{ role: 'assistant' as const, content: text }]),
    ...calls.map(({ id, name, arguments: given }) => ({
      type: 'function_call' as const,
      call_id: id,
      name,
      arguments: given,
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
  const { usage, incomplete_details: incomplete } = answer;
  const declined = refusal !== undefined || incomplete?.reason === 'content_filter';
  return {
    text: declined && refusal?.type === 'refusal' ? refusal.refusal : text,
    finish: declined ? 'refused' : incomplete ? 'truncated' : finished(text, calls),
    ...(declined || incomplete || calls.length === 0 ? {} : { calls, carried }),
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

/** OpenAI's Responses API, streamed. Nothing is stored at the provider. */
export function openaiModel({ key, baseUrl }: Endpoint, watch: Watch): ChatModel {
  const client = new OpenAI({
    apiKey: key.reveal(),
    baseURL: baseUrl ?? 'https://api.openai.com/v1',
    maxRetries: 0,
    timeout: watch.timeouts.totalMs,
    logLevel: 'off',
  });
  return {
    async complete(request: ChatRequest, signal) {
      const { system, messages, schema, maxTokens, effort, tools, toolsClosed } = request;
      let answer: ResponsesAnswer | null = null;
      const take = (event: ResponseStreamEvent) => {
        if (event.type === 'response.completed' || event.type === 'response.incomplete') answer = event.response;
        else if (event.type === 'response.failed') {
          const { code, message } = event.response.error ?? { code: 'server_error', message: 'no reason given' };
          throw asFault({ message, code, error: { code } }, true, watch.clock.now());
        } else if (event.type === 'error') {
          throw asFault({ message: event.message, code: event.code, error: event }, true, watch.clock.now());
        }
      };
      const open = (inner: AbortSignal) =>
        client.responses.create(
          {
            model: splitModel(request.model).name,
            instructions: system,
            input: messages.flatMap(itemsOf),
            max_output_tokens: maxTokens,
            store: false,
            stream: true,
            ...(effort ? { reasoning: { effort } } : {}),
            ...(schema
              ? { text: { format: { type: 'json_schema', name: schema.name, schema: schema.json, strict: true } } }
              : {}),
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
          },
          { signal: inner },
        );
      await readStream(open, take, watch, signal);
      if (answer === null) throw new ChatFault('dropped', 'the answer ended prematurely');
      return replyOf(answer);
    },
  };
}
