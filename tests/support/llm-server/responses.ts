import * as z from 'zod';
import {
  type Asked,
  answered,
  called,
  callId,
  event,
  halves,
  jsonSchema,
  message,
  plain,
  type Said,
  say,
  sealed,
  type Turn,
  turns,
} from './asked.ts';

const functionCall = z.strictObject({
  type: z.literal('function_call'),
  call_id: z.string(),
  name: z.string(),
  arguments: z.string(),
});
const functionOutput = z.strictObject({
  type: z.literal('function_call_output'),
  call_id: z.string(),
  output: z.string(),
});
const reasoning = z.strictObject({
  type: z.literal('reasoning'),
  id: z.string(),
  summary: z.array(z.unknown()),
  encrypted_content: z.literal(sealed),
});

const responsesBody = z.strictObject({
  model: z.string(),
  instructions: z.string(),
  input: z.array(z.union([message, functionCall, functionOutput, reasoning])).min(1),
  max_output_tokens: z.int().positive(),
  store: z.literal(false),
  stream: z.literal(true),
  reasoning: z.strictObject({ effort: z.string() }).optional(),
  tools: z
    .array(
      z.strictObject({
        type: z.literal('function'),
        name: z.string(),
        description: z.string(),
        parameters: jsonSchema,
        strict: z.literal(true),
      }),
    )
    .optional(),
  tool_choice: z.enum(['auto', 'none']).optional(),
  text: z
    .strictObject({
      format: z.strictObject({
        type: z.literal('json_schema'),
        name: z.string(),
        schema: jsonSchema,
        strict: z.literal(true),
      }),
    })
    .optional(),
});

/** @throws when the body is not what the real server would take. */
export function responsesAsked(body: unknown): Asked {
  const { model, instructions, input, max_output_tokens, reasoning, text, tools, tool_choice } =
    responsesBody.parse(body);
  const thoughts = input.filter((item) => 'type' in item && item.type === 'reasoning').length;
  const parts = input.flatMap((item): Turn[] => {
    if (!('type' in item)) return [say(item.role, item.content)];
    if (item.type === 'function_call')
      return [called([{ id: item.call_id, name: item.name, arguments: item.arguments }])];
    if (item.type === 'function_call_output') return [answered({ id: item.call_id, text: item.output, failed: false })];
    return [];
  });
  const messages = turns(parts);
  if (messages.filter(({ calls }) => calls).length !== thoughts) throw new Error('a call came without its reasoning');
  return {
    ...{ ...plain, format: 'responses', model, system: instructions, messages },
    ...{ maxTokens: max_output_tokens, schemaName: text?.format.name ?? null, effort: reasoning?.effort ?? null },
    ...{ tools: tools?.map(({ name }) => name) ?? [], toolsOpen: tools !== undefined && tool_choice === 'auto' },
  };
}

/** The answer as pieces of a server-sent event stream. */
export function responsesEvents({ model, messages }: Asked, { text, calls, finish, usage }: Said): string[] {
  const content =
    finish === 'refused'
      ? [{ type: 'refusal', refusal: text }]
      : text === ''
        ? []
        : [{ type: 'output_text', text, annotations: [] }];
  const response = {
    id: 'resp_1',
    object: 'response',
    model,
    status: finish === 'truncated' ? 'incomplete' : 'completed',
    incomplete_details: finish === 'truncated' ? { reason: 'max_output_tokens' } : null,
    error: null,
    output: [
      ...(calls.length > 0 ? [{ id: 'rs_1', type: 'reasoning', summary: [], encrypted_content: sealed }] : []),
      ...(calls.length === 0 || content.length > 0
        ? [{ id: 'msg_1', type: 'message', role: 'assistant', status: 'completed', content }]
        : []),
      ...calls.map((call, index) => ({
        ...{ type: 'function_call', id: `fc_${index}`, status: 'completed' },
        ...{ call_id: callId(10 * messages.length + index), ...call },
      })),
    ],
    usage: {
      input_tokens: usage.input,
      input_tokens_details: { cached_tokens: usage.cached, cache_write_tokens: usage.written },
      output_tokens: usage.output,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: usage.input + usage.output,
    },
  };
  return [
    event('response.created', { response: { ...response, output: [], usage: null } }),
    ...halves(text).map((delta) => event('response.output_text.delta', { item_id: 'msg_1', delta })),
    event(finish === 'truncated' ? 'response.incomplete' : 'response.completed', { response }),
  ];
}

/** An error inside a stream that began well. */
export function responsesError(): string {
  return event('error', { code: 'server_error', message: 'something broke', param: null, sequence_number: 1 });
}
