/** Patterns that a plan takes from a finished search. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { aggregate } from '../../src/aggregation/index.ts';
import { canonicalText, parseArchitecture } from '../../src/domain/architecture.ts';
import { readArchive } from '../../src/memory/index.ts';
import { patternsOf } from '../../src/scale/expand.ts';
import { scaleFileSchema } from '../../src/scale/index.ts';
import { runSearch, trial } from '../audit/laboratory.ts';
import { temporaryFolder } from '../support/home.ts';

const spec = trial();
const plan = (entry: object) =>
  scaleFileSchema.parse({
    architectures: [entry, { name: 'llama', pattern: 'mA+M', rule: 'stack' }],
    rules: ['nearest-fit'],
    sizes: ['0.1M'],
    budgets: [{ steps: 8 }],
    data: { generated: 100 },
  });

async function searched() {
  const home = temporaryFolder();
  await runSearch(home, spec);
  const reader = readArchive(home);
  onTestFinished(() => reader.close());
  return reader;
}

describe('a search in a plan', () => {
  it('gives its aggregates, its best finals and its references, each under its name', async () => {
    const reader = await searched();
    const entry = { search: spec.id, aggregates: [0, 1], finalists: 1, references: true };
    const patterns = patternsOf(plan(entry), () => reader);
    const records = reader.records.nodes(spec.id);
    const voters = records.flatMap(({ id, agent, origin, candidate, evaluations }) => {
      const score = evaluations.find(({ rung }) => rung === 'screen')?.validation;
      if (origin === 'reference' || origin === 'aggregate' || score == null) return [];
      return [{ node: id, agent, architecture: parseArchitecture(candidate), score }];
    });
    const mean = ({ evaluations }: (typeof records)[number]) => {
      const scores = evaluations.flatMap(({ rung, validation }) => (rung === 'final' ? [validation ?? 0] : []));
      return scores.length === 0
        ? Number.NEGATIVE_INFINITY
        : scores.reduce((sum, each) => sum + each, 0) / scores.length;
    };
    const own = records.filter(({ origin }) => origin !== 'reference' && origin !== 'aggregate');
    const [best] = [...own].sort((a, b) => mean(b) - mean(a));
    expect(patterns.map(({ name }) => name)).toEqual([
      `${spec.id}-n0`,
      `${spec.id}-n1`,
      best?.id,
      ...spec.references.map(({ name }) => name),
      'llama',
    ]);
    expect(patterns[0]?.layers).toEqual(aggregate(voters, 0).architecture);
    expect(canonicalText(patterns[2]?.layers ?? [])).toBe(best?.candidate);
    expect(patterns.map(({ rules }) => rules)).toEqual([...patterns.slice(1).map(() => ['nearest-fit']), ['stack']]);
  });

  it('must have finished, and have layers', async () => {
    const reader = await searched();
    const open = () => reader;
    reader.searches.phase = () => 'screening';
    expect(() => patternsOf(plan({ search: spec.id }), open)).toThrow('has not finished');
    expect(() => patternsOf(plan({ search: 'nowhere-1' }), open)).toThrow('there is no search "nowhere-1"');
  });
});
