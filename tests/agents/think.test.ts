import { describe, expect, it } from 'vitest';
import { type LocalModel, think } from '../../src/agents/index.ts';
import { mutateModel, randomModel } from '../../src/agents/models/mutate.ts';
import { agentNameSchema } from '../../src/domain/ids.ts';
import { agentSpec } from '../support/specs.ts';
import { landscape, rehearse, space16, topic, viewNode, viewOf } from './support.ts';

const spec = agentSpec({ model: 'local/mutate', scaffold: { kind: 'greedy', drafts: 1 } });
const parent = viewNode(1, { fitness: 0.5, candidate: Array(16).fill('M').join(' ') });
const thinker = {
  spec,
  view: viewOf([parent]),
  space: space16,
  seed: 1,
  topic,
  models: { 'local/mutate': mutateModel() },
};

/** The contract of all models, observed or violated. */
const saying = (
  candidate: string,
  change = 'said so',
  expected: number | null = null,
): { 'local/mutate': LocalModel } => ({
  'local/mutate': {
    name: 'local/mutate',
    propose: async () => ({ candidate, change, expected }),
    close: async () => {},
  },
});

describe('think', () => {
  it('decides, proposes and gives reasons', async () => {
    const thought = await think(thinker);
    expect(thought).toMatchObject({ operator: 'improve', parents: ['walker-1'] });
    expect(thought.candidate).not.toBe(parent.candidate);
    expect(thought.rationale.choice).toBe('best so far: walker-1 (0.5)');
    expect(thought.rationale.change).toMatch(/^mutation, relative to walker-1: layer \d+: M -> m?[AM]b?/);
    expect(thought.rationale.expected).toBeNull();
  });

  it('depends on the seed, the name and the attempt, and on nothing else', async () => {
    const first = await think(thinker);
    expect(await think(thinker)).toEqual(first);
    const named = agentSpec({ ...spec, name: 'runner' });
    const renamed = { ...parent, agent: agentNameSchema.parse('runner') };
    const others = await Promise.all([
      think({ ...thinker, seed: 2 }),
      think({ ...thinker, spec: named, view: viewOf([renamed]) }),
      think({ ...thinker, view: viewOf([parent], 3) }),
    ]);
    for (const other of others) expect(other.candidate).not.toBe(first.candidate);
  });

  it('accepts any form of a candidate and keeps the canonical one', async () => {
    const thought = await think({ ...thinker, models: saying('8mA+8Mb', 'halves', 0.7) });
    expect(thought.candidate).toBe([...Array(8).fill('mA'), ...Array(8).fill('Mb')].join(' '));
    expect(thought.rationale.expected).toBe(0.7);
  });

  it.each([
    [
      'leaves the space',
      saying('15M'),
      /local\/mutate proposed a candidate outside the space: the architecture has 15 layers/,
    ],
    [
      'invents a primitive',
      saying('16X'),
      /local\/mutate proposed a candidate outside the space: "16X" is not a layer/,
    ],
    ['talks too much', saying('16M', 'x'.repeat(2001)), /local\/mutate returned an invalid rationale/],
    ['expects nothing finite', saying('16M', 'well', Number.NaN), /local\/mutate returned an invalid rationale/],
  ])('stops an agent whose model %s', async (_, models, message) => {
    await expect(think({ ...thinker, models })).rejects.toMatchObject({ name: 'TerminalError', message });
  });

  it('refuses the view of another agent, and a model that is not open', async () => {
    const stranger = { ...parent, agent: agentNameSchema.parse('stranger') };
    await expect(think({ ...thinker, view: viewOf([stranger]) })).rejects.toThrow('of agent stranger');
    await expect(think({ ...thinker, models: {} })).rejects.toThrow('walker uses local/mutate, which is not open');
  });

  it('searches a tiny space to its end without a crash or a useless repetition', async () => {
    const tiny = landscape(1, { kind: 'stack', layers: 2, primitives: ['M', 'mA'] }, 0);
    for (const model of [mutateModel(), randomModel()]) {
      for (const kind of ['one-shot', 'greedy', 'mcts', 'evolutionary']) {
        const { nodes, best } = await rehearse({ model, scaffold: { kind }, attempts: 12, seed: 1 }, tiny);
        expect(nodes.filter((node) => node.status === 'duplicate')).toHaveLength(8);
        expect(best).toBe(1);
      }
    }
  });
});
