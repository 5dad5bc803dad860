/**
 * Checks a task directory of AIRS-Bench: what it says of itself, and what its scripts do.
 *
 * Role: one finding after the other, each naming what is wrong. Non-role: a search; how scripts are run (`scripts.ts`).
 *
 *   K1  Nothing is written into the directory; all scripts work in a temporary folder that is removed.
 *   K2  The agent's folder and the scorer's are different, and neither script sees the other's.
 *   K3  A check that cannot be made is told as skipped with the reason, never as passed: data that were not imported and
 *       packages that this Python lacks are no faults of a directory.
 */
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { errorMessage } from '../../domain/errors.ts';
import type { Task } from '../../domain/task.ts';
import { loadTask } from '../tasks.ts';
import { failed, ok, PackageMissing, skipped, type TaskFinding } from './finding.ts';
import { type AirsMetadata, readAirsMetadata } from './metadata.ts';
import { scriptFindings } from './scriptChecks.ts';
import { missingFiles, missingRequirements, type ScriptHost, scorerRequirements } from './scripts.ts';

export type { TaskFinding } from './finding.ts';

export interface CheckOrder {
  readonly directory: string;
  readonly host: ScriptHost;
}

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
    yield skipped('requirements', lacking);
    return;
  }
  yield ok('requirements', 'this Python has what preparing and scoring need');

  const work = mkdtempSync(join(tmpdir(), 'aira-task-'));
  try {
    yield* scriptFindings({ ...order, directory }, metadata, own.task, work);
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
