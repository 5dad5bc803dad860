import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Job } from '../../../src/domain/evaluation.ts';
import { type EvaluationKey, evaluationKeySchema } from '../../../src/domain/ids.ts';
import type { NativeWorkerOptions, WorkerCommand } from '../../../src/evaluators/index.ts';
import { childEnvironment } from '../../../src/platform/processes.ts';
import { ManualTime } from './manualTime.ts';

export const key = (name: string): EvaluationKey =>
  evaluationKeySchema.parse(createHash('sha256').update(name).digest('hex'));

/** A job for the stand-in; `act` selects its behaviour. */
export function standInJob(act: string, overrides: Partial<Job> = {}): Job {
  return {
    key: key(act),
    task: 'stand-in',
    taskVersion: '0',
    evaluator: 'torch-0123456789ab',
    deviceClass: 'cpu',
    rung: 'screen',
    space: { kind: 'stack', layers: 2, primitives: ['M', 'mA'] },
    settings: { act },
    candidate: { kind: 'stack', architecture: ['M', 'mA'] },
    lowerIsBetter: false,
    seed: 50,
    measure: 'validation',
    timeoutSeconds: 10,
    ...overrides,
  };
}

export function standInCommand(greeting = 'politely', env: NodeJS.ProcessEnv = process.env): WorkerCommand {
  return {
    program: process.execPath,
    args: [join(import.meta.dirname, 'standIn.mjs'), greeting],
    cwd: import.meta.dirname,
    env: childEnvironment(env),
  };
}

/** Options of a worker whose time is the test's. */
export function manualOptions(
  command: WorkerCommand,
  time = new ManualTime(),
): NativeWorkerOptions & { timers: ManualTime } {
  return {
    command,
    memoryLimitBytes: 8 * 1024 ** 3,
    helloTimeoutMs: 60_000,
    graceMs: 1000,
    clock: time,
    timers: time,
    log: pino({ level: 'silent' }),
  };
}
