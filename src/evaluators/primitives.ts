import { statSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { contextLength, type ModelSize, modelSizes } from '../aggregation/index.ts';
import { manifestSchema, type OwnPrimitive, ownTokens, type Primitive } from '../domain/architecture.ts';
import type { Space } from '../domain/candidate.ts';
import { PrerequisiteError } from '../domain/errors.ts';
import {
  childEnvironment,
  type Environment,
  exec,
  packageRoot,
  printable,
  trainersDirectory,
} from '../platform/index.ts';

/**
 * Primitives of the user: where their modules are, and their manifest.
 *
 * Role: the folders that Python searches, and what it says of the primitives in them. Non-role: reading, running and
 * validating modules (`gpu-workers/aira_primitives`); which folder a search or a worker uses comes from this machine's
 * command line and files, never from a job (I12).
 */

/** The variable of `gpu-workers/aira_primitives`: folders, separated as in PATH. */
const primitivesVariable = 'AIRA_PRIMITIVES';

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/**
 * The folders to search, first match wins: those that were given, `primitives` next to the search file and in the current
 * folder, the shipped ones.
 *
 * @throws PrerequisiteError `primitives` for a given one that is not a folder.
 */
export function primitiveFolders(given: readonly string[], searchFile?: string | undefined): string[] {
  const missing = given.find((folder) => !isFolder(folder));
  if (missing !== undefined) {
    throw new PrerequisiteError('primitives', `${missing} is not a folder of primitives`, 'correct --primitives');
  }
  const near = searchFile === undefined ? [] : [join(dirname(resolve(searchFile)), 'primitives')];
  const found = [...near, resolve('primitives'), join(packageRoot, 'primitives')].filter(isFolder);
  return [...new Set([...given, ...found])];
}

/** The variables with which a Python process finds them. */
export function primitivesEnvironment(folders: readonly string[]): Record<string, string> {
  return folders.length === 0 ? {} : { [primitivesVariable]: folders.join(delimiter) };
}

/** Widths at a target size, by the names of `aira_primitives/contract.py`. */
function widthsOf({ name, dModel, dFf, heads, kvHeads, headDim, dSsm, ssmHeadDim, dState, convolution }: ModelSize) {
  return {
    name,
    width: dModel,
    heads,
    kv_heads: kvHeads,
    head_dim: headDim,
    ffn_inner: dFf,
    ssm_inner: dSsm,
    ssm_heads: dSsm / ssmHeadDim,
    ssm_state: dState,
    ssm_conv: convolution,
    rotary_base: 500_000,
  };
}

/** Importing torch from a cold disk takes tens of seconds; validating a primitive takes one. */
const longestMs = 180_000;

/**
 * Runs a command of `aira_primitives` and returns what it printed.
 *
 * @throws PrerequisiteError `primitives` with what it says is wrong.
 */
export async function askPrimitives(
  python: string,
  folders: readonly string[],
  args: readonly string[],
  env: Environment = process.env,
): Promise<string> {
  const environment = {
    ...childEnvironment(env),
    ...primitivesEnvironment(folders),
    PYTHONPATH: trainersDirectory,
    OMP_NUM_THREADS: '1',
  };
  const asked = ['-m', 'aira_primitives', ...args];
  const { code, stdout, stderr } = await exec(python, asked, { env: environment, timeoutMs: longestMs });
  if (code === 0) return stdout;
  const fault = printable(stderr.trim().split('\n').at(-1) ?? '', { width: 600 });
  throw new PrerequisiteError(
    'primitives',
    fault === '' ? 'the primitives could not be read' : fault,
    'fix the module; `aira primitive check <file>` shows every check',
  );
}

/**
 * Manifest entries of a space's own primitives, each validated; none, and no process, for a space without any.
 *
 * @throws PrerequisiteError `primitives` for a missing or invalid one, or Python without torch.
 */
export async function manifestOf(space: Space, python: string, folders: readonly string[]): Promise<OwnPrimitive[]> {
  return manifestWith(space.kind === 'stack' ? ownTokens(space) : [], python, folders);
}

/** Manifest entries of own primitives by name, each validated; no process for none. @throws as `manifestOf`. */
export async function manifestWith(
  tokens: readonly Primitive[],
  python: string,
  folders: readonly string[],
): Promise<OwnPrimitive[]> {
  if (tokens.length === 0) return [];
  const request = JSON.stringify({ sizes: Object.values(modelSizes).map(widthsOf), context: contextLength });
  const answer = await askPrimitives(python, folders, ['describe', request, ...tokens]);
  return manifestSchema.parse(JSON.parse(answer)).primitives;
}
