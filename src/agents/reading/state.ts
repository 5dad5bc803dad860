import type { LiteratureSpec, Reading, ReadingBudget, Retrieval } from '../../domain/literature.ts';
import type { Carried, ChatMessage, ToolCall } from '../../llm/chat.ts';

/** A piece of text from elsewhere, shown to a model as data and cited by its id. */
export interface Passage {
  readonly id: string;
  readonly title: string;
  readonly text: string;
}

/** What a model wants to know before it answers. */
export interface Asks {
  readonly text: string;
  readonly calls: readonly ToolCall[];
  readonly carried: readonly Carried[];
}

/** The reading of one thought so far; plain data, because it is written down between steps. */
export interface ReadingState {
  readonly how: 'nothing' | LiteratureSpec['how'];
  /** What was looked up before the question. */
  readonly passages: readonly Passage[];
  /** What was asked for and answered since, as the model is told it: calls and results in turn. */
  readonly turns: readonly ChatMessage[];
  readonly retrieved: readonly Retrieval[];
  readonly readings: readonly Reading[];
  readonly left: ReadingBudget;
}

export const nothingRead: ReadingState = {
  ...{ how: 'nothing', passages: [], turns: [], retrieved: [], readings: [] },
  left: { searches: 0, reads: 0, itemsPerSearch: 1 },
};

/** Rounds in which every call was wrong, beyond those that a model may need. */
const spareRounds = 2;

/** May the model call once more, or has it to answer now? */
export function mayAsk({ how, turns, left }: ReadingState, { searches, reads }: LiteratureSpec): boolean {
  return how === 'tools' && left.searches + left.reads > 0 && turns.length / 2 < searches + reads + spareRounds;
}
