import type { AgentState, LabEvent, Standing, WorkerState } from '../../domain/messages.ts';
import type { SearchSpec } from '../../domain/search.ts';
import type { ReportEnding } from '../../report/index.ts';

/** How a search ended, for whoever watched it. */
export interface Ending {
  readonly how: 'finished' | 'stopped' | 'failed';
  readonly standing: Standing | null;
  /** Path of the report, where one was written. */
  readonly report: string | null;
  /** What ended before its work was done. */
  readonly endings: readonly ReportEnding[];
  /** A few lines for a terminal. */
  readonly summary: string | null;
}

/** Something that shows a search while it runs. */
export interface Display {
  started(spec: SearchSpec, resumed: boolean): void;
  event(event: LabEvent): void;
  agent(state: AgentState): void;
  worker(state: WorkerState): void;
  standing(standing: Standing): void;
  /** A sentence about what is going on outside the search: a drain, a wait. */
  notice(sentence: string): void;
  ended(ending: Ending): void;
}
