import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProgramSpace } from '../../domain/program.ts';
import type { Profile, Task } from '../../domain/task.ts';
import { trainersDirectory } from '../../platform/index.ts';
import { type AirsMetadata, requireAirsMetadata } from './metadata.ts';

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

/** The starting program of a search on a third-party task. */

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
