import { describe, expect, it } from 'vitest';
import { agentEntrySchema } from '../../src/domain/agent.ts';
import { formatZodError } from '../../src/domain/inputFile.ts';
import {
  armsOf,
  chatArms,
  isBandit,
  isLocal,
  isOutside,
  isProgram,
  modelSchema,
  splitModel,
} from '../../src/domain/model.ts';

const read = (given: object) =>
  agentEntrySchema.safeParse({ name: 'one', model: 'local/random', scaffold: 'greedy', ...given });
const wrong = (given: object): string[] => {
  const result = read(given);
  return result.success ? [] : formatZodError(result.error, agentEntrySchema);
};
const compatible = { model: 'compatible/qwen3:8b', baseUrl: 'http://localhost:11434/v1' };

describe('a model', () => {
  it.each([
    ['openai/gpt-6-sol', 'openai', 'gpt-6-sol'],
    ['anthropic/claude-opus-5-5', 'anthropic', 'claude-opus-5-5'],
    ['compatible/meta-llama/Llama-4:free', 'compatible', 'meta-llama/Llama-4:free'],
  ])('%s has a provider and a name', (text, provider, name) => {
    const model = modelSchema.parse(text);
    if (isLocal(model) || isBandit(model) || isOutside(model) || isProgram(model)) throw new Error('a language model');
    expect(splitModel(model)).toEqual({ provider, name });
  });

  it.each(['gpt-6', 'local/clever', 'openai/', 'openai/a b', 'mistral/large', 'openai/$(rm)'])('%j is none', (text) => {
    expect(modelSchema.safeParse(text).success).toBe(false);
    expect(wrong({ model: text })[0]).toMatch(/^model: not a model; use local\/random/);
  });
});

describe('a choice among models', () => {
  it.each(['bandit/[local/mutate,openai/gpt-6-sol]', 'bandit/[ local/mutate , openai/gpt-6-sol ]'])('%s', (text) => {
    const model = modelSchema.parse(text);
    expect(model).toBe('bandit/[local/mutate, openai/gpt-6-sol]');
    expect(armsOf(model)).toEqual(['local/mutate', 'openai/gpt-6-sol']);
    expect(chatArms(model)).toEqual(['openai/gpt-6-sol']);
  });

  it.each([
    ['bandit/[local/mutate]', /a bandit needs at least two models/],
    ['bandit/[local/mutate, local/mutate]', /listed twice/],
    ['bandit/[local/mutate, gpt-6]', /"gpt-6" is not a model/],
    ['bandit/[local/mutate, bandit/[local/random, local/prior]]', /is not a model/],
    ['bandit/local/mutate', /expected bandit\/\[/],
    ['bandit/[]', /is not a model/],
  ])('is not %s', (model, message) => {
    expect(wrong({ model })[0]).toMatch(message);
  });

  it('takes the options of its models and its own', () => {
    const model = 'bandit/[compatible/qwen3, openai/gpt-6-sol]';
    const { baseUrl } = compatible;
    expect(wrong({ model, baseUrl, bandit: { thrift: 0.2 }, models: { analyze: 'openai/gpt-6-luna' } })).toEqual([]);
    expect(wrong({ model })[0]).toMatch(/^baseUrl: /);
    expect(wrong({ model, baseUrl, models: { draft: 'openai/gpt-6-luna' } })[0]).toMatch(/^models: the bandit chooses/);
    expect(wrong({ bandit: {} })[0]).toMatch(/^bandit: local\/random is a single model/);
    expect(wrong({ model: 'bandit/[local/random, local/mutate]', effort: 'low' })[0]).toMatch(/takes no effort/);
  });
});

describe('an agent from outside', () => {
  const outside = { model: 'outside/mcp', scaffold: 'outside' };

  it('has a name, a budget and what it may read; its client decides the rest', () => {
    expect(wrong({ ...outside, evaluations: 3, pending: 1, memory: 'ensemble', literature: true })).toEqual([]);
    expect(armsOf('outside/mcp')).toEqual([]);
  });

  it.each([
    [{ model: 'outside/mcp' }, /^scaffold: .*need each other/],
    [{ scaffold: 'outside' }, /^scaffold: .*need each other/],
    [{ ...outside, effort: 'low' }, /^effort: outside\/mcp is not a language model/],
    [{ ...outside, literature: { how: 'before' } }, /^literature: .*remove how: before/],
    [{ ...outside, model: 'outside/other' }, /not a model/],
  ])('does not take %j', (entry, message) => {
    expect(wrong(entry)[0]).toMatch(message);
  });
});

describe('an agent', () => {
  it('may think with a language model, as its options say', () => {
    expect(
      wrong({
        model: 'anthropic/claude-opus-5-5',
        effort: 'max',
        role: 'Doubt.',
        dollars: 1,
        tokens: 9,
        maxTokens: 500,
      }),
    ).toEqual([]);
    expect(wrong({ ...compatible, temperature: 0.7 })).toEqual([]);
    expect(
      wrong({ model: 'openai/gpt-6-sol', models: { analyze: 'compatible/qwen3' }, baseUrl: compatible.baseUrl }),
    ).toEqual([]);
  });

  it.each([
    [{ effort: 'low' }, 'effort: local/random is not a language model and takes no effort'],
    [{ models: { draft: 'openai/gpt-6-sol' } }, 'models: local/random is not a language model and takes no models'],
    [{ operators: { kind: 'multi-turn', scripts: true } }, 'operators: local/random writes no scripts; remove scripts'],
    [{ model: 'openai/gpt-6-sol', temperature: 1 }, /^temperature: only compatible/],
    [{ model: 'openai/gpt-6-sol', baseUrl: 'http://x/v1' }, /^baseUrl: only compatible/],
    [{ model: 'compatible/qwen3' }, /^baseUrl: a compatible\/ model needs baseUrl/],
    [{ model: 'openai/gpt-6-sol', models: { analyze: 'compatible/qwen3' } }, /^baseUrl: a compatible/],
    [{ ...compatible, baseUrl: 'localhost:11434' }, /^baseUrl: /],
    [{ ...compatible, baseUrl: 'file:///etc/passwd' }, /^baseUrl: /],
    [{ ...compatible, baseUrl: 'http://me:secret@host/v1' }, /^baseUrl: remove user name and password/],
    [{ model: 'openai/gpt-6-sol', efort: 'low' }, /unknown key "efort"; did you mean "effort"/],
    [{ model: 'openai/gpt-6-sol', models: { dream: 'openai/gpt-6-sol' } }, /^models/],
  ])('is told what is wrong with %o', (given, message) => {
    expect(wrong(given)[0]).toMatch(message);
  });
});

describe('what an agent may read', () => {
  const literature = (stated: unknown, model = 'anthropic/claude-opus-5-5') => {
    const parsed = read({ model, literature: stated });
    return parsed.success ? parsed.data.literature : formatZodError(parsed.error, agentEntrySchema)[0];
  };

  it('is decided in full by a word', () => {
    const usual = { sources: ['corpus', 'archive'], searches: 4, reads: 2, items: 5, how: 'tools' };
    expect(literature(true)).toEqual(usual);
    expect(literature({})).toEqual(usual);
    expect(literature(false)).toBeNull();
    expect(literature({ online: true })).toMatchObject({
      sources: expect.arrayContaining(['arxiv', 'github', 'corpus']),
    });
    expect(literature({ how: 'before' })).toMatchObject({ reads: 0 });
  });

  it.each([
    [{ sources: ['arxiv'] }, /arxiv is an online service: add online: true/],
    [{ sources: ['corpus'], online: true }, /none of the sources is an online service/],
    [{ how: 'before', reads: 3 }, /how: before includes no full texts/],
    [{ depth: 3 }, /depth/],
  ])('%j is an error, since it would have no effect', (stated, message) => {
    expect(literature(stated)).toMatch(message);
  });

  it('is no affair of local models', () => {
    expect(literature(true, 'local/mutate')).toMatch(/local\/mutate is not a language model and takes no literature/);
    expect(literature(true, 'local/prior')).toMatch(/local\/prior always reads the corpus/);
    expect(literature(false, 'local/mutate')).toBeNull();
  });
});
