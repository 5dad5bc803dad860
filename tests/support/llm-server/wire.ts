import * as z from 'zod';

/** What a request says, whichever of the three formats it came in. Strict where the real servers are strict. */
export interface Asked {
  readonly format: 'responses' | 'messages' | 'chat';
  readonly model: string;
  readonly system: string;
  readonly messages: readonly { readonly role: string; readonly text: string }[];
  readonly schemaName: string | null;
  readonly maxTokens: number;
  readonly effort: string | null;
  readonly temperature: number | null;
  readonly cacheMarked: boolean;
}

/** What the server answers with. */
export interface Said {
  readonly text: string;
  readonly finish: 'complete' | 'truncated' | 'refused';
  readonly usage: { input: number; cached: number; written: number; output: number };
}

const message = z.strictObject({ role: z.enum(['user', 'assistant']), content: z.string() });
const jsonSchema = z.looseObject({ type: z.literal('object'), additionalProperties: z.literal(false) });

const responsesBody = z.strictObject({
  model: z.string(),
  instructions: z.string(),
  input: z.array(message).min(1),
  max_output_tokens: z.int().positive(),
  store: z.literal(false),
  stream: z.literal(true),
  reasoning: z.strictObject({ effort: z.string() }).optional(),
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

const messagesBody = z.strictObject({
  model: z.string(),
  system: z.array(
    z.strictObject({
      type: z.literal('text'),
      text: z.string(),
      cache_control: z.strictObject({ type: z.literal('ephemeral') }).optional(),
    }),
  ),
  messages: z.array(message).min(1),
  max_tokens: z.int().positive(),
  stream: z.literal(true),
  output_config: z
    .strictObject({
      effort: z.string().optional(),
      format: z.strictObject({ type: z.literal('json_schema'), schema: jsonSchema }).optional(),
    })
    .optional(),
});

const chatBody = z.strictObject({
  model: z.string(),
  messages: z.array(z.strictObject({ role: z.enum(['system', 'user', 'assistant']), content: z.string() })).min(2),
  max_tokens: z.int().positive(),
  stream: z.literal(true),
  stream_options: z.strictObject({ include_usage: z.literal(true) }),
  temperature: z.number().optional(),
  reasoning_effort: z.string().optional(),
  response_format: z
    .strictObject({
      type: z.literal('json_schema'),
      json_schema: z.strictObject({ name: z.string(), schema: jsonSchema, strict: z.literal(true) }),
    })
    .optional(),
});

const turns = (messages: readonly { role: string; content: string }[]) => {
  for (const [index, { role }] of messages.entries()) {
    if (role !== (index % 2 === 0 ? 'user' : 'assistant')) throw new Error('roles must take turns, the user first');
  }
  return messages.map(({ role, content }) => ({ role, text: content }));
};

/** @throws when the body is not what the real server of that path would take. */
export function readRequest(path: string, body: unknown): Asked {
  const plain = { effort: null, temperature: null, cacheMarked: false };
  if (path === '/v1/responses') {
    const { model, instructions, input, max_output_tokens, reasoning, text } = responsesBody.parse(body);
    const own = {
      maxTokens: max_output_tokens,
      schemaName: text?.format.name ?? null,
      effort: reasoning?.effort ?? null,
    };
    return { ...plain, ...own, format: 'responses', model, system: instructions, messages: turns(input) };
  }
  if (path === '/v1/messages') {
    const { model, system, messages, max_tokens, output_config } = messagesBody.parse(body);
    const schemaName = output_config?.format ? 'format' : null;
    const cacheMarked = system.some((block) => block.cache_control !== undefined);
    const own = { maxTokens: max_tokens, schemaName, effort: output_config?.effort ?? null, cacheMarked };
    const joined = system.map((block) => block.text).join('\n');
    return { ...plain, ...own, format: 'messages', model, system: joined, messages: turns(messages) };
  }
  if (path === '/v1/chat/completions') {
    const { model, messages, max_tokens, temperature, reasoning_effort, response_format } = chatBody.parse(body);
    const [system, ...rest] = messages;
    const schemaName = response_format?.json_schema.name ?? null;
    const own = {
      maxTokens: max_tokens,
      schemaName,
      effort: reasoning_effort ?? null,
      temperature: temperature ?? null,
    };
    return { ...plain, ...own, format: 'chat', model, system: system?.content ?? '', messages: turns(rest) };
  }
  throw new Error(`nothing is served at ${path}`);
}

const halves = (text: string) => [text.slice(0, Math.ceil(text.length / 2)), text.slice(Math.ceil(text.length / 2))];
const event = (name: string, data: object) => `event: ${name}\ndata: ${JSON.stringify({ type: name, ...data })}\n\n`;

function responsesEvents({ model }: Asked, { text, finish, usage }: Said): string[] {
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
    output: [{ id: 'msg_1', type: 'message', role: 'assistant', status: 'completed', content }],
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

function messagesEvents({ model }: Asked, { text, finish, usage }: Said): string[] {
  const stop = { complete: 'end_turn', truncated: 'max_tokens', refused: 'refusal' }[finish];
  const counted = {
    input_tokens: usage.input - usage.cached - usage.written,
    cache_read_input_tokens: usage.cached,
    cache_creation_input_tokens: usage.written,
  };
  const started = { id: 'msg_1', type: 'message', role: 'assistant', model, content: [], stop_reason: null };
  return [
    event('message_start', { message: { ...started, usage: { ...counted, output_tokens: 1 } } }),
    event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    event('ping', {}),
    ...halves(text).map((half) =>
      event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: half } }),
    ),
    event('content_block_stop', { index: 0 }),
    event('message_delta', {
      delta: { stop_reason: stop, stop_sequence: null },
      usage: { ...counted, output_tokens: usage.output },
    }),
    event('message_stop', {}),
  ];
}

function chatEvents({ model }: Asked, { text, finish, usage }: Said, saysUsage: boolean): string[] {
  const chunk = (rest: object) =>
    `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model, ...rest })}\n\n`;
  const part = (delta: object, finish_reason: string | null = null) =>
    chunk({ choices: [{ index: 0, delta, finish_reason }] });
  const reason = { complete: 'stop', truncated: 'length', refused: 'content_filter' }[finish];
  const figures = {
    prompt_tokens: usage.input,
    completion_tokens: usage.output,
    total_tokens: usage.input + usage.output,
    prompt_tokens_details: { cached_tokens: usage.cached },
  };
  return [
    part({ role: 'assistant', content: '' }),
    ...halves(text).map((content) => part({ content })),
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
