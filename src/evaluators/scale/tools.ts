import type * as z from 'zod';
import type { Json } from '../../domain/canonical.ts';
import { PrerequisiteError, TerminalError } from '../../domain/errors.ts';
import { childEnvironment, exec, printable, trainersDirectory } from '../../platform/index.ts';
import {
  type BuiltData,
  builtDataSchema,
  type Described,
  describedSchema,
  type Price,
  priceSchema,
} from './protocol.ts';

/**
 * The commands of the trainer that end by themselves. All counts of parameters, FLOPs and memory come from here: the host has
 * no formula of its own.
 */

const minute = 60_000;
/** Tokenising a corpus takes hours. */
const longestBuildMs = 24 * 60 * minute;
const longestPriceMs = 10 * minute;
const mostOutput = 64 * 1024 * 1024;

async function run(python: string, args: readonly string[], timeoutMs: number, input = ''): Promise<string> {
  const env = { ...childEnvironment(process.env), PYTHONPATH: trainersDirectory, OMP_NUM_THREADS: '1' };
  const options = { env, timeoutMs, cwd: trainersDirectory, input, maxBytes: mostOutput };
  const { code, stdout, stderr } = await exec(python, ['-m', 'aira_scale', ...args], options);
  if (code === 0) return stdout;
  const last = printable(stderr.trim().split('\n').at(-1) ?? '', { width: 1000 }).replace(/^aira_scale: /, '');
  // Status 1 with a sentence: the request was wrong. Anything else is an installation that does not work.
  if (code === 1 && stderr.startsWith('aira_scale: ')) throw new TerminalError('scale-request', last);
  throw new PrerequisiteError(
    'scale-trainer',
    `the trainer of runs at scale does not work: ${last}`,
    'run `npm run setup`',
  );
}

function parsed<T>(schema: z.ZodType<T>, text: string): T {
  const result = schema.safeParse(JSON.parse(text));
  if (result.success) return result.data;
  throw new TerminalError(
    'scale-protocol',
    `the trainer of runs at scale gave an unexpected answer: ${result.error.message}`,
  );
}

/** Sizes, families and versions. @throws PrerequisiteError `scale-trainer` */
export async function describeScale(python: string): Promise<Described> {
  return parsed(describedSchema, await run(python, ['describe'], minute));
}

/**
 * What jobs cost, in their order.
 *
 * @throws TerminalError `scale-request` with what is wrong about a job; PrerequisiteError `scale-trainer`.
 */
export async function priceScale(python: string, jobs: readonly Json[]): Promise<Price[]> {
  if (jobs.length === 0) return [];
  const input = jobs.map((job) => `${JSON.stringify(job)}\n`).join('');
  const lines = (await run(python, ['price'], longestPriceMs, input)).trim().split('\n');
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
  return parsed(builtDataSchema, await run(python, args, longestBuildMs));
}
