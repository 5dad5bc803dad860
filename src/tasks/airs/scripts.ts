import { existsSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import * as z from 'zod';
import { childEnvironment, type Environment, exec, packageRoot, trainersDirectory } from '../../platform/index.ts';
import { openSandbox, type Sandbox } from '../../sandbox/index.ts';
import { runTaskScript, scriptMemoryBytes } from '../taskScripts.ts';
import { type AirsMetadata, PackageMissing } from './metadata.ts';

/** Where a task's scripts run. */
export interface ScriptHost {
  readonly python: string;
  readonly env: Environment;
  /** Imported data. */
  readonly data: string;
  /** Longest that one script may take. */
  readonly seconds: number;
  /** Scripts of others run with this user's rights. */
  readonly unsafe?: boolean;
}

export interface ScriptEnd {
  /** Null where it did not end by itself in time. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const mostText = 64 * 2 ** 20;

/** A sandbox per Python: whether this machine has one is asked once. */
const sandboxes = new Map<string, Promise<Sandbox>>();

function sandboxFor({ python, env, unsafe = false }: ScriptHost): Promise<Sandbox> {
  const key = `${unsafe} ${python}`;
  const known = sandboxes.get(key);
  if (known) return known;
  const opened = openSandbox({ python, env, unsafe });
  sandboxes.set(key, opened);
  return opened;
}

/** Aira's own tasks are installed with it and need what it needs: the compiled engine, its cache. */
const isOurs = (script: string): boolean => isAbsolute(script) && !relative(packageRoot, script).startsWith('..');

/**
 * Runs a script of a task with these arguments: one of others in the sandbox (`taskScripts.ts`), starting in `cwd`, where it
 * may write.
 *
 * @throws PrerequisiteError `sandbox` where this machine has none and `unsafe` was not asked for.
 */
export async function runPython(args: readonly string[], cwd: string, host: ScriptHost): Promise<ScriptEnd> {
  const { python, data, seconds } = host;
  const env = {
    AIRA_WORKERS_DIR: trainersDirectory,
    AIRA_DATA: data,
    // Nothing is left in the directories of others.
    PYTHONDONTWRITEBYTECODE: '1',
    OMP_NUM_THREADS: '1',
    HF_HUB_OFFLINE: '1',
    HF_DATASETS_OFFLINE: '1',
    // Data that are small enough are read into memory; else `datasets` writes its caches beside the imported files.
    HF_DATASETS_IN_MEMORY_MAX_SIZE: String(4 * 2 ** 30),
  };
  const [script = ''] = args;
  if (isOurs(script)) {
    const given = {
      cwd,
      env: { ...childEnvironment(host.env), ...env },
      timeoutMs: seconds * 1000,
      maxBytes: mostText,
    };
    return exec(python, args, given);
  }
  return runTaskScript(await sandboxFor(host), {
    argv: [python, ...args],
    env: { ...env, PYTHONPATH: trainersDirectory },
    reads: [trainersDirectory, data],
    seconds,
    memoryBytes: scriptMemoryBytes(),
    // Verbs of ours start in our own folder, which is not to be written.
    ...(cwd === trainersDirectory ? {} : { cwd }),
  });
}

/** A verb of `aira_tasks`, whose answer is one line of JSON. Throws where it gives none. */
export async function askTasks<T>(
  answer: z.ZodType<T>,
  args: readonly string[],
  host: ScriptHost,
): Promise<{ answer: T } | { problem: string }> {
  const end = await runTasks(args, host);
  return 'problem' in end ? end : { answer: answer.parse(JSON.parse(end.stdout)) };
}

/** A verb of `aira_tasks`, and what it prints. */
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
  /** Where the agent left its submission. */
  readonly log?: string;
}

export const prepareArguments = ({ raw, mount, log }: TaskFolders): string[] => [
  ...['--global-shared-data-dir', raw, '--agent-data-mount-dir', mount],
  ...(log === undefined ? [] : ['--agent-log-dir', log]),
];

/** Runs one of the task's scripts by its name. @throws PackageMissing where it needs a package that this Python lacks; PrerequisiteError `sandbox`. */
export type RunScript = (name: string, args: readonly string[], cwd: string) => Promise<ScriptEnd>;

export interface Scorer {
  readonly directory: string;
  readonly host: ScriptHost;
  readonly run: RunScript;
  /** Imported data, or an empty folder. */
  readonly raw: string;
  /** Where an agent leaves its submission. */
  readonly log: string;
  /** Where evaluate.py runs. */
  readonly scorer: string;
  /** `data` below it. */
  readonly data: string;
}

export const script =
  (directory: string, host: ScriptHost): RunScript =>
  async (name, args, cwd) => {
    const end = await runPython([join(directory, name), ...args], cwd, host);
    const lacking = end.code === 0 ? undefined : /^ModuleNotFoundError: No module named '(\w+)/m.exec(end.stderr)?.[1];
    if (lacking === undefined) return end;
    throw new PackageMissing(
      `package ${lacking} missing, which ${name} imports: add it to ${host.python}, or name another Python in AIRA_PYTHON`,
    );
  };

const marker = '--- EVALUATION RESULT ---';

/** The figure that evaluate.py printed: the first object behind the marker, which must hold exactly one finite number. */
export function parseResult(stdout: string, metric: string): { score: number } | { problem: string } {
  const at = stdout.indexOf(marker);
  if (at < 0) return { problem: `it printed no line "${marker}"` };
  const after = stdout.slice(at + marker.length);
  const object = /\{[^{}]*\}/.exec(after)?.[0];
  if (object === undefined) return { problem: 'no object stands behind the marker' };
  if (/\b(NaN|-?Infinity)\b/.test(object)) return { problem: 'the figure is not a finite number' };
  let parsed: unknown;
  try {
    parsed = JSON.parse(object);
  } catch {
    return { problem: 'what stands behind the marker is not JSON' };
  }
  const entries = Object.entries(z.record(z.string(), z.unknown()).parse(parsed));
  const numbers = entries.filter((entry): entry is [string, number] => Number.isFinite(entry[1]));
  const [only] = numbers;
  if (numbers.length !== 1 || only === undefined) {
    return { problem: `it printed ${numbers.length} numbers; exactly one is expected` };
  }
  if (only[0] !== metric) return { problem: `it printed "${only[0]}"; the metadata's metric is "${metric}"` };
  return { score: only[1] };
}

export const lastLine = (text: string): string => text.trim().split('\n').at(-1)?.slice(0, 500) ?? '';

/** What a script that failed said last, or that it took too long. */
export const howItEnded = ({ code, stderr }: ScriptEnd): string =>
  code === null ? `it did not end by itself: ${lastLine(stderr)}` : `status ${code}: ${lastLine(stderr)}`;

export const requiredFiles = [
  'metadata.yaml',
  'project_description.md',
  'prepare.py',
  'evaluate_prepare.py',
  'evaluate.py',
] as const;

export const missingFiles = (directory: string): string[] =>
  requiredFiles.filter((file) => !existsSync(join(directory, file)));

/** Projects whose module is called otherwise; the rest are called like their project, with underscores. */
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

/** The module that a requirement is imported by. */
export const moduleOf = (requirement: string): string => {
  const project = projectOf(requirement);
  return modules[project] ?? project.replaceAll('-', '_').replaceAll('.', '_');
};

/** One sentence with a remedy about what of these requirements this Python lacks; null when all is there. */
export async function missingRequirements(requirements: readonly string[], host: ScriptHost): Promise<string | null> {
  const unique = [...new Set(requirements)];
  const asked = await askTasks(z.array(z.string()), ['modules', ...unique.map(moduleOf)], host);
  if ('problem' in asked) return asked.problem;
  const lacking = unique.filter((requirement) => asked.answer.includes(moduleOf(requirement)));
  if (lacking.length === 0) return null;
  const quoted = lacking.map((each) => (/[<>=!~]/.test(each) ? `'${each}'` : each)).join(' ');
  return `package ${lacking.join(', ')} missing; install with \`${host.python} -m pip install ${quoted}\`, or name another Python in AIRA_PYTHON`;
}

/** What preparing and scoring need. */
export const scorerRequirements = (metadata: AirsMetadata): string[] => [
  ...(metadata.prepare_code_python_requirements ?? []),
  ...metadata.evaluate_container_python_requirements,
];
