import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { capText, cleanLine, cleanText, textCap } from '../../src/literature/text.ts';

const anyText = fc.string({ unit: 'binary', maxLength: 200 });

describe('cleanText', () => {
  it.each([
    ['zero-width characters', 'ig\u200bno\u200dre\ufeff', 'ignore'],
    ['bidirectional overrides', 'a\u202egnp.exe\u202c', 'agnp.exe'],
    ['tag characters', `ok${String.fromCodePoint(0xe0069, 0xe0067, 0xe006e)}`, 'ok'],
    ['variation selectors', 'a\ufe0fb\u{e0100}', 'ab'],
    ['look-alike forms', 'ＳＹＳＴＥＭ：', 'SYSTEM:'],
    ['HTML comments', 'shown <!-- hidden --> shown', 'shown shown'],
    ['open HTML comments', 'shown <!-- hidden', 'shown'],
    ['comments in full-width form', 'shown ＜!-- hidden --＞ shown', 'shown shown'],
    ['control characters', 'a\u0000b\u001b', 'a b'],
    ['colours', 'a\u001b[31mb', 'ab'],
    ['carriage returns', 'a\r\nb', 'a\n\nb'],
  ])('removes %s', (_, given, wanted) => {
    expect(cleanText(given)).toBe(wanted);
  });

  it('leaves ordinary text alone, in any script', () => {
    for (const text of ['Attention is all you need.', '注意力机制', 'Größe, naïve', 'α ≤ β'])
      expect(cleanText(text)).toBe(text);
  });

  it('is idempotent and leaves nothing invisible', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const once = cleanText(text);
        expect(cleanText(once)).toBe(once);
        expect(once).not.toMatch(/\p{Default_Ignorable_Code_Point}|\p{Cf}|(?!\n)\p{Cc}|\p{Cs}/u);
      }),
      { numRuns: 2000, seed: 1 },
    );
  });
});

describe('capText', () => {
  it('keeps whole characters within the cap, and says when it cut', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.integer({ min: 0, max: 80 }), (text, cap) => {
        const { text: kept, truncated } = capText(text, cap);
        expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(cap);
        expect(text.startsWith(kept)).toBe(true);
        expect(truncated).toBe(Buffer.byteLength(text) > cap);
      }),
      { numRuns: 500, seed: 1 },
    );
    expect(capText('é'.repeat(textCap)).text).toBe('é'.repeat(textCap / 2));
  });

  it('makes one line of many', () => {
    expect(cleanLine('a\nb\t c', 100)).toBe('a b c');
  });
});
