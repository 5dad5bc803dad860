import { type Primitive, primitives, type StackSpec } from '../../src/domain/architecture.ts';
import { rngFor } from '../../src/domain/rng.ts';
import { type TableFile, tableSchema } from '../../src/evaluators/index.ts';
import { allArchitectures, type TableProvenance } from '../../src/evaluators/table.ts';

export const smallSpace: StackSpec = { layers: 3, primitives: [...primitives] };

export function provenance(overrides: Partial<TableProvenance> = {}): TableProvenance {
  return {
    ...{ task: 'toy', profile: 'nano', rung: 'screen', space: smallSpace, settings: { steps: 4 } },
    ...{ evaluator: 'torch-000000000000', torch: '1.13.0', python: '3.11.2', device: 'a processor' },
    ...overrides,
  };
}

const worth: Record<Primitive, number> = { M: 0, mA: 0.1, Mb: 0.15 };

/**
 * A table with a known landscape: layers are worth more the earlier they come, an attention layer after a Mamba layer is
 * worth extra, and seeds move a score by up to `noise` to either side.
 */
export function plantedTable(space: StackSpec = smallSpace, seeds = 4, noise = 0.02): TableFile {
  const value = (candidate: string) =>
    candidate.split(' ').reduce((sum, layer, index, layers) => {
      const pair = layer === 'mA' && layers[index - 1] === 'Mb' ? 0.2 : 0;
      return sum + ((worth[layer] ?? 0) + pair) / (1 + index);
    }, 0.2);
  const scores = Object.fromEntries(
    [...allArchitectures(space)].map((candidate) => {
      const rng = rngFor('planted', candidate);
      return [candidate, Array.from({ length: seeds }, () => value(candidate) + noise * (2 * rng.float() - 1))];
    }),
  );
  return tableSchema.parse({
    version: 1,
    ...provenance({ space }),
    measured: { from: '2026-01-01T00:00:00.000Z', to: '2026-01-01T01:00:00.000Z' },
    cpuSeconds: 1,
    seeds: Array.from({ length: seeds }, (_, index) => index + 1),
    scores,
  });
}
