/**
 * Why a program has no score, derived from how its process ended. The process's own report only selects among the failure
 * reasons: none of its text can become a score.
 */

import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { cut, printable } from '../../platform/index.ts';
import type { SandboxResult } from '../../sandbox/index.ts';
import { programReasonSchema, type Verdict } from '../evaluator.ts';
import type { HostedResult } from './hosted.ts';

/** `failure.json`, which the untrusted commands write. */
const failureSchema = z.strictObject({
  reason: programReasonSchema,
  message: z.string(),
});
const failureFile = 'failure.json';
const candidateFailed = 3;
const longestFailure = 64 * 1024;
const longestStderr = 1500;

export interface StageLimits {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
}

/** The problem with the end of a stage, or null. */
export function stageVerdict(
  what: string,
  result: SandboxResult,
  limits: StageLimits,
  directory: string,
): Verdict | null {
  const megabytes = Math.round(limits.memoryBytes / 2 ** 20);
  switch (result.end) {
    case 'cancelled':
      return { reason: 'cancelled', message: `the ${what} was cancelled` };
    case 'timeout':
      return { reason: 'timeout', message: `the ${what} timed out after ${limits.seconds} s` };
    case 'oom':
      return { reason: 'oom', message: `the ${what} exceeded its limit of ${megabytes} MB of memory` };
    case 'flooded':
      return { reason: 'crash', message: `the ${what} exceeded the limit of output text` };
    case 'full':
      return { reason: 'crash', message: `the ${what} exceeded the limit of output files` };
    case 'exited':
      break;
  }
  const late = cpuOverrun(what, result, limits);
  if (late) return late;
  if (result.exitCode === 0) return null;
  if (result.exitCode === candidateFailed) return ownVerdict(result, directory) ?? crash(what, result);
  return crash(what, result);
}

/** Processor time over all processes, measured outside; the kernel's own limit is per process. */
function cpuOverrun(what: string, { cpuSeconds }: SandboxResult, limits: StageLimits): Verdict | null {
  if (cpuSeconds <= limits.cpuSeconds) return null;
  const [used, most] = [cpuSeconds.toFixed(1), limits.cpuSeconds.toFixed(1)];
  return { reason: 'over-budget', message: `the ${what} used ${used} s of processor time; the limit is ${most} s` };
}

/**
 * The verdict of a stage with a host. The host's finding comes first; if its program exited, the end of that tells why. No
 * text of a program that has seen hidden rows is stored.
 */
export function hostedVerdict(
  what: 'training' | 'prediction',
  { program, host }: HostedResult,
  limits: StageLimits,
): Verdict | null {
  if (host === 'ok') return cpuOverrun(what, program, limits);
  if (host !== 'gone') return host;
  const mute = { ...program, files: [], stderr: what === 'prediction' ? '' : program.stderr };
  const early: Verdict = { reason: 'crash', message: `the program exited before the end of the ${what}` };
  return stageVerdict(what, mute, limits, '') ?? early;
}

/** The verdict of a script, which its host has served, or queried and scored. */
export function scriptVerdict(
  what: 'training' | 'prediction',
  { program, host }: HostedResult,
  limits: StageLimits,
  directory: string,
): Verdict | null {
  if (typeof host === 'object') return host;
  if (what === 'prediction' && host === 'ok') return cpuOverrun(what, program, limits);
  const early: Verdict = { reason: 'crash', message: `the program exited before the end of the ${what}` };
  return stageVerdict(what, program, limits, directory) ?? (host === 'ok' ? null : early);
}

const redactedMessages: Readonly<Partial<Record<Verdict['reason'], string>>> = {
  invalid: 'the answers to hidden rows do not have the required form',
  nan: 'an answer to a hidden row is not a finite number',
  oom: 'the program exceeded its memory limit on hidden rows',
  timeout: 'the answers to hidden rows timed out',
  crash: 'the program crashed on hidden rows',
  tampered: 'the program did something other than answer on hidden rows',
  noncausal: 'an answer to a hidden row depends on inputs that it must not depend on',
  'over-budget': 'the answers to hidden rows exceeded the processor time that training left',
};

/**
 * A verdict on a program that has seen hidden rows, reduced to its reason. Text, numbers and file names could leak hidden rows
 * to readers and into the next prompt.
 */
export function withoutDetails(verdict: Verdict): Verdict {
  const message = redactedMessages[verdict.reason];
  return message === undefined ? verdict : { ...verdict, message: `${message}; details are withheld` };
}

function ownVerdict({ files }: SandboxResult, directory: string): Verdict | null {
  const file = files.find(({ path }) => path === failureFile);
  if (!file || file.bytes > longestFailure) return null;
  const descriptor = openSync(join(directory, failureFile), constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    return failureSchema.parse(JSON.parse(readFileSync(descriptor, 'utf8')));
  } catch {
    return null;
  } finally {
    closeSync(descriptor);
  }
}

function crash(what: string, { exitCode, stderr }: SandboxResult): Verdict {
  const lines = printable(stderr.slice(-longestStderr), { lines: true }).split('\n');
  const nonEmpty = lines.map((line) => line.trim()).filter((line) => line !== '');
  const tail = cut(nonEmpty.join(' | '), longestStderr);
  const how =
    exitCode !== null && exitCode > 128 ? `was killed by signal ${exitCode - 128}` : `exited with ${exitCode}`;
  return { reason: 'crash', message: `the ${what} ${how}${tail === '' ? '' : `; stderr: ${tail}`}` };
}
