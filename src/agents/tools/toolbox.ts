import * as z from 'zod';
import {
  isOnline,
  type LiteratureSource,
  type LiteratureSpec,
  type Reading,
  type ReadingBudget,
  type Retrieval,
} from '../../domain/literature.ts';
import type { Operator, View, ViewNode } from '../../domain/node.ts';
import type { Tried } from '../../domain/rehearsal.ts';
import {
  answerSchema,
  type ChatMessage,
  type ProviderState,
  type Scope,
  type ToolCall,
  type ToolForm,
} from '../../llm/index.ts';

/** Where in a thought tools are used. */
export interface ToolOccasion {
  readonly view: View;
  readonly parents: readonly ViewNode[];
  readonly scope: Scope;
}

/**
 * The tools of one agent's thoughts.
 *
 * TBX-1. What a tool returned is recorded before it is shown, and a repeated thought gets the same (I5).
 * TBX-2. A tool knows no more than the attempt's view (I4, I5).
 * TBX-3. Every call gets a result; calls, rounds and characters are bounded.
 * TBX-4. What a tool returns is data: it is framed, and it steers no query.
 */
export interface Toolbox {
  readonly tools: readonly ToolForm[];
  /** What the system prompt says about them. */
  readonly rules: string;
  /** Absent if it has no literature. */
  readonly literature?: LiteratureSpec | undefined;
  /** Whether the model may call tools again. */
  mayCall(state: ReadingState): boolean;
  /** The state before the question. @param toolless the server supports no tools. */
  begin(about: ToolOccasion & { operator: Operator; toolless: boolean }, signal: AbortSignal): Promise<ReadingState>;
  /** The state after one more round of calls. */
  answer(asks: Asks, state: ReadingState, about: ToolOccasion, signal: AbortSignal): Promise<ReadingState>;
}

/** The tools with which a language model reads. Queries are free text without syntax, so that none can fail to parse. */

const query = z.string().trim().min(1).max(400).describe('What to look for, in a few words; no syntax.');
const searchSchema = z.strictObject({ query });
const sinceSchema = z.strictObject({
  query,
  since: z.int().min(1900).max(2100).nullable().describe('Only works of this year or later, or null.'),
});
const readSchema = z.strictObject({
  id: z.string().min(1).max(300).describe('The id of an item from a search result.'),
});

const toolNames = ['search_literature', 'search_code', 'search_archive', 'read'] as const;
export type ToolName = (typeof toolNames)[number];

/** The schema of each tool's arguments. */
export const toolSchemas = {
  search_literature: sinceSchema,
  search_code: searchSchema,
  search_archive: searchSchema,
  read: readSchema,
} as const satisfies Record<ToolName, z.ZodType>;

const descriptions: Readonly<Record<ToolName, string>> = {
  search_literature: 'Find papers. Returns title, authors, year and the matching passage, each with an id.',
  search_code: 'Find code bases. Returns title, licence and the matching passage, each with an id.',
  search_archive:
    'Find results of this search that you may know: what was tried, how it scored and the lesson drawn from it.',
  read: 'Read the full available text of one item.',
};

const holdsPapers = (source: LiteratureSource) => source === 'corpus' || (isOnline(source) && source !== 'github');
const holdsCode = (source: LiteratureSource) => source === 'corpus' || source === 'github';

/** The tools that are useful with these sources and this budget. */
export function toolsFor({ sources, searches, reads }: LiteratureSpec): ToolForm[] {
  const offered = toolNames.filter((name) => {
    if (name === 'read') return reads > 0;
    if (searches === 0) return false;
    if (name === 'search_archive') return sources.includes('archive');
    return sources.some(name === 'search_code' ? holdsCode : holdsPapers);
  });
  return offered.map((name) => ({
    name,
    description: descriptions[name],
    json: answerSchema(name, toolSchemas[name]).json,
  }));
}

/** A piece of text from elsewhere, shown to a model as data and cited by its id. */
export interface Passage {
  readonly id: string;
  readonly title: string;
  readonly text: string;
}

/** The tool calls of an answer. */
export interface Asks {
  readonly text: string;
  readonly calls: readonly ToolCall[];
  readonly carried: readonly ProviderState[];
}

/** The reading of one thought so far; plain data, because it is checkpointed between steps. */
export interface ReadingState {
  readonly how: 'nothing' | LiteratureSpec['how'];
  /** Passages looked up before the question. */
  readonly passages: readonly Passage[];
  /** Tool calls and results since, alternating, as messages to the model. */
  readonly turns: readonly ChatMessage[];
  readonly retrieved: readonly Retrieval[];
  readonly readings: readonly Reading[];
  readonly left: ReadingBudget;
  /** Of multi-turn operators: what is left, and what was tried out. */
  readonly uses?: { readonly checks: number; readonly experiments: number; readonly looks: number } | undefined;
  readonly tried?: readonly Tried[] | undefined;
}

export const noReading: ReadingState = {
  how: 'nothing',
  passages: [],
  turns: [],
  retrieved: [],
  readings: [],
  left: { searches: 0, reads: 0, itemsPerSearch: 1 },
};

/** Extra rounds for models whose calls fail. */
const spareRounds = 2;

/** Whether the model may call tools again. */
export function mayCall({ how, turns, left }: ReadingState, { searches, reads }: LiteratureSpec): boolean {
  return how === 'tools' && left.searches + left.reads > 0 && turns.length / 2 < searches + reads + spareRounds;
}
