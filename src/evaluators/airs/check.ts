/**
 * Checks a task directory of AIRS-Bench: what it says of itself, and what its scripts do.
 *
 * Role: one finding after the other, each naming what is wrong. Non-role: a search; how scripts are run (`scripts.ts`).
 *
 *   K1  Nothing is written into the directory; all scripts work in a temporary folder that is removed.
 *   K2  The agent's folder and the scorer's are different, and neither script sees the other's.
 *   K3  A check that cannot be made is told as skipped with the reason, never as passed.
 */
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import * as z from 'zod';
import { errorMessage } from '../../domain/errors.ts';
import type { Task } from '../../domain/task.ts';
import { loadTask } from '../tasks.ts';
import { type AirsMetadata, readAirsMetadata } from './metadata.ts';
import { missingRequirements, scorerRequirements } from './requirements.ts';
import {
  askTasks,
  howItEnded,
  missingFiles,
  parseResult,
  prepareArguments,
  runScript,
  type ScriptEnd,
  type ScriptHost,
} from './scripts.ts';
import { answerSubmissions, designSubmissions, type Submission } from './submissions.ts';

export interface TaskFinding {
  readonly check: string;
  readonly outcome: 'ok' | 'failed' | 'skipped';
  readonly detail: string;
}

export interface CheckOrder {
  readonly directory: string;
  readonly host: ScriptHost;
}

const ok = (check: string, detail: string): TaskFinding => ({ check, outcome: 'ok', detail });
const failed = (check: string, detail: string): TaskFinding => ({ check, outcome: 'failed', detail });
const skipped = (check: string, detail: string): TaskFinding => ({ check, outcome: 'skipped', detail });

/** Yields findings in a fixed order, until one makes those behind it impossible. */
export async function* checkTask(order: CheckOrder): AsyncGenerator<TaskFinding> {
  const directory = resolve(order.directory);
  const missing = missingFiles(directory);
  yield missing.length === 0
    ? ok('files', 'all five are there')
    : failed('files', `there is no ${missing.join(', no ')}`);
  if (missing.includes('metadata.yaml')) return;

  const read = readAirsMetadata(directory);
  if ('problems' in read) {
    for (const problem of read.problems) yield failed('metadata', problem);
    return;
  }
  const { metadata } = read;
  yield ok('metadata', 'every key of the format is there and of its type');
  yield nameFinding(directory, metadata);
  yield* descriptionFindings(directory, metadata);
  yield shippedAnswers(directory);
  const own = ownTask(directory);
  if (own.finding) yield own.finding;
  if (missing.length > 0 || own.finding?.outcome === 'failed') return;

  const lacking = await missingRequirements(scorerRequirements(metadata), order.host);
  if (lacking !== null) {
    yield failed('requirements', lacking);
    return;
  }
  yield ok('requirements', 'this Python has what preparing and scoring need');

  const work = mkdtempSync(join(tmpdir(), 'aira-task-'));
  try {
    yield* scriptFindings({ ...order, directory }, metadata, own.task, work);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function nameFinding(directory: string, { logging_info: { name } }: AirsMetadata): TaskFinding {
  return name === basename(directory)
    ? ok('name', name)
    : failed('name', `logging_info.name is "${name}", but the directory is called "${basename(directory)}"`);
}

function* descriptionFindings(directory: string, metadata: AirsMetadata): Generator<TaskFinding> {
  const path = join(directory, 'project_description.md');
  if (!existsSync(path)) return;
  const text = readFileSync(path, 'utf8');
  const wanted = ['submission.csv', metadata.logging_info.metric, 'data/'];
  // Descriptions write a metric with spaces, or the path with a dot and a slash.
  const plain = (part: string) => part.toLowerCase().replace(/[\s_-]/g, '');
  const absent = wanted.filter((part) => !plain(text).includes(plain(part)));
  yield absent.length === 0
    ? ok('description', 'it names the submission, the metric and the data')
    : failed('description', `project_description.md says nothing of ${absent.join(', ')}`);
}

/** Answers that lie in the directory are allowed; the directory is never shown to a program. */
function shippedAnswers(directory: string): TaskFinding {
  const entries = readdirSync(directory, { withFileTypes: true });
  const link = entries.find((entry) => lstatSync(join(directory, entry.name)).isSymbolicLink());
  if (link) return failed('folder', `${link.name} is a link`);
  const gold = entries.filter(({ name }) => name.startsWith('gold_submission'));
  return ok(
    'folder',
    gold.length === 0 ? 'no answers lie in it' : `${gold.length} with answers: never show this folder`,
  );
}

/** Our own tasks have keys beside those of AIRS-Bench. */
function ownTask(directory: string): { task: Task | null; finding: TaskFinding | null } {
  const text = readFileSync(join(directory, 'metadata.yaml'), 'utf8');
  if (!/^(compose|design|profiles):/m.test(text)) return { task: null, finding: null };
  try {
    const task = loadTask(directory, []);
    return { task, finding: ok('search', `${task.space.kind}, profiles ${Object.keys(task.profiles).join(', ')}`) };
  } catch (thrown) {
    return { task: null, finding: failed('search', errorMessage(thrown)) };
  }
}

async function* scriptFindings(
  { directory, host }: CheckOrder,
  metadata: AirsMetadata,
  task: Task | null,
  work: string,
): AsyncGenerator<TaskFinding> {
  const agent = join(work, 'agent');
  const scorer = join(work, 'scorer');
  const data = join(scorer, 'data');
  const log = join(work, 'log');
  for (const folder of [agent, data, log]) mkdirSync(folder, { recursive: true });
  // Scripts of tasks without raw data want the folder all the same.
  const raw = existsSync(host.data) ? host.data : join(work, 'raw');
  mkdirSync(raw, { recursive: true });

  for (const script of ['prepare.py', 'evaluate_prepare.py']) {
    const args = prepareArguments({ raw, mount: join(work, 'nowhere') });
    const end = await runScript(directory, script, args, work, host);
    yield end.code === 1
      ? ok('refusal', `${script} ends with 1 where a folder is missing`)
      : failed('refusal', `${script} ends with ${end.code ?? 'a signal'} where a folder is missing; 1 is expected`);
  }

  const prepared = await runScript(directory, 'prepare.py', prepareArguments({ raw, mount: agent }), work, host);
  if (prepared.code !== 0) {
    yield failed('prepare', howItEnded(prepared));
    return;
  }
  const without = ['train', 'test'].filter((split) => !existsSync(join(agent, split)));
  yield without.length === 0
    ? ok('prepare', `it wrote ${readdirSync(agent).sort().join(', ')}`)
    : failed('prepare', `it wrote no ${without.join(', no ')}`);
  if (without.length > 0) return;

  const unsubmitted = prepareArguments({ raw, mount: data });
  const scorerPrepared = await runScript(directory, 'evaluate_prepare.py', unsubmitted, work, host);
  if (scorerPrepared.code !== 0) {
    yield failed('evaluate_prepare', howItEnded(scorerPrepared));
    return;
  }
  const labelled = join(data, 'test_with_labels');
  yield existsSync(labelled)
    ? ok('evaluate_prepare', 'it wrote test_with_labels')
    : failed('evaluate_prepare', 'it wrote no test_with_labels');
  if (!existsSync(labelled)) return;
  yield await separation(metadata, agent, data, host);

  const made = task
    ? { submissions: designSubmissions(task, join(work, 'submissions')) }
    : await answerSubmissions(directory, metadata, labelled, join(work, 'submissions'), host);
  if ('problem' in made) {
    yield failed('submissions', `no gold submission can be made: ${made.problem}`);
    return;
  }
  if (task) yield skipped('gold', `the best ${task.space.kind === 'stack' ? 'order' : 'program'} is unknown`);
  yield await missingSubmission(directory, host, scorer, data);
  const places = { log, scorer, data };
  const here = { directory, host, raw };
  const [first] = made.submissions;
  if (first) yield await fetching(here, first, places);
  yield* scoreFindings(made.submissions, metadata, scoring(here, places));
}

async function separation(
  metadata: AirsMetadata,
  agent: string,
  labelled: string,
  host: ScriptHost,
): Promise<TaskFinding> {
  const columns = JSON.stringify(metadata.logging_info.scoring_column);
  const args = ['leaks', '--agent', agent, '--labelled', labelled, '--columns', columns];
  const asked = await askTasks(z.array(z.string()), args, host);
  if ('problem' in asked) return failed('separation', asked.problem);
  return asked.answer.length === 0
    ? ok('separation', 'the agent sees no answers')
    : failed('separation', asked.answer.slice(0, 3).join('; '));
}

interface Here extends CheckOrder {
  /** Imported data, or an empty folder. */
  readonly raw: string;
}

interface Places {
  readonly log: string;
  readonly scorer: string;
  readonly data: string;
}

type Score = (submission: Submission) => Promise<ScriptEnd>;

/** Hands a submission in as an agent does and has evaluate_prepare.py fetch it. */
async function fetching(
  { directory, host, raw }: Here,
  { folder }: Submission,
  { log, scorer, data }: Places,
): Promise<TaskFinding> {
  for (const place of [log, data]) rmSync(place, { recursive: true, force: true });
  for (const place of [log, data]) mkdirSync(place);
  for (const file of readdirSync(folder)) copyFileSync(join(folder, file), join(log, file));
  const args = prepareArguments({ raw, mount: data, log });
  const end = await runScript(directory, 'evaluate_prepare.py', args, scorer, host);
  const lacking = readdirSync(folder).find((file) => !existsSync(join(data, file)));
  if (end.code !== 0) return failed('fetch', `evaluate_prepare.py: ${howItEnded(end)}`);
  return lacking === undefined
    ? ok('fetch', 'evaluate_prepare.py brings the submission to the scorer')
    : failed('fetch', `evaluate_prepare.py does not bring ${lacking} to the scorer`);
}

/** Runs evaluate.py where the scorer's data are visible as ./data. */
const scoring =
  ({ directory, host }: Here, { scorer, data }: Places): Score =>
  ({ folder }) => {
    for (const file of readdirSync(folder)) copyFileSync(join(folder, file), join(data, file));
    return runScript(directory, 'evaluate.py', ['--submission-file', './data/submission.csv'], scorer, host);
  };

async function missingSubmission(
  directory: string,
  host: ScriptHost,
  scorer: string,
  data: string,
): Promise<TaskFinding> {
  rmSync(join(data, 'submission.csv'), { force: true });
  const end = await runScript(directory, 'evaluate.py', ['--submission-file', './data/submission.csv'], scorer, host);
  return end.code === 0 || end.code === null
    ? failed('missing', 'evaluate.py does not refuse where there is no submission')
    : ok('missing', `refused with status ${end.code} where there is no submission`);
}

async function* scoreFindings(
  submissions: readonly Submission[],
  metadata: AirsMetadata,
  score: Score,
): AsyncGenerator<TaskFinding> {
  const { metric, optimal_score: optimal } = metadata.logging_info;
  const worse = new Map<string, number>();
  for (const submission of submissions) {
    const end = await score(submission);
    const result = end.code === 0 ? parseResult(end.stdout, metric) : { problem: howItEnded(end) };
    const check = submission.name;
    if (submission.expects === 'refused') {
      yield 'score' in result
        ? failed(check, `it was scored ${result.score}; it must be refused`)
        : ok(check, `refused: ${result.problem}`);
    } else if ('problem' in result) {
      yield failed(check, result.problem);
    } else {
      if (submission.expects === 'worse') worse.set(check, result.score);
      yield judged(submission, result.score, optimal, metadata);
    }
  }
  const [one, other] = [...worse.values()];
  if (one !== undefined && other !== undefined) {
    yield one === other
      ? failed('permutations', `both score ${one}`)
      : ok('permutations', 'their scores differ from each other');
  }
}

function judged({ name, expects }: Submission, score: number, optimal: number, metadata: AirsMetadata): TaskFinding {
  const lower = metadata.metric_lower_is_better;
  const beyond = lower ? score < optimal : score > optimal;
  if (beyond) return failed(name, `${score} is better than the optimum, ${optimal}`);
  if (expects === 'optimal') {
    return Math.abs(score - optimal) <= 1e-9
      ? ok(name, `exactly the optimum, ${optimal}`)
      : failed(name, `${score}; the optimum is ${optimal}`);
  }
  if (expects === 'worse' && score === optimal) return failed(name, `${score}, as good as the answers themselves`);
  const worst = metadata.logging_info.estimated_worst_score;
  const below = expects === 'valid' && worst != null && (lower ? score > worst : score < worst);
  // An estimate: what was hardly trained may stay short of it.
  return ok(name, below ? `${score}, short of the estimated worst score, ${worst}` : String(score));
}
