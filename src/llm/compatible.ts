import OpenAI from 'openai';
import type { ChatCompletionChunk, ChatCompletionMessageParam } from 'openai/resources/chat/completions';
import type { Usage } from '../domain/call.ts';
import { splitModel } from '../domain/model.ts';
import {
  type AnswerSchema,
  type ChatMessage,
  type ChatModel,
  type ChatReply,
  type ChatRequest,
  finished,
} from './chat.ts';
import { ChatFault } from './faults.ts';
import type { Endpoint } from './keys.ts';
import { readStream, type Watch } from './stream.ts';

/** Removes reasoning that some servers send in the answer, between these tags; some omit the opening one. */
function withoutReasoning(text: string): string {
  const end = text.lastIndexOf('</think>');
  return end < 0 ? text : text.slice(end + '</think>'.length).trimStart();
}

function paramsOf(message: ChatMessage): ChatCompletionMessageParam[] {
  if (message.role === 'user') return [{ role: 'user', content: message.text }];
  if (message.role === 'tools') {
    return message.results.map(({ id, text }) => ({ role: 'tool', tool_call_id: id, content: text }));
  }
  const { text, calls = [] } = message;
  const called = calls.map(({ id, name, arguments: given }) => ({
    id,
    type: 'function' as const,
    function: { name, arguments: given },
  }));
  return [{ role: 'assistant', content: text, ...(called.length > 0 ? { tool_calls: called } : {}) }];
}

/** States the schema in the prompt, because a grammar for the answer would keep the model from calling tools. */
const formInWords = ({ json }: AnswerSchema): string =>
  `\n\nWhen you need no more tools, answer with JSON that matches this JSON Schema:\n${JSON.stringify(json)}`;

function collector() {
  const called = new Map<number, { id: string; name: string; arguments: string }>();
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
      for (const { index, id, function: part } of choice?.delta?.tool_calls ?? []) {
        const known = called.get(index) ?? { id: '', name: '', arguments: '' };
        called.set(index, {
          id: known.id || (id ?? ''),
          name: known.name || (part?.name ?? ''),
          arguments: known.arguments + (part?.arguments ?? ''),
        });
      }
      finish = choice?.finish_reason ?? finish;
      if (chunk.usage) {
        const { prompt_tokens: input = 0, completion_tokens: output = 0, prompt_tokens_details: details } = chunk.usage;
        usage = { input, cached: details?.cached_tokens ?? 0, written: 0, output };
      }
    },
    reply(): ChatReply {
      if (finish === null) throw new ChatFault('dropped', 'the answer ended prematurely');
      const answer = withoutReasoning(text);
      if (refusal !== '' || finish === 'content_filter')
        return { text: refusal || answer, finish: 'refused', usage, served };
      // Some servers send no id, and some finish calls with "stop".
      const calls = [...called]
        .sort(([a], [b]) => a - b)
        .map(([index, call]) => ({ ...call, id: call.id || `call-${index}`, arguments: call.arguments || '{}' }));
      if (finish === 'length') return { text: answer, finish: 'truncated', usage, served };
      return { text: answer, finish: finished(answer, calls), ...(calls.length > 0 ? { calls } : {}), usage, served };
    },
  };
}

/**
 * Any server of the Chat Completions API. Schemas are requested, but many servers ignore them, so answers are checked. While
 * tools may be called, no schema is sent: servers that enforce one would prevent the calls.
 */
export function compatibleModel({ key, baseUrl }: Endpoint, watch: Watch): ChatModel {
  const client = new OpenAI({
    apiKey: key.reveal(),
    baseURL: baseUrl ?? null,
    maxRetries: 0,
    timeout: watch.timeouts.totalMs,
    logLevel: 'off',
  });
  return {
    async complete(request: ChatRequest, signal) {
      const { system, messages, schema, maxTokens, effort, temperature, tools, toolsClosed } = request;
      const calling = tools !== undefined && !toolsClosed;
      const { take, reply } = collector();
      const open = (inner: AbortSignal) =>
        client.chat.completions.create(
          {
            model: splitModel(request.model).name,
            messages: [
              { role: 'system', content: calling && schema ? system + formInWords(schema) : system },
              ...messages.flatMap(paramsOf),
            ],
            // Local servers know the older of the two names.
            max_tokens: maxTokens,
            stream: true,
            stream_options: { include_usage: true },
            ...(temperature === undefined ? {} : { temperature }),
            ...(effort ? { reasoning_effort: effort } : {}),
            ...(calling
              ? {
                  tools: tools.map(({ name, description, json }) => ({
                    type: 'function' as const,
                    function: { name, description, parameters: { ...json } },
                  })),
                }
              : {}),
            ...(schema && !calling
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
