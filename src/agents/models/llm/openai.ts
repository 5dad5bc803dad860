import OpenAI from 'openai';
import type { ResponseStreamEvent, Response as ResponsesAnswer } from 'openai/resources/responses/responses';
import { splitModel } from '../../../domain/model.ts';
import { type ChatModel, type ChatReply, type ChatRequest, finished } from './chat.ts';
import { asFault, ChatFault } from './faults.ts';
import type { Endpoint } from './keys.ts';
import { readStream, type Watch } from './stream.ts';

function replyOf(answer: ResponsesAnswer): ChatReply {
  const parts = answer.output.flatMap((item) => (item.type === 'message' ? item.content : []));
  const text = parts.map((part) => (part.type === 'output_text' ? part.text : '')).join('');
  const refusal = parts.find((part) => part.type === 'refusal');
  const { usage, incomplete_details: incomplete } = answer;
  const declined = refusal !== undefined || incomplete?.reason === 'content_filter';
  return {
    text: declined && refusal?.type === 'refusal' ? refusal.refusal : text,
    finish: declined ? 'refused' : incomplete ? 'truncated' : finished(text),
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
    timeout: watch.patience.totalMs,
    logLevel: 'off',
  });
  return {
    async complete(request: ChatRequest, signal) {
      const { system, messages, schema, maxTokens, effort } = request;
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
            input: messages.map(({ role, text }) => ({ role, content: text })),
            max_output_tokens: maxTokens,
            store: false,
            stream: true,
            ...(effort ? { reasoning: { effort } } : {}),
            ...(schema
              ? { text: { format: { type: 'json_schema', name: schema.name, schema: schema.json, strict: true } } }
              : {}),
          },
          { signal: inner },
        );
      await readStream(open, take, watch, signal);
      if (answer === null) throw new ChatFault('dropped', 'the answer broke off before its end');
      return replyOf(answer);
    },
  };
}
