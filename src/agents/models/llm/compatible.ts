import OpenAI from 'openai';
import type { ChatCompletionChunk } from 'openai/resources/chat/completions';
import type { Usage } from '../../../domain/call.ts';
import { splitModel } from '../../../domain/model.ts';
import { type ChatModel, type ChatReply, type ChatRequest, finished } from './chat.ts';
import { ChatFault } from './faults.ts';
import type { Endpoint } from './keys.ts';
import { readStream, type Watch } from './stream.ts';

/** Some servers send their reasoning in the answer, between these tags, and some lose the opening one. */
function withoutReasoning(text: string): string {
  const end = text.lastIndexOf('</think>');
  return end < 0 ? text : text.slice(end + '</think>'.length).trimStart();
}

function collector() {
  let text = '';
  let refusal = '';
  let served: string | null = null;
  let finish: string | null = null;
  let usage: Usage | null = null;
  return {
    take(chunk: ChatCompletionChunk): void {
      served = chunk.model || served;
      const choice = chunk.choices?.[0];
      text += choice?.delta?.content ?? '';
      refusal += choice?.delta?.refusal ?? '';
      finish = choice?.finish_reason ?? finish;
      if (chunk.usage) {
        const { prompt_tokens: input = 0, completion_tokens: output = 0, prompt_tokens_details: details } = chunk.usage;
        usage = { input, cached: details?.cached_tokens ?? 0, written: 0, output };
      }
    },
    reply(): ChatReply {
      if (finish === null) throw new ChatFault('dropped', 'the answer broke off before its end');
      const said = withoutReasoning(text);
      if (refusal !== '' || finish === 'content_filter')
        return { text: refusal || said, finish: 'refused', usage, served };
      return { text: said, finish: finish === 'length' ? 'truncated' : finished(said), usage, served };
    },
  };
}

/** Any server of the Chat Completions API. Schemas are asked for; many servers ignore them, so answers are checked. */
export function compatibleModel({ key, baseUrl }: Endpoint, watch: Watch): ChatModel {
  const client = new OpenAI({
    apiKey: key.reveal(),
    baseURL: baseUrl ?? null,
    maxRetries: 0,
    timeout: watch.patience.totalMs,
    logLevel: 'off',
  });
  return {
    async complete(request: ChatRequest, signal) {
      const { system, messages, schema, maxTokens, effort, temperature } = request;
      const { take, reply } = collector();
      const open = (inner: AbortSignal) =>
        client.chat.completions.create(
          {
            model: splitModel(request.model).name,
            messages: [
              { role: 'system', content: system },
              ...messages.map(({ role, text }) => ({ role, content: text })),
            ],
            // The older of the two names is the one that local servers know.
            max_tokens: maxTokens,
            stream: true,
            stream_options: { include_usage: true },
            ...(temperature === undefined ? {} : { temperature }),
            ...(effort ? { reasoning_effort: effort } : {}),
            ...(schema
              ? {
                  response_format: {
                    type: 'json_schema' as const,
                    json_schema: { name: schema.name, schema: { ...schema.json }, strict: true },
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
