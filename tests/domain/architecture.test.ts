import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ArchitectureError,
  canonicalText,
  changedLayers,
  parseArchitecture,
  parseInSpace,
  primitives,
  runLengthText,
  runs,
} from '../../src/domain/architecture.ts';

const architectures = fc.array(fc.constantFrom(...primitives), { minLength: 1, maxLength: 64 });

describe('an architecture', () => {
  it('survives both of its texts', () => {
    fc.assert(
      fc.property(architectures, (layers) => {
        expect(parseArchitecture(canonicalText(layers))).toEqual(layers);
        expect(parseArchitecture(runLengthText(layers))).toEqual(layers);
      }),
    );
  });

  it('is printed as papers write it: a run of one has no number', () => {
    expect(runLengthText(parseArchitecture('mA M Mb Mb'))).toBe('mA+M+2Mb');
    expect(runLengthText(['mA'])).toBe('mA');
  });

  it('is read with and without the number of a single layer', () => {
    expect(parseArchitecture('1mA+1M+2Mb')).toEqual(['mA', 'M', 'Mb', 'Mb']);
    expect(parseArchitecture('mA+M+2Mb')).toEqual(['mA', 'M', 'Mb', 'Mb']);
  });

  it('is read from mixtures of the forms', () => {
    const expected = ['mA', 'mA', 'M', 'Mb', 'Mb', 'Mb'];
    for (const text of ['2mA+1M+3Mb', 'mA mA M 3Mb', '2mA,M,Mb\nMb Mb', '2*mA + M + 3*Mb']) {
      expect(parseArchitecture(text)).toEqual(expected);
    }
  });

  it('is nothing else, whatever the text', () => {
    for (const text of ['', '  ', 'm', 'MA', '0M', '-1M', '513M', 'M;DROP', '1e3M', 'MM', '2']) {
      expect(() => parseArchitecture(text), text).toThrow(ArchitectureError);
    }
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(parseArchitecture(text).length).toBeGreaterThan(0);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(ArchitectureError);
        }
      }),
    );
  });

  it('of a space has its depth and its primitives only', () => {
    const space = { kind: 'stack' as const, layers: 3, primitives: ['M' as const, 'mA' as const] };
    expect(parseInSpace('2M+mA', space)).toEqual(['M', 'M', 'mA']);
    expect(() => parseInSpace('2M', space)).toThrow('has 2 layers; this task needs 3');
    expect(() => parseInSpace('M Mb M', space)).toThrow('layer 1 is Mb, but this task has only M, mA');
  });

  it('has runs that add up to it', () => {
    fc.assert(
      fc.property(architectures, (layers) => {
        const found = runs(layers);
        expect(found.reduce((sum, { length }) => sum + length, 0)).toBe(layers.length);
        expect(found.every(({ primitive }, index) => primitive !== found[index + 1]?.primitive)).toBe(true);
      }),
    );
  });

  it('differs from another in exactly the layers that differ', () => {
    expect(changedLayers(['M', 'mA', 'Mb'], ['M', 'Mb', 'M'])).toEqual([1, 2]);
  });
});
