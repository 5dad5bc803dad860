/** Checks of a task's evaluate.py: submissions of known quality, and whether their scores are what they must be. */

import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { type Space, stackSpace } from '../../domain/candidate.ts';
import type { Task } from '../../domain/task.ts';
import { askTasks, howItEnded, parseResult, prepareArguments, type Scorer, type ScriptEnd } from './scripts.ts';
import { type AirsMetadata, submissionHeader } from './task.ts';

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

/** @throws PackageMissing */
export async function* submissionFindings(
  scorer: Scorer,
  metadata: AirsMetadata,
  task: Task | null,
  work: string,
): AsyncGenerator<TaskFinding> {
  const labelled = join(scorer.data, 'test_with_labels');
  const set: Awaited<ReturnType<typeof answerSubmissions>> = task
    ? { submissions: designSubmissions(task, join(work, 'submissions')) }
    : await answerSubmissions(scorer, metadata, labelled, join(work, 'submissions'));
  if ('problem' in set) {
    yield failed('submissions', `cannot make a gold submission: ${set.problem}`);
    return;
  }
  if (set.note !== undefined) yield skipped('header', `${set.note}; the description's header is used`);
  if (task) yield skipped('gold', `the best ${task.space.kind === 'stack' ? 'order' : 'program'} is unknown`);
  yield await missingSubmission(scorer);
  const [first] = set.submissions;
  if (first) yield await fetching(scorer, first);
  yield* scoreFindings(set.submissions, metadata, scorer, set.again ?? null);
}

/** Submits as an agent does and has evaluate_prepare.py fetch the submission. */
async function fetching({ run, raw, log, scorer, data }: Scorer, { folder }: Submission): Promise<TaskFinding> {
  for (const place of [log, data]) rmSync(place, { recursive: true, force: true });
  for (const place of [log, data]) mkdirSync(place);
  for (const file of readdirSync(folder)) copyFileSync(join(folder, file), join(log, file));
  const end = await run('evaluate_prepare.py', prepareArguments({ raw, mount: data, log }), scorer);
  const lacking = readdirSync(folder).find((file) => !existsSync(join(data, file)));
  if (end.code !== 0) return failed('fetch', `evaluate_prepare.py: ${howItEnded(end)}`);
  return lacking === undefined
    ? ok('fetch', 'evaluate_prepare.py copies the submission to the scorer')
    : failed('fetch', `evaluate_prepare.py does not copy ${lacking} to the scorer`);
}

/** Runs evaluate.py with the scorer's data as ./data. */
const evaluate = ({ run, scorer }: Scorer): Promise<ScriptEnd> =>
  run('evaluate.py', ['--submission-file', './data/submission.csv'], scorer);

function score(scorer: Scorer, { folder }: Submission): Promise<ScriptEnd> {
  for (const file of readdirSync(folder)) copyFileSync(join(folder, file), join(scorer.data, file));
  return evaluate(scorer);
}

async function missingSubmission(scorer: Scorer): Promise<TaskFinding> {
  rmSync(join(scorer.data, 'submission.csv'), { force: true });
  const end = await evaluate(scorer);
  return end.code === 0 || end.code === null
    ? failed('missing', 'evaluate.py accepts a missing submission')
    : ok('missing', `a missing submission is refused with status ${end.code}`);
}

async function* scoreFindings(
  submissions: readonly Submission[],
  metadata: AirsMetadata,
  scorer: Scorer,
  again: Submission | null,
): AsyncGenerator<TaskFinding> {
  const { metric } = metadata.logging_info;
  const worse: number[] = [];
  for (const submission of submissions) {
    const end = await score(scorer, submission);
    const result = end.code === 0 ? parseResult(end.stdout, metric) : { problem: howItEnded(end) };
    const check = submission.name;
    if ('problem' in result) {
      const refusable = submission.expects === 'refused' || submission.expects === 'wrong';
      yield refusable ? ok(check, `refused: ${result.problem}`) : failed(check, result.problem);
    } else if (submission.expects === 'refused') {
      yield failed(check, `scored ${result.score}, but must be refused`);
    } else if (submission.expects === 'wrong') {
      yield countedAsWrong(submission, result.score, worse, metadata);
    } else {
      if (submission.expects === 'worse') worse.push(result.score);
      yield scoreFinding(submission, result.score, metadata, againstFloors(result.score, end.stdout, metadata));
    }
  }
  const [one, other] = worse;
  if (one === undefined || other === undefined) return;
  // On few rows two orders may score the same by chance, but hardly three.
  if (one === other && again !== null) {
    const end = await score(scorer, again);
    const third = end.code === 0 ? parseResult(end.stdout, metric) : { problem: howItEnded(end) };
    if ('problem' in third) yield failed('permutations', third.problem);
    else if (third.score === one) yield failed('permutations', `three orders of the rows have score ${one}`);
    else yield ok('permutations', `two have score ${one}, a third ${third.score}`);
    return;
  }
  yield one === other ? failed('permutations', `both have score ${one}`) : ok('permutations', 'their scores differ');
}

/** Missing answers may count as wrong, as long as no submission gains by them. */
function countedAsWrong(
  { name, numbers }: Submission,
  score: number,
  permuted: readonly number[],
  metadata: AirsMetadata,
): TaskFinding {
  const { estimated_worst_score: worst } = metadata.logging_info;
  const bounds = [...(numbers ? [] : permuted), ...(worst == null ? [] : [worst])];
  const lower = metadata.metric_lower_is_better;
  return bounds.some((bound) => (lower ? score >= bound : score <= bound))
    ? ok(name, `${score}: missing answers count as wrong`)
    : failed(name, `scored ${score}, but must be refused or count as wrong`);
}

/** Scorers compute in floating point. */
const rounding = 1e-9;

function scoreFinding(
  { name, expects }: Submission,
  score: number,
  metadata: AirsMetadata,
  floors: string,
): TaskFinding {
  const { optimal_score: optimal, estimated_worst_score: worst } = metadata.logging_info;
  const lower = metadata.metric_lower_is_better;
  const off = lower ? score - optimal : optimal - score;
  if (off < -rounding) return failed(name, `${score} is better than the optimum, ${optimal}`);
  if (expects === 'optimal') {
    return off <= rounding
      ? ok(name, `exactly the optimum, ${optimal}`)
      : failed(name, `${score}; the optimum is ${optimal}`);
  }
  if (expects === 'worse' && off <= rounding) return failed(name, `${score}, as good as the gold submission`);
  const below = expects === 'valid' && worst != null && (lower ? score > worst : score < worst);
  // The worst score is an estimate: a model with little training may miss it.
  return ok(name, `${score}${below ? `, below the estimated worst score, ${worst}` : ''}${floors}`);
}

/** The expected result of a submission. */
export type Expectation =
  | 'optimal' // exactly the best score there is
  | 'worse' // valid, and below the optimum
  | 'valid' // between the worst and the best score
  | 'wrong' // no score, or that of wrong answers
  | 'refused'; // no score

const gold = 'gold_submission.csv';

const floorLine = /^floor on the same rows, ([a-z]+): ([0-9.]+)$/gm;

/** What the submission's rows yield without what the task asks for, where evaluate.py prints that, and how the score stands to it. */
function againstFloors(score: number, output: string, { metric_lower_is_better: lower }: AirsMetadata): string {
  const floors = [...output.matchAll(floorLine)].map(([, name = '', value]) => ({ name, value: Number(value) }));
  const [highest] = floors.toSorted((a, b) => (lower ? a.value - b.value : b.value - a.value));
  if (!highest) return '';
  const all = floors.map(({ name, value }) => `${name} ${value}`).join(', ');
  const isAbove = lower ? score < highest.value : score > highest.value;
  return `; floors: ${all}${isAbove ? '' : `; below the floor of ${highest.value} (${highest.name})`}`;
}

export interface Submission {
  readonly name: string;
  /** Contains submission.csv and the files that it names. */
  readonly folder: string;
  readonly expects: Expectation;
  /** Whether its answers are numbers. */
  readonly numbers: boolean;
}

const variantsSchema = z.object({ header: z.array(z.string()), rows: z.int(), numbers: z.boolean() });

/**
 * Submissions of table rows: the answers themselves, permuted, missing, and none. The answers come from the directory, from
 * its custom_labels.py, or from the scoring columns of `labelled`.
 */
export async function answerSubmissions(
  { directory, host, run, raw, scorer }: Pick<Scorer, 'directory' | 'host' | 'run' | 'raw' | 'scorer'>,
  metadata: AirsMetadata,
  labelled: string,
  out: string,
): Promise<{ submissions: Submission[]; again?: Submission; note?: string } | { problem: string }> {
  const generated = join(out, 'made');
  mkdirSync(generated, { recursive: true });
  let shipped = directory;
  if (!existsSync(join(directory, gold)) && existsSync(join(directory, 'custom_labels.py'))) {
    const args = ['--global-shared-data-dir', raw, '--output-directory', generated];
    const end = await run('custom_labels.py', args, scorer);
    if (end.code !== 0) return { problem: `custom_labels.py: ${howItEnded(end)}` };
    if (!existsSync(join(generated, gold))) return { problem: `custom_labels.py did not write ${gold}` };
    shipped = generated;
  }
  const goldPath = existsSync(join(shipped, gold)) ? join(shipped, gold) : null;
  const columns = JSON.stringify(metadata.logging_info.scoring_column);
  const source = goldPath
    ? ['variants', '--gold', goldPath]
    : ['submissions', '--labelled', labelled, '--columns', columns];
  const header = submissionHeader(readFileSync(join(directory, 'project_description.md'), 'utf8'));
  const headerArguments = header ? ['--header', JSON.stringify(header)] : [];
  const variants = await askTasks(variantsSchema, [...source, ...headerArguments, '--out', generated], host);
  if ('problem' in variants) return variants;
  const { numbers, header: goldHeader } = variants.answer;
  const renamed = goldPath !== null && header?.length === goldHeader.length && header.join() !== goldHeader.join();
  const place = (name: string, file: string, expects: Expectation) => placed(out, name, file, expects, numbers);
  // If scores are independent of the order of rows, the directory's own permutations are better than ours.
  const permuted = (own: string, ours: string) =>
    !renamed && existsSync(join(shipped, own)) ? join(shipped, own) : join(generated, ours);
  return {
    submissions: [
      place('gold', join(generated, 'gold.csv'), 'optimal'),
      place('permuted-part', permuted('gold_submission_permuted_1.csv', 'permuted-part.csv'), 'worse'),
      place('permuted', permuted('gold_submission_permuted_2.csv', 'permuted.csv'), 'worse'),
      place('nan', join(generated, 'nan.csv'), numbers && metadata.metric_lower_is_better ? 'refused' : 'wrong'),
      place('short', join(generated, 'short.csv'), 'refused'),
    ],
    again: place('permuted-again', join(generated, 'permuted-again.csv'), 'worse'),
    ...(renamed
      ? { note: `the directory's answers have the header ${goldHeader.join()}, but the description says ${header}` }
      : {}),
  };
}

/** Submissions that are architectures or programs, whose optimum is unknown: a good one, and broken ones. */
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
  return { header: 'layer,primitive', rows: alternating(stackSpace(task.space)), files: {} };
}

/** Layers that cycle through the space's primitives. */
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
