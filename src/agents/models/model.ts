import type { StackSpace } from '../../domain/architecture.ts';
import type { Space } from '../../domain/candidate.ts';
import type { EvidenceId, Reading } from '../../domain/literature.ts';
import type { LocalModelName } from '../../domain/model.ts';
import { byAge, type Operator, type View, type ViewNode } from '../../domain/node.ts';
import type { Brief } from '../../domain/program.ts';
import type { Rng } from '../../domain/rng.ts';

/** Everything a proposal may depend on. */
export interface ProposalInput<S extends Space = StackSpace> {
  readonly operator: Operator;
  /** As many as the operator wants, in the order in which the scaffold chose them. */
  readonly parents: readonly ViewNode[];
  readonly view: View;
  readonly space: S;
  /** What the author of a program is told; for a space of programs. */
  readonly brief?: Brief | undefined;
  readonly rng: Rng;
  /** Aborted when the answer is no longer wanted; the call then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface Proposal {
  /** A candidate of the space. */
  readonly candidate: string;
  /** What it changes relative to its parents, or how it arose; at most 2000 characters. */
  readonly change: string;
  /** The fitness that the proposer expects, or null where it has no opinion. */
  readonly expected: number | null;
  /** What the proposer was shown, and what its candidate rests on; absent where nothing was read. */
  readonly retrieved?: readonly EvidenceId[];
  /** What it asked for to be shown that. */
  readonly readings?: readonly Reading[];
  /** Ids of nodes and of what was shown. */
  readonly evidence?: readonly string[];
  /** Why it should work. */
  readonly hypothesis?: string;
}

/**
 * What turns a decision into a candidate. One model may serve several agents at once: it knows no agent by name. It is only
 * asked about spaces of its kind, which the plan of a search sees to (`proposes` of domain/model.ts).
 */
export interface LocalModel<S extends Space = StackSpace> {
  readonly name: LocalModelName;
  propose(input: ProposalInput<S>): Promise<Proposal>;
  /** Ends what the model started. Idempotent; the model can be asked again afterwards and then starts anew. */
  close(): Promise<void>;
}

/** A local model of whichever space; `proposes` of domain/model.ts says of which. */
export type AnyModel = LocalModel<Space>;

/** A node whose candidate was judged: the only kind that may become a parent, and the only one to learn from. */
export type ScoredNode = ViewNode & { readonly fitness: number };

export function isScored(node: ViewNode): node is ScoredNode {
  return node.status === 'evaluated' && node.fitness !== null;
}

/** Best first; among equals the earlier one, so that a repeated score never displaces its discoverer. */
export function ranked(nodes: readonly ViewNode[]): ScoredNode[] {
  return nodes.filter(isScored).sort((a, b) => b.fitness - a.fitness || byAge(a, b));
}
