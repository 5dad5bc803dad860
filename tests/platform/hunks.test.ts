import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hunksOf } from '../../src/platform/text.ts';

/** Applies hunks without context to a text. */
function patched(from: string, hunks: ReturnType<typeof hunksOf>): string {
  const lines = from === '' ? [] : from.replace(/\n$/, '').split('\n');
  for (const { oldStart, oldLines, lines: own } of [...hunks].reverse()) {
    const added = own.flatMap((line) => (line.startsWith('+') ? [line.slice(1)] : []));
    lines.splice(oldStart - 1, oldLines, ...added);
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

const text = (least: number) =>
  fc
    .array(fc.constantFrom('a', 'b', 'c = 1', ''), { minLength: least, maxLength: least + 30 })
    .map((lines) => lines.map((line) => `${line}\n`).join(''));

describe('the difference of two texts', () => {
  it.each([0, 1, 3])('makes the one of the other, with %i lines around it', (context) => {
    fc.assert(
      fc.property(text(1), text(1), (from, to) => {
        const hunks = hunksOf('x', from, to, context);
        expect(hunks.length === 0).toBe(from === to);
        if (context === 0) expect(patched(from, hunks)).toBe(to);
      }),
      { seed: 1 },
    );
  });

  it('is one stretch where a file was written anew, between the lines that stayed', () => {
    const body = (letter: string) => Array.from({ length: 1000 }, (_, at) => `${letter}${at}\n`).join('');
    const hunks = hunksOf('x', `first\n${body('a')}last\n`, `first\n${body('b')}last\n`, 1);
    expect(hunks).toHaveLength(1);
    const [{ lines = [], ...where } = {}] = hunks;
    expect(where).toEqual({ oldStart: 1, oldLines: 1002, newStart: 1, newLines: 1002 });
    expect([lines[0], lines[1], lines[1001], lines.at(-1)]).toEqual([' first', '-a0', '+b0', ' last']);
    expect(patched(body('a'), hunksOf('x', body('a'), body('b'), 0))).toBe(body('b'));
    expect(patched(body('a'), hunksOf('x', body('a'), '', 0))).toBe('');
    expect(patched('', hunksOf('x', '', body('b'), 0))).toBe(body('b'));
  });
});
