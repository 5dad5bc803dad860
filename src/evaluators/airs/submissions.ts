import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { Space } from '../../domain/space.ts';
import type { Task } from '../../domain/task.ts';
import type { AirsMetadata } from './metadata.ts';
import { askTasks, runPython, type ScriptHost } from './scripts.ts';

/** What a submission must come to. */
export type Expectation =
  | 'optimal' // exactly the best score there is
  | 'worse' // valid, and below the optimum
  | 'valid' // between the worst and the best score
  | 'refused'; // no score

export interface Submission {
  readonly name: string;
  /** Holds submission.csv and whatever it names. */
  readonly folder: string;
  readonly expects: Expectation;
}

/** Where the answers are rows of a table: the answers themselves, permuted, missing, and none. */
export async function answerSubmissions(
  directory: string,
  metadata: AirsMetadata,
  labelled: string,
  out: string,
  host: ScriptHost,
): Promise<{ submissions: Submission[] } | { problem: string }> {
  const made = join(out, 'made');
  mkdirSync(made, { recursive: true });
  if (metadata.logging_info.custom_gold_labels && existsSync(join(directory, 'custom_labels.py'))) {
    const end = await runPython([join(directory, 'custom_labels.py')], join(out, '..', 'scorer'), host);
    if (end.code !== 0) return { problem: 'custom_labels.py failed' };
  }
  const columns = JSON.stringify(metadata.logging_info.scoring_column);
  const args = ['submissions', '--labelled', labelled, '--columns', columns, '--out', made];
  const asked = await askTasks(z.object({ rows: z.int() }), args, host);
  const shipped = join(directory, 'gold_submission.csv');
  if ('problem' in asked) {
    if (!existsSync(shipped)) return asked;
    return { submissions: [placed(out, 'gold', shipped, 'optimal')] };
  }
  const gold = existsSync(shipped) ? shipped : join(made, 'gold.csv');
  return {
    submissions: [
      placed(out, 'gold', gold, 'optimal'),
      placed(out, 'permuted-part', join(made, 'permuted-part.csv'), 'worse'),
      placed(out, 'permuted', join(made, 'permuted.csv'), 'worse'),
      placed(out, 'nan', join(made, 'nan.csv'), 'refused'),
      placed(out, 'short', join(made, 'short.csv'), 'refused'),
    ],
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
    return { name, folder, expects };
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

function placed(out: string, name: string, source: string, expects: Expectation): Submission {
  const folder = join(out, name);
  mkdirSync(folder, { recursive: true });
  copyFileSync(source, join(folder, 'submission.csv'));
  return { name, folder, expects };
}
