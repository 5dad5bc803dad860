import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { type Primitive, readArchitecture } from '../../domain/architecture.ts';
import { PrerequisiteError, TerminalError, toError } from '../../domain/errors.ts';
import type { Json } from '../../domain/json.ts';
import type { ScaleModel } from '../../domain/scale.ts';
import { childEnvironment, exec, LineReader, printable, trainersDirectory } from '../../platform/index.ts';
import { primitivesEnvironment } from '../primitives.ts';
import {
  type BuiltData,
  builtDataSchema,
  type Described,
  describedSchema,
  type ExportedConfiguration,
  type ExportForm,
  exportedConfigurationSchema,
  exportedSchema,
  type Price,
  priceSchema,
  type ScoredItems,
  type SweepEvent,
  scoredItemsSchema,
  sweepEventSchema,
  type ZeroShotTask,
} from './protocol.ts';

/**
 * The commands of the trainer that end by themselves. All counts of parameters, FLOPs and memory come from here: the host has
 * no formula of its own.
 */

const minute = 60_000;
/** Tokenising a corpus takes hours. */
const longestBuildMs = 24 * 60 * minute;
const longestPriceMs = 10 * minute;
const longestSweepMs = 7 * 24 * 60 * minute;
/** A task of ten thousand items keeps a model of billions of parameters on a CPU busy for hours. */
const longestScoringMs = 7 * 24 * 60 * minute;
const mostOutput = 64 * 1024 * 1024;

interface RunOptions {
  readonly timeoutMs: number;
  readonly input?: string;
  /** Folders of own primitives. */
  readonly folders?: readonly string[];
  /** Called with each line of output. */
  readonly onLine?: (line: string) => void;
}

async function run(python: string, args: readonly string[], asked: RunOptions): Promise<string> {
  const { timeoutMs, input = '', folders = [], onLine } = asked;
  const lines = onLine && new LineReader(mostOutput, onLine);
  let refused: Error | null = null;
  // What is thrown here would reach nothing but the process.
  const onOutput = (text: string): void => {
    try {
      if (refused === null) lines?.push(Buffer.from(text));
    } catch (thrown) {
      refused = toError(thrown);
    }
  };
  const env = {
    ...childEnvironment(process.env),
    ...primitivesEnvironment(folders),
    PYTHONPATH: trainersDirectory,
    OMP_NUM_THREADS: '1',
  };
  const options = {
    ...{ env, timeoutMs, cwd: trainersDirectory, input, maxBytes: mostOutput },
    ...(lines && { onOutput }),
  };
  const { code, stdout, stderr } = await exec(python, ['-m', 'aira_scale', ...args], options);
  if (refused !== null) throw refused;
  if (code === 0) return stdout;
  const line = stderr.trim().split('\n').at(-1) ?? '';
  const last = printable(line, { width: 1000 }).replace(/^aira_scale: /, '');
  // Status 1 with a sentence, after what libraries had to say: the request was wrong. Anything else is an installation that does
  // not work.
  if (code === 1 && line.startsWith('aira_scale: ')) throw new TerminalError('scale-request', last);
  throw new PrerequisiteError(
    'scale-trainer',
    `the trainer of runs at scale does not work: ${last}`,
    'run `npm run setup`',
  );
}

function jsonOf(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return text;
  }
}

function parsed<T>(schema: z.ZodType<T>, text: string): T {
  const result = z.preprocess(jsonOf, schema).safeParse(text);
  if (result.success) return result.data;
  throw new TerminalError(
    'scale-protocol',
    `the trainer of runs at scale gave an unexpected answer: ${result.error.message}`,
  );
}

/** Own primitives that are asked about, and the folders that have them. */
interface OwnModules {
  readonly tokens: readonly Primitive[];
  readonly folders: readonly string[];
}

/** Sizes, families and versions, with layers of own primitives. @throws PrerequisiteError `scale-trainer` */
export async function describeScale(python: string, { tokens, folders }: OwnModules): Promise<Described> {
  return parsed(describedSchema, await run(python, ['describe', ...tokens], { timeoutMs: minute, folders }));
}

/**
 * What jobs cost, in their order.
 *
 * @throws TerminalError `scale-request` with what is wrong about a job; PrerequisiteError `scale-trainer`.
 */
export async function priceScale(
  python: string,
  jobs: readonly Json[],
  folders: readonly string[] = [],
): Promise<Price[]> {
  if (jobs.length === 0) return [];
  const input = jobs.map((job) => `${JSON.stringify(job)}\n`).join('');
  const lines = (await run(python, ['price'], { timeoutMs: longestPriceMs, input, folders })).trim().split('\n');
  if (lines.length !== jobs.length)
    throw new TerminalError('scale-protocol', `${jobs.length} jobs have ${lines.length} prices`);
  return lines.map((line) => parsed(priceSchema, line));
}

export interface TokenSource {
  /** A folder of .txt, .jsonl and .parquet files, or generated documents. */
  readonly from: { readonly folder: string } | { readonly documents: number; readonly seed: number };
  /** `bytes`, `bpe:N`, or the path of a tokenizer.json. */
  readonly tokenizer: string;
  /** Share of the documents that validates. */
  readonly validation: number;
}

/** Writes token shards into a folder that must not exist. @throws TerminalError `scale-request`; PrerequisiteError. */
export async function buildTokens(python: string, source: TokenSource, target: string): Promise<BuiltData> {
  const { from, tokenizer, validation } = source;
  const origin =
    'folder' in from ? ['--from', from.folder] : ['--generate', String(from.documents), '--seed', String(from.seed)];
  const args = ['data', ...origin, '--tokenizer', tokenizer, '--validation', String(validation), '--out', target];
  return parsed(builtDataSchema, await run(python, args, { timeoutMs: longestBuildMs }));
}

const indexSchema = z.looseObject({ digest: z.string().regex(/^[0-9a-f]{64}$/), vocabulary: z.int().positive() });

/** Digest and vocabulary of a folder of token shards. @throws PrerequisiteError `data-malformed`. */
export function tokenData(folder: string): { digest: string; vocabulary: number } {
  try {
    const { digest, vocabulary } = indexSchema.parse(JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')));
    return { digest, vocabulary };
  } catch (thrown) {
    throw new PrerequisiteError(
      'data-malformed',
      `${folder} has no token shards: its index.json is missing or unreadable`,
      'import text with: aira data import <name> <folder> --tokenizer bytes',
      { cause: thrown },
    );
  }
}

/** What `export` prints of a directory: it was re-loaded in a fresh process, and its logits compared. */
type Exported = z.infer<typeof exportedSchema>;

/** A model to export: a trained one by the folder of its weights, or one that is initialised for it. */
export type ExportSource = { readonly weights: string } | { readonly model: ScaleModel; readonly seed: number };

export interface ExportOrder {
  readonly source: ExportSource;
  /** A tokenizer.json; plain bytes without one. */
  readonly tokenizer?: string;
  /** Tokens that the configuration states. */
  readonly context: number;
  /** Folders of own primitives. */
  readonly primitives: readonly string[];
  /** Rows of the model card. */
  readonly provenance: Readonly<Record<string, string>>;
}

/** Loading and comparing a 3B model on a CPU takes minutes. */
const longestExportMs = 60 * minute;

/** Writes what the order says into files of a folder, calls `use` with the arguments that name them, and removes the folder. */
async function withFiles<T>(order: ExportOrder, use: (args: string[]) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'aira-export-'));
  const file = (name: string, value: unknown): string => {
    const path = join(folder, name);
    writeFileSync(path, JSON.stringify(value));
    return path;
  };
  const { source, tokenizer, context, provenance } = order;
  try {
    const fresh = (model: ScaleModel) => ({ ...model, pattern: readArchitecture(model.pattern) });
    return await use([
      ...('weights' in source
        ? ['--model', source.weights]
        : ['--fresh', file('fresh.json', { model: fresh(source.model), seed: source.seed })]),
      ...(tokenizer === undefined ? [] : ['--tokenizer', tokenizer]),
      ...['--context', String(context), '--provenance', file('provenance.json', provenance)],
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Writes a model as a Hugging Face directory, which must not exist.
 *
 * @throws PrerequisiteError `export-packages` if transformers is missing; TerminalError `scale-request` with what is wrong, such as
 *   a format that cannot hold the model, or logits that differ: then nothing is written.
 */
export async function exportModel(
  python: string,
  order: ExportOrder,
  form: ExportForm,
  out: string,
): Promise<Exported> {
  try {
    const text = await withFiles(order, (args) =>
      run(python, ['export', ...args, '--as', form, '--out', out], {
        timeoutMs: longestExportMs,
        folders: order.primitives,
      }),
    );
    return parsed(exportedSchema, text);
  } catch (thrown) {
    if (!(thrown instanceof TerminalError) || !thrown.message.startsWith('export needs the Python package'))
      throw thrown;
    const [message = ''] = thrown.message.split(';');
    const remedy =
      'install it for the Python that trains, or name one that has it in AIRA_PYTHON; --as config needs none';
    throw new PrerequisiteError('export-packages', message, remedy, { cause: thrown });
  }
}

/** Pattern, widths and counts of a model as JSON for other trainers; needs no library. */
export async function exportConfiguration(python: string, order: ExportOrder): Promise<ExportedConfiguration> {
  return parsed(
    exportedConfigurationSchema,
    await withFiles(order, (args) =>
      run(python, ['export', ...args, '--as', 'config'], { timeoutMs: longestExportMs, folders: order.primitives }),
    ),
  );
}

/** A task, and the file with its rows. */
export interface TaskItems {
  readonly task: ZeroShotTask;
  readonly items: string;
}

export interface ScoringOrder {
  /** Folder of the trained weights. */
  readonly weights: string;
  /** Data folder that they were trained on, for its tokenizer. */
  readonly data: string;
  readonly tasks: readonly TaskItems[];
  /** Folders of own primitives. */
  readonly primitives: readonly string[];
}

/**
 * Zero-shot accuracies of trained weights on rows of tasks: by lm-evaluation-harness on an export where the Python has it, else by its
 * checked twin.
 *
 * @param onScored called after each task, in their order.
 * @throws TerminalError `scale-request` for weights that were changed or rows of another form; PrerequisiteError.
 */
export async function scoreItems(
  python: string,
  { weights, data, tasks, primitives }: ScoringOrder,
  onScored: (scored: ScoredItems) => void,
): Promise<void> {
  const asked = tasks.flatMap(({ task, items }) => ['--items', `${task}=${items}`]);
  await run(python, ['score', '--model', weights, '--data', data, ...asked], {
    timeoutMs: longestScoringMs,
    folders: primitives,
    onLine: (line) => onScored(parsed(scoredItemsSchema, line)),
  });
}

/**
 * Trains a job at half, once and twice its learning rate, one after the other, in a folder where a repeated sweep continues.
 *
 * @param onEvent called after each rate, and with the verdict.
 * @throws TerminalError `scale-request` if a training fails otherwise than by diverging, or all diverge; PrerequisiteError.
 */
export async function sweepJob(
  python: string,
  { job, folder, primitives }: { readonly job: Json; readonly folder: string; readonly primitives: readonly string[] },
  onEvent: (event: SweepEvent) => void,
): Promise<void> {
  const file = join(folder, 'sweep.json');
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, JSON.stringify(job));
  await run(python, ['sweep', '--job', file, '--folder', folder], {
    timeoutMs: longestSweepMs,
    folders: primitives,
    onLine: (line) => onEvent(parsed(sweepEventSchema, line)),
  });
}
