import { describe, expect, it } from 'vitest';
import {
  canonicalText,
  composition,
  inOrder,
  type OwnPrimitive,
  parseArchitecture,
  parseInSpace,
  primitiveText,
  readArchitecture,
  runLengthText,
  serves,
  versionOver,
  versionWith,
} from '../../src/domain/architecture.ts';
import { candidateText, parseCandidate } from '../../src/domain/candidate.ts';
import { evaluationKey } from '../../src/domain/evaluation.ts';
import { contentHash } from '../../src/domain/json.ts';
import { planSearch } from '../../src/domain/plan.ts';
import { searchFileSchema } from '../../src/domain/search.ts';
import { type Task, taskVersion } from '../../src/domain/task.ts';

const space = { kind: 'stack' as const, layers: 4, primitives: ['M', 'mA', 'Mb'] };
const rung = (steps: number) => ({ seconds: 1, settings: { steps } });
const profile = { rungs: { screen: rung(4), confirm: rung(8), final: rung(8) } };

const gla: OwnPrimitive = {
  token: 'gla',
  title: 'gated linear attention',
  hint: 'linear attention with a decay',
  colour: '#7b5ea7',
  digest: 'ab'.repeat(32),
  costs: {},
};

describe('the identity of a candidate', () => {
  it('is that of the archives written before users had primitives', () => {
    const candidate = parseCandidate('2mA+M, 1Mb', space);
    const version = taskVersion({ name: 'toy', space }, profile);
    expect([candidateText(candidate), version, contentHash(candidate)]).toEqual([
      'mA mA M Mb',
      'd58d1a751a673c96',
      '125b22fa9be7aae0989ff787f7a65857c2c69ac61aa9d9bda90d7bfb97cf2a09',
    ]);
    const job = {
      ...{ task: 'toy', taskVersion: version, evaluator: 'native-0123456789ab', deviceClass: 'cpu' as const },
      ...{ content: { directory: 'd'.repeat(64), data: {} }, rung: 'screen' as const, space, settings: { steps: 4 } },
      ...{ candidate, seed: 1, measure: 'validation' as const, lowerIsBetter: false },
    };
    expect(evaluationKey(job)).toBe('faff720b22c5cf97109d294511a9fc2768d51f2a363f545be62cf7d7b6942d24');
  });
});

describe('names of several letters', () => {
  const own = { ...space, primitives: ['M', 'mA', 'gla', 'a1_b'] };

  it('are read with separators and numbers, and survive both texts', () => {
    const layers = parseInSpace('2gla+M 1*a1_b', own);
    expect(layers).toEqual(['gla', 'gla', 'M', 'a1_b']);
    expect(runLengthText(layers)).toBe('2gla+M+a1_b');
    for (const text of [canonicalText(layers), runLengthText(layers)]) expect(parseInSpace(text, own)).toEqual(layers);
  });

  it('need a separator: names next to each other are another name', () => {
    expect(() => parseInSpace('glaM+M+M+M', own)).toThrow(
      '"glaM" is not a layer; use M, mA, Mb, a1_b or gla, or a run',
    );
  });

  it('are refused where the space does not have them, and read where a text is only shown', () => {
    expect(() => parseInSpace('gla M M M', space)).toThrow('"gla" is not a layer; use M, mA or Mb');
    expect(() => parseArchitecture('gla')).toThrow('"gla" is not a layer');
    expect(readArchitecture('2gla M')).toEqual(['gla', 'gla', 'M']);
    expect(() => readArchitecture('<b>')).toThrow('is not a layer');
  });

  it('come after the built-in ones, and are counted beside them', () => {
    expect(inOrder(['swa', 'Mb', 'gla', 'M', 'gla'])).toEqual(['M', 'Mb', 'gla', 'swa']);
    expect(composition(['gla', 'M', 'gla'])).toEqual({ M: 1, mA: 0, Mb: 0, gla: 2 });
    expect(composition(['constructor'])).toEqual({ M: 0, mA: 0, Mb: 0, constructor: 1 });
  });
});

describe('the evaluator version', () => {
  const base = 'native-0a1b2c3d4e5f';
  const withGla = versionWith(base, { gla: gla.digest });

  it('names own primitives by digest, in the order of their names, and is the plain one without any', () => {
    expect(versionWith(base, {})).toBe(base);
    expect(withGla).toBe(`${base}+gla@abababababab`);
    expect(versionWith(base, { swa: 'c'.repeat(64), gla: gla.digest })).toBe(`${withGla}+swa@cccccccccccc`);
  });

  it('is served by a worker that has the same trainer and every primitive of the job', () => {
    const worker = versionWith(base, { gla: gla.digest, swa: 'c'.repeat(64) });
    expect([base, withGla, worker].map((wanted) => serves(worker, wanted))).toEqual([true, true, true]);
    expect(serves(base, withGla)).toBe(false);
    expect(serves(worker, versionWith(base, { gla: 'f'.repeat(64) }))).toBe(false);
    expect(serves(worker, versionWith('native-ffffffffffff', {}))).toBe(false);
    expect(versionOver({ layers: 1, primitives: ['M', 'gla'] }, worker)).toBe(withGla);
    expect(versionOver({ layers: 1, primitives: ['M'] }, worker)).toBe(base);
  });
});

describe('a search with own primitives', () => {
  const task: Task = {
    ...{ name: 'toy', directory: '/toy', description: '', metric: 'accuracy', lowerIsBetter: false },
    ...{ space, profiles: { nano: profile } },
  };
  const agents = [{ name: 'random', model: 'local/random', scaffold: 'one-shot' }];
  const file = (changes: object) =>
    searchFileSchema.parse({ task: 'toy', budget: { evaluations: 4 }, agents, ...changes });
  const plan = (changes: object, own: readonly OwnPrimitive[] = [gla]) =>
    planSearch(file(changes), {
      ...{ task, profile, evaluator: 'native-0a1b2c3d4e5f', deviceClass: 'cpu', primitives: own },
      id: 'toy-1' as never,
    });

  it('has the file’s primitives, records the manifest entries that it uses, and another task version', () => {
    const spec = plan({ primitives: ['M', 'gla'], references: [{ name: 'all', architecture: '4gla' }] });
    expect(spec.space).toMatchObject({ layers: 4, primitives: ['M', 'gla'] });
    expect(spec.primitives).toEqual([gla]);
    expect(spec.references).toEqual([{ name: 'all', candidate: 'gla gla gla gla' }]);
    expect(spec.taskVersion).not.toBe(plan({}).taskVersion);
  });

  it('is unchanged by primitives that it does not use', () => {
    expect(plan({}, [gla])).toEqual(plan({}, []));
    expect('primitives' in plan({})).toBe(false);
  });

  it('refuses an unknown primitive, one named twice, and a reference that does not fit', () => {
    expect(() => plan({ primitives: ['M', 'nope'] })).toThrow('there is no primitive "nope"');
    expect(() => file({ primitives: ['M', 'M'] })).toThrow('names a primitive twice');
    expect(() => file({ primitives: ['1M'] })).toThrow('use a letter');
    expect(() => plan({ references: [{ name: 'x', architecture: '3mA+2Q' }] })).toThrow('"2Q" is not a layer');
  });

  it('shows its title and hint, and the name of one that it knows nothing of', () => {
    expect(primitiveText('gla', [gla]).hint).toBe('linear attention with a decay');
    expect(primitiveText('mA').title).toBe('attention');
    expect(primitiveText('gla')).toEqual({ title: 'gla', hint: 'gla' });
  });
});
