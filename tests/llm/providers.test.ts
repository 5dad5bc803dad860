import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { faultOf, retryAfter } from '../../src/llm/retry.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { type Fault, startLlmServer } from '../support/llm-server/server.ts';
import { bench, canaries, models, patient, question } from './support.ts';

const brain = () => '{"one": 1}';
/** Bytes of a question's system prompt, message and schema. */
const bytesAsked =
  'You answer in JSON.Say one.'.length +
  JSON.stringify(question({ urls: {} as never }, models[0] as never).request.schema?.json).length;
const failing = (...faults: (Fault | null)[]) => startLlmServer({ brain, fault: (number) => faults[number] ?? null });

describe.each(models)('%s', (model) => {
  it("is asked in its provider's format; answer, usage and price are recorded", async () => {
    const server = await failing();
    const { gateway, home, spec } = bench(server);
    const provider = model.split('/')[0] as keyof typeof canaries;
    const asked = question(server, model, { request: { effort: 'low' } });
    expect(await gateway.ask(asked, patient())).toEqual({
      ...{ text: '{"one": 1}', outcome: 'complete', problem: null },
      ...{
        calls: [],
        carried: [],
        dollars: provider === 'compatible' ? 0 : expect.toSatisfy((paid: number) => paid > 0),
      },
    });
    expect(server.wrong).toEqual([]);
    const [served] = server.served;
    expect(served?.authorization).toBe(`Bearer ${canaries[provider]}`);
    expect(served?.asked).toMatchObject({
      model: model.slice(model.indexOf('/') + 1),
      system: 'You answer in JSON.',
      messages: [{ role: 'user', text: 'Say one.' }],
      maxTokens: 1000,
      effort: 'low',
      temperature: null,
      cacheMarked: provider !== 'compatible',
    });
    expect(served?.asked.schemaName).not.toBeNull();
    const reader = readArchive(home);
    const [call] = reader.calls.of(spec.id);
    reader.close();
    const { input, cached, written, output } = served?.usage ?? {};
    expect(call).toMatchObject({ outcome: 'complete', input, cached, written, output, estimated: 0 });
    expect(call?.dollars).toBeLessThanOrEqual(call?.reservedDollars ?? 0);
    expect((call?.input ?? 0) + (call?.output ?? 0)).toBeLessThanOrEqual(call?.reservedTokens ?? 0);
  });

  it('is asked for a summary of its reasoning where its provider has one, which is stored with the call', async () => {
    const server = await failing();
    const { gateway, recording } = bench(server);
    await gateway.ask(question(server, model, { request: { effort: 'low' } }), patient());
    const summarised = !model.startsWith('compatible/');
    expect(server.served[0]?.asked.summary).toBe(summarised);
    const [entry] = readFileSync(recording, 'utf8').trim().split('\n');
    expect(JSON.parse(entry ?? '').result.reasoning).toBe(summarised ? 'What is known?' : undefined);
  });

  it.each<[Fault, string]>([
    [{ kind: 'status', status: 429, headers: { 'retry-after': '3' } }, 'busy'],
    [{ kind: 'status', status: 500 }, 'unavailable'],
    [{ kind: 'status', status: 503 }, 'unavailable'],
    [{ kind: 'status', status: 529 }, 'busy'],
    [{ kind: 'reset' }, 'unavailable'],
    [{ kind: 'hang' }, 'timeout'],
    [{ kind: 'stall' }, 'timeout'],
    [{ kind: 'cut' }, 'dropped'],
    [{ kind: 'short' }, 'dropped'],
  ])('is asked again after %o', async (fault, outcome) => {
    const provider = model.split('/')[0];
    const server = await failing(fault);
    const { gateway, home, spec, timers } = bench(server);
    expect(await gateway.ask(question(server, model), patient())).toMatchObject({ outcome: 'complete' });
    expect(server.served).toHaveLength(2);
    const [wait = 0] = timers.waits;
    const asked = fault.kind === 'status' && fault.status === 429 ? 3000 : 0;
    expect(wait).toBeGreaterThanOrEqual(asked);
    expect(wait).toBeLessThanOrEqual(asked + 1000);
    const reader = readArchive(home);
    const calls = reader.calls.of(spec.id);
    reader.close();
    expect(calls.map((call) => call.outcome)).toEqual([outcome, 'complete']);
    // What may have been billed is charged as far as it is known, what was turned away is not.
    const [lost, answered] = calls;
    const billed = outcome === 'timeout' || outcome === 'dropped';
    expect(lost?.estimated).toBe(billed ? 1 : 0);
    if (!billed) expect([lost?.input, lost?.output, lost?.dollars]).toEqual([0, 0, 0]);
    else {
      const begun = fault.kind !== 'hang';
      // Anthropic states the input first; the others are counted, at three bytes per token.
      const stated = begun && provider === 'anthropic' ? answered?.input : Math.ceil(bytesAsked / 3);
      expect(lost?.input).toBe(stated);
      expect(lost?.output).toBeLessThanOrEqual(answered?.output ?? 0);
      expect(lost?.dollars).toBeLessThan((lost?.reservedDollars ?? 0) / 5 || 1e-9);
    }
  });

  it('is asked again after an error within the stream', async () => {
    const server = await failing({ kind: 'error-event' });
    const { gateway } = bench(server);
    expect(await gateway.ask(question(server, model), patient())).toMatchObject({ outcome: 'complete' });
    expect(server.served).toHaveLength(2);
  });

  it.each(['truncated', 'refused', 'empty'] as const)('has its %s answer recognised', async (kind) => {
    const server = await failing({ kind });
    const { gateway } = bench(server);
    expect((await gateway.ask(question(server, model), patient())).outcome).toBe(kind);
    expect(server.served).toHaveLength(1);
  });

  it.each<[number, unknown]>([
    [401, { error: { type: 'authentication_error', message: `bad key ${Object.values(canaries).join(' ')}` } }],
    [404, { error: { type: 'not_found_error', message: 'no such model' } }],
    [402, { error: { message: 'payment required' } }],
    [429, { error: { code: 'insufficient_quota', message: 'You exceeded your current quota' } }],
    [400, { error: { type: 'invalid_request_error', message: 'Your credit balance is too low' } }],
  ])('is not asked again after %i %o, and no key is told', async (status, body) => {
    const server = await failing({ kind: 'status', status, body });
    const { gateway, timers } = bench(server);
    const error = await gateway.ask(question(server, model), patient()).catch((thrown) => thrown);
    expect(error).toMatchObject({ name: 'RequestRejectedError', code: 'provider-rejected' });
    for (const key of Object.values(canaries)) expect(String(error.stack)).not.toContain(key);
    expect(server.served).toHaveLength(1);
    expect(timers.waits).toEqual([]);
  });

  it("is aborted with the caller's signal", async () => {
    const server = await failing({ kind: 'hang' });
    const { gateway } = bench(server);
    const caller = new AbortController();
    const asking = gateway.ask(question(server, model), caller.signal);
    const ended = expect(asking).rejects.toThrow('enough');
    await server.reached(1);
    caller.abort(new Error('enough'));
    await ended;
    expect(server.served).toHaveLength(1);
  });
});

describe('compatible servers', () => {
  it('are given the temperature, and are charged an estimate where they state no usage', async () => {
    const server = await failing({ kind: 'no-usage' });
    const { gateway, home, spec } = bench(server);
    await gateway.ask(question(server, 'compatible/qwen3:8b', { request: { temperature: 0.7 } }), patient());
    expect(server.served[0]?.asked.temperature).toBe(0.7);
    const reader = readArchive(home);
    expect(reader.calls.of(spec.id)[0]).toMatchObject({ estimated: 1, outcome: 'complete' });
    reader.close();
  });

  it('may think aloud: what stands before the end of the thought is no answer', async () => {
    const server = await startLlmServer({ brain: () => 'two? no.</think>\n{"one": 1}' });
    const { gateway } = bench(server);
    expect(await gateway.ask(question(server, 'compatible/qwen3:8b'), patient())).toMatchObject({ text: '{"one": 1}' });
  });
});

describe('a provider that is down', () => {
  it('is blocked after five failures, and probed at intervals', async () => {
    const server = await startLlmServer({
      brain,
      fault: (number) =>
        number < 5 ? { kind: 'status', status: 500, body: { error: { message: canaries.openai } } } : null,
    });
    const { gateway, clock } = bench(server);
    const asked = question(server, 'openai/gpt-5.6-luna');
    const away = { name: 'ProviderUnavailableError', code: 'provider-away' };
    await expect(gateway.ask(asked, patient())).rejects.toMatchObject(away);
    expect(server.served).toHaveLength(5);
    const refused = await gateway.ask(asked, patient()).catch((thrown) => thrown);
    for (const key of Object.values(canaries)) expect(String(refused.stack)).not.toContain(key);
    expect(refused).toMatchObject({ code: 'provider-down', retryAfterMs: 30_000 });
    expect(server.served).toHaveLength(5);
    // Another provider is another circuit.
    expect(await gateway.ask(question(server, 'anthropic/claude-haiku-5-5'), patient())).toMatchObject({
      outcome: 'complete',
    });
    clock.advance(30_000);
    expect(await gateway.ask(asked, patient())).toMatchObject({ outcome: 'complete' });
  });
});

describe('Retry-After', () => {
  it.each([
    [{ 'retry-after': '7' }, 7000],
    [{ 'retry-after-ms': '250', 'retry-after': '7' }, 250],
    [{ 'retry-after': '86400' }, 120_000],
    [{ 'retry-after': 'Thu, 01 Jan 1970 00:16:50 GMT' }, 10_000],
    [{ 'retry-after': '0' }, 0],
    [{ 'retry-after': '-1' }, null],
    [{ 'retry-after': 'NaN' }, null],
    [{}, null],
  ])('%o means %s ms', (headers, expected) => {
    expect(retryAfter(new Headers(headers as Record<string, string>), 1_000_000)).toBe(expected);
  });

  it('is not heeded where money is lacking', () => {
    const headers = new Headers({ 'retry-after': '7' });
    expect(faultOf(429, 'enforced_spend_limit_reached', headers, 0)).toMatchObject({
      kind: 'rejected',
      retryAfterMs: null,
    });
    expect(faultOf(429, 'rate_limit_exceeded', headers, 0)).toMatchObject({ kind: 'busy', retryAfterMs: 7000 });
  });
});
