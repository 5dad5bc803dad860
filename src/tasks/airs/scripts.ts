/** Scripts of a task directory, as `aira task check` runs them: where, with what, and what they answered. */
import { existsSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import * as z from 'zod';
import { childEnvironment, type Environment, exec, packageRoot, trainersDirectory } from '../../platform/index.ts';
import { openSandbox, type Sandbox } from '../../sandbox/index.ts';
import { runTaskScript, scriptMemoryBytes } from '../taskScripts.ts';
import type { AirsMetadata } from './task.ts';

/** The environment of a task's scripts. */
export interface ScriptHost {
  readonly python: string;
  readonly env: Environment;
  /** Imported data. */
  readonly data: string;
  /** Timeout per script. */
  readonly seconds: number;
  /** Run third-party scripts with this user's rights. */
  readonly unsafe?: boolean;
}

export interface ScriptEnd {
  /** Null if it was killed or timed out. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Thrown when a script cannot run on this machine, which blocks the checks that follow. */
export class PackageMissing extends Error {}

const mostText = 64 * 2 ** 20;

/** One sandbox per Python, so that the machine is probed once. */
const sandboxes = new Map<string, Promise<Sandbox>>();

function sandboxFor({ python, env, unsafe = false }: ScriptHost): Promise<Sandbox> {
  const key = `${unsafe} ${python}`;
  const known = sandboxes.get(key);
  if (known) return known;
  const opened = openSandbox({ python, env, unsafe });
  sandboxes.set(key, opened);
  return opened;
}

/** Aira's own tasks are installed with it and need its resources: the compiled engine and its cache. */
const isOurs = (script: string): boolean => isAbsolute(script) && !relative(packageRoot, script).startsWith('..');

/**
 * Runs a task's script: a third-party one in the sandbox (`taskScripts.ts`), in `cwd`, which is writable.
 *
 * @throws PrerequisiteError `sandbox` if this machine has none and `unsafe` is not set.
 */
export async function runPython(args: readonly string[], cwd: string, host: ScriptHost): Promise<ScriptEnd> {
  const { python, data, seconds } = host;
  const env = {
    AIRA_WORKERS_DIR: trainersDirectory,
    AIRA_DATA: data,
    // Leave nothing in third-party directories.
    PYTHONDONTWRITEBYTECODE: '1',
    OMP_NUM_THREADS: '1',
    HF_HUB_OFFLINE: '1',
    HF_DATASETS_OFFLINE: '1',
    // Read small data into memory; otherwise `datasets` writes its caches next to the imported files.
    HF_DATASETS_IN_MEMORY_MAX_SIZE: String(4 * 2 ** 30),
  };
  const [script = ''] = args;
  if (isOurs(script)) {
    const options = {
      cwd,
      env: { ...childEnvironment(host.env), ...env },
      timeoutMs: seconds * 1000,
      maxBytes: mostText,
    };
    return exec(python, args, options);
  }
  return runTaskScript(await sandboxFor(host), {
    argv: [python, ...args],
    env: { ...env, PYTHONPATH: trainersDirectory },
    // A copy of one of Aira's tasks still needs its trainers and its notes on literature.
    reads: [trainersDirectory, join(packageRoot, 'corpus'), data],
    seconds,
    memoryBytes: scriptMemoryBytes(),
    // Aira's commands start in its own folder, which must stay read-only.
    ...(cwd === trainersDirectory ? {} : { cwd }),
  });
}

/** Runs a command of `aira_tasks` whose answer is one line of JSON. Throws on invalid output. */
export async function askTasks<T>(
  answer: z.ZodType<T>,
  args: readonly string[],
  host: ScriptHost,
): Promise<{ answer: T } | { problem: string }> {
  const end = await runTasks(args, host);
  return 'problem' in end ? end : { answer: answer.parse(JSON.parse(end.stdout)) };
}

/** Runs a command of `aira_tasks` and returns its output. */
export async function runTasks(
  args: readonly string[],
  host: ScriptHost,
): Promise<{ stdout: string } | { problem: string }> {
  const { code, stdout, stderr } = await runPython(['-m', 'aira_tasks', ...args], trainersDirectory, host);
  return code === 0 ? { stdout } : { problem: lastLine(stderr).replace(/^aira_tasks: /, '') };
}

export interface TaskFolders {
  /** Imported data. */
  readonly raw: string;
  /** The agent's data, or the scorer's: never the same folder. */
  readonly mount: string;
  /** Where the agent writes its submission. */
  readonly log?: string;
}

export const prepareArguments = ({ raw, mount, log }: TaskFolders): string[] => [
  '--global-shared-data-dir',
  raw,
  '--agent-data-mount-dir',
  mount,
  ...(log === undefined ? [] : ['--agent-log-dir', log]),
];

/** Runs a script of the task by name. @throws PackageMissing for a missing Python package; PrerequisiteError `sandbox`. */
export type RunScript = (name: string, args: readonly string[], cwd: string) => Promise<ScriptEnd>;

export interface Scorer {
  readonly directory: string;
  readonly host: ScriptHost;
  readonly run: RunScript;
  /** Imported data, or an empty folder. */
  readonly raw: string;
  /** Where an agent writes its submission. */
  readonly log: string;
  /** Where evaluate.py runs. */
  readonly scorer: string;
  /** `<scorer>/data`. */
  readonly data: string;
}

export const script =
  (directory: string, host: ScriptHost): RunScript =>
  async (name, args, cwd) => {
    const end = await runPython([join(directory, name), ...args], cwd, host);
    const lacking = end.code === 0 ? undefined : /^ModuleNotFoundError: No module named '(\w+)/m.exec(end.stderr)?.[1];
    if (lacking === undefined) return end;
    throw new PackageMissing(
      `package ${lacking} missing, which ${name} imports: install it for ${host.python}, or set AIRA_PYTHON to another Python`,
    );
  };

const marker = '--- EVALUATION RESULT ---';

/** The score that evaluate.py printed: the first object after the marker, which must contain exactly one finite number. */
export function parseResult(stdout: string, metric: string): { score: number } | { problem: string } {
  const at = stdout.indexOf(marker);
  if (at < 0) return { problem: `no line "${marker}" in the output` };
  const after = stdout.slice(at + marker.length);
  const object = /\{[^{}]*\}/.exec(after)?.[0];
  if (object === undefined) return { problem: 'no object after the marker' };
  if (/\b(NaN|-?Infinity)\b/.test(object)) return { problem: 'the score is not a finite number' };
  let parsed: unknown;
  try {
    parsed = JSON.parse(object);
  } catch {
    return { problem: 'the text after the marker is not JSON' };
  }
  const entries = Object.entries(z.record(z.string(), z.unknown()).parse(parsed));
  const numbers = entries.filter((entry): entry is [string, number] => Number.isFinite(entry[1]));
  const [only] = numbers;
  if (numbers.length !== 1 || only === undefined) {
    return { problem: `printed ${numbers.length} numbers; expected exactly one` };
  }
  if (only[0] !== metric) return { problem: `printed "${only[0]}", but the metadata's metric is "${metric}"` };
  return { score: only[1] };
}

export const lastLine = (text: string): string => text.trim().split('\n').at(-1)?.slice(0, 500) ?? '';

/** The last line of a failed script's stderr, or that it timed out. */
export const howItEnded = ({ code, stderr }: ScriptEnd): string =>
  code === null ? `did not exit by itself: ${lastLine(stderr)}` : `status ${code}: ${lastLine(stderr)}`;

export const requiredFiles = [
  'metadata.yaml',
  'project_description.md',
  'prepare.py',
  'evaluate_prepare.py',
  'evaluate.py',
] as const;

export const missingFiles = (directory: string): string[] =>
  requiredFiles.filter((file) => !existsSync(join(directory, file)));

/** Projects whose module has another name; the others use their project's name with underscores. */
const modules: Readonly<Record<string, string>> = {
  'scikit-learn': 'sklearn',
  pyyaml: 'yaml',
  pillow: 'PIL',
  'opencv-python': 'cv2',
  beautifulsoup4: 'bs4',
  'rouge-score': 'rouge_score',
  'python-dateutil': 'dateutil',
  'torch-geometric': 'torch_geometric',
  'huggingface-hub': 'huggingface_hub',
  'tree-sitter': 'tree_sitter',
  'faiss-cpu': 'faiss',
  'tensorflow-text': 'tensorflow_text',
};

const projectOf = (requirement: string): string => /^[A-Za-z0-9._-]+/.exec(requirement)?.[0]?.toLowerCase() ?? '';

/** The module name of a requirement. */
export const moduleOf = (requirement: string): string => {
  const project = projectOf(requirement);
  return modules[project] ?? project.replaceAll('-', '_').replaceAll('.', '_');
};

/** One sentence with a remedy on the requirements that this Python lacks; null if none. */
export async function missingRequirements(requirements: readonly string[], host: ScriptHost): Promise<string | null> {
  const unique = [...new Set(requirements)];
  const answer = await askTasks(z.array(z.string()), ['modules', ...unique.map(moduleOf)], host);
  if ('problem' in answer) return answer.problem;
  const lacking = unique.filter((requirement) => answer.answer.includes(moduleOf(requirement)));
  if (lacking.length === 0) return null;
  const quoted = lacking.map((each) => (/[<>=!~]/.test(each) ? `'${each}'` : each)).join(' ');
  return `package ${lacking.join(', ')} missing; install with \`${host.python} -m pip install ${quoted}\`, or set AIRA_PYTHON to another Python`;
}

/** The requirements of preparing and scoring. */
export const scorerRequirements = (metadata: AirsMetadata): string[] => [
  ...(metadata.prepare_code_python_requirements ?? []),
  ...metadata.evaluate_container_python_requirements,
];
