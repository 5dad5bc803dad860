import { join } from 'node:path';
import * as z from 'zod';
import { errorMessage, PrerequisiteError, TerminalError } from '../../domain/errors.ts';
import { formatZodError } from '../../domain/inputFile.ts';
import { parseYaml, readTextFile, yamlBounds } from '../../platform/index.ts';

const text = z.string().min(1);

/** Some published directories write a list as one text, with commas or dashes, or leave it empty. */
const listed = (value: unknown): unknown => {
  if (value === null) return [];
  if (typeof value !== 'string') return value;
  return value.split(/[,\n]/).flatMap((part) => part.replace(/^\s*-?\s*/, '').trimEnd() || []);
};
const list = <Item extends z.ZodType>(item: Item) => z.preprocess(listed, z.array(item));
const requirement = z
  .string()
  .regex(/^[A-Za-z0-9._-]+(\[[A-Za-z0-9._,-]+\])?\s*([=<>!~]=?[^\s]*)?$/, 'not a requirement such as datasets==4.0.0');
const requirements = list(requirement);

/** AIRS-Bench's `logging_info`. */
const loggingInfoSchema = z.looseObject({
  name: text,
  dataset: text,
  config: text,
  train_split: text,
  test_split: text,
  category: text,
  research_problem: text,
  output_type: text,
  input_columns: list(text),
  scoring_column: z.union([text, z.array(text).min(1)]),
  shape: z.union([text, z.int().positive(), z.array(z.int().positive()).min(1)]).optional(),
  metric: text,
  additional_metrics: list(text).optional(),
  custom_gold_labels: z.boolean(),
  custom_rad_class: z.boolean(),
  sota: z.array(
    z.looseObject({
      sota_paper_url: z.url(),
      sota_score: z.number(),
    }),
  ),
  dataset_paper_url: z.url(),
  estimated_worst_score: z.number().nullish(),
  optimal_score: z.number(),
});

export const airsMetadataSchema = z.looseObject({
  metric_lower_is_better: z.boolean(),
  file_export_globs: z.preprocess(listed, z.array(text).min(1)),
  container_python_requirements: requirements,
  evaluate_container_python_requirements: requirements,
  prepare_code_python_requirements: requirements.optional(),
  logging_info: loggingInfoSchema,
});
export type AirsMetadata = z.infer<typeof airsMetadataSchema>;

/** The metadata of any AIRS-Bench directory, or its problems as sentences. */
export function readAirsMetadata(directory: string): { metadata: AirsMetadata } | { problems: string[] } {
  const path = join(directory, 'metadata.yaml');
  let raw: unknown;
  try {
    const read = { code: 'task-malformed', remedy: 'fix the task', mostBytes: yamlBounds.bytes };
    raw = parseYaml(readTextFile(path, read));
  } catch (thrown) {
    if (!(thrown instanceof TerminalError)) throw thrown;
    return { problems: [errorMessage(thrown)] };
  }
  const parsed = airsMetadataSchema.safeParse(raw);
  if (!parsed.success) return { problems: formatZodError(parsed.error, airsMetadataSchema) };
  const { logging_info: info, file_export_globs: globs } = parsed.data;
  const problems: string[] = [];
  if (globs.includes('submission.csv') && info.shape === undefined) {
    problems.push('logging_info.shape: required if submission.csv is exported');
  }
  if (info.shape !== undefined && shapeOf(info.shape) === null) {
    problems.push('logging_info.shape: expected whole numbers or a text such as (4906,)');
  }
  const outside = globs.find((glob) => glob.startsWith('/') || glob.split('/').includes('..'));
  if (outside !== undefined) problems.push(`file_export_globs: ${outside} is outside the agent's folder`);
  return problems.length > 0 ? { problems } : { metadata: parsed.data };
}

/** @throws PrerequisiteError `task-malformed`. */
export function requireAirsMetadata(directory: string): AirsMetadata {
  const read = readAirsMetadata(directory);
  if ('metadata' in read) return read.metadata;
  throw new PrerequisiteError(
    'task-malformed',
    `${join(directory, 'metadata.yaml')}: ${read.problems.join('; ')}`,
    'run `aira task check` on the directory, and fix what it reports',
  );
}

/** Rows and further sizes of a submission; null if invalid. The published tasks write them in three ways. */
export function shapeOf(shape: string | number | readonly number[]): number[] | null {
  const written = typeof shape === 'number' ? [shape] : shape;
  const parts = typeof written === 'string' ? written.replace(/^[([]|[)\]]$/g, '').split(',') : written.map(String);
  const sizes = parts.map((part) => part.trim()).filter((part) => part !== '');
  return sizes.length > 0 && sizes.every((size) => /^[1-9]\d*$/.test(size)) ? sizes.map(Number) : null;
}

export interface TaskFinding {
  readonly check: string;
  readonly outcome: 'ok' | 'failed' | 'skipped';
  readonly detail: string;
}

const finding =
  (outcome: TaskFinding['outcome']) =>
  (check: string, detail: string): TaskFinding => ({ check, outcome, detail });

export const ok = finding('ok');
export const failed = finding('failed');
/** For a check that cannot run: never reported as passed. */
export const skipped = finding('skipped');

/** Thrown when a script cannot run on this machine, which blocks the checks that follow. */
export class PackageMissing extends Error {}
