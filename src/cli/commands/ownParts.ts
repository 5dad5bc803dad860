/**
 * Parts of a user's own: `aira init` writes a workspace with one of each; `aira primitive`, `aira scaffold` and `aira task` check
 * and list them. What is valid is decided elsewhere: by Python (primitives), `agents` (scaffolds) and `tasks`.
 */
import { cpSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Command } from 'commander';
import { checkScaffoldFile, scaffoldFiles, scaffoldFolders } from '../../agents/index.ts';
import { PrerequisiteError } from '../../domain/errors.ts';
import { askPrimitives, primitiveFolders } from '../../evaluators/index.ts';
import {
  coloursFor,
  findPython,
  jsonLine,
  makeFolder,
  packageRoot,
  printable,
  taskRoots,
  whyNot,
} from '../../platform/index.ts';
import { checkTask, dataFolder, loadTask, type TaskFinding } from '../../tasks/index.ts';
import { exitCodes } from '../fail.ts';
import {
  homeOption,
  jsonOption,
  numberWithin,
  option,
  pathArgument,
  primitivesOption,
  scaffoldsOption,
  withOptions,
} from '../options.ts';

const colours = coloursFor(process.stdout);

/** What `aira init` copies as it is. */
const template = join(packageRoot, 'templates', 'workspace');
/** The shipped task that the workspace's own begins as. */
const pattern = 'compose-mad-3p';
const ownTask = 'my-task';
const metadata = 'metadata.yaml';

/** The copy's name and space; everything else is the shipped task's. */
const changes: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`^( +name: )${pattern}$`, 'm'), `$1${ownTask}`],
  [/^( +layers: )16$/m, '$18'],
  [/^( +shape: )\(16, 2\)$/m, '$1(8, 2)'],
  [/^( +research_problem: ).*$/m, '$1Arrange 8 layers so that the stack learns the six MAD tasks best'],
];

const isCopied = (path: string): boolean => !/(^|\/)__pycache__(\/|$)/.test(path);

/**
 * Writes a workspace: a search file, a task, notes, a primitive and a scaffold, each with comments.
 *
 * @throws PrerequisiteError `init` if one of its files exists or the folder cannot be written.
 */
function writeWorkspace(folder: string): string[] {
  const task = join(folder, 'tasks', ownTask);
  const files = [
    ...readdirSync(template, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && isCopied(join(entry.parentPath, entry.name)))
      .map((entry) => relative(template, join(entry.parentPath, entry.name)))
      .sort(),
    join('tasks', ownTask, metadata),
  ];
  // The task is copied as a whole folder, so any such folder would be written over.
  const existing = [...files, join('tasks', ownTask)].find((file) => existsSync(join(folder, file)));
  if (existing !== undefined) {
    throw new PrerequisiteError(
      'init',
      `${join(folder, existing)} exists already`,
      'name another folder: aira init <dir>',
    );
  }
  try {
    makeFolder(folder);
    cpSync(template, folder, { recursive: true, filter: isCopied });
    cpSync(loadTask(pattern).directory, task, { recursive: true, filter: isCopied });
    const path = join(task, metadata);
    const text = changes.reduce((now, [from, to]) => now.replace(from, to), readFileSync(path, 'utf8'));
    writeFileSync(path, text);
  } catch (thrown) {
    if (thrown instanceof PrerequisiteError) throw thrown;
    const problem = `${folder} ${whyNot(thrown)}`;
    throw new PrerequisiteError('init', problem, 'name another folder: aira init <dir>', { cause: thrown });
  }
  return files;
}

export function initCommand(done: (code: number) => void): Command {
  return new Command('init')
    .description('make a workspace: a search file, a task, notes, a primitive and a scaffold of your own')
    .argument('[dir]', 'its folder (default: the current one)', pathArgument, process.cwd())
    .action((folder: string) => {
      for (const file of writeWorkspace(folder)) process.stdout.write(`${join(relative('', folder), file)}\n`);
      process.stdout.write('\nNext, from that folder: aira launch search.yaml --dry-run\n');
      done(exitCodes.ok);
    });
}

interface PrimitiveOptions {
  primitives?: readonly string[];
}

async function ask(args: readonly string[], folders: readonly string[]): Promise<number> {
  process.stdout.write(printable(await askPrimitives(await findPython(), folders, args), { lines: true }));
  return exitCodes.ok;
}

/** Primitives of the user. Python finds and validates them; this passes its answer on. */
export function primitiveCommand(done: (code: number) => void): Command {
  const check = new Command('check')
    .description('validate the file of one primitive: gradients, causality, decoding, formulas')
    .argument('<file>', 'a Python file; its name is the primitive’s', pathArgument)
    .action(async (file: string) => done(await ask(['check', file], [])));
  const ls = new Command('ls')
    .description('list the primitives that searches here can use')
    .action(async (options: PrimitiveOptions) => done(await ask(['list'], primitiveFolders(options.primitives ?? []))));
  return new Command('primitive')
    .description('layers of your own')
    .addCommand(check)
    .addCommand(withOptions(ls, primitivesOption()));
}

interface ScaffoldOptions {
  home: string;
  scaffolds?: readonly string[];
}

async function checkScaffold(path: string): Promise<number> {
  const { sha256, settings } = await checkScaffoldFile(path);
  const set = Object.entries(settings).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  const lines = [
    'decides on an empty view and in two searches in memory, twice the same',
    `settings: ${set.length > 0 ? set.join(', ') : 'none'}`,
    `sha256: ${sha256}`,
  ];
  process.stdout.write(printable(`${lines.join('\n')}\n`, { lines: true }));
  return exitCodes.ok;
}

/** Scaffolds of the user. */
export function scaffoldCommand(done: (code: number) => void): Command {
  const checking = new Command('check')
    .description('validate the file of one scaffold: exports, decisions, purity')
    .argument('<file>', 'an ES module; its name is the scaffold’s', pathArgument)
    .action(async (file: string) => done(await checkScaffold(file)));
  const ls = new Command('ls')
    .description('list the scaffolds of your own that searches of this home can use')
    .action((options: ScaffoldOptions) => {
      const files = scaffoldFiles(scaffoldFolders(options.scaffolds ?? [], undefined, options.home));
      for (const { name, path } of files) process.stdout.write(`${printable(`${name} ${path}`)}\n`);
      done(exitCodes.ok);
    });
  return new Command('scaffold')
    .description('search policies of your own')
    .addCommand(checking)
    .addCommand(withOptions(ls, homeOption(), scaffoldsOption()));
}

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
