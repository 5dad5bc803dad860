/**
 * Runs a program in its sandbox together with the trusted process that talks to it.
 *
 * Role: the socket between them, and that neither outlives the other. Non-role: their protocol
 * (`gpu-workers/aira_design/channel.py`), limits and end of the program (`sandbox`).
 *
 * HST-1. The program starts once the host listens, and connects before it enters its sandbox (L5 of launcher.py).
 * HST-2. The host's result counts; the program can only fail to answer. Once the host has a result, the program is killed.
 * HST-3. When `runHosted` resolves, both have exited, and the socket is removed.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { AiraError } from '../../domain/errors.ts';
import { deferred, printable } from '../../platform/index.ts';
import type { SandboxResult } from '../../sandbox/index.ts';
import { type DesignPackage, runTrustedModule } from '../../tasks/index.ts';
import { programReasonSchema, type Verdict } from '../evaluator.ts';

/** Not below TMPDIR, whose length is unbounded while a socket's path is limited. The folder gets mode 0700. */
const folders = `/tmp/aira-channel-${process.pid}-`;
/** The first line of a host (`LISTENING` of peer.py). */
const listening = 'listening\n';
/** Time for the host to finish after the program has exited. */
const graceSeconds = 300;

/** The last line of a host's output. */
const cpuSeconds = z.number().nonnegative();
const resultSchema = z.discriminatedUnion('status', [
  z.strictObject({
    status: z.literal('ok'),
    cpuSeconds,
    /** Of a served training: tokens and batches, and its processor time; of a prediction with a host: the scores. */
    served: z.strictObject({ tokens: z.int().nonnegative(), batches: z.int().nonnegative() }).optional(),
    processor: z.strictObject({ start: z.number().nonnegative(), work: z.number().positive() }).optional(),
    score: z.number().optional(),
    metrics: z.record(z.string(), z.number()).optional(),
  }),
  z.strictObject({
    status: z.literal('failed'),
    reason: programReasonSchema,
    message: z.string(),
    cpuSeconds,
  }),
  // The program exited or stopped answering: the end of its sandbox tells why.
  z.strictObject({ status: z.literal('gone'), message: z.string(), cpuSeconds }),
]);
export type HostSuccess = Extract<z.infer<typeof resultSchema>, { status: 'ok' }>;

export interface HostedOptions {
  readonly python: string;
  readonly design: DesignPackage;
  /** The host's command and arguments; `--socket` is added. */
  readonly args: readonly string[];
  /** Wall-clock limit of the program in seconds. */
  readonly seconds: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** The program ends by itself: the host is done at hang-up, but the program may still be writing. */
  readonly waits?: true;
  /** Runs the program, connected to `channel`, until it exits or `signal` aborts. */
  readonly program: (channel: string, signal: AbortSignal) => Promise<SandboxResult>;
}

export interface HostedResult {
  readonly program: SandboxResult;
  /** `ok`: the result is complete. A verdict: the problem that the host found. */
  readonly host: 'ok' | 'gone' | Verdict;
  /** The host's result; null unless `ok`. */
  readonly result: HostSuccess | null;
  /** Processor time of the host itself. */
  readonly cpuSeconds: number;
}

/** @throws AiraError `design-host` if the host itself fails; and the errors of the program's run. */
export async function runHosted(options: HostedOptions): Promise<HostedResult> {
  const { python, design, args, seconds, env, signal, program, waits = false } = options;
  const folder = mkdtempSync(folders);
  const channel = join(folder, 'socket');
  const [endHost, endProgram, ready] = [new AbortController(), new AbortController(), deferred<void>()];
  const cancel = () => endProgram.abort();
  signal?.addEventListener('abort', cancel);
  if (signal?.aborted) cancel();
  let output = '';
  const hostEnd = runTrustedModule(python, design, [...args, '--socket', channel], {
    seconds: seconds + graceSeconds,
    signal: endHost.signal,
    ...(env ? { env } : {}),
    onOutput: (text) => {
      output = (output + text).slice(0, listening.length);
      if (output === listening) ready.resolve();
    },
  });
  try {
    await Promise.race([ready.promise, hostEnd]);
    if (output !== listening) throw failed((await hostEnd).stderr);
    const running = program(channel, endProgram.signal);
    // A host that is done or has failed needs no program; one whose program has exited waits for the sandbox's outcome.
    const done = hostEnd.then((end) => {
      const status = statusOf(end.stdout)?.status;
      if (status !== 'gone' && !(waits && status === 'ok')) endProgram.abort();
      return end;
    });
    const programResult = await running;
    if (endProgram.signal.aborted && signal?.aborted) endHost.abort();
    const { stdout, stderr } = await done;
    const result = statusOf(stdout);
    if (!result && !signal?.aborted) throw failed(stderr);
    const { status, cpuSeconds } = result ?? { status: 'gone', cpuSeconds: 0 };
    const host = result?.status === 'failed' ? { reason: result.reason, message: result.message } : status;
    return {
      program: programResult,
      host: host as HostedResult['host'],
      cpuSeconds,
      result: result?.status === 'ok' ? result : null,
    };
  } finally {
    endHost.abort();
    endProgram.abort();
    await hostEnd;
    signal?.removeEventListener('abort', cancel);
    rmSync(folder, { recursive: true, force: true });
  }
}

const failed = (stderr: string) =>
  new AiraError(
    'design-host',
    `the host of a program failed: ${printable(stderr.trim().split('\n').at(-1) ?? '', { width: 500 })}`,
  );

function statusOf(stdout: string): z.infer<typeof resultSchema> | undefined {
  try {
    return resultSchema.parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''));
  } catch {
    return undefined;
  }
}
