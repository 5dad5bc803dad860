import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { rungSeeds } from '../../src/domain/evaluation.ts';
import { formatZodError } from '../../src/domain/inputFile.ts';
import { agentsOf, type Study, searchFileOf, studyJsonSchema, studySchema } from '../../src/studies/index.ts';
import { comparedPairs } from '../../src/studies/spec.ts';

const searcher = { name: 'searcher', model: 'local/mutate', scaffold: 'greedy' };
const base = {
  question: 'Does it help?',
  tasks: [{ task: 'compose-mad-3p' }],
  seeds: 4,
  budget: { evaluations: 10 },
  agents: [searcher],
  arms: [{ name: 'plain' }, { name: 'reading', set: { literature: true } }],
};
const study = (changes: object = {}): Study => studySchema.parse({ ...base, ...changes });
const mistakes = (changes: object): string => {
  const parsed = studySchema.safeParse({ ...base, ...changes });
  return parsed.success ? '' : formatZodError(parsed.error, studySchema).join('; ');
};
const agents = (changes: object) => {
  const parsed = study(changes);
  return parsed.arms.map((arm) => agentsOf(parsed, arm));
};

describe('a study file', () => {
  it('has arms that differ from the common agents in what they set', () => {
    const [plain, greedier, more] = agents({
      arms: [
        { name: 'plain' },
        { name: 'greedier', set: { scaffold: { kind: 'greedy', drafts: 2 } } },
        { name: 'more', set: { count: 3, pending: 5 } },
      ],
    });
    expect(plain?.[0]).toMatchObject({
      model: 'local/mutate',
      scaffold: { kind: 'greedy', drafts: 5 },
      pending: 2,
      count: 1,
    });
    expect(greedier?.[0]).toMatchObject({ scaffold: { kind: 'greedy', drafts: 2 }, pending: 2 });
    expect(more?.[0]).toMatchObject({ scaffold: { kind: 'greedy', drafts: 5 }, pending: 5, count: 3 });
  });

  it('makes an agent read that can, and says so where it cannot', () => {
    expect(agents({}).map(([agent]) => agent?.model)).toEqual(['local/mutate', 'local/prior']);
    expect(() => agents({ agents: [{ ...searcher, model: 'local/random' }] })).toThrow('local/random cannot read');
  });

  it('compares reading with not reading for a language model by the change of its one line', () => {
    const [plain, reading] = agents({ agents: [{ ...searcher, model: 'openai/gpt-6-sol' }] });
    expect(plain?.[0]).toMatchObject({ model: 'openai/gpt-6-sol' });
    expect(plain?.[0]).not.toHaveProperty('literature');
    expect(reading?.[0]).toMatchObject({ model: 'openai/gpt-6-sol', literature: expect.anything() });
  });

  it('is a search per arm, task and seed, equal in all but what the arm sets', () => {
    const parsed = study({});
    const [plain, reading] = parsed.arms.map((arm) =>
      searchFileOf(parsed, arm, { name: 'toy', profile: 'nano', kind: 'stack' }, 7),
    );
    expect({ ...plain, agents: [] }).toEqual({ ...reading, agents: [] });
    expect(plain).toMatchObject({
      task: 'toy',
      seed: 7,
      budget: { evaluations: 10 },
      references: [],
      // Its trainings are shared with the other arm of the pair, and with no other pair.
      ladder: { finalists: 1, seedBlock: 7 },
    });
  });

  it('refuses what makes no sense, by name', () => {
    expect(mistakes({ arms: [{ name: 'plain' }, { name: 'plain' }] })).toContain('two arms are named "plain"');
    expect(mistakes({ baseline: 'nobody' })).toContain('no arm "nobody"');
    expect(mistakes({ agents: undefined })).toContain('"plain" has no agents');
    expect(mistakes({ arms: [{ name: 'a' }, { name: 'b', set: {}, agents: [searcher] }] })).toContain(
      'instead of in set',
    );
    expect(mistakes({ arms: [{ name: 'a' }, { name: 'b', set: { scafold: 'mcts' } }] })).toContain(
      'did you mean "scaffold"',
    );
    expect(mistakes({ seed: 3 })).toContain('did you mean "seeds"');
    expect(mistakes({ arms: [{ name: 'a' }] })).not.toBe('');
    expect(mistakes({ ladder: { finalists: 2 } })).toContain('unknown key "finalists"');
    expect(mistakes({ ladder: { seedBlock: 2 } })).toContain('unknown key "seedBlock"');
    expect(mistakes({ tasks: [{ task: 'x' }], arms: [{ name: 'a' }, { name: 'b', handsIn: 'N0' }] })).toContain(
      'use a table',
    );
    expect(mistakes({ tasks: [{ table: 'x', profile: 'nano' }] })).not.toBe('');
    expect(mistakes({ tasks: [{ table: 'x' }, { task: 'y' }], seeds: 2 })).toContain('need at least 3 seeds');
    expect(mistakes({ tasks: [{ table: 'x' }, { task: 'y' }], seeds: 3 })).toBe('');
  });

  it('takes no agents from outside: a study repeats its runs', () => {
    const guest = { name: 'guest', model: 'outside/mcp', scaffold: 'outside' };
    expect(() => agents({ agents: [searcher, guest], arms: [{ name: 'a' }, { name: 'b' }] })).toThrow(
      'arm "a": guest proposes from outside',
    );
  });

  it('compares with the baseline, or everything with everything', () => {
    const arms = ['a', 'b', 'c'].map((name) => ({ name }));
    expect(comparedPairs(study({ arms }))).toEqual([
      ['b', 'a'],
      ['c', 'a'],
    ]);
    expect(comparedPairs(study({ arms, baseline: 'b' }))).toEqual([
      ['a', 'b'],
      ['c', 'b'],
    ]);
    expect(comparedPairs(study({ arms, pairs: 'all' }))).toEqual([
      ['b', 'a'],
      ['c', 'a'],
      ['c', 'b'],
    ]);
  });
});

describe('the training seeds of a trained study', () => {
  it('are shared by the arms of a pair, and by no two pairs or rungs', () => {
    const rungs = ['screen', 'confirm', 'final'] as const;
    const all = [0, 1, 2, 32].flatMap((block) => rungs.flatMap((rung) => rungSeeds(rung, 40, block)));
    expect(new Set(all).size).toBe(all.length);
    expect(rungSeeds('final', 2)).toEqual([2001, 2002]);
  });
});

describe('the published schema of study files', () => {
  it('is the one that Aira reads them with (npm run schema writes it)', () => {
    expect(JSON.parse(readFileSync('schemas/study.schema.json', 'utf8'))).toEqual(studyJsonSchema());
  });
});

describe('the shipped studies', () => {
  it.each(readdirSync('studies'))('%s is valid, its arms too, and points editors to the schema', (name) => {
    const text = readFileSync(`studies/${name}`, 'utf8');
    expect(text.split('\n')[0]).toBe('# yaml-language-server: $schema=../schemas/study.schema.json');
    const parsed = studySchema.parse(parse(text, { merge: true }));
    for (const arm of parsed.arms) expect(agentsOf(parsed, arm).length).toBeGreaterThan(0);
  });
});
