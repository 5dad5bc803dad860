/** The program that a search on a task by others starts from. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { trainersDirectory } from '../../platform/packageRoot.ts';
import type { AirsMetadata } from './metadata.ts';

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
