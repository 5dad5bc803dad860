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
  prefixesOf,
  type Said,
  say,
  sealed,
  type Turn,
  thought,
  turns,
} from './asked.ts';

const inputText = z.strictObject({
  type: z.literal('input_text'),
  text: z.string(),
  prompt_cache_breakpoint: z.strictObject({ mode: z.literal('explicit') }).optional(),
});
const parts = z.array(inputText).min(1);
const input = z.strictObject({ role: z.enum(['developer', 'user']), content: parts });

const functionCall = z.strictObject({
  type: z.literal('function_call'),
  call_id: z.string(),
  name: z.string(),
  arguments: z.string(),
});
const functionOutput = z.strictObject({
  type: z.literal('function_call_output'),
  call_id: z.string(),
  output: z.union([z.string(), parts]),
});
const reasoning = z.strictObject({
  type: z.literal('reasoning'),
  id: z.string(),
  summary: z.array(z.unknown()),
  encrypted_content: z.literal(sealed),
});

const responsesBody = z.strictObject({
  model: z.string(),
  input: z.array(z.union([input, message, functionCall, functionOutput, reasoning])).min(2),
  prompt_cache_options: z.strictObject({ mode: z.literal('explicit') }).optional(),
  max_output_tokens: z.int().positive(),
  store: z.literal(false),
  stream: z.literal(true),
  reasoning: z.strictObject({ effort: z.string().optional(), summary: z.literal('auto').optional() }).optional(),
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

const joined = (content: string | readonly { readonly text: string }[]): string =>
  typeof content === 'string' ? content : content.map(({ text }) => text).join('\n\n');

/** @throws when the body is not what the real server would take. */
export function responsesAsked(body: unknown): Asked {
  const { model, input, max_output_tokens, reasoning, text, tools, tool_choice, prompt_cache_options } =
    responsesBody.parse(body);
  const [system, ...rest] = input;
  if (!system || !('role' in system) || system.role !== 'developer') throw new Error('the developer speaks first');
  const pieces = input.flatMap((item) => {
    if ('content' in item) return typeof item.content === 'string' ? [{ text: item.content }] : item.content;
    if (item.type === 'function_call_output')
      return typeof item.output === 'string' ? [{ text: item.output }] : item.output;
    return [{ text: JSON.stringify(item) }];
  });
  const prefixes = prefixesOf(
    pieces.map((piece) => ({
      text: piece.text,
      marked: 'prompt_cache_breakpoint' in piece && piece.prompt_cache_breakpoint !== undefined,
    })),
  );
  if (prefixes.length > 0 && !prompt_cache_options) throw new Error('breakpoints need prompt_cache_options');
  const thoughts = input.filter((item) => 'type' in item && item.type === 'reasoning').length;
  const parts = rest.flatMap((item): Turn[] => {
    if (!('type' in item)) return [say(item.role as 'user' | 'assistant', joined(item.content))];
    if (item.type === 'function_call')
      return [called([{ id: item.call_id, name: item.name, arguments: item.arguments }])];
    if (item.type === 'function_call_output')
      return [answered({ id: item.call_id, text: joined(item.output), failed: false })];
    return [];
  });
  const messages = turns(parts);
  if (messages.filter(({ calls }) => calls).length !== thoughts) throw new Error('a call came without its reasoning');
  return {
    ...{ ...plain, format: 'responses', model, system: joined(system.content), messages },
    ...{ cacheMarked: prefixes.length > 0, prefixes },
    ...{ maxTokens: max_output_tokens, schemaName: text?.format.name ?? null, effort: reasoning?.effort ?? null },
    summary: reasoning?.summary !== undefined,
    ...{ tools: tools?.map(({ name }) => name) ?? [], toolsOpen: tools !== undefined && tool_choice === 'auto' },
  };
}

/** The answer as pieces of a server-sent event stream. */
export function responsesEvents({ model, messages, summary }: Asked, { text, calls, finish, usage }: Said): string[] {
  const content =
    finish === 'refused'
      ? [{ type: 'refusal', refusal: text }]
      : text === ''
        ? []
        : [{ type: 'output_text', text, annotations: [] }];
  const said = summary ? [{ type: 'summary_text', text: thought }] : [];
  const response = {
    id: 'resp_1',
    object: 'response',
    model,
    status: finish === 'truncated' ? 'incomplete' : 'completed',
    incomplete_details: finish === 'truncated' ? { reason: 'max_output_tokens' } : null,
    error: null,
    output: [
      ...(calls.length > 0 || summary
        ? [{ id: 'rs_1', type: 'reasoning', summary: said, encrypted_content: sealed }]
        : []),
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
