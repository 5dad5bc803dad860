import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { engineFor } from '../../src/evaluators/index.ts';

let root: string;
const record = (text: string) => writeFileSync(join(root, 'dist', 'engine.json'), text);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'aira-engine-'));
  mkdirSync(join(root, 'dist'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('the engine of CPU workers', () => {
  it('is what set-up found, with its reason', () => {
    record('{ "engine": "native", "reason": null, "stamp": "x" }');
    expect(engineFor('cpu', root, {})).toEqual({ engine: 'native', reason: null });
    record('{ "engine": "torch", "reason": "there is no C++ compiler" }');
    expect(engineFor('cpu', root, {})).toEqual({ engine: 'torch', reason: 'there is no C++ compiler' });
  });

  it.each(['', '{"engine":"native', '{"engine":"abacus","reason":null}', '[]'])(
    'is torch after the record %j',
    (text) => {
      record(text);
      expect(engineFor('cpu', root, {})).toMatchObject({
        engine: 'torch',
        reason: expect.stringContaining('npm run setup'),
      });
    },
  );

  it('is torch, and says how to try the other one, where set-up never ran', () => {
    expect(engineFor('cpu', root, {})).toMatchObject({
      engine: 'torch',
      reason: expect.stringContaining('npm run setup'),
    });
  });

  it('is what AIRA_ENGINE says, whatever set-up found', () => {
    record('{ "engine": "native", "reason": null }');
    for (const engine of ['native', 'native-bf16', 'torch']) {
      expect(engineFor('cpu', root, { AIRA_ENGINE: engine })).toEqual({ engine, reason: null });
    }
    expect(() => engineFor('cpu', root, { AIRA_ENGINE: 'abacus' })).toThrow('unknown engine AIRA_ENGINE=abacus');
    expect(engineFor('cuda', root, { AIRA_ENGINE: 'native-bf16' }).engine).toBe('population');
  });

  it('is none of the business of GPU workers, which train populations', () => {
    record('{ "engine": "native", "reason": null }');
    expect(engineFor('cuda', root)).toEqual({ engine: 'population', reason: null });
  });
});
