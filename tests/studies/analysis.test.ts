import { describe, expect, it } from 'vitest';
import { createModel } from '../../src/agents/index.ts';
import { primitives } from '../../src/domain/architecture.ts';
import { rngFor } from '../../src/domain/rng.ts';
import { Table } from '../../src/evaluators/index.ts';
import { type StudyReport, studyHtml, studyMarkdown } from '../../src/report/index.ts';
import {
  analyse,
  type RunResult,
  runTabulated,
  type Study,
  studySchema,
  type TaskFacts,
  tableFacts,
} from '../../src/studies/index.ts';
import { partsOf, rowsOf, sectionOf } from '../report/page.ts';
import { plantedTable } from '../support/table.ts';

const table = new Table(plantedTable({ layers: 5, primitives: [...primitives] }, 10));
const create = (name: Parameters<typeof createModel>[0]) =>
  createModel(name, { python: 'none', env: {}, packageRoot: '.' }, () => {
    throw new Error('nobody reads here');
  });

const agent = (name: string, model: string, scaffold: unknown) => [{ name, model, scaffold }];
function study(changes: object = {}): Study {
  return studySchema.parse({
    question: 'Does it help?',
    tasks: [{ table: 'planted' }],
    seeds: 12,
    budget: { evaluations: 16 },
    arms: [
      { name: 'chance', agents: agent('searcher', 'local/random', 'one-shot') },
      { name: 'climber', agents: agent('searcher', 'local/mutate', 'greedy') },
    ],
    ...changes,
  });
}
const runs = (of: Study) =>
  runTabulated({
    study: of,
    table,
    createModel: create,
    lanes: 2,
    onRun: () => {},
    signal: new AbortController().signal,
  });

/** Runs as given: arm, seed, worth. */
const given = (worths: Readonly<Record<string, readonly (number | null)[]>>, task = 'task'): RunResult[] =>
  Object.entries(worths).flatMap(([arm, row]) =>
    row.map((worth, index) => ({
      ...{ arm, task, seed: index + 1, worth, candidate: null, crossed: null, course: [worth, worth] },
      ...{ evaluated: 2, failed: 0, rejected: 0, duplicate: 0 },
      ...{ lostAgents: 0, readings: 0, failedReadings: 0 },
    })),
  );
const facts = (label = 'task'): TaskFacts => ({
  label,
  kind: 'trained',
  metric: 'accuracy',
  best: null,
  course: 'chosen-by',
  trainingSeeds: null,
  versions: {},
});

describe('a study on a table', () => {
  it('gives the same results in whatever number of lanes, paired by seed', async () => {
    const of = study();
    const once = await runs(of);
    const again = await runTabulated({
      ...{ study: of, table, createModel: create, lanes: 1, onRun: () => {} },
      signal: new AbortController().signal,
    });
    expect(again).toEqual(once);
    // Another arm begins with each seed.
    const order = once.map(({ arm, seed }) => `${seed} ${arm}`);
    expect(order.slice(0, 4)).toEqual(['1 chance', '1 climber', '2 climber', '2 chance']);
    // Both begin with the same five drafts and see the same scores of them.
    for (const seed of [1, 2, 3]) {
      const [one, other] = once.filter((run) => run.seed === seed);
      expect(one?.course.slice(0, 4)).toEqual(other?.course.slice(0, 4));
    }
  });

  it('finds that climbing beats chance on a landscape that can be climbed, and by how much', async () => {
    const of = study({ seeds: 40, budget: { evaluations: 30 } });
    const { comparisons, curves, arms } = analyse(of, [tableFacts(table)], await runs(of));
    expect(comparisons[0]).toMatchObject({ arms: ['climber', 'chance'], pairs: 40, verdict: 'better', moreSeeds: 0 });
    expect(comparisons[0]?.interval.low).toBeGreaterThan(0);
    expect(comparisons[0]?.sentence).toMatch(
      /^climber is better than chance: 0\.\d+ \[0\.\d+, 0\.\d+\] higher over 40 paired runs/,
    );
    expect(curves[0]).toMatchObject({ shows: 'regret' });
    expect(curves[0]?.arms[1]?.curve.middle).toHaveLength(30);
    expect(arms.every(({ validRate, normalised }) => validRate === 1 && normalised !== null)).toBe(true);
  });

  it('stops when it is told to', async () => {
    const ending = new AbortController();
    const of = study();
    const stopped = runTabulated({
      ...{ study: of, table, createModel: create, lanes: 1 },
      onRun: () => ending.abort(),
      signal: ending.signal,
    });
    await expect(stopped).rejects.toThrow();
  });

  it('refuses language models before anything is run', async () => {
    const of = study({
      arms: [
        { name: 'a', agents: agent('a', 'openai/gpt-6-sol', 'greedy') },
        { name: 'b', agents: agent('b', 'local/random', 'greedy') },
      ],
    });
    await expect(runs(of)).rejects.toMatchObject({ code: 'study-table-model' });
  });
});

describe('two arms that are the same', () => {
  it('are told apart no more often than the study says', async () => {
    // Equal agents under other names draw other chances. 60 studies at 5 %: 3 expected, standard deviation 1.7.
    const twins = study({
      seeds: 60 * 8,
      budget: { evaluations: 8 },
      arms: [
        { name: 'one', agents: agent('one', 'local/mutate', { kind: 'greedy', drafts: 3 }) },
        { name: 'other', agents: agent('other', 'local/mutate', { kind: 'greedy', drafts: 3 }) },
      ],
    });
    const all = await runs(twins);
    let told = 0;
    for (let first = 1; first <= twins.seeds; first += 8) {
      const part = all.filter(({ seed }) => seed >= first && seed < first + 8);
      const [comparison] = analyse({ ...twins, seeds: 8 }, [tableFacts(table)], part).comparisons;
      if (comparison?.verdict !== 'not distinguishable') told++;
    }
    expect(told).toBeLessThanOrEqual(9);
  });

  it('are told apart in a study of many arms no more often than in one of two', () => {
    // 40 studies of five equal arms: 2 of them with any finding expected at 5 %.
    const names = ['a', 'b', 'c', 'd', 'e'];
    const of = study({
      arms: names.map((name) => ({ name, agents: agent('x', 'local/random', 'one-shot') })),
      seeds: 10,
    });
    let told = 0;
    for (let index = 0; index < 40; index++) {
      const rng = rngFor('many', index);
      const results = given(
        Object.fromEntries(names.map((name) => [name, Array.from({ length: 10 }, () => rng.float())])),
      );
      if (analyse(of, [facts()], results).comparisons.some(({ verdict }) => verdict !== 'not distinguishable')) told++;
    }
    expect(told).toBeLessThanOrEqual(7);
  });
});

describe('what a study says', () => {
  const pair = {
    arms: [
      { name: 'old', agents: agent('x', 'local/random', 'one-shot') },
      { name: 'new', agents: agent('x', 'local/random', 'one-shot') },
    ],
  };
  const say = (worths: Parameters<typeof given>[0]) => analyse(study(pair), [facts()], given(worths)).comparisons[0];

  it('is worse when it is worse, with the interval the right way round', () => {
    const old = [0.5, 0.52, 0.51, 0.54, 0.5, 0.53, 0.52, 0.51];
    const found = say({ old, new: old.map((worth, index) => worth - 0.1 - index / 1000) });
    expect(found).toMatchObject({ verdict: 'worse', ahead: 0 });
    const [low, high] =
      /: 0\.\d+ \[(0\.\d+), (0\.\d+)\] lower/
        .exec(found?.sentence ?? '')
        ?.slice(1)
        .map(Number) ?? [];
    expect(low).toBeGreaterThan(0.09);
    expect(high as number).toBeGreaterThan(low as number);
    expect(found?.sentence).toContain('behind in 100 % of the pairs');
  });

  it('asks for the seeds that it would take', () => {
    const old = [0.5, 0.6, 0.4, 0.55, 0.45, 0.52, 0.48, 0.5];
    const found = say({ old, new: old.map((worth, index) => worth + (index % 2 === 0 ? 0.05 : -0.03)) });
    expect(found?.verdict).toBe('not distinguishable');
    expect(found?.sentence).toContain(`about ${found?.moreSeeds} more seeds`);
    // With so many seeds of the same kind it would be told.
    const times = Math.ceil(((found?.moreSeeds ?? 0) + 8) / 8);
    const more = Array.from({ length: 2 * times }, () => old).flat();
    expect(say({ old: more, new: more.map((worth, index) => worth + (index % 2 === 0 ? 0.05 : -0.03)) })?.verdict).toBe(
      'better',
    );
  });

  it('says that a handful of pairs can tell nothing, and that nothing was seen where nothing was', () => {
    expect(say({ old: [0.1, 0.2, 0.3], new: [0.6, 0.7, 0.8] })?.sentence).toContain('at least 6 pairs are needed');
    expect(say({ old: [0.1, 0.2, 0.3], new: [0.1, 0.2, 0.3] })?.sentence).toContain('no difference was observed');
  });

  it('counts a run without a candidate as the worst, and tells how many were valid', () => {
    const { arms, comparisons } = analyse(
      study(pair),
      [facts()],
      given({ old: [0.5, 0.6, 0.7, 0.8], new: [0.5, null, null, 0.8] }),
    );
    expect(arms.map(({ validRate }) => validRate)).toEqual([1, 0.5]);
    expect(comparisons[0]?.effect).toBeLessThan(0);
    expect(arms.find(({ name }) => name === 'new')?.mean).toBeCloseTo((0.5 + 0.5 + 0.5 + 0.8) / 4, 12);
  });

  it('takes each pair of a trained task beside a table for a unit, as each training seed of the table', () => {
    const tabled = (arm: string, above: number) =>
      [0, 1, 2].map((seen) => {
        const judged = [0, 1, 2].map((seed) => (seed === seen ? null : 0.5 + 0.1 * seed + above));
        const worth = judged.reduce((sum: number, each) => sum + (each ?? 0), 0) / 2;
        return { ...(given({ [arm]: [worth] }, 'table')[0] as RunResult), seed: seen + 1, crossed: { seen, judged } };
      });
    const results = [
      ...given({ old: [0.2, 0.3, 0.25], new: [0.31, 0.4, 0.33] }, 'trained'),
      ...tabled('old', 0),
      ...tabled('new', 0.02),
    ];
    const { comparisons, inference } = analyse(study(pair), [facts('trained'), facts('table')], results);
    expect(inference).toEqual({ unit: 'training seed', units: 6 });
    const { low, high } = comparisons[0]?.interval ?? { low: Number.NaN, high: Number.NaN };
    expect(high).toBeGreaterThan(low);
    expect(comparisons[0]?.p).toBeGreaterThan(0);
  });

  it('compares several tasks on one scale', () => {
    const results = [
      ...given({ old: [0.2, 0.3, 0.25], new: [0.3, 0.4, 0.35] }, 'hard'),
      ...given({ old: [0.9, 0.91, 0.92], new: [0.95, 0.96, 0.97] }, 'easy'),
    ];
    const { unit, comparisons, arms } = analyse(study(pair), [facts('hard'), facts('easy')], results);
    expect(unit).toBe('normalised');
    expect(comparisons[0]).toMatchObject({ pairs: 6, ahead: 1 });
    expect(arms[1]?.middle).toBeGreaterThan(arms[0]?.middle as number);
  });
});

describe('the page of a study', () => {
  it('shows every sentence and every arm, and nothing of what it quotes becomes markup', async () => {
    const of = study({ question: 'Does <script>alert(1)</script> help?', seeds: 6 });
    const results = await runs(of);
    const tasks = [tableFacts(table)];
    const analysis = analyse(of, tasks, results);
    const report: StudyReport = {
      ...{ name: 'trial', study: of, source: 'question: <b>', tasks, results, analysis, airaVersion: '0' },
      ...{ machine: [], commands: ['aira ablate trial.yaml'] },
    };
    const page = await studyHtml(report);
    const { body, title, islands } = partsOf(page);
    expect(body).not.toContain('<script>');
    expect(body).toContain('&lt;script>');
    expect(title).toBe('trial: Aira study');
    for (const { sentence } of analysis.comparisons) expect(body).toContain(`<p>${sentence}</p>`);
    for (const { name, middle } of analysis.arms) {
      expect(rowsOf(sectionOf(page, 'arms')).some((row) => row.startsWith(`${name} ${middle.toFixed(4)}`))).toBe(true);
    }
    // The curves of both arms, with their bands.
    expect(
      islands.map(([name, { lines }]) => [name, (lines as { low?: unknown[] }[]).map(({ low }) => low?.length)]),
    ).toEqual([['chart', [of.budget.evaluations, of.budget.evaluations]]]);
    expect(await studyHtml(report)).toBe(page);
    const text = studyMarkdown(report);
    for (const { sentence } of analysis.comparisons) expect(text).toContain(`- ${sentence}`);
    expect(text).toContain('| climber |');
  });
});
