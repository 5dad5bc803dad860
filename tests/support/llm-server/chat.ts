import * as z from 'zod';
import {
  type Asked,
  answered,
  called,
  callId,
  halves,
  jsonSchema,
  plain,
  type Said,
  say,
  type Turn,
  turns,
} from './asked.ts';

const chatBody = z.strictObject({
  model: z.string(),
  messages: z
    .array(
      z.union([
        z.strictObject({ role: z.enum(['system', 'user']), content: z.string() }),
        z.strictObject({
          role: z.literal('assistant'),
          content: z.string(),
          tool_calls: z
            .array(
              z.strictObject({
                id: z.string(),
                type: z.literal('function'),
                function: z.strictObject({ name: z.string(), arguments: z.string() }),
              }),
            )
            .min(1)
            .optional(),
        }),
        z.strictObject({ role: z.literal('tool'), tool_call_id: z.string(), content: z.string() }),
      ]),
    )
    .min(2),
  max_tokens: z.int().positive(),
  stream: z.literal(true),
  stream_options: z.strictObject({ include_usage: z.literal(true) }),
  temperature: z.number().optional(),
  reasoning_effort: z.string().optional(),
  tools: z
    .array(
      z.strictObject({
        type: z.literal('function'),
        function: z.strictObject({ name: z.string(), description: z.string(), parameters: jsonSchema }),
      }),
    )
    .optional(),
  response_format: z
    .strictObject({
      type: z.literal('json_schema'),
      json_schema: z.strictObject({ name: z.string(), schema: jsonSchema, strict: z.literal(true) }),
    })
    .optional(),
});

/** @throws when the body is not what the real server would take. */
export function chatAsked(body: unknown): Asked {
  const { model, messages, max_tokens, temperature, reasoning_effort, response_format, tools } = chatBody.parse(body);
  // As servers do that keep an answer to its schema by a grammar.
  if (tools && response_format) throw new Error('cannot use a grammar with tools');
  const [system, ...rest] = messages;
  const parts = rest.map((each): Turn => {
    if (each.role === 'tool') return answered({ id: each.tool_call_id, text: each.content, failed: false });
    if (each.role !== 'assistant') return say('user', each.content);
    const calls = each.tool_calls?.map(({ id, function: { name, arguments: given } }) => ({
      id,
      name,
      arguments: given,
    }));
    return calls ? called(calls, each.content) : say('assistant', each.content);
  });
  return {
    ...{ ...plain, format: 'chat', model, system: system?.content ?? '', messages: turns(parts) },
    ...{ maxTokens: max_tokens, schemaName: response_format?.json_schema.name ?? null },
    ...{ effort: reasoning_effort ?? null, temperature: temperature ?? null },
    ...{ tools: tools?.map(({ function: { name } }) => name) ?? [], toolsOpen: tools !== undefined },
  };
}

/** The answer as pieces of a server-sent event stream. */
export function chatEvents(
  { model, messages }: Asked,
  { text, calls, finish, usage }: Said,
  saysUsage: boolean,
): string[] {
  const chunk = (rest: object) =>
    `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model, ...rest })}\n\n`;
  const part = (delta: object, finish_reason: string | null = null) =>
    chunk({ choices: [{ index: 0, delta, finish_reason }] });
  const reason =
    calls.length > 0 ? 'tool_calls' : { complete: 'stop', truncated: 'length', refused: 'content_filter' }[finish];
  const figures = {
    prompt_tokens: usage.input,
    completion_tokens: usage.output,
    total_tokens: usage.input + usage.output,
    prompt_tokens_details: { cached_tokens: usage.cached },
  };
  return [
    part({ role: 'assistant', content: '' }),
    ...halves(text).map((content) => part({ content })),
    ...calls.flatMap(({ name, arguments: given }, index) => {
      const id = callId(10 * messages.length + index);
      const [first, second] = halves(given);
      return [
        part({ tool_calls: [{ index, id, type: 'function', function: { name, arguments: first } }] }),
        part({ tool_calls: [{ index, function: { arguments: second } }] }),
      ];
    }),
    part({}, reason),
    ...(saysUsage ? [chunk({ choices: [], usage: figures })] : []),
    'data: [DONE]\n\n',
  ];
}

/** An error inside a stream that began well. */
export function chatError(): string {
  return `data: ${JSON.stringify({ error: { message: 'something broke', type: 'server_error', code: 500 } })}\n\n`;
}
