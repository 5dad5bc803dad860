/** Task directories of AIRS-Bench: their metadata, and a search's task made of one that has no settings for it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { errorMessage, PrerequisiteError, TerminalError } from '../../domain/errors.ts';
import { formatZodError } from '../../domain/inputFile.ts';
import type { ProgramSpace } from '../../domain/program.ts';
import type { Profile, Task } from '../../domain/task.ts';
import { parseYaml, readTextFile, trainersDirectory, yamlBounds } from '../../platform/index.ts';

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

const airsMetadataSchema = z.looseObject({
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
function requireAirsMetadata(directory: string): AirsMetadata {
  const read = readAirsMetadata(directory);
  if ('metadata' in read) return read.metadata;
  throw new PrerequisiteError(
    'task-malformed',
    `${join(directory, 'metadata.yaml')}: ${read.problems.join('; ')}`,
    'run `aira task check` on the directory, and fix what it reports',
  );
}

/** Rows and further sizes of a submission; null if invalid. The published tasks write them in three ways. */
function shapeOf(shape: string | number | readonly number[]): number[] | null {
  const written = typeof shape === 'number' ? [shape] : shape;
  const parts = typeof written === 'string' ? written.replace(/^[([]|[)\]]$/g, '').split(',') : written.map(String);
  const sizes = parts.map((part) => part.trim()).filter((part) => part !== '');
  return sizes.length > 0 && sizes.every((size) => /^[1-9]\d*$/.test(size)) ? sizes.map(Number) : null;
}

/** The only file that an agent writes; it reads ./data and writes ./submission.csv. */
const program = 'solution.py';
const space: ProgramSpace = { kind: 'program', files: [{ name: program, maxBytes: 65_536 }] };

/** Time and memory limits of a program. The published agents had a day and one GPU. */
const scales = {
  nano: { seconds: 60, memoryMb: 4096 },
  small: { seconds: 900, memoryMb: 16_384 },
  paper: { seconds: 86_400, memoryMb: 131_072 },
} as const;

/** Training happens in the prediction step, which has the data; the step before only checks the program. */
const checkSeconds = 60;

/**
 * A third-party task directory without search settings: the agent writes one program, and its validation score comes from
 * rows held out of the training split, scored by the task's own evaluate.py.
 *
 * @throws PrerequisiteError `task-malformed`.
 */
export function foreignTask(directory: string, description: string): Task {
  const metadata = requireAirsMetadata(directory);
  const { name, metric } = metadata.logging_info;
  const contract = `${description.trimEnd()}\n\n${programContract}`;
  const { text, constants } = baselineOf(directory, program, metadata, description);
  const profiles = Object.keys(scales).map((scale) => [scale, profile(metadata, constants, scale)]);
  return {
    name,
    directory,
    description,
    metric,
    lowerIsBetter: metadata.metric_lower_is_better,
    space,
    brief: { contract, baseline: { [program]: text }, library: [] },
    profiles: Object.fromEntries(profiles),
  };
}

function profile(metadata: AirsMetadata, constants: Baseline['constants'], scale: string): Profile {
  const { seconds, memoryMb } = scales[scale as keyof typeof scales];
  const { metric, scoring_column } = metadata.logging_info;
  const settings = {
    family: 'airs',
    /** Each worker finds its own directory of this name, with the content hash of the job. */
    task: metadata.logging_info.name,
    /** The imported data that the scripts see. */
    dataset: metadata.logging_info.dataset,
    columns: scoring_column,
    metric,
    /** Checked before any training. */
    default: constants,
    budget: {
      seconds: checkSeconds,
      cpu_seconds: checkSeconds,
      predict_seconds: seconds,
      memory_mb: memoryMb,
    },
  };
  const rung = { seconds, settings };
  return { rungs: { screen: rung, confirm: rung, final: rung } };
}

const programContract = `## The program

Write ${program}. It runs once, without a network, with the data above in ./data (read-only), and must write
./submission.csv to its working directory. It may use the machine's Python packages. A submission with a missing answer, or
with a non-finite number where numbers are required, is invalid. During a search, part of the training split replaces the
test split: read the rows that are there and assume no number of rows. The order of the rows of train and test carries no
information; answer in the order of ./data/test.
`;

export interface Baseline {
  readonly text: string;
  /** The default baseline's constants, for the settings; null if the directory has its own baseline. */
  readonly constants: Record<string, string[] | number> | null;
}

/** Metrics that are undefined for constant answers. */
const undefinedForConstants = /correlation|spearman|pearson|kendall|\bccc\b/i;
/** Standard deviation of the noise on a constant under such a metric. */
const spread = 0.001;

/** The directory's own `baseline/<program>`, or one that answers every row with a constant in the required columns. */
export function baselineOf(directory: string, program: string, metadata: AirsMetadata, description: string): Baseline {
  const own = join(directory, 'baseline', program);
  if (existsSync(own)) return { text: readFileSync(own, 'utf8'), constants: null };
  const { metric, scoring_column: scoring } = metadata.logging_info;
  const answers = Array.isArray(scoring) ? scoring : scoring.split(',').map((name) => name.trim());
  const constants = {
    HEADER: submissionHeader(description) ?? answers,
    ANSWERS: answers,
    SPREAD: undefinedForConstants.test(metric) ? spread : 0,
  };
  const source = readFileSync(join(trainersDirectory, 'aira_tasks', 'constant_baseline.py'), 'utf8');
  const text = Object.entries(constants).reduce(
    (lines, [name, value]) =>
      lines.replace(new RegExp(`^${name} = .*$`, 'm'), () => `${name} = ${JSON.stringify(value)}`),
    source,
  );
  return { text, constants };
}

/**
 * The header that a description shows: the first quoted or fenced line after the word, as in AIRS-Bench. Null if there is
 * none.
 */
export function submissionHeader(description: string): string[] | null {
  const line = /\bheaders?\b[^\n`]{0,40}\s{0,4}(`{1,3})[ \t]*(?:csv[ \t]*)?\n?[ \t]*([^\n`]{1,400})\n?[ \t]*\1/i.exec(
    description,
  )?.[2];
  const names = line?.split(',').map((name) => name.trim().replace(/^"(.*)"$/, '$1'));
  return names?.every((name) => name !== '') ? names : null;
}
