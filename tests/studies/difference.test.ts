import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalText, primitives } from '../../src/domain/architecture.ts';
import { programText } from '../../src/domain/program.ts';
import { differenceOf, differenceText, distanceOf, elementaryChanges } from '../../src/studies/attribution.ts';

const stack = fc.array(fc.constantFrom(...primitives), { minLength: 12, maxLength: 12 }).map(canonicalText);
/** Few different lines, so that texts share some and repeat some. */
const file = fc.array(fc.constantFrom('a = 1', 'b = 2', 'c = 3', 'd = 4', ''), { minLength: 1, maxLength: 14 });
const program = fc
  .record({ model: file, train: file })
  .map(({ model, train }) =>
    programText({ 'model.py': `${model.join('\n')}x\n`, 'train.py': `${train.join('\n')}y\n` }),
  );

describe('the difference of two candidates', () => {
  it('names layers, counted from 0', () => {
    const found = differenceOf('stack', 'M mA M Mb', 'M Mb M M');
    expect(found && differenceText(found)).toBe('layer 1: mA -> Mb; layer 3: Mb -> M');
    expect(distanceOf('stack', 'M mA M Mb', 'M Mb M M')).toBe(0.5);
    expect(differenceOf('stack', 'M mA', '(malformed) hm')).toBeNull();
  });

  it('is a patch for programs', () => {
    const of = (text: string) => programText({ 'model.py': text, 'other.py': 'same\n' });
    const found = differenceOf('program', of('one\ntwo\nthree\n'), of('one\n2\nthree\n'));
    if (found?.kind !== 'lines') throw new Error('no lines');
    expect(found.files).toMatchObject([{ name: 'model.py', added: 1, removed: 1 }]);
    expect(found.files[0]?.patch).toBe('@@ -1,3 +1,3 @@\n one\n-two\n+2\n three');
  });

  it.each([
    ['stack', stack],
    ['program', program],
  ] as const)('of a %s consists of elementary changes: undone all together they give the base', (kind, any) => {
    fc.assert(
      fc.property(any, any, fc.integer({ min: 1, max: 12 }), (base, to, most) => {
        const changes = elementaryChanges(kind, base, to, most);
        expect(changes.length).toBeLessThanOrEqual(most);
        expect(changes.length === 0).toBe(base === to);
        expect(new Set(changes.map(({ label }) => label)).size).toBe(changes.length);
        for (const { without } of changes) {
          expect(without).not.toBe(to);
          // What is left differs from the base by the other changes alone.
          expect(distanceOf(kind, base, without)).toBeLessThan((distanceOf(kind, base, to) ?? 0) + 1e-12);
        }
        if (changes.length === 1) expect(changes[0]?.without).toBe(base);
        let left = to;
        for (let round = 0; left !== base && round < 200; round++) {
          left = elementaryChanges(kind, base, left, most)[0]?.without ?? base;
        }
        expect(left).toBe(base);
      }),
      { numRuns: 150 },
    );
  });
});
