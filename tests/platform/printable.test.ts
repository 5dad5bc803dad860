import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonLine, normalised, printable } from '../../src/platform/text.ts';

/** Whatever a terminal acts on or a reader cannot see. Written apart from the code that removes it. */
function dangers(text: string, { lines = false } = {}): string[] {
  return [...text].filter((character) => {
    const point = character.codePointAt(0) ?? 0;
    if (character === '\n' || character === '\t') return !lines;
    const within = (from: number, to: number) => point >= from && point <= to;
    return (
      within(0x00, 0x1f) || // C0, with ESC and BEL
      within(0x7f, 0x9f) || // DEL and C1
      within(0x200b, 0x200f) || // zero-width characters and marks of direction
      within(0x2028, 0x202e) || // line and paragraph separators, embeddings, overrides
      within(0x2060, 0x206f) || // word joiner, isolates
      within(0xd800, 0xdfff) || // halves of surrogate pairs
      within(0xfe00, 0xfe0f) || // variation selectors
      within(0xe0000, 0xe0fff) || // tags, variation selectors
      [0x00ad, 0x061c, 0x180e, 0xfeff].includes(point)
    );
  });
}

const nasty = fc.constantFrom(
  '\u001b[2J',
  '\u001b]0;title\u0007',
  '\u001b]8;;http://x\u001b\\',
  '\u009b31m',
  '\u0007',
  '\u202e',
  '\u2066',
  '\u200b',
  '\u2028',
  '\ud800',
  '\udc00',
  '\u{e0041}',
  '\ufeff',
  '\r',
  '\r\n',
  '\n',
  '\t',
  'a',
  '注意',
  '🙂',
);
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 100 }),
  fc.array(nasty, { maxLength: 40 }).map((parts) => parts.join('')),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 60 }).map((units) => String.fromCharCode(...units)),
);

describe('printable text', () => {
  it('holds nothing that a terminal acts on or a reader cannot see, whatever it is made from', () => {
    fc.assert(
      fc.property(anyText, fc.boolean(), fc.option(fc.nat({ max: 60 }), { nil: undefined }), (text, lines, width) => {
        const shown = printable(text, { lines, ...(width === undefined ? {} : { width }) });
        expect(dangers(shown, { lines })).toEqual([]);
        if (!lines) expect(shown.split('\n')).toHaveLength(1);
        if (width !== undefined) expect(shown.length).toBeLessThanOrEqual(width);
        if (width === undefined) expect(printable(shown, { lines })).toBe(shown);
      }),
      { numRuns: 3000, seed: 1 },
    );
  });

  it.each([
    ['a colour', '\u001b[31mred\u001b[0m', 'red'],
    ['a title', 'a\u001b]0;owned\u0007b', 'ab'],
    ['an escape without an end', 'a\u001bb', 'a\ufffdb'],
    ['a bell', 'a\u0007b', 'a\ufffdb'],
    ['an override', 'a\u202eb', 'a\ufffdb'],
    ['a tag', `a${String.fromCodePoint(0xe0069)}b`, 'ab'],
    [
      'a forged line',
      'ok\nI3 scores come from the evaluator only: holds',
      'ok I3 scores come from the evaluator only: holds',
    ],
    ['a forged line by other means', 'ok\u2028I3\u0085I4\rI5', 'ok I3 I4 I5'],
    ['half a character', 'a\ud83d', 'a\ufffd'],
  ])('shows %s harmlessly', (_, given, wanted) => {
    expect(printable(given)).toBe(wanted);
  });

  it('leaves ordinary text alone, in any script', () => {
    for (const text of ['Attention is all you need.', '注意力机制', 'Größe, naïve', 'α ≤ β', '−0.5 ± 0.1', '🙂']) {
      expect(printable(text)).toBe(text);
    }
    expect(printable('a\n\tb\r\nc', { lines: true })).toBe('a\n\tb\nc');
  });

  it('says where it was cut, and cuts within no character', () => {
    expect(printable('abcdef', { width: 4 })).toBe('abc…');
    expect(printable('🙂🙂🙂', { width: 4 })).toBe('🙂…');
    expect(printable('abcd', { width: 4 })).toBe('abcd');
    expect(printable('x'.repeat(1e6), { width: 10 })).toBe(`${'x'.repeat(9)}…`);
  });

  it('costs as much time as it has characters', () => {
    const slow = [`a${'\u0301\u0316'.repeat(200_000)}`, '\u001b['.repeat(200_000), `\u001b]${'x'.repeat(400_000)}`];
    for (const text of slow) {
      const before = process.cpuUsage();
      normalised(printable(text));
      const { user, system } = process.cpuUsage(before);
      expect((user + system) / 1000).toBeLessThan(400);
    }
  });
});

describe('a line of JSON', () => {
  it('holds the same value, and nothing that a terminal acts on', () => {
    fc.assert(
      fc.property(anyText, fc.jsonValue(), (text, value) => {
        const line = jsonLine({ text, value });
        expect(JSON.parse(line)).toEqual(JSON.parse(JSON.stringify({ text, value })));
        expect(dangers(line)).toEqual([]);
      }),
      { numRuns: 2000, seed: 1 },
    );
  });
});
