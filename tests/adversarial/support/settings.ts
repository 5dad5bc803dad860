import { evaluationKey, type Job } from '../../../src/domain/evaluation.ts';
import type { Files } from '../../../src/domain/program.ts';
import { designVersion } from '../../../src/evaluators/version.ts';
import { deviceClassOf } from '../../../src/platform/devices.ts';

/** What all tiny programs may take. */
const budget = { seconds: 60, cpu_seconds: 60, memory_mb: 1024, predict_seconds: 30 };

/** A language model of a few seconds: 16 hidden rows of 32 bytes. */
export const tinyText = {
  family: 'autoresearch',
  data: {
    ...{ corpus: 'stories', train_bytes: 20_000, document_bytes: 80, validation_rows: 32, test_rows: 32 },
    ...{ length: 32, vocabulary: 257, asked_per_row: 8, rows_at_once: 32, packing: 'in-order' },
  },
  script: { tokens: 10_240, seconds: 60, flops: 1e12, reference_costs: 0 },
  probes: 8,
  budget,
};

/**
 * The same where ten batches are served: once over them the honest script needs 4.2 bits per byte of these 256 rows, and a thousand times
 * 2.2, with standard errors of 0.02.
 */
export const fewBatches = {
  ...tinyText,
  data: { ...tinyText.data, validation_rows: 256, rows_at_once: 256 },
  script: { ...tinyText.script, tokens: 2_560 },
};

/** The Long Range Arena's ListOps with an encoder of one narrow layer and three steps. */
export const tinyArena = {
  family: 'lra',
  data: {
    // More hidden rows than are asked at once, so that rows that are asked twice have other neighbours.
    ...{ task: 'listops', source: 'generated', train: 64, validation: 160, test: 160 },
    ...{ length: 32, min_length: 4, max_depth: 3, max_args: 4 },
  },
  model: { width: 16, heads: 2, layers: 1, mlp: 16, dropout: 0, interaction: 'plain' },
  training: { learning_rate: 0.01, weight_decay: 0.1, warmup: 2, batch: 8, steps: 3 },
  configurable: false,
  probes: 8,
  budget,
};

/** Its other two tasks: documents, and pairs of documents. */
const plain = { source: 'generated', train: 64, validation: 48, test: 48, min_length: 0, max_depth: 0, max_args: 0 };
export const tinyDocuments = { ...tinyArena, data: { ...plain, task: 'text', length: 64 } };
export const tinyPairs = {
  ...tinyArena,
  data: { ...plain, task: 'retrieval', length: 48 },
  model: { ...tinyArena.model, interaction: 'nli' },
};

/** The three with enough steps for a classifier to learn what a mixer writes to the summary. */
const longer = { ...tinyArena.training, steps: 150, batch: 16, warmup: 10 };
export const arenaOf = {
  listops: { ...tinyArena, training: longer, data: { ...tinyArena.data, train: 512 } },
  text: { ...tinyDocuments, training: longer, data: { ...tinyDocuments.data, train: 512, validation: 160 } },
  retrieval: {
    ...tinyPairs,
    training: { ...longer, steps: 400 },
    data: { ...tinyPairs.data, train: 512, validation: 160 },
  },
};

export type TinySettings = typeof tinyText | typeof tinyArena;

/** The job of judging these files. */
export function jobFor(
  files: Files,
  settings: TinySettings = tinyText,
  more: Partial<Pick<Job, 'measure' | 'seed' | 'timeoutSeconds'>> = {},
): Job {
  const job = {
    task: 'tiny',
    taskVersion: '1',
    evaluator: designVersion(),
    deviceClass: deviceClassOf('cpu'),
    rung: 'screen',
    space: { kind: 'program', files: Object.keys(files).map((name) => ({ name, maxBytes: 65_536 })) },
    settings: { ...settings },
    candidate: { kind: 'program', files: { ...files } },
    seed: more.seed ?? 1,
    measure: more.measure ?? 'validation',
    lowerIsBetter: settings.family === 'autoresearch',
    timeoutSeconds: more.timeoutSeconds ?? 120,
  } satisfies Omit<Job, 'key'>;
  return { ...job, key: evaluationKey(job) };
}
