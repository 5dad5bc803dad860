import type { Weakening } from './support/weakened.ts';

/** A line of trusted Python that keeps programs to what they are given, and an attack that gets through without it. */
export interface BudgetMutant extends Weakening {
  /** What is left out, in words. */
  readonly without: string;
  readonly attack: string;
  /** How it is seen to get through: a score far better than the honest one's, any score, or its own word, by which it ends itself. */
  readonly through: 'better' | 'scored' | 'says so';
  readonly short?: true;
}

const measured = {
  file: 'aira_design/autoresearch/loops.py',
  line: 'if script.reference_costs == 0:',
  instead: 'if True:',
};
const processorTime = { without: 'processor time measured outside', ...measured, through: 'better' } as const;
const wallClock = {
  without: 'an end by the clock of the host',
  file: 'aira_design/autoresearch/serving.py',
  line: 'return budget.seconds + ending - (clock() - began)',
  instead: 'return 1e6',
  through: 'better',
} as const;

export const budgetMutants: readonly BudgetMutant[] = [
  ...['ask_for_more_batches', 'forged_counters'].map((attack) => ({
    ...{ without: 'tokens counted by the host', attack, through: 'says so' as const },
    ...{
      file: 'aira_design/autoresearch/serving.py',
      line: 'tokens + rows * length > budget.tokens',
      instead: 'False',
    },
  })),
  {
    ...{ without: "time by the host's clock", attack: 'ask_after_the_time', through: 'says so' },
    ...{ file: 'aira_design/autoresearch/serving.py', line: 'elapsed >= budget.seconds', instead: 'False' },
  },
  { ...processorTime, attack: 'own_budget_check', short: true },
  { ...processorTime, attack: 'passes_over_kept_batches' },
  { ...processorTime, attack: 'loop_over_each_batch' },
  { ...processorTime, attack: 'passes_in_children' },
  { ...processorTime, attack: 'passes_by_another_program' },
  { ...processorTime, attack: 'passes_in_threads' },
  { ...processorTime, attack: 'passes_with_a_stopped_clock' },
  { ...processorTime, attack: 'train_in_the_prediction' },
  { ...processorTime, attack: 'train_between_answers' },
  { ...wallClock, attack: 'hang_up_and_go_on' },
  { ...wallClock, attack: 'go_on_after_the_time' },
  {
    ...{ without: 'one file of state', attack: 'kept_beside_the_state', through: 'says so' },
    ...{ file: 'aira_design/autoresearch/host.py', line: ' "state": [STATE],', instead: '' },
  },
  {
    ...{ without: 'prefixes only', attack: 'look_ahead', through: 'better', short: true },
    ...{ file: 'aira_design/autoresearch/asking.py', line: '{"tokens": rows[:, shown : position + 1]}' },
    instead: '{"tokens": rows[:, shown : position + 2] if shown else rows[:, : position + 2]}',
  },
  {
    ...{ without: 'rows asked twice', attack: 'learn_from_the_test_inputs', through: 'scored' },
    ...{ file: 'aira_design/autoresearch/asking.py', line: '    if len(again):', instead: '    if False:' },
  },
];
