import type { LiteratureSpec } from '../../domain/literature.ts';
import type { Operator, View, ViewNode } from '../../domain/node.ts';
import type { Scope, ToolForm } from '../../llm/index.ts';
import type { Asks, ReadingState } from '../reading/tools.ts';

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
