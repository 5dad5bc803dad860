import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { logScale } from '../../src/report/charts/plane.ts';
import { scaleHtml, writeScaleReport } from '../../src/report/index.ts';
import { analyseScale, powerText, type ScaleObservation, shortNumber } from '../../src/scale/index.ts';
import { temporaryFolder } from '../support/home.ts';
import { observationsOf } from '../support/observations.ts';

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

function page(taint: string): string {
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
    plan: name('patterns: []'),
    facts: [{ fact: name('Aira'), value: name('1') }],
    commands: [name('aira scale')],
  });
}

const skeleton = (text: string): string[] =>
  (text.match(/<[a-z/!?][^>]*>/gi) ?? []).map((tag) => {
    const name = /^<[/!]?[a-z]+/i.exec(tag)?.[0];
    return [name, ...[...tag.matchAll(/\s([a-z-]+)="/gi)].map(([, attribute]) => attribute)].join(' ');
  });

describe('the page of a scaling study', () => {
  const plain = page('');

  it('answers first, then shows every figure', () => {
    const [, verdict = ''] = /<div class="verdict"><p>(.*?)<\/p>/s.exec(plain) ?? [];
    expect(verdict).toMatch(/^It holds: at equal compute the loss of found is/);
    for (const anchor of [
      'equal',
      'isoflop',
      'frontier',
      'exponents',
      'tokens',
      'cost',
      'proxies',
      'runs',
      'provenance',
    ]) {
      expect(plain).toContain(`<section id="${anchor}">`);
    }
    // Two panels of three budgets each, a star per minimum.
    expect(plain.match(/class="mark star/g)).toHaveLength(6);
    expect(plain).not.toMatch(/NaN|Infinity|undefined/);
  });

  it.each([
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    '</title></svg></style><script>alert(1)</script>',
    "' onfocus='alert(1)' autofocus='",
    '\u202e<b>reversed\u0000',
  ])('adds no tag and no attribute for hostile names: %j', (payload) => {
    const tainted = page(payload);
    expect(skeleton(tainted)).toEqual(skeleton(page('x')));
    expect(tainted).not.toMatch(/(?![\t\n])[\p{Cc}\p{Bidi_Control}]/u);
  });

  it('stays whole without minima, with one architecture, and without attention', () => {
    const few = observations.filter(
      ({ size, architecture }) => size !== '0.1M' && size !== '0.3M' && size !== '0.6M' && architecture === 'llama',
    );
    const text = scaleHtml({
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
    expect(text).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('is written with the observations that it follows from', () => {
    const folder = join(temporaryFolder(), 'reports');
    const { path, analysis } = writeScaleReport({
      folder,
      name: 'micro',
      observations,
      reference: 'llama',
      facts: [],
      commands: ['aira scale'],
    });
    expect(path).toBe(join(folder, 'scale.html'));
    expect(readFileSync(path, 'utf8')).toContain(analysis.answer.replace("'", '&#39;'));
    const { observations: stored } = JSON.parse(readFileSync(join(folder, 'scale.json'), 'utf8'));
    expect(analyseScale({ observations: stored, reference: 'llama' }).answer).toBe(analysis.answer);
  });
});

describe('logarithmic axes', () => {
  it('have at least two round ticks whatever the span', () => {
    for (const values of [
      [1e13, 1e14],
      [2.1e5, 2.4e5],
      [1, 1e9],
      [3, 3],
      [0.5, 700],
    ]) {
      const made = logScale(values, [0, 100], powerText);
      expect(made.ticks.length).toBeGreaterThanOrEqual(
        values[0] === values[1] || (values[1] as number) / (values[0] as number) < 1.2 ? 0 : 2,
      );
      expect(made.ticks.length).toBeLessThanOrEqual(7);
      for (const value of values) expect(made(value)).toBeGreaterThan(0);
    }
  });

  it('print short numbers', () => {
    expect([0, 250, 1000, 350e6, 2.8e9, 999_999.9].map(shortNumber)).toEqual(['0', '250', '1k', '350M', '2.8B', '1M']);
    expect([0, 1e13, 3e17, 1.25e20, 9.96e12].map(powerText)).toEqual(['0e0', '1e13', '3e17', '1.3e20', '1e13']);
  });
});
