import { describe, expect, it } from 'vitest';
import { formatZodError, nearest } from '../../src/domain/inputFile.ts';
import { searchFileSchema } from '../../src/domain/search.ts';

const good = {
  task: 'compose-mad-3p',
  budget: { evaluations: 4 },
  agents: [{ name: 'walker', model: 'local/random', scaffold: 'one-shot' }],
};

const mistakes = (file: unknown): string[] => {
  const parsed = searchFileSchema.safeParse(file);
  return parsed.success ? [] : formatZodError(parsed.error, searchFileSchema);
};

describe('a search file', () => {
  it('that is right has no mistakes', () => {
    expect(mistakes(good)).toEqual([]);
  });

  it.each([
    [{ ...good, budgets: 1 }, 'unknown key "budgets"; did you mean "budget"?'],
    [{ ...good, budget: { evaluations: 4, minuets: 1 } }, 'budget: unknown key "minuets"; did you mean "minutes"?'],
    [
      { ...good, agents: [{ ...good.agents[0], scafold: 'greedy' }] },
      'agents[0]: unknown key "scafold"; did you mean "scaffold"?',
    ],
    [
      { ...good, agents: [{ ...good.agents[0], scaffold: { kind: 'greedy', draft: 3 } }] },
      'agents[0].scaffold: unknown key "draft"; did you mean "drafts"?',
    ],
    [{ ...good, wholly: 1 }, 'unknown key "wholly"; known keys are $schema, task, profile'],
  ])('with an unknown key is told the nearest known one', (file, sentence) => {
    expect(mistakes(file).join('\n')).toContain(sentence);
  });

  it('names every mistake, each with its place', () => {
    const found = mistakes({ task: '', budget: { evaluations: 0 }, agents: [] });
    expect(found).toHaveLength(3);
    expect(found.map((each) => each.split(':')[0])).toEqual(['task', 'budget.evaluations', 'agents']);
  });
});

describe('the nearest name', () => {
  it('is offered only when it may have been meant', () => {
    expect(nearest('nanno', ['nano', 'small', 'paper'])).toBe('nano');
    expect(nearest('xylophone', ['nano', 'small', 'paper'])).toBeUndefined();
    expect(nearest('nano', [])).toBeUndefined();
  });
});
