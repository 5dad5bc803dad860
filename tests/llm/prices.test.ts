import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkModels, keyring } from '../../src/llm/keys.ts';
import { cost, loadPrices } from '../../src/llm/prices.ts';
import { Secret } from '../../src/llm/wire.ts';
import { temporaryFolder } from '../support/home.ts';
import { agentSpec, searchSpec } from '../support/specs.ts';

function fileOf(content: unknown): string {
  const path = join(temporaryFolder(), 'prices.json');
  writeFileSync(path, JSON.stringify(content));
  return path;
}

describe('prices', () => {
  it('charge each kind of token its own price, and input where none is stated', () => {
    const usage = { input: 1_000_000, cached: 400_000, written: 100_000, output: 10_000 };
    expect(cost(usage, { input: 4, cached: 0.2, written: 5, output: 20 })).toBeCloseTo(2 + 0.08 + 0.5 + 0.2, 12);
    expect(cost(usage, { input: 4, output: 20 })).toBeCloseTo(4 + 0.2, 12);
  });

  it('are those of the user where there are any, else the shipped ones; a dated name costs what its family costs', () => {
    const own = {
      asOf: '2026-01-02',
      models: { 'openai/gpt-6-sol': { input: 1, output: 1 }, 'openai/new': { input: 7, output: 9 } },
    };
    const prices = loadPrices(fileOf(own));
    expect(prices.asOf).toBe('2026-01-02');
    expect(prices.of('openai/gpt-6-sol')).toEqual({ input: 1, output: 1 });
    expect(prices.of('openai/gpt-6-sol-2026-09-22')).toEqual({ input: 1, output: 1 });
    expect(prices.of('openai/new')).toEqual({ input: 7, output: 9 });
    expect(prices.of('anthropic/claude-opus-5-5')).toMatchObject({ input: 4, output: 20 });
    expect(prices.of('compatible/meta-llama/Llama-4')).toEqual({ input: 0, output: 0 });
    expect(prices.of('openai/unheard-of')).toBeNull();
  });

  it.each([
    [{ asOf: 'yesterday', models: {} }, 'asOf'],
    [{ asOf: '2026-01-02', models: { 'openai/x': { input: -1, output: 1 } } }, 'input'],
    [{ asOf: '2026-01-02', models: { x: { input: 1, output: 1 } } }, 'x'],
    [{ asOf: '2026-01-02', models: {}, discount: 1 }, 'discount'],
  ])('of a bad file are refused with what is wrong: %o', (content, named) => {
    expect(() => loadPrices(fileOf(content))).toThrow(named);
  });
});

describe('before a search', () => {
  const prices = loadPrices();
  const spec = (agent: object, budget: object = {}) =>
    searchSpec({ agents: [agentSpec(agent)], budget: { evaluations: 4, ...budget } });

  it('a missing key is found, of the models for single operators too', () => {
    const keys = keyring({ ANTHROPIC_API_KEY: 'a' });
    const agent = { model: 'anthropic/claude-opus-5-5', models: { analyze: 'openai/gpt-6-luna' } };
    expect(() => checkModels(spec(agent), keys, prices)).toThrow('openai/gpt-6-luna needs an API key');
    expect(() => checkModels(spec({ model: 'anthropic/claude-opus-5-5' }), keys, prices)).not.toThrow();
    expect(() => checkModels(spec({ model: 'local/mutate' }), keyring({}), prices)).not.toThrow();
  });

  it('a missing price is found where dollars are limited, and only there', () => {
    const keys = keyring({ OPENAI_API_KEY: 'a' });
    const agent = { model: 'openai/unheard-of' };
    expect(() => checkModels(spec(agent), keys, prices)).not.toThrow();
    expect(() => checkModels(spec(agent, { dollars: 1 }), keys, prices)).toThrow('no price for');
    expect(() => checkModels(spec({ ...agent, dollars: 1 }), keys, prices)).toThrow('no price for');
  });
});

describe('a compatible server', () => {
  const model = 'compatible/qwen3:8b';
  const free = { asOf: '2026-01-02', models: { 'compatible/*': { input: 0, output: 0 } } };

  it.each([
    ['http://localhost:11434/v1', true],
    ['http://127.0.0.1:8080/v1', true],
    ['http://[::1]:8080/v1', true],
    ['https://openrouter.ai/api/v1', false],
    ['http://192.168.1.7:8000/v1', false],
    ['http://localhost.evil.example/v1', false],
  ])('at %s is free without being asked: %s', (baseUrl, isFree) => {
    const limited = searchSpec({ agents: [agentSpec({ model, baseUrl })], budget: { evaluations: 4, dollars: 1 } });
    const check = (prices = loadPrices()) => checkModels(limited, keyring({}, [baseUrl]), prices);
    if (isFree) expect(() => check()).not.toThrow();
    else expect(() => check()).toThrow(`no price for ${model} at ${baseUrl}`);
    expect(() => check(loadPrices(fileOf(free)))).not.toThrow();
    const open = searchSpec({ agents: [agentSpec({ model, baseUrl })] });
    expect(() => checkModels(open, keyring({}, [baseUrl]), loadPrices())).not.toThrow();
  });
});

describe('a key', () => {
  it('shows itself to nothing that prints', async () => {
    const { inspect } = await import('node:util');
    const secret = new Secret('sk-1');
    for (const shown of [
      `${secret}`,
      JSON.stringify({ secret }),
      inspect({ secret }, { showHidden: true, depth: 9 }),
    ]) {
      expect(shown).not.toContain('sk-1');
      expect(shown).toContain('[redacted]');
    }
    expect(secret.reveal()).toBe('sk-1');
  });

  it('is masked in texts, the longer one first where one holds the other', () => {
    const { redact } = keyring({ OPENAI_API_KEY: 'abc', ANTHROPIC_API_KEY: 'abcdef' });
    expect(redact('abcdef and abc')).toBe('[redacted] and [redacted]');
  });
});
