import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mean } from 'd3-array';
import { describe, expect, it } from 'vitest';
import { parseArchitecture } from '../../src/domain/architecture.ts';
import type { Outcome } from '../../src/domain/evaluation.ts';
import { buildTable, readTable, Table } from '../../src/evaluators/index.ts';
import { allArchitectures, type BuildOptions, tableText } from '../../src/evaluators/table.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { measurement } from '../support/specs.ts';
import { plantedTable, provenance, smallSpace } from '../support/table.ts';

/** A trainer that counts; its score depends on candidate and seed. */
function counting(overrides: (candidate: string, seed: number) => Outcome | undefined = () => undefined) {
  const asked: string[] = [];
  const train = async (candidate: string, seed: number): Promise<Outcome> => {
    asked.push(`${seed} ${candidate}`);
    const attention = parseArchitecture(candidate).filter((layer) => layer === 'mA').length;
    return overrides(candidate, seed) ?? measurement(0.1 * attention + 0.01 * seed + 1e-9);
  };
  return { asked, train };
}

function setting(path: string, train: BuildOptions['train'], changes: Partial<BuildOptions> = {}): BuildOptions {
  return {
    ...{ path, provenance: provenance(), seeds: [1, 2], train, clock: manualClock() },
    ...{ onProgress: () => {}, signal: new AbortController().signal },
    ...changes,
  };
}

describe('building a table', () => {
  it('trains every architecture of the space on every seed, once, seed by seed', async () => {
    const path = join(temporaryFolder(), 'table.json');
    const { asked, train } = counting();
    const file = await buildTable(setting(path, train));
    expect(asked).toHaveLength(2 * 27);
    expect(new Set(asked).size).toBe(54);
    expect(asked.findIndex((each) => each.startsWith('2 '))).toBe(27);
    expect(file?.scores['mA mA M']).toEqual([0.21, 0.22]);
    expect(readTable(path).file).toEqual(file);
    expect(existsSync(`${path}.journal`)).toBe(false);
  });

  it('resumes after a kill, even within a line, and returns the same table', async () => {
    const path = join(temporaryFolder(), 'table.json');
    const whole = await buildTable(setting(`${path}.whole`, counting().train));
    const dying = counting((_, seed) => {
      if (dying.asked.length === 40) throw new Error(`killed on seed ${seed}`);
      return undefined;
    });
    await expect(buildTable(setting(path, dying.train))).rejects.toThrow('killed on seed 2');
    appendFileSync(`${path}.journal`, '{"candidate":"mA');
    const { asked, train } = counting();
    const resumed = await buildTable(setting(path, train));
    expect(asked).toHaveLength(54 - 39);
    expect(resumed).toEqual(whole);
  });

  it('adds seeds to a table that is there, and measures nothing twice', async () => {
    const path = join(temporaryFolder(), 'table.json');
    await buildTable(setting(path, counting().train));
    const { asked, train } = counting();
    const file = await buildTable(setting(path, train, { seeds: [1, 2, 3] }));
    expect(new Set(asked.map((each) => each[0]))).toEqual(new Set(['3']));
    expect(file?.scores['M M M']).toEqual([0.01, 0.02, 0.03]);
  });

  it('refuses to mix figures of another trainer, other settings or another processor', async () => {
    const path = join(temporaryFolder(), 'table.json');
    await buildTable(setting(path, counting().train));
    for (const change of [{ evaluator: 'torch-1' }, { settings: { steps: 5 } }, { device: 'another' }]) {
      const { asked, train } = counting();
      await expect(buildTable(setting(path, train, { provenance: provenance(change) }))).rejects.toMatchObject({
        code: 'table-differs',
      });
      expect(asked).toEqual([]);
    }
  });

  it('stores a training without a score as such, and stops on request without counting the cancelled one', async () => {
    const path = join(temporaryFolder(), 'table.json');
    const failure = { status: 'failed', message: 'lost', seconds: 1, device: 'cpu' } as const;
    const ending = new AbortController();
    const { asked, train } = counting((candidate, seed) => {
      if (candidate === 'M M M') return { ...failure, reason: 'nan' };
      if (asked.length === 50) ending.abort();
      return seed === 2 && asked.length === 50 ? { ...failure, reason: 'cancelled' } : undefined;
    });
    expect(await buildTable(setting(path, train, { signal: ending.signal }))).toBeNull();
    const file = await buildTable(setting(path, train));
    expect(asked).toHaveLength(54 + 1);
    expect(file?.scores['M M M']).toEqual([null, null]);
  });

  it('tells how far it is and how long a training takes', async () => {
    const path = join(temporaryFolder(), 'table.json');
    const clock = manualClock();
    const { train } = counting(() => {
      clock.advance(500);
      return undefined;
    });
    const seen: unknown[] = [];
    await buildTable(setting(path, train, { clock, onProgress: ({ last: _, ...each }) => seen.push(each) }));
    expect(seen[0]).toEqual({ done: 0, total: 54, meanSeconds: null });
    expect(seen.at(-1)).toEqual({ done: 54, total: 54, meanSeconds: 0.5 });
  });
});

describe('a table', () => {
  const table = new Table(plantedTable());

  it('enumerates its space once, the last layer fastest', () => {
    const all = [...allArchitectures(smallSpace)];
    expect(all.slice(0, 4)).toEqual(['M M M', 'M M mA', 'M M Mb', 'M mA M']);
    expect(new Set(all).size).toBe(27);
  });

  it('shows the training of one seed, and judges by those of all others', () => {
    for (const [candidate, scores] of Object.entries(table.file.scores)) {
      for (const [seen, own] of scores.entries()) {
        expect(table.look(candidate, seen)).toEqual({
          score: own,
          judged: scores.map((score, seed) => (seed === seen ? null : score)),
        });
      }
    }
  });

  it('answers in any notation', () => {
    expect(table.look('2mA+1Mb', 3)).toEqual(table.look('mA mA Mb', 3));
  });

  it('knows the best mean, and how much seeds move a score', () => {
    const means = Object.entries(table.file.scores).map(
      ([candidate, row]) => [candidate, mean(row as number[])] as const,
    );
    const best = means.reduce((a, b) => ((b[1] as number) > (a[1] as number) ? b : a));
    expect(table.best.candidate).toBe(best[0]);
    // Uniform noise of +-0.02 has variance 0.04^2 / 12.
    expect(table.variance.within).toBeGreaterThan(0.5 * (0.04 ** 2 / 12));
    expect(table.variance.within).toBeLessThan(2 * (0.04 ** 2 / 12));
    expect(table.variance.between).toBeGreaterThan(10 * table.variance.within);
  });

  it('refuses candidates outside its space, and files that lack part of it', () => {
    expect(() => table.look('M M', 1)).toThrow('needs 3');
    const { 'M M M': _, ...rest } = plantedTable().scores;
    expect(() => new Table({ ...plantedTable(), scores: rest })).toThrow('"M M M"');
    const path = join(temporaryFolder(), 'table.json');
    writeFileSync(path, JSON.stringify({ ...plantedTable(), taks: 1 }));
    expect(() => readTable(path)).toThrow('did you mean "task"');
  });

  it('is written with one architecture per line, and read back as it was', () => {
    const path = join(temporaryFolder(), 'table.json');
    writeFileSync(path, tableText(plantedTable()));
    expect(readTable(path).file).toEqual(plantedTable());
    expect(
      readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('    "M ')),
    ).toHaveLength(9);
  });
});
