import { statSync } from 'node:fs';
import { Command } from 'commander';
import { PrerequisiteError } from '../../domain/errors.ts';
import { coloursFor, findPython, jsonLine, printable, taskRoots, whyNot } from '../../platform/index.ts';
import { checkTask, dataFolder, loadTask, type TaskFinding } from '../../tasks/index.ts';
import { exitCodes } from '../fail.ts';
import { homeOption, jsonOption, numberWithin, option, withOptions } from '../options.ts';

const colours = coloursFor(process.stdout);

const marks = { ok: colours.green('ok  '), failed: colours.red('no  '), skipped: colours.yellow('--  ') } as const;

function say(finding: TaskFinding, json: boolean | undefined): void {
  if (json) process.stdout.write(`${jsonLine(finding)}\n`);
  else
    process.stdout.write(
      `${marks[finding.outcome]} ${finding.check.padEnd(16)} ${finding.outcome === 'skipped' ? 'skipped: ' : ''}${printable(finding.detail, { width: 1000 })}\n`,
    );
}

/** Text with a slash is a path; any other is the name of a shipped task. */
function directoryOf(task: string): string {
  if (!task.includes('/')) return loadTask(task, taskRoots).directory;
  try {
    if (statSync(task).isDirectory()) return task;
  } catch (thrown) {
    throw new PrerequisiteError('task-unknown', `${task} ${whyNot(thrown)}`, 'give the path of a task directory');
  }
  throw new PrerequisiteError('task-unknown', `${task} is not a directory`, 'give the path of a task directory');
}

interface CheckOptions {
  readonly home: string;
  readonly seconds: number;
  readonly unsafe?: boolean;
  readonly json?: boolean;
}

async function checkDirectory(
  task: string,
  { home, seconds, unsafe = false, ...options }: CheckOptions,
): Promise<number> {
  const host = { python: await findPython(), env: process.env, data: dataFolder(home), seconds, unsafe };
  const counts = { ok: 0, failed: 0, skipped: 0 };
  for await (const finding of checkTask({ directory: directoryOf(task), host })) {
    say(finding, options.json);
    counts[finding.outcome] += 1;
  }
  if (!options.json) {
    const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
    process.stdout.write(`${counts.ok} passed, ${counts.failed} failed${skipped}\n`);
  }
  return counts.failed === 0 ? exitCodes.ok : exitCodes.failed;
}

export function taskCommand(done: (code: number) => void): Command {
  const checkCommand = new Command('check')
    .description('check an AIRS-Bench task directory: its metadata and what its scripts do')
    .argument('<task>', 'a task, or the path of a task directory')
    .action(async (task: string, options: CheckOptions) => done(await checkDirectory(task, options)));
  withOptions(
    checkCommand,
    homeOption(),
    option('--seconds <n>', 'timeout per script').default(3600).argParser(numberWithin(1, 1_000_000)),
    option('--unsafe', "run the task's scripts with your own permissions, without a sandbox"),
    jsonOption(),
  );
  return new Command('task').description('check task directories').addCommand(checkCommand);
}
