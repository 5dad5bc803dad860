/**
 * Why a program got no score, from how its process ended. What the process itself says about the reason is believed as far
 * as it only chooses among the reasons for having none: no text of it can become a number.
 */

import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { cut, printable } from '../../platform/index.ts';
import type { SandboxResult } from '../../sandbox/index.ts';
import type { Verdict } from '../evaluator.ts';
import type { HostedResult } from './hosted.ts';

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
    case 'full':
      return { reason: 'crash', message: `the ${what} wrote more files than it may` };
    case 'exited':
      break;
  }
  const late = overtime(what, result, limits);
  if (late) return late;
  if (result.exitCode === 0) return null;
  if (result.exitCode === candidateFailed) return ownVerdict(result, directory) ?? crash(what, result);
  return crash(what, result);
}

/** Measured outside, over all its processes; the kernel's own limit is per process. */
function overtime(what: string, { cpuSeconds }: SandboxResult, limits: ZoneLimits): Verdict | null {
  if (cpuSeconds <= limits.cpuSeconds) return null;
  const [used, most] = [cpuSeconds.toFixed(1), limits.cpuSeconds.toFixed(1)];
  return { reason: 'over-budget', message: `the ${what} used ${used} s of processor time; it may use ${most}` };
}

/**
 * The same for a zone with a host. What the host has found comes first; where its program has left it, how that ended says
 * why. Of a program that has seen something of hidden rows no word is kept.
 */
export function hostedVerdict(
  what: 'training' | 'prediction',
  { program, host }: HostedResult,
  limits: ZoneLimits,
): Verdict | null {
  if (host === 'ok') return overtime(what, program, limits);
  if (host !== 'gone') return host;
  const mute = { ...program, files: [], stderr: what === 'prediction' ? '' : program.stderr };
  const early: Verdict = { reason: 'crash', message: `the program left the ${what} before its end` };
  return zoneVerdict(what, mute, limits, '') ?? early;
}

/** The same for a script: its host has served it, or asked and scored it. */
export function scriptVerdict(
  what: 'training' | 'prediction',
  { program, host }: HostedResult,
  limits: ZoneLimits,
  directory: string,
): Verdict | null {
  if (typeof host === 'object') return host;
  if (what === 'prediction' && host === 'ok') return overtime(what, program, limits);
  const early: Verdict = { reason: 'crash', message: `the program left the ${what} before its end` };
  return zoneVerdict(what, program, limits, directory) ?? (host === 'ok' ? null : early);
}

const silent: Readonly<Partial<Record<Verdict['reason'], string>>> = {
  invalid: 'the answers to hidden rows are not what was asked for',
  nan: 'an answer to a hidden row is not a finite number',
  oom: 'the program took more memory than it may while it saw hidden rows',
  timeout: 'the answers to hidden rows took longer than they may',
  crash: 'the program failed while it saw hidden rows',
  tampered: 'the program did something else than answer while it saw hidden rows',
  noncausal: 'an answer to a hidden row depends on what it may not depend on',
  'over-budget': 'the answers to hidden rows took more processor time than the training has left',
};

/**
 * A verdict on a program that has seen hidden rows: its reason alone. Words, numbers and the names of files could carry
 * hidden rows to whoever reads them, and into the next prompt.
 */
export function withoutWords(verdict: Verdict): Verdict {
  const message = silent[verdict.reason];
  return message === undefined ? verdict : { ...verdict, message: `${message}; what it says of them is not kept` };
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
