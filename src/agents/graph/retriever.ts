import type { Operator, ViewNode } from '../../domain/node.ts';

/** A piece of text from elsewhere, shown to a model as data and cited by its id. */
export interface Passage {
  readonly id: string;
  readonly title: string;
  readonly text: string;
}

/** What an agent would like to read about. */
export interface Query {
  readonly operator: Operator;
  readonly parents: readonly ViewNode[];
  readonly task: string;
}

/** Finds passages that bear on a decision. The same query gives the same passages in the same order (I5). */
export interface Retriever {
  retrieve(query: Query, signal: AbortSignal): Promise<readonly Passage[]>;
}
