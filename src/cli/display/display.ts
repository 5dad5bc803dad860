import type { AgentState, LabEvent, SearchStatus, WorkerState } from '../../domain/messages.ts';
import { chatArms } from '../../domain/model.ts';
import type { SearchSpec } from '../../domain/search.ts';
import { metricValue } from '../../domain/task.ts';
import type { ReportEnding } from '../../report/index.ts';

/** How a search ended, for whoever watched it. */
export interface Ending {
  readonly how: 'finished' | 'stopped' | 'failed';
  readonly searchStatus: SearchStatus | null;
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
  searchStatus(searchStatus: SearchStatus): void;
  /** A sentence about what is going on outside the search: a drain, a wait. */
  notice(sentence: string): void;
  ended(ending: Ending): void;
}

/** `3:07` for 187 000 ms. */
export function clockTime(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const rest = `${Math.floor(seconds / 60) % 60}`.padStart(seconds >= 3600 ? 2 : 1, '0');
  const text = `${rest}:${`${seconds % 60}`.padStart(2, '0')}`;
  return seconds >= 3600 ? `${Math.floor(seconds / 3600)}:${text}` : text;
}

export const score = (value: number | null | undefined): string => (value == null ? '  –  ' : value.toFixed(3));

/** A fitness as people read it: as the metric that it stands for. */
export function metricText(fitness: number | null | undefined, { lowerIsBetter }: Pick<SearchSpec, 'lowerIsBetter'>) {
  return score(fitness == null ? fitness : metricValue(fitness, lowerIsBetter));
}

/**
 * What language models have cost, and what they will have cost at the end if the rest of the proposals cost as much as
 * those so far. Null where none were asked.
 */
export function spending({ budget, agents }: SearchSpec, { spend, agents: rows }: SearchStatus): string | null {
  if (spend.calls === 0) return null;
  const asks = agents.filter(({ model }) => chatArms(model).length > 0);
  const done = rows.filter(({ agent }) => asks.some(({ name }) => name === agent));
  const proposed = done.reduce((sum, row) => sum + row.proposed, 0);
  const all = asks.reduce((sum, agent) => sum + agent.evaluations, 0);
  const atEnd =
    proposed > 0 ? Math.min((spend.dollars / proposed) * all, budget.dollars ?? Number.POSITIVE_INFINITY) : null;
  const of = budget.dollars === undefined ? '' : ` of $${budget.dollars}`;
  const end = atEnd === null ? '' : `, about $${Math.max(atEnd, spend.dollars).toFixed(2)} at the end`;
  return `$${spend.dollars.toFixed(3)}${of} for ${spend.calls} calls and ${spend.tokens} tokens${end}`;
}
