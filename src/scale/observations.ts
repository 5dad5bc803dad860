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
