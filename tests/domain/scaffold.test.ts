import { describe, expect, it } from 'vitest';
import { agentEntrySchema } from '../../src/domain/agent.ts';
import { scaffoldPresetNames, scaffoldPresets, scaffoldSpecSchema } from '../../src/domain/scaffold.ts';

const read = (scaffold: unknown) =>
  agentEntrySchema.parse({ name: 'one', model: 'local/random', scaffold }).scaffold as unknown;

describe('a scaffold in a search file', () => {
  it('may be a kind, which stands for its usual settings', () => {
    expect(read('greedy')).toEqual({ kind: 'greedy', drafts: 5, debugProbability: 0.5, debugDepth: 3 });
    expect(read('one-shot')).toEqual({ kind: 'one-shot' });
  });

  it.each(scaffoldPresetNames)('may be the preset %s, which is written out in full', (name) => {
    expect(read(name)).toEqual(scaffoldPresets[name]);
    // Nothing is left to defaults that might change.
    expect(scaffoldSpecSchema.parse(scaffoldPresets[name])).toEqual(scaffoldPresets[name]);
  });

  // The settings that AIRA-dojo and AIDE have published for MLE-bench.
  it('knows the published settings', () => {
    expect(scaffoldPresets['aira-greedy']).toMatchObject({ drafts: 5, debugProbability: 1, debugDepth: 20 });
    expect(scaffoldPresets['aide-greedy']).toMatchObject({ drafts: 5, debugProbability: 0.5, debugDepth: 3 });
    expect(scaffoldPresets['aira-mcts']).toMatchObject({ children: 5, exploration: 0.25, debugDepth: 20 });
    expect(scaffoldPresets['aira-evo']).toMatchObject({ islands: 1, capacity: 500, crossover: 0.5, migration: 0 });
  });

  it('is refused with an unknown name or key', () => {
    expect(() => read('aira_gredy')).toThrow(/unknown scaffold/);
    expect(() => read({ kind: 'mcts', debugProbability: 1 })).toThrow();
  });
});
