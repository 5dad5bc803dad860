import { referenceNode, type SearchId } from '../domain/ids.ts';
import type { ScalePoint } from '../domain/scale.ts';
import type { ArchiveReader, EvaluationRecord } from '../memory/index.ts';

/**
 * One trained budget of one run: the row that fits, proxy audit, figures and tables are computed from.
 *
 * `loss` is validation cross-entropy in nats per token. `budgetFlops` is the budget that the plan asked for, `trainedFlops` what whole steps
 * came out at; both count multiply and add, forward and backward, layers and head. `nonEmbedding` and `embedding` are parameters.
 * `cacheBytesPerToken` is the growth of the decoding cache with each token (attention layers only).
 */
export interface ScaleObservation {
  /** Name of the architecture in the plan. */
  readonly architecture: string;
  /** Text of the pattern before extrapolation. */
  readonly pattern: string;
  readonly family: string;
  /** Name of the size. */
  readonly size: string;
  readonly nonEmbedding: number;
  readonly embedding: number;
  readonly budgetFlops: number;
  readonly trainedFlops: number;
  readonly tokens: number;
  readonly seed: number;
  readonly loss: number;
  readonly seconds: number;
  readonly tokensPerSecond: number;
  readonly mfu: number | null;
  readonly peakMemoryBytes: number | null;
  readonly cacheBytesPerToken: number;
  /** Key of the evaluation that measured the loss. */
  readonly evaluation: string;
}

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
