import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { Space } from '../../domain/space.ts';
import type { Task } from '../../domain/task.ts';
import type { AirsMetadata } from './metadata.ts';
import { askTasks, howItEnded, type Scorer } from './scripts.ts';
import { submissionHeader } from './task.ts';

/** What a submission must come to. */
export type Expectation =
  | 'optimal' // exactly the best score there is
  | 'worse' // valid, and below the optimum
  | 'valid' // between the worst and the best score
  | 'wrong' // no score, or that of wrong answers
  | 'refused'; // no score

const gold = 'gold_submission.csv';

export interface Submission {
  readonly name: string;
  /** Holds submission.csv and whatever it names. */
  readonly folder: string;
  readonly expects: Expectation;
  /** Whether its answers are numbers. */
  readonly numbers: boolean;
}

const variantsSchema = z.object({ header: z.array(z.string()), rows: z.int(), numbers: z.boolean() });

/**
 * Where the answers are rows of a table: the answers themselves, permuted, missing, and none. The answers are those that the
 * directory ships, those that its custom_labels.py makes, or the scoring columns of `labelled`.
 */
export async function answerSubmissions(
  { directory, host, run, raw, scorer }: Pick<Scorer, 'directory' | 'host' | 'run' | 'raw' | 'scorer'>,
  metadata: AirsMetadata,
  labelled: string,
  out: string,
): Promise<{ submissions: Submission[]; note?: string } | { problem: string }> {
  const made = join(out, 'made');
  mkdirSync(made, { recursive: true });
  let shipped = directory;
  if (!existsSync(join(directory, gold)) && existsSync(join(directory, 'custom_labels.py'))) {
    const args = ['--global-shared-data-dir', raw, '--output-directory', made];
    const end = await run('custom_labels.py', args, scorer);
    if (end.code !== 0) return { problem: `custom_labels.py: ${howItEnded(end)}` };
    if (!existsSync(join(made, gold))) return { problem: `custom_labels.py made no ${gold}` };
    shipped = made;
  }
  const given = existsSync(join(shipped, gold)) ? join(shipped, gold) : null;
  const columns = JSON.stringify(metadata.logging_info.scoring_column);
  const source = given ? ['variants', '--gold', given] : ['submissions', '--labelled', labelled, '--columns', columns];
  const header = submissionHeader(readFileSync(join(directory, 'project_description.md'), 'utf8'));
  const named = header ? ['--header', JSON.stringify(header)] : [];
  const asked = await askTasks(variantsSchema, [...source, ...named, '--out', made], host);
  if ('problem' in asked) return asked;
  const { numbers, header: had } = asked.answer;
  const renamed = given !== null && header?.length === had.length && header.join() !== had.join();
  const place = (name: string, file: string, expects: Expectation) => placed(out, name, file, expects, numbers);
  // Where a score does not hang on the order of rows, the directory's own permutations tell more than ours.
  const permuted = (own: string, ours: string) =>
    !renamed && existsSync(join(shipped, own)) ? join(shipped, own) : join(made, ours);
  return {
    submissions: [
      place('gold', join(made, 'gold.csv'), 'optimal'),
      place('permuted-part', permuted('gold_submission_permuted_1.csv', 'permuted-part.csv'), 'worse'),
      place('permuted', permuted('gold_submission_permuted_2.csv', 'permuted.csv'), 'worse'),
      place('nan', join(made, 'nan.csv'), numbers && metadata.metric_lower_is_better ? 'refused' : 'wrong'),
      place('short', join(made, 'short.csv'), 'refused'),
    ],
    ...(renamed
      ? { note: `the answers of the directory are under ${had.join()}; the description says ${header}` }
      : {}),
  };
}

/** Where a submission is an architecture or a program, whose best is unknown: a good one, and broken ones. */
export function designSubmissions(task: Task, out: string): Submission[] {
  const { header, rows, files } = reference(task);
  const write = (name: string, lines: readonly string[], expects: Expectation): Submission => {
    const folder = join(out, name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'submission.csv'), `${lines.join('\n')}\n`);
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
    return { name, folder, expects, numbers: false };
  };
  const nothing = rows.map((row) => row.replace(/[^,]*$/, 'nan'));
  return [
    write('reference', [header, ...rows], 'valid'),
    write('nan', [header, ...nothing], 'refused'),
    write('short', [header, ...rows.slice(0, -1)], 'refused'),
    write('twice', [header, ...rows, ...rows.slice(-1)], 'refused'),
    write('headless', rows, 'refused'),
  ];
}

function reference(task: Task): { header: string; rows: string[]; files: Readonly<Record<string, string>> } {
  if (task.space.kind === 'program') {
    return { header: 'file', rows: task.space.files.map(({ name }) => name), files: task.brief?.baseline ?? {} };
  }
  return { header: 'layer,primitive', rows: alternating(task.space), files: {} };
}

/** Layers that take turns in the order of the space's primitives. */
function alternating(space: Extract<Space, { kind: 'stack' }>): string[] {
  return Array.from({ length: space.layers }, (_, layer) => {
    const primitive = space.primitives[layer % space.primitives.length];
    return `${layer},${primitive}`;
  });
}

function placed(out: string, name: string, source: string, expects: Expectation, numbers: boolean): Submission {
  const folder = join(out, name);
  mkdirSync(folder, { recursive: true });
  copyFileSync(source, join(folder, 'submission.csv'));
  return { name, folder, expects, numbers };
}
