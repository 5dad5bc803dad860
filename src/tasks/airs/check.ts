/**
 * Checks a task directory of AIRS-Bench: its metadata, and the behaviour of its scripts.
 *
 * Role: yields findings, each naming a problem. Non-role: searching; running scripts (`scripts.ts`).
 *
 * TCK-1. Nothing is written into the directory; all scripts work in a temporary folder that is removed.
 * TCK-2. The agent's folder and the scorer's are separate, and neither script sees the other's.
 * TCK-3. A check that cannot run is reported as skipped with the reason, never as passed: data that were not imported and
 *        missing Python packages are not faults of a directory.
 */

import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import * as z from 'zod';
import { errorMessage } from '../../domain/errors.ts';
import type { Task } from '../../domain/task.ts';
import { loadTask } from '../catalogue.ts';
import { failed, ok, skipped, submissionFindings, type TaskFinding } from './scoreChecks.ts';
import {
  askTasks,
  howItEnded,
  missingFiles,
  missingRequirements,
  PackageMissing,
  prepareArguments,
  runTasks,
  type Scorer,
  type ScriptHost,
  scorerRequirements,
  script,
} from './scripts.ts';
import { type AirsMetadata, foreignTask, readAirsMetadata } from './task.ts';

export interface CheckOptions {
  readonly directory: string;
  readonly host: ScriptHost;
}

/** Yields findings in a fixed order, until one makes the following checks impossible. */
export async function* checkTask(options: CheckOptions): AsyncGenerator<TaskFinding> {
  const directory = resolve(options.directory);
  const missing = missingFiles(directory);
  yield missing.length === 0 ? ok('files', 'all five files exist') : failed('files', `missing: ${missing.join(', ')}`);
  if (missing.includes('metadata.yaml')) return;

  const read = readAirsMetadata(directory);
  if ('problems' in read) {
    for (const problem of read.problems) yield failed('metadata', problem);
    return;
  }
  const { metadata } = read;
  yield ok('metadata', 'all keys exist and have the right type');
  yield nameFinding(directory, metadata);
  yield* descriptionFindings(directory, metadata);
  yield shippedAnswers(directory);
  const own = ownTask(directory);
  if (own.finding) yield own.finding;
  if (missing.length > 0 || own.finding?.outcome === 'failed') return;

  const lacking = await missingRequirements(scorerRequirements(metadata), options.host);
  if (lacking !== null) {
    yield skipped('requirements', lacking);
    return;
  }
  yield ok('requirements', 'this Python has all packages for preparing and scoring');

  const work = mkdtempSync(join(tmpdir(), 'aira-task-'));
  try {
    yield* scriptFindings({ ...options, directory }, metadata, own.task, work);
  } catch (thrown) {
    if (!(thrown instanceof PackageMissing)) throw thrown;
    yield skipped('requirements', thrown.message);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function nameFinding(directory: string, { logging_info: { name } }: AirsMetadata): TaskFinding {
  return name === basename(directory)
    ? ok('name', name)
    : failed('name', `logging_info.name is "${name}", but the directory is named "${basename(directory)}"`);
}

function* descriptionFindings(directory: string, metadata: AirsMetadata): Generator<TaskFinding> {
  const path = join(directory, 'project_description.md');
  if (!existsSync(path)) return;
  const text = readFileSync(path, 'utf8');
  const required = ['submission.csv', metadata.logging_info.metric, 'data/'];
  // Descriptions may write the metric with spaces, or the path as ./data.
  const plain = (part: string) => part.toLowerCase().replace(/[\s_-]/g, '');
  const absent = required.filter((part) => !plain(text).includes(plain(part)));
  yield absent.length === 0
    ? ok('description', 'mentions the submission, the metric and the data')
    : failed('description', `project_description.md does not mention ${absent.join(', ')}`);
}

/** Answers in the directory are allowed; no program ever sees the directory. */
function shippedAnswers(directory: string): TaskFinding {
  const entries = readdirSync(directory, { withFileTypes: true });
  const link = entries.find((entry) => lstatSync(join(directory, entry.name)).isSymbolicLink());
  if (link) return failed('folder', `${link.name} is a link`);
  const gold = entries.filter(({ name }) => name.startsWith('gold_submission'));
  return ok(
    'folder',
    gold.length === 0 ? 'contains no answers' : `${gold.length} files with answers: never expose this folder`,
  );
}

/** Aira's own tasks have further keys in addition to those of AIRS-Bench. */
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

/** Runs the scripts of a task directory up to the scorer's data; `scoreChecks.ts` scores submissions. */
/** @throws PackageMissing */
export async function* scriptFindings(
  { directory, host }: CheckOptions,
  metadata: AirsMetadata,
  task: Task | null,
  work: string,
): AsyncGenerator<TaskFinding> {
  const agent = join(work, 'agent');
  const scorer = join(work, 'scorer');
  const data = join(scorer, 'data');
  const log = join(work, 'log');
  for (const folder of [agent, data, log]) mkdirSync(folder, { recursive: true });
  // Scripts of tasks without raw data need the folder as well.
  const raw = existsSync(host.data) ? host.data : join(work, 'raw');
  mkdirSync(raw, { recursive: true });
  const run = script(directory, host);

  for (const name of ['prepare.py', 'evaluate_prepare.py']) {
    const end = await run(name, prepareArguments({ raw, mount: join(work, 'nowhere') }), work);
    yield end.code === 1
      ? ok('refusal', `${name} exits with 1 if a folder is missing`)
      : failed('refusal', `${name} exits with ${end.code ?? 'a signal'} if a folder is missing; expected 1`);
  }

  const prepared = await run('prepare.py', prepareArguments({ raw, mount: agent }), work);
  if (prepared.code !== 0) {
    yield lacksData(raw, metadata, prepared.stderr) ?? failed('prepare', howItEnded(prepared));
    return;
  }
  const without = ['train', 'test'].filter((split) => !existsSync(join(agent, split)));
  yield without.length === 0
    ? ok('prepare', `wrote ${readdirSync(agent).sort().join(', ')}`)
    : failed('prepare', `did not write ${without.join(', ')}`);
  if (without.length > 0) return;

  // Published scripts fetch a submission even if there is none; Aira's name the missing files.
  if (task === null) writeFileSync(join(log, 'submission.csv'), `${scoringColumns(metadata).join(',')}\n`);
  const unsubmitted = prepareArguments({ raw, mount: data, ...(task === null ? { log } : {}) });
  const scorerPrepared = await run('evaluate_prepare.py', unsubmitted, work);
  if (scorerPrepared.code !== 0) {
    yield failed('evaluate_prepare', howItEnded(scorerPrepared));
    return;
  }
  const labelled = join(data, 'test_with_labels');
  yield existsSync(labelled)
    ? ok('evaluate_prepare', 'wrote test_with_labels')
    : failed('evaluate_prepare', 'did not write test_with_labels');
  if (!existsSync(labelled)) return;
  yield await separation(metadata, agent, data, host);
  const scoring: Scorer = { directory, host, run, raw, log, scorer, data };
  yield* submissionFindings(scoring, metadata, task, work);
  if (task === null) yield await searchable(directory, host, raw, work);
}

const scoringColumns = ({ logging_info: { scoring_column: columns } }: AirsMetadata): string[] => [columns].flat();

/** A script that found no data is not a fault of the directory unless its data set has been imported. */
function lacksData(
  raw: string,
  { logging_info: { dataset, config } }: AirsMetadata,
  stderr: string,
): TaskFinding | null {
  const imported = [join(raw, dataset), join(raw, dataset, config)].some(existsSync);
  if (imported || !/no such file|not found|does not exist|isn't there/i.test(stderr)) return null;
  return skipped('prepare', `data not imported; run \`aira data import ${dataset}/${config} <folder>\``);
}

async function separation(
  metadata: AirsMetadata,
  agent: string,
  labelled: string,
  host: ScriptHost,
): Promise<TaskFinding> {
  const columns = JSON.stringify(metadata.logging_info.scoring_column);
  const args = ['leaks', '--agent', agent, '--labelled', labelled, '--columns', columns];
  const leaks = await askTasks(z.array(z.string()), args, host);
  if ('problem' in leaks) return failed('separation', leaks.problem);
  return leaks.answer.length === 0
    ? ok('separation', 'the agent sees no answers')
    : failed('separation', leaks.answer.slice(0, 3).join('; '));
}

/** Whether a search can start: validation rows, and a baseline that scores on them. */
async function searchable(directory: string, host: ScriptHost, raw: string, work: string): Promise<TaskFinding> {
  const settings = join(work, 'settings.json');
  const { profiles } = foreignTask(directory, readFileSync(join(directory, 'project_description.md'), 'utf8'));
  writeFileSync(settings, JSON.stringify({ ...profiles.nano?.rungs.screen.settings, task: directory }));
  const out = join(work, 'prepared');
  const args = ['prepare', '--settings', settings, '--seed', '0', '--data', raw, '--out', out];
  const end = await runTasks(args, host);
  rmSync(out, { recursive: true, force: true });
  return 'problem' in end
    ? skipped('search', `the directory cannot be searched as it is: ${end.problem}`)
    : ok('search', 'validation rows can be held out, and a baseline exists');
}
