/** What the scripts of a task directory do, up to the scorer's data; its submissions are scored in `scoreChecks.ts`. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { Task } from '../../domain/task.ts';
import { failed, ok, skipped, type TaskFinding } from './finding.ts';
import type { AirsMetadata } from './metadata.ts';
import { submissionFindings } from './scoreChecks.ts';
import { askTasks, howItEnded, prepareArguments, runTasks, type Scorer, type ScriptHost, script } from './scripts.ts';
import { foreignTask } from './task.ts';

interface Order {
  readonly directory: string;
  readonly host: ScriptHost;
}

/** @throws PackageMissing */
export async function* scriptFindings(
  { directory, host }: Order,
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
  const run = script(directory, host);

  for (const name of ['prepare.py', 'evaluate_prepare.py']) {
    const end = await run(name, prepareArguments({ raw, mount: join(work, 'nowhere') }), work);
    yield end.code === 1
      ? ok('refusal', `${name} ends with 1 where a folder is missing`)
      : failed('refusal', `${name} ends with ${end.code ?? 'a signal'} where a folder is missing; 1 is expected`);
  }

  const prepared = await run('prepare.py', prepareArguments({ raw, mount: agent }), work);
  if (prepared.code !== 0) {
    yield lacksData(raw, metadata, prepared.stderr) ?? failed('prepare', howItEnded(prepared));
    return;
  }
  const without = ['train', 'test'].filter((split) => !existsSync(join(agent, split)));
  yield without.length === 0
    ? ok('prepare', `it wrote ${readdirSync(agent).sort().join(', ')}`)
    : failed('prepare', `it wrote no ${without.join(', no ')}`);
  if (without.length > 0) return;

  // Scripts of others fetch a submission whether or not there is one; ours say which of its files are missing.
  if (task === null) writeFileSync(join(log, 'submission.csv'), `${scoringColumns(metadata).join(',')}\n`);
  const unsubmitted = prepareArguments({ raw, mount: data, ...(task === null ? { log } : {}) });
  const scorerPrepared = await run('evaluate_prepare.py', unsubmitted, work);
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
  const scoring: Scorer = { directory, host, run, raw, log, scorer, data };
  yield* submissionFindings(scoring, metadata, task, work);
  if (task === null) yield await searchable(directory, host, raw, work);
}

const scoringColumns = ({ logging_info: { scoring_column: columns } }: AirsMetadata): string[] => [columns].flat();

/** A script that found no data is no fault of the directory as long as nothing is imported under the name of its data set. */
function lacksData(raw: string, { logging_info: { dataset, config } }: AirsMetadata, said: string): TaskFinding | null {
  const imported = [join(raw, dataset), join(raw, dataset, config)].some(existsSync);
  if (imported || !/no such file|not found|does not exist|isn't there/i.test(said)) return null;
  return skipped(
    'prepare',
    `data not imported: bring ${dataset} with \`aira data import ${dataset}/${config} <folder>\``,
  );
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

/** Whether a search can begin: validation rows, and a baseline that is scored on them. */
async function searchable(directory: string, host: ScriptHost, raw: string, work: string): Promise<TaskFinding> {
  const settings = join(work, 'settings.json');
  const { profiles } = foreignTask(directory, readFileSync(join(directory, 'project_description.md'), 'utf8'));
  writeFileSync(settings, JSON.stringify({ ...profiles.nano?.rungs.screen.settings, task: directory }));
  const out = join(work, 'prepared');
  const args = ['prepare', '--settings', settings, '--seed', '0', '--data', raw, '--out', out];
  const end = await runTasks(args, host);
  rmSync(out, { recursive: true, force: true });
  return 'problem' in end
    ? skipped('search', `the directory is not searched as it is: ${end.problem}`)
    : ok('search', 'validation rows can be held out, and there is a baseline to start from');
}
