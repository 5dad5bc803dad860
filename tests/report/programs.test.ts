import { describe, expect, it } from 'vitest';
import { programText } from '../../src/domain/program.ts';
import { rngFor } from '../../src/domain/rng.ts';
import { noColours } from '../../src/platform/text.ts';
import { reportHtml, resultOf, summary } from '../../src/report/index.ts';
import type { ReportData, ReportNode } from '../../src/views/report/data.ts';
import { fixture, reportAgent } from './fixture.ts';

const source = (rate: string, extra = '') =>
  `import torch\n\nRATE = ${rate}  # tune: 0.001..0.1 log\n${extra}print('<b>done</b>')\n`;

/** A program with a bits-per-byte of about `level`, as fitness: negated. */
function node(id: string, rate: string, level: number, overrides: Partial<ReportNode> = {}): ReportNode {
  const scores = (basis: string, count: number, first: number) =>
    Array.from({ length: count }, (_, index) => ({
      seed: first + index,
      score: -level - 0.05 * rngFor(basis, index).float() - 0.004 * rngFor(id, basis, index).float(),
    }));
  return {
    ...{ id, agent: 'climber', ordinal: 1, origin: 'draft', name: null, parents: [], status: 'evaluated' },
    candidate: programText({ 'train.py': source(rate) }),
    change: `a step of its constants: RATE to ${rate}`,
    unsafe: false,
    ...{
      reason: null,
      message: null,
      seconds: 20,
      saved: false,
      finishedAt: 1000,
      attempts: { screen: 1, confirm: 0, final: 0 },
    },
    validation: {
      screen: scores('screen', 1, 1),
      confirm: scores('confirm', 1, 1001),
      final: scores('final', 5, 2001),
    },
    test: scores('test', 5, 2001),
    ...overrides,
  };
}

function programs(nodes: readonly ReportNode[]): ReportData {
  const data = fixture();
  return {
    ...data,
    search: {
      ...data.search,
      ...{ id: 'autoresearch-1', task: 'autoresearch', metric: 'BitsPerByte', lowerIsBetter: true, finalSeeds: 4 },
      testMetric: 'BitsPerByte',
      space: { kind: 'program', files: [{ name: 'train.py', maxBytes: 4000 }] },
    },
    agents: [reportAgent({ name: 'climber', model: 'local/tuner' })],
    nodes,
    aggregation: null,
    extrapolations: [],
  };
}

const baseline = node('reference-baseline-1', '0.003', 2.6, {
  origin: 'reference',
  agent: 'reference',
  name: 'baseline',
});
const text = reportHtml;

describe('the report of a search for programs', () => {
  it('shows the metric in its own unit and direction, and no layers', async () => {
    const page = await text(programs([baseline, node('climber-1', '0.01', 2.3)]));
    expect(page).toContain('programs of train.py · BitsPerByte, lower is better');
    expect(page).not.toContain('id="aggregation"');
    expect(page).not.toContain('id="extrapolation"');
    expect(page).not.toMatch(/−2\.[36]\d\d\d/);
    expect(page).toMatch(/>2\.3\d\d\d/);
  });

  it('calls best what beats the baseline on paired seeds, on a fresh one, and on the held-out split', async () => {
    const data = programs([baseline, node('climber-1', '0.01', 2.3)]);
    const sentence =
      /climber-1 improves on baseline: BitsPerByte 2\.6\d+ to 2\.3\d+ on validation \(−0\.[23]\d+, margin 0\.\d+, 5 paired seeds\), 2\.6\d+ to 2\.3\d+ on the held-out split .* and again on a fresh seed\./;
    expect(await text(data)).toMatch(sentence);
    expect(summary(data, noColours)).toMatch(sentence);
  });

  it('says of chance that it is not distinguishable, and of what is worse that it is behind', async () => {
    const page = await text(programs([baseline, node('climber-1', '0.01', 2.5987), node('climber-2', '0.02', 2.9)]));
    expect(page).toMatch(
      /climber-1 is not distinguishable from baseline: the difference on validation is within its margin/,
    );
    expect(page).toMatch(/climber-2 is behind baseline \(\+0\.[23]/);
    expect(page).not.toContain('improves on');
  });

  describe('beside floors', () => {
    const fitness = (level: number, count: number, first: number) =>
      Array.from({ length: count }, (_, index) => ({ seed: first + index, score: -level }));
    const floors = (level: number) => [
      { name: 'majority', scores: [...fitness(5, 1, 1), ...fitness(5, 5, 2001)] },
      { name: 'shortcut', scores: [...fitness(level, 1, 1), ...fitness(level, 5, 2001)] },
    ];
    const at = (level: number, nodes = [baseline, node('climber-1', '0.01', 2.3)]): ReportData => ({
      ...programs(nodes),
      floors: { screen: floors(level), confirm: [], final: floors(level), test: floors(level) },
    });

    it('says of a gain below the highest one no more than that, wherever it is shown', async () => {
      const data = at(2.1);
      const claim =
        /climber-1 is below the floor of 2\.1000 \(shortcut\) with 2\.3\d+ on validation: ahead of baseline \(−0\.[23]/;
      for (const shown of [await text(data), summary(data, noColours), resultOf(data).verdict.join(' ')]) {
        expect(shown).toMatch(claim);
        expect(shown).not.toMatch(/improves|beats/);
      }
      expect(await text(data)).toMatch(
        /is ahead of baseline by \d+\.\d sd but below the floor of 2\.1000 \(shortcut\)/,
      );
      expect(summary(data, noColours)).toMatch(/finalist +climber-1 .*, below the floor of 2\.1000 \(shortcut\)/);
    });

    it('names a gain above all of them, with the floors and the baseline beside it', async () => {
      const data = at(2.5);
      const beside =
        /Floors \[validation, final rung\]: majority 5\.0000, shortcut 2\.5000; baseline 2\.6\d+, below the floor of 2\.5000 \(shortcut\)\./;
      for (const shown of [await text(data), summary(data, noColours)]) {
        expect(shown).toContain('climber-1 improves on baseline');
        expect(shown).toMatch(beside);
      }
      expect(await text(data)).toContain('floors: majority 5.0000, shortcut 2.5000');
      expect(await text(data)).toContain('Floors of the same rows: majority 5.0000, shortcut 2.5000.');
      expect(resultOf(data).floors).toEqual({
        ...{ screen: { majority: 5, shortcut: 2.5 }, final: { majority: 5, shortcut: 2.5 } },
        test: { majority: 5, shortcut: 2.5 },
      });
    });

    it('says so where nothing was scored above the screen rung', () => {
      const only = node('climber-1', '0.01', 2.3, { test: [] });
      const screened = { ...only, validation: { ...only.validation, confirm: [], final: [] } };
      expect(summary(at(2.1, [screened]), noColours)).toMatch(/a single cheap training, below the floor of 2\.1000/);
    });
  });

  it('shows code as a difference from the parent, as text', async () => {
    const parent = node('climber-1', '0.01', 2.4);
    const child = node('climber-2', '0.02', 2.3, { origin: 'improve', parents: ['climber-1'] });
    const page = await text(programs([baseline, parent, child]));
    expect(page).toContain('Compared with its parent climber-1.');
    expect(page).toContain('<span class="line removed">-RATE = 0.01  # tune: 0.001..0.1 log</span>');
    expect(page).toContain('<span class="line added">+RATE = 0.02  # tune: 0.001..0.1 log</span>');
    expect(page).toContain('<span class="line removed">-RATE = 0.003  # tune');
    expect(page).not.toContain('<b>done</b>');
  });

  it('marks what was scored without a sandbox', async () => {
    const page = await text(programs([baseline, node('climber-1', '0.01', 2.3, { unsafe: true })]));
    expect(page).toContain('<span class="bad">without sandbox</span>');
  });
});
