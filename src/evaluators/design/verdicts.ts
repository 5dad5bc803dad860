/**
 * Why a program got no score, from how its process ended. What the process itself says about the reason is believed as far
 * as it only chooses among the reasons for having none: no text of it can become a number.
 */
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { cut, printable } from '../../platform/printable.ts';
import type { Verdict } from '../population.ts';
import type { SandboxResult } from '../sandbox/index.ts';

/** `failure.json`, which the untrusted verbs leave. */
const failureSchema = z.strictObject({
  reason: z.enum(['invalid', 'nan', 'oom', 'crash', 'toobig', 'noncausal', 'tampered']),
  message: z.string(),
});
const failureFile = 'failure.json';
const candidateFailed = 3;
const longestFailure = 64 * 1024;
const longestWords = 1500;

export interface ZoneLimits {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
}

/** What is wrong with how a zone ended; null where nothing is. */
export function zoneVerdict(
  what: string,
  result: SandboxResult,
  limits: ZoneLimits,
  directory: string,
): Verdict | null {
  const megabytes = Math.round(limits.memoryBytes / 2 ** 20);
  switch (result.end) {
    case 'cancelled':
      return { reason: 'cancelled', message: `the ${what} was cancelled` };
    case 'timeout':
      return { reason: 'timeout', message: `the ${what} did not end within ${limits.seconds} s` };
    case 'oom':
      return { reason: 'oom', message: `the ${what} took more than ${megabytes} MB of memory` };
    case 'flooded':
      return { reason: 'crash', message: `the ${what} wrote more text than is read` };
    case 'exited':
      break;
  }
  // Measured outside, over all its processes; the kernel's own limit is per process.
  if (result.cpuSeconds > limits.cpuSeconds) {
    const used = result.cpuSeconds.toFixed(1);
    return {
      reason: 'timeout',
      message: `the ${what} used ${used} s of processor time; it may use ${limits.cpuSeconds}`,
    };
  }
  if (result.exitCode === 0) return null;
  if (result.exitCode === candidateFailed) return ownVerdict(result, directory) ?? crash(what, result);
  return crash(what, result);
}

function ownVerdict({ files }: SandboxResult, directory: string): Verdict | null {
  const found = files.find(({ path }) => path === failureFile);
  if (!found || found.bytes > longestFailure) return null;
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
  const lines = printable(stderr.slice(-longestWords), { lines: true }).split('\n');
  const said = lines.map((line) => line.trim()).filter((line) => line !== '');
  const words = cut(said.join(' | '), longestWords);
  const how = exitCode !== null && exitCode > 128 ? `was ended by signal ${exitCode - 128}` : `exited with ${exitCode}`;
  return { reason: 'crash', message: `the ${what} ${how}${words === '' ? '' : `; its last words: ${words}`}` };
}
