/** What servers in the field do, in three wire formats: each row is one quirk and one expectation. */
import { describe, expect, it } from 'vitest';
import type { ChatRequest } from '../../src/llm/chat.ts';
import { defaultTimeouts } from '../../src/llm/stream.ts';
import { readArchive } from '../../src/memory/archive.ts';
import {
  type Body,
  chat,
  chatUsage,
  chunk,
  data,
  done,
  messages,
  named,
  response,
  responses,
  type Serve,
  startRawServer,
  status,
  stream,
} from '../support/llm-server/raw.ts';
import { bench, canaries, patient, question } from './support.ts';

const good = '{"one": 1}';
const formats = {
  chat: 'compatible/qwen3:8b',
  messages: 'anthropic/claude-haiku-5-5',
  responses: 'openai/gpt-5.6-luna',
} as const;
type Format = keyof typeof formats;

const tools: ChatRequest['tools'] = [
  {
    name: 'look',
    description: 'Looks.',
    json: { type: 'object', properties: {}, required: [], additionalProperties: false },
  },
];
/** A conversation with a call whose arguments are broken, and what the server gave with it. */
const afterCall = (given: string, carried: object[] = []): ChatRequest['messages'] => [
  { role: 'user', text: 'Say one.' },
  { role: 'assistant', text: '', calls: [{ id: 'c1', name: 'look', arguments: given }], carried: carried as never },
  { role: 'tools', results: [{ id: 'c1', text: 'Nothing.', failed: false }] },
];

interface Quirk {
  readonly name: string;
  readonly format: Format;
  readonly given?: Partial<ChatRequest>;
  readonly serve: Serve;
  /** The answer, or the error. */
  readonly gives: object;
  /** Outcomes of the calls in the ledger. */
  readonly outcomes?: readonly string[];
  readonly requests?: (bodies: Body[]) => void;
  readonly ledger?: object;
  readonly waits?: (waits: readonly number[]) => void;
}

const answer = { text: good, outcome: 'complete' };
const rejected = { name: 'RequestRejectedError' };
/** Refuses with 400 and these words while `has` is true of the request. */
const refuses =
  (has: (body: Body) => boolean, words: unknown, code = 400): Serve =>
  (to, body) =>
    has(body) ? status(to, code, words) : stream(to, chat(good));
const says = (message: string) => ({ error: { message, type: 'invalid_request_error' } });
const call = (index: number | undefined, id: string | undefined, name: string | undefined, given: unknown) => ({
  ...(index === undefined ? {} : { index }),
  ...(id === undefined ? {} : { id }),
  type: 'function',
  function: { ...(name === undefined ? {} : { name }), arguments: given },
});
const callsOf =
  (...calls: object[]): Serve =>
  (to) =>
    stream(to, [chunk({ role: 'assistant', content: null, tool_calls: calls }), chunk({}, 'tool_calls'), done]);
const wordsOf = (body: Body): string =>
  JSON.stringify(body.messages ?? body.input ?? []) + JSON.stringify(body.system ?? '');
const dies: Serve = (to) => {
  to.writeHead(200, { 'content-type': 'text/event-stream' });
};

/** Gives a sign of life every 300 ms and answers after 2.1 s, where silence is limited to 1.5 s. */
const alive =
  (sign: string, pieces: string[]): Serve =>
  async (to) => {
    to.writeHead(200, { 'content-type': 'text/event-stream' });
    for (let beat = 0; beat < 7; beat++) {
      to.write(sign);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    to.end(pieces.join(''));
  };

const signsOfLife: Quirk[] = [
  {
    name: 'comments while it thinks',
    format: 'chat',
    serve: alive(': OPENROUTER PROCESSING\n\n', chat(good)),
    gives: answer,
    outcomes: ['complete'],
  },
  {
    name: 'pings while it thinks',
    format: 'messages',
    serve: alive(named({ type: 'ping' }), messages(good)),
    gives: answer,
    outcomes: ['complete'],
  },
  {
    name: 'comments while it thinks',
    format: 'responses',
    serve: alive(': keep-alive\n\n', responses(good)),
    gives: answer,
    outcomes: ['complete'],
  },
  {
    name: 'real silence',
    format: 'chat',
    serve: (to, _, number) => (number === 0 ? dies(to, null, 0) : stream(to, chat(good))),
    gives: answer,
    outcomes: ['timeout', 'complete'],
  },
];

const refusedFields: Quirk[] = [
  {
    name: 'no json_schema (DeepSeek)',
    format: 'chat',
    serve: refuses(
      (body) => body.response_format?.type === 'json_schema',
      says('This response_format type is unavailable now'),
    ),
    gives: answer,
    outcomes: ['rejected', 'complete'],
    requests: ([, second]) => {
      expect(second.response_format).toEqual({ type: 'json_object' });
      expect(wordsOf(second)).toContain('JSON Schema');
    },
  },
  {
    name: 'no response_format at all (older llama.cpp)',
    format: 'chat',
    serve: refuses((body) => body.response_format, {
      error: { code: 400, message: 'Unsupported param: response_format', type: 'invalid_request_error' },
    }),
    gives: answer,
    outcomes: ['rejected', 'rejected', 'complete'],
    requests: (bodies) => expect(bodies.at(-1)).not.toHaveProperty('response_format'),
  },
  {
    name: 'a grammar that it cannot compile, as 500',
    format: 'chat',
    serve: refuses((body) => body.response_format?.type === 'json_schema', says('failed to parse grammar'), 500),
    gives: answer,
    outcomes: ['rejected', 'complete'],
  },
  {
    name: 'no stream_options (pydantic)',
    format: 'chat',
    serve: refuses(
      (body) => body.stream_options,
      { detail: [{ loc: ['body', 'stream_options'], msg: 'extra fields not permitted' }] },
      422,
    ),
    gives: answer,
    outcomes: ['rejected', 'complete'],
  },
  {
    name: 'no temperature',
    format: 'chat',
    given: { temperature: 0.8 },
    serve: refuses(
      (body) => body.temperature,
      says("Unsupported value: 'temperature' does not support 0.8 with this model."),
    ),
    gives: answer,
    outcomes: ['rejected', 'complete'],
  },
  {
    name: 'no effort',
    format: 'chat',
    given: { effort: 'high' },
    serve: refuses((body) => body.reasoning_effort, says('Unrecognized request argument supplied: reasoning_effort')),
    gives: answer,
    outcomes: ['rejected', 'complete'],
  },
  {
    name: 'no effort (claude-haiku-4-5)',
    format: 'messages',
    given: { effort: 'low' },
    serve: (to, body) =>
      body.output_config?.effort
        ? status(to, 400, {
            type: 'error',
            error: { type: 'invalid_request_error', message: 'This model does not support the effort parameter.' },
          })
        : stream(to, messages(good)),
    gives: answer,
    outcomes: ['rejected', 'complete'],
  },
  {
    name: 'no structured output',
    format: 'messages',
    serve: (to, body) =>
      body.output_config?.format
        ? status(to, 400, {
            type: 'error',
            error: { type: 'invalid_request_error', message: 'output_config.format: Extra inputs are not permitted' },
          })
        : stream(to, messages(good)),
    gives: answer,
    outcomes: ['rejected', 'complete'],
    requests: ([, second]) => expect(wordsOf(second)).toContain('JSON Schema'),
  },
  {
    name: 'no reasoning',
    format: 'responses',
    given: { effort: 'low' },
    serve: (to, body) =>
      body.reasoning
        ? status(to, 400, says("Unsupported parameter: 'reasoning.effort' is not supported with this model."))
        : stream(to, responses(good)),
    gives: answer,
    outcomes: ['rejected', 'complete'],
  },
  {
    name: 'no cache breakpoints (older model)',
    format: 'responses',
    serve: (to, body) =>
      body.prompt_cache_options
        ? status(to, 400, says("Unknown parameter: 'prompt_cache_options'."))
        : stream(to, responses(good)),
    gives: answer,
    outcomes: ['rejected', 'complete'],
    requests: ([, second]) => expect(JSON.stringify(second)).not.toContain('prompt_cache'),
  },
  {
    name: 'max_tokens refused (Azure)',
    format: 'chat',
    serve: refuses(
      (body) => body.max_tokens,
      says(
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
      ),
    ),
    gives: answer,
    outcomes: ['rejected', 'complete'],
    requests: ([, second]) => expect(second.max_completion_tokens).toBe(1000),
  },
  {
    name: 'no system role (gemma template)',
    format: 'chat',
    serve: refuses((body) => body.messages[0].role === 'system', says('System role not supported'), 500),
    gives: answer,
    outcomes: ['rejected', 'complete'],
    requests: ([, second]) =>
      expect(second.messages).toEqual([
        { role: 'user', content: expect.stringMatching(/^You answer in JSON\.[\s\S]*Say one\.$/) },
      ]),
  },
  {
    name: 'five of them, one after another',
    format: 'chat',
    given: { temperature: 1, effort: 'low' },
    serve: (to, body) => {
      const no = ['response_format', 'stream_options', 'temperature', 'reasoning_effort'].find(
        (key) => body[key] !== undefined,
      );
      if (no) status(to, 400, says(`${no} is not supported`));
      else stream(to, chat(good));
    },
    gives: answer,
    outcomes: [...Array(5).fill('rejected'), 'complete'],
    waits: (waits) => expect(waits).toEqual([]),
  },
  {
    name: 'a refusal that names nothing',
    format: 'chat',
    serve: refuses((body) => body.response_format?.type === 'json_schema', { error: { message: 'Bad Request' } }),
    gives: answer,
    outcomes: ['rejected', 'complete'],
  },
  {
    name: 'a wrong model name is no refusal of a field',
    format: 'chat',
    serve: (to) => status(to, 404, says('model "qwen3:8b" not found, try pulling it first')),
    gives: rejected,
    outcomes: ['rejected'],
  },
];

const context: Quirk[] = [
  {
    name: 'context exceeded by the output limit (vLLM)',
    format: 'chat',
    given: { maxTokens: 16_000 },
    serve: refuses((body) => body.max_tokens > 8132, {
      object: 'error',
      message:
        "This model's maximum context length is 8192 tokens. However, you requested 16060 tokens (60 in the messages, 16000 in the completion).",
      code: 400,
    }),
    gives: answer,
    outcomes: ['rejected', 'complete'],
    requests: ([, second]) => {
      expect(second.max_tokens).toBeGreaterThan(7900);
      expect(second.max_tokens).toBeLessThanOrEqual(8192 - 60);
    },
  },
  {
    name: 'output limit of a model',
    format: 'messages',
    given: { maxTokens: 16_000 },
    serve: (to, body) =>
      body.max_tokens > 8192
        ? status(to, 400, {
            type: 'error',
            error: {
              type: 'invalid_request_error',
              message: 'max_tokens: 16000 > 8192, which is the maximum allowed number of output tokens for m',
            },
          })
        : stream(to, messages(good)),
    gives: answer,
    outcomes: ['rejected', 'complete'],
    requests: ([, second]) => expect(second.max_tokens).toBe(8192),
  },
  {
    name: 'a prompt that does not fit is refused with its reason',
    format: 'chat',
    serve: (to) =>
      status(to, 400, {
        error: {
          code: 400,
          message: 'the request exceeds the available context size (512 tokens)',
          type: 'exceed_context_size_error',
          n_prompt_tokens: 500,
          n_ctx: 512,
        },
      }),
    gives: { ...rejected, message: expect.stringContaining('available context size (512 tokens)') },
    outcomes: ['rejected'],
  },
];

const forms: Quirk[] = [
  {
    name: 'whole JSON instead of a stream',
    format: 'chat',
    serve: (to) =>
      status(to, 200, {
        id: 'c',
        object: 'chat.completion',
        model: 'm',
        choices: [{ index: 0, message: { role: 'assistant', content: good }, finish_reason: 'stop' }],
        usage: chatUsage,
      }),
    gives: answer,
    outcomes: ['complete'],
    ledger: { input: 50, output: 7, estimated: 0 },
  },
  {
    name: 'whole JSON instead of a stream',
    format: 'messages',
    serve: (to) =>
      status(to, 200, {
        id: 'm',
        type: 'message',
        role: 'assistant',
        model: 'm',
        content: [{ type: 'text', text: good }],
        stop_reason: 'end_turn',
        usage: { input_tokens: 50, output_tokens: 7 },
      }),
    gives: answer,
    outcomes: ['complete'],
    ledger: { input: 50, output: 7, estimated: 0 },
  },
  {
    name: 'whole JSON instead of a stream',
    format: 'responses',
    serve: (to) => status(to, 200, response(good)),
    gives: answer,
    outcomes: ['complete'],
    ledger: { input: 50, output: 7, estimated: 0 },
  },
  {
    name: 'no finish_reason before [DONE]',
    format: 'chat',
    serve: (to) => stream(to, [chunk({ content: good }), done]),
    gives: answer,
    outcomes: ['complete'],
  },
  {
    name: 'neither finish_reason nor [DONE]',
    format: 'chat',
    serve: (to, _, number) => stream(to, number === 0 ? [chunk({ content: '{"o' })] : chat(good)),
    gives: answer,
    outcomes: ['dropped', 'complete'],
  },
  {
    name: 'a finish_reason of its own',
    format: 'chat',
    serve: (to) => stream(to, chat(good, 'eos_token')),
    gives: answer,
    outcomes: ['complete'],
  },
  {
    name: 'MAX_TOKENS',
    format: 'chat',
    serve: (to) => stream(to, chat('{"on', 'MAX_TOKENS')),
    gives: { outcome: 'truncated' },
  },
  {
    name: 'content as a list of parts',
    format: 'chat',
    serve: (to) =>
      stream(to, [
        chunk({
          content: [
            { type: 'thinking', thinking: 'hm' },
            { type: 'text', text: good },
          ],
        }),
        chunk({}, 'stop'),
        done,
      ]),
    gives: answer,
  },
  {
    name: 'usage null',
    format: 'chat',
    serve: (to) => stream(to, chat(good, 'stop', null)),
    gives: answer,
    ledger: { estimated: 1 },
  },
  {
    name: 'usage of nulls',
    format: 'chat',
    serve: (to) => stream(to, chat(good, 'stop', { prompt_tokens: null, completion_tokens: null })),
    gives: answer,
    ledger: { estimated: 1 },
  },
  {
    name: 'usage as text, with a cost',
    format: 'chat',
    serve: (to) => stream(to, chat(good, 'stop', { ...chatUsage, prompt_tokens: '50', cost: '0.0123' })),
    gives: { ...answer, dollars: 0.0123 },
    ledger: { input: 50, dollars: 0.0123, estimated: 0 },
  },
  {
    name: 'no usage',
    format: 'messages',
    serve: (to) =>
      stream(
        to,
        messages(good, 'end_turn', {}, {}).map((each) => each.replace('"input_tokens":50,"output_tokens":1', '')),
      ),
    gives: answer,
    ledger: { estimated: 1 },
  },
  {
    name: 'no message_stop',
    format: 'messages',
    serve: (to) => stream(to, messages(good).slice(0, -1)),
    gives: answer,
    outcomes: ['complete'],
  },
  {
    name: 'CRLF, a byte order mark and events without a space',
    format: 'chat',
    serve: (to) =>
      stream(
        to,
        chat(good).map((each) => each.replace('data: ', 'data:').replaceAll('\n', '\r\n')),
      ),
    gives: answer,
    outcomes: ['complete'],
  },
  {
    name: 'an empty first chunk (Azure)',
    format: 'chat',
    serve: (to) =>
      stream(to, [data({ id: '', object: '', model: '', choices: [], prompt_filter_results: [] }), ...chat(good)]),
    gives: answer,
  },
  {
    name: 'a thought that never ends',
    format: 'chat',
    serve: (to) => stream(to, chat('<think>and so on', 'length')),
    gives: { text: '', outcome: 'truncated' },
  },
];

const called = (...calls: object[]) => ({ calls: calls.map((each) => expect.objectContaining(each)) });
const calls: Quirk[] = [
  {
    name: 'parallel calls with one id',
    format: 'chat',
    given: { tools },
    serve: callsOf(call(0, 'x', 'look', '{"a":1}'), call(1, 'x', 'look', '{"a":2}')),
    gives: {
      calls: [
        { id: 'x', name: 'look', arguments: '{"a":1}' },
        { id: 'x-1', name: 'look', arguments: '{"a":2}' },
      ],
    },
  },
  {
    name: 'parallel calls with one index',
    format: 'chat',
    given: { tools },
    serve: callsOf(call(0, 'x', 'look', '{"a":1}'), call(0, 'y', 'look', '{"a":2}')),
    gives: called({ id: 'x', arguments: '{"a":1}' }, { id: 'y', arguments: '{"a":2}' }),
  },
  {
    name: 'calls without an index, in pieces',
    format: 'chat',
    given: { tools },
    serve: callsOf(
      call(undefined, 'x', 'look', '{"a"'),
      call(undefined, undefined, undefined, ':1}'),
      call(undefined, 'y', 'look', '{}'),
    ),
    gives: called({ id: 'x', arguments: '{"a":1}' }, { id: 'y' }),
  },
  {
    name: 'arguments as an object',
    format: 'chat',
    given: { tools },
    serve: callsOf(call(0, 'x', 'look', { a: 1 })),
    gives: called({ arguments: '{"a":1}' }),
  },
  {
    name: 'a call as text',
    format: 'chat',
    given: { tools },
    serve: (to) => stream(to, chat('<tool_call>\n{"name": "look", "arguments": {"a": 1}}\n</tool_call>')),
    gives: called({ name: 'look', arguments: '{"a":1}' }),
  },
  {
    name: 'broken arguments, which are never sent back',
    format: 'chat',
    given: { tools, messages: afterCall('{"query": "half') },
    serve: (to, body) => {
      try {
        JSON.parse(body.messages[2].tool_calls[0].function.arguments);
        stream(to, chat(good));
      } catch {
        status(to, 500, says('Failed to parse tool call arguments as JSON'));
      }
    },
    gives: answer,
    outcomes: ['complete'],
  },
  {
    name: 'reasoning_content that must come back with its calls (DeepSeek, Kimi)',
    format: 'chat',
    given: { tools, messages: afterCall('{}', [{ field: 'reasoning_content', text: 'I must look.' }]) },
    serve: (to, body) =>
      body.messages[2].reasoning_content === 'I must look.'
        ? stream(to, chat(good))
        : status(to, 400, says('Missing reasoning_content field in the assistant message')),
    gives: answer,
    outcomes: ['complete'],
  },
  {
    name: 'reasoning_content is carried',
    format: 'chat',
    given: { tools },
    serve: (to) =>
      stream(to, [
        chunk({ reasoning_content: 'I must ' }),
        chunk({ reasoning_content: 'look.', tool_calls: [call(0, 'x', 'look', '{}')] }),
        chunk({}, 'stop'),
        done,
      ]),
    gives: { carried: [{ field: 'reasoning_content', text: 'I must look.' }] },
  },
  {
    name: 'reasoning that must not come back',
    format: 'chat',
    given: { tools, messages: afterCall('{}', [{ field: 'reasoning', text: 'hm' }]) },
    serve: refuses(
      (body) => body.messages[2].reasoning,
      says("messages.2: unknown field 'reasoning_content' or 'reasoning'"),
    ),
    gives: answer,
    outcomes: ['rejected', 'complete'],
  },
];

const failures: Quirk[] = [
  {
    name: '429 with retry-after',
    format: 'chat',
    serve: (to, _, number) =>
      number === 0 ? status(to, 429, says('slow down'), { 'retry-after': '7' }) : stream(to, chat(good)),
    gives: answer,
    outcomes: ['busy', 'complete'],
    waits: ([wait]) => expect(wait).toBeGreaterThanOrEqual(7000),
  },
  {
    name: '429 without retry-after',
    format: 'messages',
    serve: (to, _, number) => (number === 0 ? status(to, 429, '') : stream(to, messages(good))),
    gives: answer,
    outcomes: ['busy', 'complete'],
  },
  {
    name: '529',
    format: 'messages',
    serve: (to, _, number) =>
      number === 0
        ? status(to, 529, { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } })
        : stream(to, messages(good)),
    gives: answer,
    outcomes: ['busy', 'complete'],
  },
  {
    name: '502 with a page',
    format: 'chat',
    serve: (to, _, number) =>
      number === 0
        ? status(to, 502, '<html><body><h1>502 Bad Gateway</h1></body></html>', { 'content-type': 'text/html' })
        : stream(to, chat(good)),
    gives: answer,
    outcomes: ['unavailable', 'complete'],
  },
  {
    name: '200 with a page',
    format: 'chat',
    serve: (to, _, number) =>
      number === 0 ? status(to, 200, '<html>log in</html>', { 'content-type': 'text/html' }) : stream(to, chat(good)),
    gives: answer,
    outcomes: ['unavailable', 'complete'],
  },
  {
    name: '200 with an error',
    format: 'chat',
    serve: (to, _, number) =>
      number === 0
        ? status(to, 200, { error: { code: 429, message: 'rate limited upstream' } })
        : stream(to, chat(good)),
    gives: answer,
    outcomes: ['busy', 'complete'],
  },
  {
    name: 'an error in the middle (OpenRouter)',
    format: 'chat',
    serve: (to, _, number) =>
      stream(
        to,
        number === 0
          ? [
              chunk({ content: '{"o' }),
              data({
                error: { code: 502, message: 'upstream died' },
                choices: [{ index: 0, delta: {}, finish_reason: 'error' }],
              }),
            ]
          : chat(good),
      ),
    gives: answer,
    outcomes: ['unavailable', 'complete'],
  },
  {
    name: 'an error in the middle',
    format: 'messages',
    serve: (to, _, number) =>
      stream(
        to,
        number === 0
          ? [
              ...messages(good).slice(0, 3),
              named({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } } as never),
            ]
          : messages(good),
      ),
    gives: answer,
    outcomes: ['busy', 'complete'],
  },
  {
    name: 'an invalid prompt in the middle is not asked again',
    format: 'responses',
    serve: (to) =>
      stream(to, [
        named({
          type: 'response.failed',
          response: {
            ...response(''),
            status: 'failed',
            error: { code: 'invalid_prompt', message: 'flagged by policy' },
          },
        } as never),
      ]),
    gives: { ...rejected, message: expect.stringContaining('invalid_prompt flagged by policy') },
    outcomes: ['rejected'],
  },
  {
    name: 'an error event says what it is',
    format: 'responses',
    serve: (to, _, number) =>
      stream(
        to,
        number === 0
          ? [named({ type: 'error', code: 'server_error', message: 'it broke', param: null } as never)]
          : responses(good),
      ),
    gives: answer,
    outcomes: ['unavailable', 'complete'],
    ledger: { message: null },
  },
  {
    name: 'a stream cut after half',
    format: 'messages',
    serve: (to, _, number) => stream(to, number === 0 ? messages(good).slice(0, 3) : messages(good)),
    gives: answer,
    outcomes: ['dropped', 'complete'],
  },
  {
    name: 'broken JSON in an event',
    format: 'chat',
    serve: (to, _, number) =>
      stream(to, number === 0 ? [chunk({ content: '{"o' }), 'data: {"choices": [{"del\n\n'] : chat(good)),
    gives: answer,
    outcomes: ['dropped', 'complete'],
  },
  {
    name: 'a key in its error',
    format: 'chat',
    serve: (to) => status(to, 401, says(`bad key ${canaries.compatible}`)),
    gives: { ...rejected, message: expect.not.stringContaining(canaries.compatible) },
  },
  {
    name: 'a refusal with its category',
    format: 'messages',
    serve: (to) =>
      stream(
        to,
        messages('', 'refusal', {
          stop_details: {
            type: 'refusal',
            category: 'frontier_llm',
            explanation: 'Benign machine learning work can also trigger this.',
          },
        }),
      ),
    gives: { outcome: 'refused', text: 'frontier_llm: Benign machine learning work can also trigger this.' },
    ledger: { message: 'frontier_llm: Benign machine learning work can also trigger this.' },
  },
  {
    name: 'a filter',
    format: 'chat',
    serve: (to) => stream(to, chat('', 'content_filter')),
    gives: { outcome: 'refused', text: 'content_filter' },
  },
  {
    name: 'a filter',
    format: 'responses',
    serve: (to) =>
      stream(to, [
        named({
          type: 'response.incomplete',
          response: response('', { status: 'incomplete', incomplete_details: { reason: 'content_filter' } }),
        } as never),
      ]),
    gives: { outcome: 'refused', text: 'content_filter' },
  },
];

const suites = { 'signs of life': signsOfLife, 'refused fields': refusedFields, context, forms, calls, failures };

/** Short enough to wait for; everything else has the limits of the field, so that a busy machine cannot exceed them. */
const brief = { silenceMs: 1500, totalMs: 60_000 };

describe.each(Object.entries(suites))('%s', (suite, quirks) => {
  const timeouts = suite === 'signs of life' ? brief : defaultTimeouts;
  it.each(quirks)('$format: $name', async ({ format, given, serve, gives, outcomes, requests, ledger, waits }) => {
    const server = await startRawServer(serve);
    const { gateway, home, spec, timers } = bench(server, { timeouts });
    const asked = question(server, formats[format], { request: given ?? {} });
    const result = await gateway.ask(asked, patient()).catch((thrown) => thrown);
    expect(result).toMatchObject(gives);
    requests?.(server.bodies);
    waits?.(timers.waits);
    const reader = readArchive(home);
    const calls = reader.calls.of(spec.id);
    reader.close();
    if (outcomes) expect(calls.map(({ outcome }) => outcome)).toEqual(outcomes);
    if (ledger) expect(calls.at(-1)).toMatchObject(ledger);
  });
});

describe('what a server refused', () => {
  it('is not sent to it again, and the user reads it once', async () => {
    const server = await startRawServer(
      refuses((body) => body.response_format?.type === 'json_schema', says('response_format is unavailable')),
    );
    const notices: string[] = [];
    const { gateway } = bench(server, { timeouts: defaultTimeouts, notice: (line) => notices.push(line) });
    for (let ordinal = 1; ordinal <= 3; ordinal++) {
      await gateway.ask(question(server, formats.chat, { scope: { ordinal } }), patient());
    }
    expect(server.bodies.map((body) => body.response_format?.type)).toEqual([
      'json_schema',
      ...Array(3).fill('json_object'),
    ]);
    expect(notices).toEqual([expect.stringContaining('the schema of answers is in the prompt')]);
  });
});

it('speaks at least forty quirks', () => {
  expect(Object.values(suites).flat().length).toBeGreaterThanOrEqual(40);
});
