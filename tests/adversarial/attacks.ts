import type { FailureReason } from '../../src/domain/evaluation.ts';
import type { arenaOf } from './support/settings.ts';

/** How an attack may end: with the honest score, with whatever score its own predictions earn, or without one. */
export type Ending = 'same score' | 'own score' | FailureReason;

export interface Attack {
  /** The file below `attacks/`. */
  readonly name: string;
  readonly endings: readonly Ending[];
  /** Limits other than the tiny ones. */
  readonly budget?: Readonly<Partial<Record<'seconds' | 'cpu_seconds' | 'memory_mb' | 'predict_seconds', number>>>;
  /** In the world where a few batches are served and much is to be gained by going over them again. */
  readonly fewBatches?: true;
  /** What is served, and times what the reference costs, other than the tiny ones. */
  readonly script?: Readonly<Partial<Record<'tokens' | 'seconds' | 'reference_costs', number>>>;
  /** Which task of the Long Range Arena it answers without a model, and the accuracy that it has to stay below. */
  readonly arena?: { readonly task: keyof typeof arenaOf; readonly below: number };
  /** Runs also in the short suite. */
  readonly short?: true;
}

/** Processor time is bounded by what the reference costs, as in the nano profile. */
const measured = { endings: ['over-budget'], fewBatches: true, script: { reference_costs: 1.5 } } as const;
/** Wall-clock time bounds a training, as where a GPU trains. */
const timed = { endings: ['over-budget'], fewBatches: true, script: { seconds: 2 }, budget: { seconds: 110 } } as const;

/** Malicious submissions. Groups are those of docs/sandbox.md. */
export const attacks: readonly Attack[] = [
  // To see what is hidden.
  { name: 'read_labels_from_disk', endings: ['same score'], short: true },
  { name: 'inherited_descriptors', endings: ['same score'] },
  { name: 'other_processes', endings: ['same score'] },
  { name: 'keys_in_the_environment', endings: ['same score'] },
  { name: 'labels_beside_the_inputs', endings: ['same score'] },
  { name: 'draw_the_hidden_rows_again', endings: ['same score'] },
  { name: 'grader_in_memory', endings: ['same score'] },
  { name: 'read_private_files', endings: ['same score'] },
  { name: 'other_candidates', endings: ['same score'] },
  { name: 'weights_on_the_machine', endings: ['same score'] },
  { name: 'host_name', endings: ['same score'] },
  { name: 'locks_on_shared_files', endings: ['same score'] },
  { name: 'watch_the_machine', endings: ['same score'] },

  // To answer what was not asked.
  { name: 'look_ahead', endings: ['own score'], short: true },
  { name: 'mix_the_batch', endings: ['noncausal'] },
  { name: 'learn_from_the_test_inputs', endings: ['noncausal'] },
  { name: 'last_words', endings: ['crash'] },
  { name: 'last_words_by_hand', endings: ['crash'], short: true },
  { name: 'rows_of_the_batch', endings: ['noncausal'] },
  { name: 'not_a_number', endings: ['nan'] },
  { name: 'infinite', endings: ['nan'] },
  { name: 'huge', endings: ['own score', 'nan', 'noncausal'] },
  { name: 'interpret_listops', endings: ['own score'], arena: { task: 'listops', below: 0.5 }, short: true },
  { name: 'read_the_turn', endings: ['own score'], arena: { task: 'text', below: 0.8 } },
  { name: 'look_terms_up', endings: ['own score'], arena: { task: 'retrieval', below: 0.8 } },
  { name: 'train_more', endings: ['own score'], short: true },
  { name: 'carry_in_the_names', endings: ['tampered'] },
  { name: 'more_state_than_counted', endings: ['own score'] },
  { name: 'too_many_parameters', endings: ['toobig'] },
  { name: 'parameters_in_a_buffer', endings: ['invalid'] },

  // To train more than the budget allows. The honest script takes a fifth of a second.
  { name: 'ask_for_more_batches', endings: ['same score'] },
  { name: 'ask_after_the_time', endings: ['same score'], script: { tokens: 1e6, seconds: 5 } },
  { name: 'forged_counters', endings: ['same score'] },
  { name: 'own_budget_check', ...measured, short: true },
  { name: 'passes_over_kept_batches', ...measured },
  { name: 'loop_over_each_batch', ...measured },
  { name: 'passes_in_children', ...measured },
  { name: 'passes_by_another_program', ...measured },
  { name: 'passes_in_threads', ...measured },
  { name: 'passes_with_a_stopped_clock', ...measured },
  { name: 'train_in_the_prediction', ...measured, budget: { predict_seconds: 110 } },
  { name: 'train_between_answers', ...measured, budget: { predict_seconds: 110 } },
  { name: 'hang_up_and_go_on', ...timed },
  { name: 'go_on_after_the_time', ...timed },
  { name: 'kept_beside_the_state', endings: ['same score'] },

  // To state a score.
  { name: 'forged_lines', endings: ['same score'] },
  { name: 'result_files', endings: ['same score'] },
  { name: 'forged_failure', endings: ['crash'] },
  { name: 'patched_libraries', endings: ['same score', 'own score', 'crash', 'nan', 'tampered'] },
  { name: 'stop_the_clock', endings: ['same score'] },
  { name: 'hostile_program', endings: ['tampered'] },

  // To have something else read in place of predictions. Answers travel over the channel; no file is read any more.
  { name: 'no_predictions', endings: ['crash'] },
  { name: 'predictions_of_another_size', endings: ['crash'] },
  { name: 'predictions_by_link', endings: ['crash'], short: true },
  { name: 'predictions_by_dangling_link', endings: ['crash'] },
  { name: 'predictions_as_folder', endings: ['crash'] },
  { name: 'predictions_by_pipe', endings: ['crash'] },
  { name: 'predictions_by_socket', endings: ['crash'] },
  { name: 'predictions_by_hard_link', endings: ['crash'] },
  { name: 'sparse_predictions', endings: ['crash'] },
  { name: 'rewrite_in_the_background', endings: ['same score', 'own score', 'nan', 'noncausal'] },
  { name: 'pickle_in_the_state', endings: ['same score'] },

  // To take more than is given.
  { name: 'fill_the_disk', endings: ['same score', 'oom'] },
  { name: 'fill_with_many_files', endings: ['same score'] },
  { name: 'a_million_files', endings: ['same score'] },
  { name: 'a_huge_state', endings: ['crash', 'oom'] },
  { name: 'flood_the_log', endings: ['crash'] },
  { name: 'terminal_in_the_log', endings: ['crash'] },
  { name: 'memory_bomb', endings: ['oom', 'crash'] },
  { name: 'memory_bomb_of_many', endings: ['oom', 'crash'] },
  { name: 'fork_bomb', endings: ['same score'] },
  { name: 'thread_bomb', endings: ['same score'] },
  { name: 'all_cores', endings: ['same score'] },
  { name: 'sleep_for_ever', endings: ['timeout'], budget: { seconds: 8 } },
  { name: 'overtime', endings: ['timeout'], budget: { seconds: 8 } },
  { name: 'learn_in_the_prediction', endings: ['timeout', 'over-budget'], budget: { predict_seconds: 8 } },
  { name: 'daemon', endings: ['same score'] },
  { name: 'kill_everything', endings: ['same score', 'crash'] },
  { name: 'own_limits', endings: ['same score'] },

  // To change the machine, or the next run.
  { name: 'write_everywhere', endings: ['same score'] },
  { name: 'change_the_evaluator', endings: ['same score'] },
  { name: 'shadowed_modules', endings: ['same score'] },
  { name: 'start_up_hooks', endings: ['same score'] },
  { name: 'plant_for_the_next', endings: ['same score'] },
  { name: 'find_what_was_planted', endings: ['same score'] },

  // To get out.
  { name: 'network', endings: ['same score'] },
  { name: 'abstract_socket', endings: ['same score'] },
  { name: 'socket_families', endings: ['same score'] },
  { name: 'system_calls', endings: ['same score'] },
  { name: 'new_namespaces', endings: ['same score'] },
  { name: 'privileges', endings: ['same score'] },
  { name: 'write_to_init', endings: ['same score'] },
];
