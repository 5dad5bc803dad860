import { referenceNode, type SearchId } from '../domain/ids.ts';
import type { ScalePoint } from '../domain/scale.ts';
import type { ArchiveReader, EvaluationRecord } from '../memory/index.ts';
import type { ScaleObservation } from './observations.ts';

function observation(point: ScalePoint, evaluation: EvaluationRecord): ScaleObservation | null {
  const { key, seed, scale, peakMemoryBytes } = evaluation;
  if (!scale) return null;
  return {
    architecture: point.architecture,
    pattern: point.pattern,
    family: point.family,
    size: point.size,
    nonEmbedding: point.nonEmbedding,
    embedding: point.embedding,
    budgetFlops: point.budgetFlops,
    trainedFlops: scale.flops,
    tokens: scale.tokens,
    seed,
    loss: scale.loss,
    seconds: scale.seconds,
    tokensPerSecond: scale.tokensPerSecond,
    mfu: scale.mfu,
    peakMemoryBytes,
    cacheBytesPerToken: point.cacheBytesPerToken,
    evaluation: key,
  };
}

/** Every loss that the archive has for a plan, in the plan's order; empty for any other search. */
export function scaleObservations(reader: ArchiveReader, search: SearchId): ScaleObservation[] {
  const points = reader.searches.spec(search).scale?.points ?? [];
  const nodes = new Map(reader.records.nodes(search).map((node) => [node.id, node]));
  return points.flatMap((point) => {
    const evaluations = nodes.get(referenceNode(point.reference))?.evaluations ?? [];
    return [...evaluations]
      .sort((a, b) => a.seed - b.seed)
      .flatMap((evaluation) => observation(point, evaluation) ?? []);
  });
}

/** The architecture that others are compared with: the one named llama, or else the last of the plan. */
export function referenceOf(observations: readonly ScaleObservation[]): string {
  const names = observations.map(({ architecture }) => architecture);
  return names.find((name) => name === 'llama') ?? names.at(-1) ?? '';
}
