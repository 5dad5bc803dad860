/** Servers that refuse a part of a request: it is asked again without that part, and only without that. */
import { describe, expect, it } from 'vitest';
import { defaultTimeouts } from '../../../src/llm/wire.ts';
import { type Body, chat, startRawServer, status, stream } from '../../support/llm-server/raw.ts';
import { bench, patient, question } from '../support.ts';
import {
  answer,
  claudeSays,
  formats,
  good,
  type Quirk,
  refuses,
  rejected,
  says,
  testQuirks,
  wordsOf,
} from './quirk.ts';

const hasSchema = (body: Body) => body.response_format?.type === 'json_schema';
const optional = ['response_format', 'stream_options', 'temperature', 'reasoning_effort'] as const;

const fields: Quirk[] = [
  refuses('chat', 'no json_schema (DeepSeek)', hasSchema, says('This response_format type is unavailable now'), {
    requests: ([, second]) => {
      expect(second?.response_format).toEqual({ type: 'json_object' });
      expect(wordsOf(second as Body)).toContain('JSON Schema');
    },
  }),
  refuses(
    'chat',
    'no response_format at all (older llama.cpp)',
    (body) => body.response_format,
    { error: { code: 400, message: 'Unsupported param: response_format', type: 'invalid_request_error' } },
    {
      outcomes: ['rejected', 'rejected', 'complete'],
      requests: (bodies) => expect(bodies.at(-1)).not.toHaveProperty('response_format'),
    },
  ),
  refuses('chat', 'a grammar that it cannot compile, as 500', hasSchema, says('failed to parse grammar'), {
    code: 500,
  }),
  refuses(
    'chat',
    'no stream_options (pydantic)',
    (body) => body.stream_options,
    { detail: [{ loc: ['body', 'stream_options'], msg: 'extra fields not permitted' }] },
    { code: 422 },
  ),
  refuses(
    'chat',
    'no temperature',
    (body) => body.temperature,
    says("Unsupported value: 'temperature' does not support 0.8 with this model."),
    { given: { temperature: 0.8 } },
  ),
  refuses(
    'chat',
    'no effort',
    (body) => body.reasoning_effort,
    says('Unrecognized request argument supplied: reasoning_effort'),
    { given: { effort: 'high' } },
  ),
  refuses(
    'messages',
    'no effort (claude-haiku-4-5)',
    (body) => body.output_config?.effort,
    claudeSays('This model does not support the effort parameter.'),
    { given: { effort: 'low' } },
  ),
  refuses(
    'messages',
    'no structured output',
    (body) => body.output_config?.format,
    claudeSays('output_config.format: Extra inputs are not permitted'),
    { requests: ([, second]) => expect(wordsOf(second as Body)).toContain('JSON Schema') },
  ),
  refuses(
    'responses',
    'no reasoning',
    (body) => body.reasoning,
    says("Unsupported parameter: 'reasoning.effort' is not supported with this model."),
    { given: { effort: 'low' } },
  ),
  refuses(
    'responses',
    'no cache breakpoints (older model)',
    (body) => body.prompt_cache_options,
    says("Unknown parameter: 'prompt_cache_options'."),
    { requests: ([, second]) => expect(JSON.stringify(second)).not.toContain('prompt_cache') },
  ),
  refuses(
    'chat',
    'max_tokens refused (Azure)',
    (body) => body.max_tokens,
    says("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."),
    { requests: ([, second]) => expect(second?.max_completion_tokens).toBe(1000) },
  ),
  refuses(
    'chat',
    'no system role (gemma template)',
    (body) => body.messages?.[0]?.role === 'system',
    says('System role not supported'),
    {
      code: 500,
      requests: ([, second]) =>
        expect(second?.messages).toEqual([
          { role: 'user', content: expect.stringMatching(/^You answer in JSON\.[\s\S]*Say one\.$/) },
        ]),
    },
  ),
  {
    name: 'five of them, one after another',
    format: 'chat',
    given: { temperature: 1, effort: 'low' },
    serve: (to, body) => {
      const no = optional.find((key) => body[key] !== undefined);
      if (no) status(to, 400, says(`${no} is not supported`));
      else stream(to, chat(good));
    },
    gives: answer,
    outcomes: [...Array(5).fill('rejected'), 'complete'],
    waits: (waits) => expect(waits).toEqual([]),
  },
  refuses('chat', 'a refusal that names nothing', hasSchema, { error: { message: 'Bad Request' } }),
  refuses(
    'chat',
    'a wrong model name is no refusal of a field',
    () => true,
    says('model "qwen3:8b" not found, try pulling it first'),
    { code: 404, gives: rejected, outcomes: ['rejected'] },
  ),
];

const lengths: Quirk[] = [
  refuses(
    'chat',
    'context exceeded by the output limit (vLLM)',
    ({ max_tokens = 0 }) => max_tokens > 8132,
    {
      object: 'error',
      message:
        "This model's maximum context length is 8192 tokens. However, you requested 16060 tokens (60 in the messages, 16000 in the completion).",
      code: 400,
    },
    {
      given: { maxTokens: 16_000 },
      requests: ([, second]) => {
        expect(second?.max_tokens).toBeGreaterThan(7900);
        expect(second?.max_tokens).toBeLessThanOrEqual(8192 - 60);
      },
    },
  ),
  refuses(
    'messages',
    'output limit of a model',
    ({ max_tokens = 0 }) => max_tokens > 8192,
    claudeSays('max_tokens: 16000 > 8192, which is the maximum allowed number of output tokens for m'),
    { given: { maxTokens: 16_000 }, requests: ([, second]) => expect(second?.max_tokens).toBe(8192) },
  ),
  refuses(
    'chat',
    'a prompt that does not fit is refused with its reason',
    () => true,
    {
      error: {
        code: 400,
        message: 'the request exceeds the available context size (512 tokens)',
        type: 'exceed_context_size_error',
        n_prompt_tokens: 500,
        n_ctx: 512,
      },
    },
    {
      gives: { ...rejected, message: expect.stringContaining('available context size (512 tokens)') },
      outcomes: ['rejected'],
    },
  ),
  {
    name: 'a limit that is always one below the request is not followed for ever',
    format: 'chat',
    given: { maxTokens: 1000 },
    serve: (to, { max_tokens = 0 }) => status(to, 400, says(`max_tokens must be at most ${max_tokens - 1}`)),
    gives: rejected,
    outcomes: Array(12).fill('rejected'),
  },
];

describe('refused fields', () => testQuirks(fields));
describe('context', () => testQuirks(lengths));

describe('what a server refused', () => {
  it('is not sent to it again, and the user reads it once', async () => {
    const server = await startRawServer((to, body) =>
      hasSchema(body) ? status(to, 400, says('response_format is unavailable')) : stream(to, chat(good)),
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
