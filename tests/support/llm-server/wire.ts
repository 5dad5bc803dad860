import * as z from 'zod';

/** A call that the brain makes. */
export interface Called {
  readonly name: string;
  readonly arguments: string;
}

export interface Turn {
  readonly role: 'user' | 'assistant' | 'tools';
  readonly text: string;
  readonly calls?: readonly (Called & { readonly id: string })[];
  readonly results?: readonly { readonly id: string; readonly text: string; readonly failed: boolean }[];
}

/** What a request says, whichever of the three formats it came in. Strict where the real servers are strict. */
export interface Asked {
  readonly format: 'responses' | 'messages' | 'chat';
  readonly model: string;
  readonly system: string;
  /** Calls of one answer and their results stand together: `assistant` with `calls`, then `tools` with one text for each. */
  readonly messages: readonly Turn[];
  /** Names of the tools on offer, and whether they may be called. */
  readonly tools: readonly string[];
  readonly toolsOpen: boolean;
  readonly schemaName: string | null;
  readonly maxTokens: number;
  readonly effort: string | null;
  readonly temperature: number | null;
  readonly cacheMarked: boolean;
}

/** What the server answers with. */
export interface Said {
  readonly text: string;
  readonly calls: readonly Called[];
  readonly finish: 'complete' | 'truncated' | 'refused';
  readonly usage: { input: number; cached: number; written: number; output: number };
}

const message = z.strictObject({ role: z.enum(['user', 'assistant']), content: z.string() });
const jsonSchema = z.looseObject({ type: z.literal('object'), additionalProperties: z.literal(false) });

/** Ids and signatures by which the server knows its own parts again. */
const callId = (number: number) => `call_${number}`;
const sealed = 'c2VhbGVk';

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

const textBlock = z.strictObject({ type: z.literal('text'), text: z.string().min(1) });
const useBlock = z.strictObject({
  type: z.literal('tool_use'),
  id: z.string(),
  name: z.string(),
  input: z.record(z.string(), z.unknown()),
});
const thoughtBlock = z.strictObject({
  type: z.literal('thinking'),
  thinking: z.string(),
  signature: z.literal(sealed),
});
const resultBlock = z.strictObject({
  type: z.literal('tool_result'),
  tool_use_id: z.string(),
  content: z.string(),
  is_error: z.literal(true).optional(),
});

const messagesBody = z.strictObject({
  model: z.string(),
  system: z.array(
    z.strictObject({
      type: z.literal('text'),
      text: z.string(),
      cache_control: z.strictObject({ type: z.literal('ephemeral') }).optional(),
    }),
  ),
  messages: z
    .array(
      z.union([
        message,
        z.strictObject({
          role: z.literal('assistant'),
          content: z.array(z.union([textBlock, useBlock, thoughtBlock])).min(1),
        }),
        z.strictObject({ role: z.literal('user'), content: z.array(resultBlock).min(1) }),
      ]),
    )
    .min(1),
  max_tokens: z.int().positive(),
  stream: z.literal(true),
  tools: z.array(z.strictObject({ name: z.string(), description: z.string(), input_schema: jsonSchema })).optional(),
  tool_choice: z.strictObject({ type: z.enum(['auto', 'none']) }).optional(),
  output_config: z
    .strictObject({
      effort: z.string().optional(),
      format: z.strictObject({ type: z.literal('json_schema'), schema: jsonSchema }).optional(),
    })
    .optional(),
});

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

type Call = NonNullable<Turn['calls']>[number];
type Result = NonNullable<Turn['results']>[number];
const say = (role: 'user' | 'assistant', text: string): Turn => ({ role, text });
const called = (calls: Call[], text = ''): Turn => ({ role: 'assistant', text, calls });
const answered = (...results: Result[]): Turn => ({
  role: 'tools',
  text: results.map((each) => each.text).join('\n'),
  results,
});

/** Parts of one answer, or of one answer to it, as one turn. @throws when no real server would take their order. */
function turns(parts: readonly Turn[]): Turn[] {
  const joined: Turn[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (last?.role === 'assistant' && part.role === 'assistant' && (last.calls || part.calls)) {
      joined[joined.length - 1] = called([...(last.calls ?? []), ...(part.calls ?? [])], last.text + part.text);
    } else if (last?.role === 'tools' && part.role === 'tools') {
      joined[joined.length - 1] = answered(...(last.results ?? []), ...(part.results ?? []));
    } else joined.push(part);
  }
  for (const [index, { role, calls = [] }] of joined.entries()) {
    if ((role === 'assistant') !== (index % 2 === 1)) throw new Error('roles must take turns, the user first');
    const results = joined[index + 1]?.results?.map(({ id }) => id) ?? [];
    if (calls.map(({ id }) => id).join() !== results.join()) throw new Error('every call must have its one result');
  }
  return joined;
}

const plain = { effort: null, temperature: null, cacheMarked: false, tools: [], toolsOpen: false };

function responsesAsked(body: unknown): Asked {
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

function messagesAsked(body: unknown): Asked {
  const { model, system, messages, max_tokens, output_config, tools, tool_choice } = messagesBody.parse(body);
  const parts = messages.flatMap(({ role, content }): Turn[] => {
    if (typeof content === 'string') return [say(role, content)];
    let thoughts = 0;
    const all = content.map((block): Turn | null => {
      if (block.type === 'text') return say('assistant', block.text);
      if (block.type === 'tool_use') {
        return called([{ id: block.id, name: block.name, arguments: JSON.stringify(block.input) }]);
      }
      if (block.type === 'tool_result') {
        return answered({ id: block.tool_use_id, text: block.content, failed: block.is_error === true });
      }
      thoughts++;
      return null;
    });
    if (role === 'assistant' && thoughts !== 1) throw new Error('a call came without the thought before it');
    return all.filter((turn) => turn !== null);
  });
  if (parts.some(({ calls }) => calls) && tools === undefined)
    throw new Error('calls need the tools they were made of');
  const cacheMarked = system.some((block) => block.cache_control !== undefined);
  return {
    ...{ ...plain, format: 'messages', model, messages: turns(parts), cacheMarked },
    system: system.map((block) => block.text).join('\n'),
    ...{ maxTokens: max_tokens, schemaName: output_config?.format ? 'format' : null },
    effort: output_config?.effort ?? null,
    ...{ tools: tools?.map(({ name }) => name) ?? [], toolsOpen: tools !== undefined && tool_choice?.type === 'auto' },
  };
}

function chatAsked(body: unknown): Asked {
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

/** @throws when the body is not what the real server of that path would take. */
export function readRequest(path: string, body: unknown): Asked {
  if (path === '/v1/responses') return responsesAsked(body);
  if (path === '/v1/messages') return messagesAsked(body);
  if (path === '/v1/chat/completions') return chatAsked(body);
  throw new Error(`nothing is served at ${path}`);
}

const halves = (text: string) => [text.slice(0, Math.ceil(text.length / 2)), text.slice(Math.ceil(text.length / 2))];
const event = (name: string, data: object) => `event: ${name}\ndata: ${JSON.stringify({ type: name, ...data })}\n\n`;

function responsesEvents({ model, messages }: Asked, { text, calls, finish, usage }: Said): string[] {
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

function messagesEvents({ model, messages }: Asked, { text, calls, finish, usage }: Said): string[] {
  const stop =
    calls.length > 0 ? 'tool_use' : { complete: 'end_turn', truncated: 'max_tokens', refused: 'refusal' }[finish];
  const counted = {
    input_tokens: usage.input - usage.cached - usage.written,
    cache_read_input_tokens: usage.cached,
    cache_creation_input_tokens: usage.written,
  };
  const started = { id: 'msg_1', type: 'message', role: 'assistant', model, content: [], stop_reason: null };
  return [
    event('message_start', { message: { ...started, usage: { ...counted, output_tokens: 1 } } }),
    ...(calls.length > 0
      ? [
          event('content_block_start', { index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } }),
          event('content_block_delta', { index: 0, delta: { type: 'thinking_delta', thinking: 'What is known?' } }),
          event('content_block_delta', { index: 0, delta: { type: 'signature_delta', signature: sealed } }),
          event('content_block_stop', { index: 0 }),
        ]
      : []),
    event('content_block_start', { index: 1, content_block: { type: 'text', text: '' } }),
    event('ping', {}),
    ...halves(text).map((half) =>
      event('content_block_delta', { index: 1, delta: { type: 'text_delta', text: half } }),
    ),
    event('content_block_stop', { index: 1 }),
    ...calls.flatMap(({ name, arguments: given }, index) => [
      event('content_block_start', {
        index: index + 2,
        content_block: { type: 'tool_use', id: callId(10 * messages.length + index), name, input: {} },
      }),
      ...halves(given).map((half) =>
        event('content_block_delta', { index: index + 2, delta: { type: 'input_json_delta', partial_json: half } }),
      ),
      event('content_block_stop', { index: index + 2 }),
    ]),
    event('message_delta', {
      delta: { stop_reason: stop, stop_sequence: null },
      usage: { ...counted, output_tokens: usage.output },
    }),
    event('message_stop', {}),
  ];
}

function chatEvents({ model, messages }: Asked, { text, calls, finish, usage }: Said, saysUsage: boolean): string[] {
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

/** The answer as pieces of a server-sent event stream. */
export function streamOf(asked: Asked, said: Said, saysUsage: boolean): string[] {
  switch (asked.format) {
    case 'responses':
      return responsesEvents(asked, said);
    case 'messages':
      return messagesEvents(asked, said);
    case 'chat':
      return chatEvents(asked, said, saysUsage);
  }
}

/** An error inside a stream that began well. */
export function errorEvent({ format }: Asked): string {
  if (format === 'messages') {
    return `event: error\ndata: ${JSON.stringify({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } })}\n\n`;
  }
  if (format === 'responses') {
    return event('error', { code: 'server_error', message: 'something broke', param: null, sequence_number: 1 });
  }
  return `data: ${JSON.stringify({ error: { message: 'something broke', type: 'server_error', code: 500 } })}\n\n`;
}
