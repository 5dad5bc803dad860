/** Submissions whose score is known in advance, through the task's own evaluate.py. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Task } from '../../domain/task.ts';
import { failed, ok, skipped, type TaskFinding } from './finding.ts';
import type { AirsMetadata } from './metadata.ts';
import { howItEnded, parseResult, prepareArguments, type Scorer, type ScriptEnd } from './scripts.ts';
import { answerSubmissions, designSubmissions, type Submission } from './submissions.ts';

/** @throws PackageMissing */
export async function* submissionFindings(
  scorer: Scorer,
  metadata: AirsMetadata,
  task: Task | null,
  work: string,
): AsyncGenerator<TaskFinding> {
  const labelled = join(scorer.data, 'test_with_labels');
  const made: Awaited<ReturnType<typeof answerSubmissions>> = task
    ? { submissions: designSubmissions(task, join(work, 'submissions')) }
    : await answerSubmissions(scorer, metadata, labelled, join(work, 'submissions'));
  if ('problem' in made) {
    yield failed('submissions', `no gold submission can be made: ${made.problem}`);
    return;
  }
  if (made.note !== undefined) yield skipped('header', `${made.note}, which is taken`);
  if (task) yield skipped('gold', `the best ${task.space.kind === 'stack' ? 'order' : 'program'} is unknown`);
  yield await missingSubmission(scorer);
  const [first] = made.submissions;
  if (first) yield await fetching(scorer, first);
  yield* scoreFindings(made.submissions, metadata, scorer);
}

/** Hands a submission in as an agent does and has evaluate_prepare.py fetch it. */
async function fetching({ run, raw, log, scorer, data }: Scorer, { folder }: Submission): Promise<TaskFinding> {
  for (const place of [log, data]) rmSync(place, { recursive: true, force: true });
  for (const place of [log, data]) mkdirSync(place);
  for (const file of readdirSync(folder)) copyFileSync(join(folder, file), join(log, file));
  const end = await run('evaluate_prepare.py', prepareArguments({ raw, mount: data, log }), scorer);
  const lacking = readdirSync(folder).find((file) => !existsSync(join(data, file)));
  if (end.code !== 0) return failed('fetch', `evaluate_prepare.py: ${howItEnded(end)}`);
  return lacking === undefined
    ? ok('fetch', 'evaluate_prepare.py brings the submission to the scorer')
    : failed('fetch', `evaluate_prepare.py does not bring ${lacking} to the scorer`);
}

/** Runs evaluate.py where the scorer's data are visible as ./data. */
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
    ? failed('missing', 'evaluate.py does not refuse where there is no submission')
    : ok('missing', `refused with status ${end.code} where there is no submission`);
}

async function* scoreFindings(
  submissions: readonly Submission[],
  metadata: AirsMetadata,
  scorer: Scorer,
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
      yield failed(check, `it was scored ${result.score}; it must be refused`);
    } else if (submission.expects === 'wrong') {
      yield countedAsWrong(submission, result.score, worse, metadata);
    } else {
      if (submission.expects === 'worse') worse.push(result.score);
      yield judged(submission, result.score, metadata);
    }
  }
  const [one, other] = worse;
  if (one !== undefined && other !== undefined) {
    yield one === other
      ? failed('permutations', `both score ${one}`)
      : ok('permutations', 'their scores differ from each other');
  }
}

/** Answers that are missing may be counted as wrong ones: then no submission gains by them. */
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
    : failed(name, `it was scored ${score}; it must be refused, or count as wrong`);
}

/** Scorers compute in floating point. */
const rounding = 1e-9;

function judged({ name, expects }: Submission, score: number, metadata: AirsMetadata): TaskFinding {
  const { optimal_score: optimal, estimated_worst_score: worst } = metadata.logging_info;
  const lower = metadata.metric_lower_is_better;
  const off = lower ? score - optimal : optimal - score;
  if (off < -rounding) return failed(name, `${score} is better than the optimum, ${optimal}`);
  if (expects === 'optimal') {
    return off <= rounding
      ? ok(name, `exactly the optimum, ${optimal}`)
      : failed(name, `${score}; the optimum is ${optimal}`);
  }
  if (expects === 'worse' && off <= rounding) return failed(name, `${score}, as good as the answers themselves`);
  const below = expects === 'valid' && worst != null && (lower ? score > worst : score < worst);
  // An estimate: what was hardly trained may stay short of it.
  return ok(name, below ? `${score}, short of the estimated worst score, ${worst}` : String(score));
}
