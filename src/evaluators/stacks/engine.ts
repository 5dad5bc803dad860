import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { PrerequisiteError } from '../../domain/errors.ts';
import type { DeviceClass } from '../../domain/task.ts';
import type { Environment } from '../../platform/childProcess.ts';
import { packageRoot } from '../../platform/packageRoot.ts';

/** What set-up can find for CPUs. */
const cpuEngineSchema = z.enum(['native', 'torch']);

/** What a person can ask for by `AIRA_ENGINE`, for CPUs. */
const wantedSchema = z.enum(['native', 'native-bf16', 'torch']);

/**
 * Whose code runs the arithmetic of a training: our compiled engine, the same with dense products of operands rounded to
 * bfloat16, torch one candidate at a time, or torch with many candidates in one loop.
 */
export type Engine = z.infer<typeof wantedSchema> | 'population';

export interface EngineChoice {
  readonly engine: Engine;
  /** Why a CPU trains with torch; null where nothing is amiss. */
  readonly reason: string | null;
}

/** Why this process does without the engine that set-up chose. */
let declined: string | null = null;

/** From now on CPU workers of this process train with torch (see engineProbe.ts). */
export function declineNative(reason: string): void {
  declined = reason;
}

const recordSchema = z.object({ engine: cpuEngineSchema, reason: z.string().nullable() });

/**
 * The engine that workers of a device class use. For CPUs it is what set-up found by compiling the engine and testing it
 * against torch, unless it cannot be loaded now; the evaluator version, which must be known before a worker starts, depends
 * on it. A worker that then cannot use the engine refuses to start rather than train with another one. `AIRA_ENGINE` overrules what was found.
 *
 * @throws PrerequisiteError `engine` where `AIRA_ENGINE` names none.
 */
export function engineFor(
  deviceClass: DeviceClass,
  root: string = packageRoot,
  env: Environment = process.env,
): EngineChoice {
  if (deviceClass !== 'cpu') return { engine: 'population', reason: null };
  if (env.AIRA_ENGINE) {
    const wanted = wantedSchema.safeParse(env.AIRA_ENGINE);
    if (wanted.success) return { engine: wanted.data, reason: null };
    const remedy = `set it to ${wantedSchema.options.join(', ')}, or not at all`;
    throw new PrerequisiteError('engine', `AIRA_ENGINE=${env.AIRA_ENGINE} names no engine`, remedy);
  }
  try {
    const found = recordSchema.parse(JSON.parse(readFileSync(join(root, 'dist', 'engine.json'), 'utf8')));
    return declined !== null && found.engine === 'native' ? { engine: 'torch', reason: declined } : found;
  } catch {
    return { engine: 'torch', reason: 'set-up has not tried the native engine here: run `npm run setup`' };
  }
}
