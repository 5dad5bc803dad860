import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProgramSpace } from '../../domain/program.ts';
import type { Profile, Task } from '../../domain/task.ts';
import { trainersDirectory } from '../../platform/index.ts';
import { type AirsMetadata, requireAirsMetadata } from './metadata.ts';

/** The one file that an agent writes; it finds ./data and leaves ./submission.csv. */
const program = 'solution.py';
const space: ProgramSpace = { kind: 'program', files: [{ name: program, maxBytes: 65_536 }] };

/** Seconds that a program may take, and what it may hold. The published agents had a day and one GPU. */
const scales = {
  nano: { seconds: 60, memoryMb: 4096 },
  small: { seconds: 900, memoryMb: 16_384 },
  paper: { seconds: 86_400, memoryMb: 131_072 },
} as const;

/** Training happens where the data are, in the step that answers; the step before only looks at the program. */
const lookSeconds = 60;

/**
 * A task directory by others, which says nothing of how to search: the agent writes one program, and its validation
 * figure comes from rows held out of the training split, scored by the task's own evaluate.py.
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
    ...{ name, directory, description, metric, lowerIsBetter: metadata.metric_lower_is_better, space },
    brief: { contract, baseline: { [program]: text }, library: [] },
    profiles: Object.fromEntries(profiles),
  };
}

function profile(metadata: AirsMetadata, constants: Baseline['constants'], scale: string): Profile {
  const { seconds, memoryMb } = scales[scale as keyof typeof scales];
  const { metric, scoring_column } = metadata.logging_info;
  const settings = {
    family: 'airs',
    /** Each worker finds its own directory of this name, with the content that the job names. */
    task: metadata.logging_info.name,
    /** Which of the imported data the scripts are shown. */
    dataset: metadata.logging_info.dataset,
    columns: scoring_column,
    metric,
    /** Rehearsed before anything is trained. */
    default: constants,
    budget: {
      ...{ seconds: lookSeconds, cpu_seconds: lookSeconds },
      ...{ predict_seconds: seconds, memory_mb: memoryMb },
    },
  };
  const rung = { seconds, settings };
  return { rungs: { screen: rung, confirm: rung, final: rung } };
}

const programContract = `## The program

Write ${program}. It is run once, without a network, with the data above in ./data (read-only), and has to leave
./submission.csv in the directory where it is started. It may use the Python packages of the machine. A submission in which
an answer is missing or not a finite number, where numbers are asked for, is invalid. While a search goes on, part of the
training split takes the place of the test split, so read what is there and assume no number of rows. The rows of train and
test stand in an order that says nothing about them; answer in the order of ./data/test.
`;

/** The program that a search on a task by others starts from. */

export interface Baseline {
  readonly text: string;
  /** Values of the constants of the default baseline, for the settings; null where the directory brings its own. */
  readonly constants: Record<string, string[] | number> | null;
}

/** Metrics that are undefined where all answers are equal. */
const undefinedForConstants = /correlation|spearman|pearson|kendall|\bccc\b/i;
/** Standard deviations of the noise on a constant under such a metric. */
const spread = 0.001;

/** The directory's own `baseline/<program>`, or one that answers every row alike in the columns that the task asks for. */
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
 * The header that a description shows: the first quoted or fenced line behind the word, as AIRS-Bench writes it. Null where
 * it shows none.
 */
export function submissionHeader(description: string): string[] | null {
  const line = /\bheaders?\b[^\n`]{0,40}\s{0,4}(`{1,3})[ \t]*(?:csv[ \t]*)?\n?[ \t]*([^\n`]{1,400})\n?[ \t]*\1/i.exec(
    description,
  )?.[2];
  const names = line?.split(',').map((name) => name.trim().replace(/^"(.*)"$/, '$1'));
  return names?.every((name) => name !== '') ? names : null;
}
