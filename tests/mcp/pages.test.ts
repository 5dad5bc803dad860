import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Page, pageOf, type TextPage, textPageOf } from '../../src/mcp/answers.ts';
import { jsonLine } from '../../src/platform/index.ts';

const bytes = (value: unknown) => Buffer.byteLength(jsonLine(value));

describe('pages', () => {
  it('of a list hold each item once, in order, and fit unless one item alone does not', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 60 }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 200 }),
        (items, room) => {
          const seen: string[] = [];
          for (let from: number | null = 0; from !== null; ) {
            const page: Page<string> = pageOf(items, from, room);
            if (page.items.length > 1) expect(bytes(page.items)).toBeLessThanOrEqual(room + 2);
            if (items.length > 0) expect(page.items.length).toBeGreaterThan(0);
            seen.push(...page.items);
            from = page.next;
          }
          expect(seen).toEqual(items);
        },
      ),
    );
  });

  it('of a text fit, join to the text, and split no character', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '\n', '"', '\u200b', 'é', '木', '😀'), maxLength: 200 });
    fc.assert(
      fc.property(text, fc.integer({ min: 20, max: 120 }), (whole, room) => {
        let joined = '';
        for (let from: number | null = 0; from !== null; ) {
          const page: TextPage = textPageOf(whole, from, room);
          expect(bytes(page.text)).toBeLessThanOrEqual(room);
          expect(page.text).not.toMatch(/\p{Cs}/u);
          joined += page.text;
          from = page.next;
        }
        expect(joined).toBe(whole);
      }),
    );
  });

  it('beyond the end are empty', () => {
    expect(pageOf([1, 2], 5, 100)).toEqual({ items: [], next: null });
    expect(textPageOf('ab', 5, 100)).toEqual({ text: '', next: null });
  });
});
