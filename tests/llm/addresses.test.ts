/** A key goes to addresses that this machine has named, whatever a message says (S3). */
import { describe, expect, it } from 'vitest';
import { PrerequisiteError } from '../../src/domain/errors.ts';
import { checkModels, keyring } from '../../src/llm/keys.ts';
import { loadPrices } from '../../src/llm/prices.ts';
import { agentSpec, searchSpec } from '../support/specs.ts';

const key = 'canary-of-addresses';
const model = 'compatible/qwen3:8b';
const here = 'http://localhost:11434/v1';
const there = 'http://evil.example/v1';

const refusal = (environment: Record<string, string>, addresses: readonly string[], asked: string | undefined) => {
  try {
    keyring({ AIRA_COMPATIBLE_API_KEY: key, ...environment }, addresses).endpoint(model, asked);
  } catch (thrown) {
    return thrown as PrerequisiteError;
  }
  throw new Error('the key was handed out');
};

describe('the key of compatible servers', () => {
  it('is handed out for an address of the command line or a file', () => {
    for (const spelled of [here, `${here}/`, 'HTTP://LocalHost:11434/v1']) {
      expect(keyring({ AIRA_COMPATIBLE_API_KEY: key }, [here]).endpoint(model, spelled).key.reveal()).toBe(key);
    }
  });

  it('is handed out for the addresses of the environment', () => {
    const environment = { AIRA_COMPATIBLE_API_KEY: key, AIRA_COMPATIBLE_BASE_URL: `http://a.example/v1, ${here}` };
    expect(keyring(environment).endpoint(model, here).key.reveal()).toBe(key);
    expect(keyring(environment).endpoint(model, 'http://a.example/v1').baseUrl).toBe('http://a.example/v1');
  });

  it.each([there, `${here}@evil.example/`, 'http://localhost:11434/v2', 'http://localhost:11435/v1', undefined])(
    'is handed out for no other: %s',
    (asked) => {
      const failure = refusal({ AIRA_COMPATIBLE_BASE_URL: here }, [here], asked);
      expect(failure).toBeInstanceOf(PrerequisiteError);
      expect(failure.code).toBe('address');
      expect(failure.remedy).toMatch(/--base-url.*AIRA_COMPATIBLE_BASE_URL/);
      expect(failure.message).not.toContain(key);
    },
  );

  it('is not needed for a refusal: prompts go to no unknown address either', () => {
    expect(() => keyring({}).endpoint(model, there)).toThrow('not allowed on this machine');
  });

  it('is required before a search starts', () => {
    const spec = searchSpec({ agents: [agentSpec({ model, baseUrl: there })] });
    expect(() => checkModels(spec, keyring({}, [here]), loadPrices())).toThrow('not allowed on this machine');
    expect(() => checkModels(spec, keyring({}, [there]), loadPrices())).not.toThrow();
  });
});
