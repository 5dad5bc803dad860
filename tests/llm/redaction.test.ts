/** Servers that repeat the key in every field that they have. */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ChatRequest } from '../../src/llm/chat.ts';
import { keyring } from '../../src/llm/keys.ts';
import { bench, canaries, patient, question } from './support.ts';

const escaped = (text: string) => [...text].map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** The key as it stands, and in the disguise that JSON allows. */
const disguised = (key: string) => escaped(key).join('');

function chatEvents(key: string): string[] {
  const base = { id: key, object: 'chat.completion.chunk', created: 1, model: key, system_fingerprint: key };
  const args = `{"query":"${key}","other":"${disguised(key)}"}`;
  const call = { index: 0, id: key, type: 'function', function: { name: `look ${key}`, arguments: args } };
  return [
    JSON.stringify({ ...base, choices: [{ index: 0, delta: { content: `The key is ${key}.`, tool_calls: [call] } }] }),
    JSON.stringify({ ...base, choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] }),
    '[DONE]',
  ];
}

function messageEvents(key: string): string[] {
  const usage = { input_tokens: 3, output_tokens: 5 };
  const message = { id: key, type: 'message', role: 'assistant', model: key, content: [], stop_reason: null, usage };
  const input = `{"query":"${disguised(key)}"}`;
  return [
    { type: 'message_start', message },
    { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: `I know ${key}` } },
    { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: `sign-${key}` } },
    { type: 'content_block_stop', index: 0 },
    { type: 'content_block_start', index: 1, content_block: { type: 'tool_use', id: key, name: key, input: {} } },
    { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: input } },
    { type: 'content_block_stop', index: 1 },
    { type: 'message_delta', delta: { stop_reason: 'tool_use', stop_sequence: key }, usage },
    { type: 'message_stop' },
  ].map((event) => JSON.stringify(event));
}

/** A server that answers every request with the key that it was sent, or fails with it. */
async function echoServer(fails = false) {
  const server = createServer((request, response) => {
    const key = String(request.headers['x-api-key'] ?? request.headers.authorization).replace('Bearer ', '');
    const isMessages = request.url?.includes('messages') ?? false;
    request.resume().on('end', () => {
      if (fails) {
        response.writeHead(400, { 'content-type': 'application/json', 'x-request-id': key });
        response.end(JSON.stringify({ error: { type: key, code: key, message: `no such key: ${key}` } }));
        return;
      }
      response.writeHead(200, { 'content-type': 'text/event-stream', 'x-request-id': key });
      for (const data of isMessages ? messageEvents(key) : chatEvents(key)) {
        const event = isMessages ? `event: ${(JSON.parse(data) as { type: string }).type}\n` : '';
        response.write(`${event}data: ${data}\n\n`);
      }
      response.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { urls: { openai: `${url}/v1`, anthropic: url, compatible: `${url}/v1` } };
}

/** Everything that a home holds, as one text per file, and the archive's rows through SQLite's own files. */
function filesOf(home: string): Map<string, string> {
  const names = readdirSync(home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(names.map(({ parentPath, name }) => [name, readFileSync(join(parentPath, name), 'latin1')]));
}

const tools: ChatRequest['tools'] = [{ name: 'look', description: 'Looks.', json: { type: 'object' } }];

describe('a server that repeats the key in every field', () => {
  it.each([
    ['compatible/qwen3:8b', canaries.compatible],
    ['anthropic/claude-haiku-5-5', canaries.anthropic],
  ] as const)('%s leaves none of it behind, and a replay goes the same way', async (model, key) => {
    const server = await echoServer();
    const live = bench(server);
    const first = question(server, model, { request: { tools } });
    const answer = await live.gateway.ask(first, patient());
    expect(answer.calls).toHaveLength(1);
    for (const { arguments: given } of answer.calls) expect(JSON.stringify(JSON.parse(given))).not.toContain(key);
    expect(JSON.stringify(answer)).not.toContain(key);

    // The conversation continues with the redacted text, as a recording would return it.
    const { text, calls, carried } = answer;
    const results = calls.map(({ id }) => ({ id, text: 'Nothing.', failed: false }));
    const messages = [
      ...first.request.messages,
      { role: 'assistant' as const, text, calls, carried },
      { role: 'tools' as const, results },
    ];
    const second = question(server, model, { request: { tools, messages }, scope: { round: 1 } });
    await live.gateway.ask(second, patient());
    for (const [name, content] of filesOf(live.home)) {
      expect(content.includes(key), name).toBe(false);
      expect(content.includes(disguised(key)), name).toBe(false);
    }

    const replay = bench(server, { replay: live.recording });
    const again = await replay.gateway.ask(first, patient());
    expect(again.calls).toEqual(answer.calls);
    expect(again.carried).toEqual(answer.carried);
    await expect(replay.gateway.ask(second, patient())).resolves.toBeDefined();
  });

  it('in its error leaves none of it in ledger, recording or message', async () => {
    const server = await echoServer(true);
    const live = bench(server);
    const refused = await live.gateway.ask(question(server, 'compatible/qwen3:8b'), patient()).catch((error) => error);
    expect(refused).toBeInstanceOf(Error);
    expect((refused as Error).message).not.toContain(canaries.compatible);
    live.gateway.recordUnavailable(refused);
    for (const [name, content] of filesOf(live.home)) expect(content.includes(canaries.compatible), name).toBe(false);
  });
});

describe('a keyring', () => {
  it('masks its keys in a text and in whatever the text becomes when it is parsed as JSON', () => {
    const { redact } = keyring({ OPENAI_API_KEY: 'sk-Aa/0.9+x', AIRA_COMPATIBLE_API_KEY: 'lab(key)$1' });
    fc.assert(
      fc.property(
        fc.constantFrom('sk-Aa/0.9+x', 'lab(key)$1'),
        fc.array(fc.boolean(), { minLength: 11, maxLength: 11 }),
        fc.string({ maxLength: 10 }),
        (key, choices, around) => {
          const written = [...key].map((unit, at) => (choices[at] ? (escaped(unit)[0] as string) : unit)).join('');
          const json = `{"a":${JSON.stringify(around)},"b":"x${written}y"}`;
          const masked = redact(json);
          expect(masked).not.toContain(key);
          expect(JSON.parse(masked)).toEqual({ a: redact(around), b: 'x[redacted]y' });
        },
      ),
      { seed: 1 },
    );
  });
});
