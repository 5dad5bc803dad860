/**
 * A program in its sandbox and the trusted process that talks to it, as one run.
 *
 * Role: the socket between them, and that neither outlives the other. Non-role: what they say (`gpu-workers/aira_design/channel.py`),
 * limits and endings of the program (`sandbox`).
 *
 *   H1  The program is started once the host listens, and connects before it is in its sandbox (L5 of launcher.py).
 *   H2  What the host has found is the result; the program can only fail to answer. Once the host has found it, the program is ended.
 *   H3  When `runHosted` answers, both are gone, and so is the socket.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { AiraError } from '../../domain/errors.ts';
import { deferred, printable } from '../../platform/index.ts';
import type { SandboxResult } from '../../sandbox/index.ts';
import { type DesignPackage, runTrustedModule } from '../../tasks/index.ts';
import type { Verdict } from '../evaluator.ts';

/** Not below TMPDIR, whose length is unbounded where a socket's path is not. The folder is made with mode 0700. */
const folders = `/tmp/aira-channel-${process.pid}-`;
/** The first line of a host (`LISTENING` of peer.py). */
const listening = 'listening\n';
/** What the host may need to finish once the program is gone. */
const graceSeconds = 300;

/** The last line of a host. */
const cpuSeconds = z.number().nonnegative();
const foundSchema = z.discriminatedUnion('status', [
  z.strictObject({
    ...{ status: z.literal('ok'), cpuSeconds },
    /** Of a training that is served: what it got, and what processor time it had; of a prediction that is asked: the figures. */
    served: z.strictObject({ tokens: z.int().nonnegative(), batches: z.int().nonnegative() }).optional(),
    processor: z.strictObject({ start: z.number().nonnegative(), work: z.number().positive() }).optional(),
    score: z.number().optional(),
    metrics: z.record(z.string(), z.number()).optional(),
  }),
  z.strictObject({
    status: z.literal('failed'),
    reason: z.enum(['invalid', 'nan', 'oom', 'crash', 'toobig', 'noncausal', 'tampered']),
    message: z.string(),
    cpuSeconds,
  }),
  // The program went away or fell silent: how its sandbox ended says why.
  z.strictObject({ status: z.literal('gone'), message: z.string(), cpuSeconds }),
]);
export type Found = Extract<z.infer<typeof foundSchema>, { status: 'ok' }>;

export interface HostedOptions {
  readonly python: string;
  readonly design: DesignPackage;
  /** The host's verb and arguments; `--socket` is added. */
  readonly args: readonly string[];
  /** Wall-clock seconds that the program may take. */
  readonly seconds: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** The program ends by itself: the host is done when it has hung up, and it may still be writing. */
  readonly waits?: true;
  /** Runs the program, connected to `channel`, until it ends or `signal` ends it. */
  readonly program: (channel: string, signal: AbortSignal) => Promise<SandboxResult>;
}

export interface HostedResult {
  readonly program: SandboxResult;
  /** `ok`: all that was wanted is there. A verdict: what the host found wrong. */
  readonly host: 'ok' | 'gone' | Verdict;
  /** All of what it found; null unless `ok`. */
  readonly found: Found | null;
  /** Of the host itself. */
  readonly cpuSeconds: number;
}

/** @throws AiraError `design-host` when the host itself fails; all that the program's run throws. */
export async function runHosted(order: HostedOptions): Promise<HostedResult> {
  const { python, design, args, seconds, env, signal, program, waits = false } = order;
  const folder = mkdtempSync(folders);
  const channel = join(folder, 'socket');
  const [endHost, endProgram, ready] = [new AbortController(), new AbortController(), deferred<void>()];
  const cancel = () => endProgram.abort();
  signal?.addEventListener('abort', cancel);
  if (signal?.aborted) cancel();
  let output = '';
  const said = runTrustedModule(python, design, [...args, '--socket', channel], {
    ...{ seconds: seconds + graceSeconds, signal: endHost.signal, ...(env ? { env } : {}) },
    onOutput: (text) => {
      output = (output + text).slice(0, listening.length);
      if (output === listening) ready.resolve();
    },
  });
  try {
    await Promise.race([ready.promise, said]);
    if (output !== listening) throw failed((await said).stderr);
    const running = program(channel, endProgram.signal);
    // A host that is done or has failed needs no program; one whose program is gone waits for how it ended.
    const done = said.then((found) => {
      const status = statusOf(found.stdout)?.status;
      if (status !== 'gone' && !(waits && status === 'ok')) endProgram.abort();
      return found;
    });
    const result = await running;
    if (endProgram.signal.aborted && signal?.aborted) endHost.abort();
    const { stdout, stderr } = await done;
    const found = statusOf(stdout);
    if (!found && !signal?.aborted) throw failed(stderr);
    const { status, cpuSeconds } = found ?? { status: 'gone', cpuSeconds: 0 };
    const host = found?.status === 'failed' ? { reason: found.reason, message: found.message } : status;
    return {
      ...{ program: result, host: host as HostedResult['host'], cpuSeconds },
      found: found?.status === 'ok' ? found : null,
    };
  } finally {
    endHost.abort();
    endProgram.abort();
    await said;
    signal?.removeEventListener('abort', cancel);
    rmSync(folder, { recursive: true, force: true });
  }
}

const failed = (stderr: string) =>
  new AiraError(
    'design-host',
    `the host of a program failed: ${printable(stderr.trim().split('\n').at(-1) ?? '', { width: 500 })}`,
  );

function statusOf(stdout: string): z.infer<typeof foundSchema> | undefined {
  try {
    return foundSchema.parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''));
  } catch {
    return undefined;
  }
}
