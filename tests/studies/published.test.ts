import { describe, expect, it } from 'vitest';
import { createModel } from '../../src/agents/index.ts';
import { rngFor } from '../../src/domain/rng.ts';
import { readTable, Table } from '../../src/evaluators/index.ts';
import { memoized, notesRetriever } from '../../src/literature/index.ts';
import { createLogger } from '../../src/platform/index.ts';
import { iqmDifference, permutationTest } from '../../src/statistics/index.ts';
import { comparisonsOf, pairedRuns } from '../../src/studies/analysis.ts';
import { runTabulated, studySchema } from '../../src/studies/index.ts';

const { file } = readTable('tables/compose-mad-3p-6.json');
/** The first six training seeds, however many the table has by now. */
const table = new Table({
  ...file,
  seeds: file.seeds.slice(0, 6),
  scores: Object.fromEntries(Object.entries(file.scores).map(([name, row]) => [name, row.slice(0, 6)])),
});
const arm = (name: string, model: string) => ({ name, agents: [{ name: 'searcher', model, scaffold: 'one-shot' }] });
const study = studySchema.parse({
  question: 'Which scaffolds and local agents beat chance?',
  tasks: [{ table: 'compose-mad-3p-6' }],
  seeds: 72,
  budget: { evaluations: 20 },
  arms: [arm('chance', 'local/random'), arm('prior-one-shot', 'local/prior')],
});
const retriever = memoized(notesRetriever(createLogger('aira')));
const value = ({ worth }: { worth: number | null }) => worth as number;

describe('a verdict that was published and did not hold for new trainings', () => {
  it('is no longer given: drafts from notes against chance', async () => {
    const results = await runTabulated({
      study,
      table,
      createModel: (name) => createModel(name, { python: 'none', env: {}, packageRoot: '.' }, retriever),
      lanes: 1,
      onRun: () => {},
      signal: new AbortController().signal,
    });
    const [found] = comparisonsOf(study, results, value);
    const pairs = pairedRuns(results, 'prior-one-shot', 'chance').map(([first, second]) => ({
      stratum: first.task,
      first: value(first),
      second: value(second),
    }));
    const alone = { rng: rngFor('searches alone'), permutations: 999 };
    // Published: 0.0047 [0.0023, 0.0070] higher than chance, p = 0.0010. Resampling searches alone on these trainings
    // is as sure of the contrary; over training seeds, neither is known.
    expect(permutationTest(pairs, alone)).toBeLessThan(0.05);
    expect(iqmDifference(pairs)).toBeLessThan(0);
    expect(found).toMatchObject({ verdict: 'not distinguishable', unit: 'training seed', units: 6 });
    expect(found?.interval.low).toBeLessThan(0);
    expect(found?.interval.high).toBeGreaterThan(0);
  });
});
