import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { composition, type Primitive, parseArchitecture, runLengthText } from '../../src/domain/architecture.ts';
import {
  type KnownReference,
  referencesFor,
  threePrimitiveReferences,
  twoPrimitiveReferences,
} from '../../src/domain/plan.ts';
import { searchSpecSchema } from '../../src/domain/search.ts';
import { searchSpec } from '../support/specs.ts';

const all: readonly KnownReference[] = [...new Set([...twoPrimitiveReferences, ...threePrimitiveReferences])];
const layersOf = (name: string) => parseArchitecture(all.find((each) => each.name === name)?.layers ?? '');
/** Published orders in NVIDIA's notation: M Mamba-2, * attention, - MLP. */
const published = (text: string) =>
  [...text].map((letter): Primitive => (letter === 'M' ? 'Mb' : letter === '*' ? 'mA' : 'M'));
const attentionShare = (layers: readonly Primitive[]) => (composition(layers).mA ?? 0) / layers.length;

describe('the known references', () => {
  it('are those of two and of three primitives', () => {
    const names = (primitives: Primitive[]) => referencesFor({ layers: 16, primitives }).map(({ name }) => name);
    expect(names(['M', 'mA'])).toEqual(['llama', 'composer', 'sandwich']);
    expect(names(['M', 'mA', 'Mb'])).toEqual(['llama', 'composer', 'mamba-mlp', 'nemotron-h', 'nemotron-2']);
    expect(names(['M', 'Mb'])).toEqual(['mamba-mlp']);
    expect(referencesFor({ layers: 6, primitives: ['M', 'mA', 'Mb'] })).toEqual([]);
  });

  it('have 16 layers, a name of their own and a published source', () => {
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    for (const { layers, source } of all) {
      expect(parseArchitecture(layers)).toHaveLength(16);
      expect(runLengthText(parseArchitecture(layers))).toBe(layers);
      expect(source).toMatch(/arXiv \d{4}\.\d{5}/);
    }
  });

  it('hold the sandwich of its paper: s^k (sf)^(n-k) f^k, not its degenerate end k = n', () => {
    const [n, k] = [8, 3];
    const rule = [
      ...Array(k).fill('mA'),
      ...Array.from({ length: n - k }, () => ['mA', 'M']).flat(),
      ...Array(k).fill('M'),
    ];
    expect(layersOf('sandwich')).toEqual(rule);
    expect(runLengthText(layersOf('sandwich'))).not.toBe('8mA+8M');
  });

  it('have the attention of Nemotron-H and Nemotron Nano 2, to the nearest layer, and start and end as they do', () => {
    const models = {
      'nemotron-h': published('M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-'),
      'nemotron-2': published(`${'M-M-M-M*-'.repeat(6)}M-M-M-M-`),
    };
    expect(Object.values(models).map(({ length }) => length)).toEqual([52, 62]);
    for (const [name, layers] of Object.entries(models)) {
      const small = layersOf(name);
      expect(Math.abs(16 * (attentionShare(small) - attentionShare(layers)))).toBeLessThan(0.5);
      expect([small[0], small.at(-1)]).toEqual([layers[0], layers.at(-1)]);
      const height = (of: readonly Primitive[]) => {
        const places = of.flatMap((layer, index) => (layer === 'mA' ? [(index + 0.5) / of.length] : []));
        return places.reduce((sum, each) => sum + each, 0) / places.length;
      };
      expect(Math.abs(height(small) - height(layers))).toBeLessThan(1 / 16);
    }
  });

  it('leave specifications readable that recorded other layers under the same name', () => {
    const references = [
      { name: 'sandwich', candidate: 'mA mA M M' },
      { name: 'hybrid-1-7', candidate: 'Mb M mA M' },
    ];
    expect(searchSpecSchema.parse(searchSpec({ references })).references).toEqual(references);
  });

  it('stand in docs/references.md as in the code', () => {
    const page = readFileSync(new URL('../../docs/references.md', import.meta.url), 'utf8');
    for (const { name, layers, source } of all) expect(page).toContain(`| \`${name}\` | \`${layers}\` | ${source} |`);
  });
});
