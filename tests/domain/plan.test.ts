import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { searchIdSchema } from '../../src/domain/ids.ts';
import { expectedSeconds, promoted, upperRungSeconds } from '../../src/domain/ladder.ts';
import { planSearch } from '../../src/domain/plan.ts';
import { searchFileSchema } from '../../src/domain/search.ts';
import type { Task } from '../../src/domain/task.ts';

const rung = { seconds: 1, settings: { steps: 1 } };
const task: Task = {
  name: 'toy',
  directory: '/nowhere',
  description: '',
  metric: 'accuracy',
  lowerIsBetter: false,
  space: { kind: 'stack', layers: 16, primitives: ['M', 'mA', 'Mb'] },
  profiles: { nano: { rungs: { screen: rung, confirm: rung, final: rung } } },
};
const profile = task.profiles.nano as NonNullable<Task['profiles'][string]>;
const setting = {
  id: searchIdSchema.parse('toy-1'),
  task,
  profile,
  evaluator: 'torch-000000000000',
  deviceClass: 'cpu' as const,
};
const plan = (overrides: object) =>
  planSearch(
    searchFileSchema.parse({
      task: 'toy',
      budget: { evaluations: 10 },
      agents: [{ name: 'walker', model: 'local/random', scaffold: 'one-shot' }],
      ...overrides,
    }),
    setting,
  );
const walker = { name: 'walker', model: 'local/random', scaffold: 'one-shot' };

describe('planning a search', () => {
  it('shares the budget out to the last evaluation', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 16 }), (evaluations, count) => {
        const { agents } = plan({ budget: { evaluations }, agents: [{ ...walker, count }] });
        const given = agents.map((agent) => agent.evaluations);
        expect(agents).toHaveLength(count);
        expect(given.reduce((sum, each) => sum + each, 0)).toBe(evaluations);
        expect(Math.max(...given) - Math.min(...given)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('names what the profile measures, on validation and on the test set', () => {
    const named = (validation: string, test: string) =>
      planSearch(searchFileSchema.parse({ task: 'toy', budget: { evaluations: 1 }, agents: [walker] }), {
        ...{ ...setting, task: { ...task, metrics: { nano: { validation, test } } } },
      });
    expect(named('A', 'B')).toMatchObject({ metric: 'A', testMetric: 'B' });
    expect(named('A', 'A').testMetric).toBeUndefined();
    expect(plan({})).toMatchObject({ metric: 'accuracy' });
  });

  it('records the version of the notes where an agent reads them', () => {
    const planned = (agent: object) =>
      planSearch(
        searchFileSchema.parse({ task: 'toy', budget: { evaluations: 1 }, agents: [{ ...walker, ...agent }] }),
        { ...setting, corpus: 'v7' },
      ).corpus;
    expect(planned({})).toBeUndefined();
    expect(planned({ model: 'local/prior' })).toBe('v7');
    const model = 'anthropic/claude-opus-5-5';
    expect(planned({ model })).toBeUndefined();
    expect(planned({ model, literature: true })).toBe('v7');
    expect(planned({ model, literature: { sources: ['archive'] } })).toBeUndefined();
  });

  it('keeps an agent’s own limit and gives the rest to the others', () => {
    const { agents } = plan({
      agents: [
        { ...walker, evaluations: 7 },
        { ...walker, name: 'rival', count: 2 },
      ],
    });
    expect(agents.map(({ name, evaluations }) => [name, evaluations])).toEqual([
      ['walker', 7],
      ['rival-1', 2],
      ['rival-2', 1],
    ]);
  });

  it.each([
    [{ agents: [walker, walker] }, 'two agents are named "walker"'],
    [{ agents: [{ ...walker, name: 'reference-x' }] }, 'is a reserved name'],
    [{ agents: [{ ...walker, evaluations: 11 }] }, 'add up to 11 evaluations, but the search has 10'],
    [{ references: [{ name: 'short', architecture: '3M' }] }, 'reference "short": the architecture has 3 layers'],
    [
      {
        references: [
          { name: 'a', architecture: '16M' },
          { name: 'a', architecture: '16mA' },
        ],
      },
      'two references',
    ],
  ])('refuses what does not go together', (overrides, sentence) => {
    expect(() => plan(overrides)).toThrow(sentence);
  });

  it('gives another task version to other settings of the profile', () => {
    const other = { rungs: { ...profile.rungs, screen: { seconds: 1, settings: { steps: 2 } } } };
    const dearer = { rungs: { ...profile.rungs, screen: { seconds: 9, settings: { steps: 1 } } } };
    const file = searchFileSchema.parse({ task: 'toy', budget: { evaluations: 1 }, agents: [walker] });
    const version = (changed: typeof profile) => planSearch(file, { ...setting, profile: changed }).taskVersion;
    expect(version(other)).not.toBe(version(profile));
    expect(version(dearer)).toBe(version(profile));
  });
});

describe('a program task whose profile has a baseline of its own', () => {
  const brief = (text: string) => ({ contract: 'Write x.', baseline: { 'train.py': text }, library: [] });
  const space = { kind: 'program' as const, files: [{ name: 'train.py', maxBytes: 100 }] };
  const task = { ...setting.task, space, brief: brief('x = 1\n'), briefs: { paper: brief('x = 8\n') } };
  const tuner = { name: 'tuner', model: 'local/tuner', scaffold: 'greedy' };

  it.each([
    ['nano', 'x = 1\n'],
    ['paper', 'x = 8\n'],
  ])('starts from that of the profile, and compares with it: %s', (profile, text) => {
    const file = searchFileSchema.parse({ task: 'toy', profile, budget: { evaluations: 1 }, agents: [tuner] });
    const spec = planSearch(file, { ...setting, task });
    expect(spec.brief?.baseline).toEqual({ 'train.py': text });
    expect(spec.references).toEqual([{ name: 'baseline', candidate: JSON.stringify({ 'train.py': text }) }]);
  });
});

describe('the ladder', () => {
  const ladder = { promote: 0.2, confirmSeeds: 1, finalists: 2, finalSeeds: 2 };

  it('promotes the share that was asked for, rounded up, and never more than there are', () => {
    expect([0, 1, 5, 45, 50, 51].map((screened) => promoted(screened, ladder))).toEqual([0, 1, 1, 9, 10, 11]);
    expect(promoted(3, { ...ladder, promote: 1 })).toBe(3);
    expect(promoted(3, { ...ladder, promote: 0 })).toBe(0);
  });

  it('estimates the upper rungs by rounds of the slots', () => {
    const costs = { seconds: { screen: 5, confirm: 15, final: 20 }, slots: 2 };
    // 9 promoted take 5 rounds of 15 s, the aggregate's screening 5 s, (2 + 5 + 1) x 2 finals 8 rounds of 20 s.
    expect(upperRungSeconds(45, 5, ladder, costs)).toBe(5 * 15 + 5 + 8 * 20);
    // Three aggregates are screened in 2 rounds, and (2 + 5 + 3) x 2 finals are 10.
    expect(upperRungSeconds(45, 5, { ...ladder, aggregates: 3 }, costs)).toBe(5 * 15 + 2 * 5 + 10 * 20);
  });

  it('corrects what it has not measured by what it has', () => {
    const estimates = {
      screen: { ...rung, seconds: 5 },
      confirm: { ...rung, seconds: 15 },
      final: { ...rung, seconds: 20 },
    };
    expect(expectedSeconds(estimates, {})).toEqual({ screen: 5, confirm: 15, final: 20 });
    expect(expectedSeconds(estimates, { screen: 1 })).toEqual({ screen: 1, confirm: 3, final: 4 });
    // The final rung is the confirm rung's nearest: a screening says little of either.
    expect(expectedSeconds(estimates, { screen: 10, final: 9 })).toEqual({ screen: 10, confirm: 6.75, final: 9 });
  });
});
