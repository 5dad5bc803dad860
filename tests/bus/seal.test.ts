import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openResult, sealResult } from '../../src/bus/index.ts';
import { resultMessageSchema } from '../../src/domain/evaluation.ts';
import { newSealingKey, publicSealingKey, seal, unseal } from '../../src/platform/secrets.ts';
import { job } from '../bus/support.ts';
import { measurement, resultOf } from '../support/specs.ts';

const key = newSealingKey();
const other = newSealingKey();

describe('a sealed text', () => {
  it('opens for the holder of the key and the purpose it was sealed for, and for nobody else', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (text, context, wrong) => {
        const sealed = seal(text, publicSealingKey(key), context);
        expect(unseal(sealed, key, context)).toBe(text);
        expect(unseal(sealed, other, context)).toBeNull();
        if (wrong !== context) expect(unseal(sealed, key, wrong)).toBeNull();
      }),
      { numRuns: 50 },
    );
  });

  it('does not open when any byte of it was changed', () => {
    const sealed = Buffer.from(seal('0.87654321', publicSealingKey(key), 'purpose'), 'base64url');
    for (let index = 0; index < sealed.length; index++) {
      const altered = Buffer.from(sealed);
      altered[index] = (altered[index] ?? 0) ^ 1;
      expect(unseal(altered.toString('base64url'), key, 'purpose'), `byte ${index}`).toBeNull();
    }
    expect(unseal('', key, 'purpose')).toBeNull();
  });
});

describe('a result with hidden figures', () => {
  const tasks = { recall: { validation: 0.5, test: 0.7654321 }, copy: { validation: 0.25 } };
  const result = resultOf(job(1), measurement(0.5, { test: 0.87654321, tasks }));

  it('travels without them and arrives with them', () => {
    const message = resultMessageSchema.parse(sealResult(result, publicSealingKey(key)));
    expect(JSON.stringify(message)).not.toMatch(/0\.7654321|0\.87654321/);
    expect(openResult(message, key)).toEqual(result);
    expect(openResult(message, other)).toBeNull();
    expect(openResult({ ...message, attempt: 2 }, key)).toBeNull();
  });

  it('is no message while they are open, and is not sent without a key', () => {
    expect(resultMessageSchema.safeParse(result).success).toBe(false);
    expect(() => sealResult(result, undefined)).toThrow('without the archive’s key');
  });
});
