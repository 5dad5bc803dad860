import type { StackSpace } from '../../domain/architecture.ts';
import type { Space } from '../../domain/candidate.ts';
import type { EvidenceId, Reading } from '../../domain/literature.ts';
import type { LocalModelName } from '../../domain/model.ts';
import type { Operator, View, ViewNode } from '../../domain/node.ts';
import type { Brief } from '../../domain/program.ts';
import type { Rng } from '../../domain/rng.ts';

/** The complete input of a proposal. */
export interface ProposalInput<S extends Space = StackSpace> {
  readonly operator: Operator;
  /** As many as the operator takes, in the scaffold's order. */
  readonly parents: readonly ViewNode[];
  readonly view: View;
  readonly space: S;
  /** The task's brief, for program spaces. */
  readonly brief?: Brief | undefined;
  readonly rng: Rng;
  /** Aborts the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface Proposal {
  /** A candidate of the space. */
  readonly candidate: string;
  /** What it changes relative to its parents, or how it arose; at most 2000 characters. */
  readonly change: string;
  /** The expected fitness, or null. */
  readonly expected: number | null;
  /** Ids of everything that was read; absent without reading. */
  readonly retrieved?: readonly EvidenceId[];
  /** The queries that returned it. */
  readonly readings?: readonly Reading[];
  /** Ids of the nodes and documents that the proposal is based on. */
  readonly evidence?: readonly string[];
  /** Why it should work. */
  readonly hypothesis?: string;
}

/**
 * Turns a decision into a candidate. One model may serve several agents at once, because it has no state per agent. It is
 * only asked about spaces that it supports, which the plan of a search checks (`supportsSpace` of domain/model.ts).
 */
export interface LocalModel<S extends Space = StackSpace> {
  readonly name: LocalModelName;
  propose(input: ProposalInput<S>): Promise<Proposal>;
  /** Stops what the model started. Idempotent; the next question starts it again. */
  close(): Promise<void>;
}

/** A local model for any space; see `supportsSpace` of domain/model.ts. */
export type AnyModel = LocalModel<Space>;
