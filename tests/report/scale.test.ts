import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scaleHtml, writeScaleReport } from '../../src/report/index.ts';
import { analyseScale, powerText, type ScaleObservation, shortNumber } from '../../src/scale/index.ts';
import { temporaryFolder } from '../support/home.ts';
import { observationsOf } from '../support/observations.ts';
import { hostile, partsOf, sectionIds, sectionOf, skeleton, textOf } from './page.ts';

const architectures = { found: { gain: 0.06, cache: 64 }, llama: { gain: 0, cache: 256 } };
const observations = observationsOf({ architectures });
const proxies = [
  {
    name: 'nano',
    scores: new Map([
      ['found', [{ seed: 1, score: 0.5 }]],
      ['llama', [{ seed: 1, score: 0.4 }]],
    ]),
  },
];

function page(taint: string): Promise<string> {
  const name = (text: string) => taint + text;
  const tainted: ScaleObservation[] = observations.map((each) => ({
    ...each,
    architecture: name(each.architecture),
    pattern: name(each.pattern),
    family: name(each.family),
    size: name(each.size),
    evaluation: name(each.evaluation),
  }));
  return scaleHtml({
    name: name('micro'),
    analysis: analyseScale({
      observations: tainted,
      reference: name('llama'),
      proxies: proxies.map(({ scores }) => ({
        name: name('nano'),
        scores: new Map([...scores].map(([key, value]) => [name(key), value])),
      })),
    }),
    zeroShot: {
      ...{ size: name('2M'), reference: name('llama'), scorers: [name('twin')], items: { [name('piqa')]: 1000 } },
      rows: [
        {
          ...{ architecture: name('found'), family: name('llama'), seeds: 2 },
          tasks: [{ task: name('piqa'), acc: 0.42, accNorm: 0.43 }],
          against: {
            ...{ difference: 0.12, first: 0.42, second: 0.3, interval: { low: 0.1, high: 0.141 } },
            ...{ tasks: [], seeds: 2 },
          },
        },
      ],
    },
    plan: name('patterns: []'),
    facts: [{ fact: name('Aira'), value: name('1') }],
    commands: [name('aira scale')],
  });
}

describe('the page of a scaling study', () => {
  it('answers first, then shows every figure', async () => {
    const plain = await page('');
    const [, answer = ''] = /<div class="claims"><p>(.*?)<\/p>/s.exec(plain) ?? [];
    expect(answer).toMatch(/^It holds: at equal compute the loss of found is/);
    expect(sectionIds(plain)).toEqual([
      ...['equal', 'isoflop', 'frontier', 'exponents', 'tokens', 'cost', 'zero-shot', 'proxies', 'runs', 'provenance'],
    ]);
    const [{ gap, multiplier } = { gap: null, multiplier: null }] = analyseScale({
      observations,
      reference: 'llama',
    }).comparisons;
    expect(textOf(sectionOf(plain, 'equal'))).toContain(
      `found against llama lower loss +${gap?.value.toFixed(4)} +${gap?.interval?.low.toFixed(4)} … +${gap?.interval?.high.toFixed(4)} ${multiplier?.value.toFixed(2)}`,
    );
    expect(textOf(sectionOf(plain, 'zero-shot'))).toContain('found llama 2 42.0 43.0 normalised +12.0 +10.0 … +14.1');
    const { islands, body } = partsOf(plain);
    expect(body).not.toMatch(/NaN|Infinity|undefined|\[object/);
    // A curve of each of two architectures, with a star per budget's minimum.
    const stars = islands.flatMap(([, { lines }]) =>
      (lines as { loose?: unknown; values: unknown[] }[]).filter(({ loose }) => loose === 'star'),
    );
    expect(stars).toHaveLength(6);
    for (const { values } of stars) expect(values.filter((value) => value !== null)).toHaveLength(1);
  });

  it('adds no tag and no attribute for hostile names', async () => {
    const harmless = skeleton(await page('?: '));
    for (const payload of hostile) expect(skeleton(await page(payload)), payload).toEqual(harmless);
  });

  it('draws layers by any name, also one that every object has', async () => {
    const named = observations.map((each) => ({ ...each, pattern: '30constructor' }));
    const analysis = analyseScale({ observations: named, reference: 'llama' });
    const text = await scaleHtml({ name: 'micro', analysis, facts: [], commands: [] });
    expect(partsOf(text).body).toContain('aria-label="30constructor"');
  });

  it('is the same for the same observations', async () => {
    expect(await page('')).toBe(await page(''));
  });

  it('stays whole without minima, with one architecture, and without attention', async () => {
    const few = observations.filter(
      ({ size, architecture }) => size !== '0.1M' && size !== '0.3M' && size !== '0.6M' && architecture === 'llama',
    );
    const text = await scaleHtml({
      name: 'few',
      analysis: analyseScale({
        observations: few.map((each) => ({ ...each, cacheBytesPerToken: 0 })),
        reference: 'llama',
      }),
      facts: [],
      commands: [],
    });
    expect(text).toContain('Not answered: only llama has outcomes');
    expect(text).toContain('No budget has a minimum within the sizes');
    expect(partsOf(text).body).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('is written with the observations that it follows from', async () => {
    const folder = join(temporaryFolder(), 'reports');
    const { path, analysis } = await writeScaleReport({
      folder,
      name: 'micro',
      observations,
      reference: 'llama',
      facts: [],
      commands: ['aira scale'],
    });
    expect(path).toBe(join(folder, 'scale.html'));
    expect(readFileSync(path, 'utf8')).toContain(analysis.answer);
    const { observations: stored } = JSON.parse(readFileSync(join(folder, 'scale.json'), 'utf8'));
    expect(analyseScale({ observations: stored, reference: 'llama' }).answer).toBe(analysis.answer);
  });
});

describe('axes', () => {
  it('print short numbers', () => {
    expect([0, 250, 1000, 350e6, 2.8e9, 999_999.9].map(shortNumber)).toEqual(['0', '250', '1k', '350M', '2.8B', '1M']);
    expect([0, 1e13, 3e17, 1.25e20, 9.96e12].map(powerText)).toEqual(['0e0', '1e13', '3e17', '1.3e20', '1e13']);
  });
});
