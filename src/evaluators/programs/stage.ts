import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { AiraError } from '../../domain/errors.ts';
import { cut, deferred, printable } from '../../platform/index.ts';
import { box, outputFolder, type ReadOnlyMount, type SandboxResult } from '../../sandbox/index.ts';
import { type DesignPackage, pythonStart, runTrustedModule } from '../../tasks/index.ts';
import { programReasonSchema, type Verdict } from '../evaluator.ts';

/**
 * One stage of a program: its command and mounts, its run next to a trusted host, and why its end gives no score.
 *
 * Role: arguments and mounts for the commands of `gpu-workers/aira_design`, per sandbox stage and for their hosts; the socket between a
 * program and its host, and that neither outlives the other; the verdict on an end. Non-role: which stages there are (`trial.ts`), the
 * protocol of the socket (`gpu-workers/aira_design/channel.py`), limits and end of the program (`sandbox`).
 *
 * HST-1. The program starts once the host listens, and connects before it enters its sandbox (L5 of launcher.py).
 * HST-2. The host's result counts; the program can only fail to answer. Once the host has a result, the program is killed.
 * HST-3. When `runHosted` resolves, both have exited, and the socket is removed.
 * HST-4. A program's own report only selects among the failure reasons: none of its text can become a score.
 */

const library = `${box}/lib`;
const settings = `${box}/settings.json`;
const candidate = `${box}/candidate`;

interface StageFolders {
  readonly settings: string;
  readonly candidate: string;
}

export interface Stage {
  readonly argv: readonly [string, ...string[]];
  readonly readOnly: readonly ReadOnlyMount[];
}

function stage(
  python: string,
  design: DesignPackage,
  folders: StageFolders,
  own: readonly ReadOnlyMount[],
  args: string[],
): Stage {
  return {
    argv: [
      python,
      ...pythonStart(library, design.module),
      ...args,
      '--settings',
      settings,
      '--candidate',
      candidate,
      '--out',
      outputFolder,
    ],
    readOnly: [
      ...design.packages.map((name) => ({ source: join(design.folder, name), target: `${library}/${name}` })),
      { source: folders.settings, target: settings },
      { source: folders.candidate, target: candidate },
      ...own,
    ],
  };
}

/** Stage 1: reads the train split, writes a state. */
export function trainStage(
  python: string,
  design: DesignPackage,
  folders: StageFolders & { readonly train: string; readonly seed: number; readonly device: string },
): Stage {
  const train = `${box}/train`;
  const args = ['train', '--seed', String(folders.seed), '--train', train, '--device', folders.device];
  return stage(python, design, folders, [{ source: folders.train, target: train }], args);
}

/** Stage 2: reads inputs and the state, writes predictions. */
export function predictStage(
  python: string,
  design: DesignPackage,
  folders: StageFolders & { readonly inputs: string; readonly state: string; readonly device: string },
): Stage {
  const [inputs, state] = [`${box}/inputs`, `${box}/state`];
  const mounts = [
    { source: folders.inputs, target: inputs },
    { source: folders.state, target: state },
  ];
  return stage(python, design, folders, mounts, [
    'predict',
    '--inputs',
    inputs,
    '--state',
    state,
    '--device',
    folders.device,
  ]);
}

/** Both stages of a hosted family: sees the candidate's files, and what its host sends. */
export const hostedStage = (
  python: string,
  design: DesignPackage,
  folders: StageFolders & { readonly device: string },
): Stage => stage(python, design, folders, [], ['mixers', '--device', folders.device]);

/** Stage 1 of a script: sees its own files, and the batches that its host serves. */
export const scriptTrainStage = (
  python: string,
  design: DesignPackage,
  folders: StageFolders & { readonly seed: number; readonly device: string },
): Stage => stage(python, design, folders, [], ['train', '--seed', String(folders.seed), '--device', folders.device]);

/** Stage 2 of a script: sees its own files, the state, and what its host shows of hidden rows. */
export function scriptPredictStage(
  python: string,
  design: DesignPackage,
  folders: StageFolders & { readonly state: string; readonly device: string },
): Stage {
  const state = `${box}/state`;
  const args = ['predict', '--state', state, '--device', folders.device];
  return stage(python, design, folders, [{ source: folders.state, target: state }], args);
}

/** The host of stage 1: trains around the program and writes the state into `out`, or serves a script. */
export const hostTrainArgs = (
  folders: StageFolders & { readonly prepared: string; readonly seed: number; readonly device: string; out: string },
): string[] => [
  'host-train',
  '--seed',
  String(folders.seed),
  '--train',
  join(folders.prepared, 'train'),
  ...hostArgs(folders),
];

/** The host of stage 2: queries the program about hidden rows, and writes the predictions into `out`, or scores them. */
export const hostPredictArgs = (
  folders: StageFolders & { readonly prepared: string; split: string; state: string; device: string; out: string },
): string[] => [
  'host-predict',
  '--inputs',
  join(folders.prepared, folders.split),
  '--state',
  folders.state,
  ...hostArgs(folders),
];

const hostArgs = (folders: StageFolders & { readonly prepared: string; device: string; out: string }): string[] => [
  '--manifest',
  join(folders.prepared, 'manifest.json'),
  '--settings',
  folders.settings,
  '--candidate',
  folders.candidate,
  '--out',
  folders.out,
  '--device',
  folders.device,
];

/** Not below TMPDIR, whose length is unbounded while a socket's path is limited. The folder gets mode 0700. */
const channelFolder = `/tmp/aira-channel-${process.pid}-`;
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
type HostSuccess = Extract<z.infer<typeof resultSchema>, { status: 'ok' }>;

interface HostedOptions {
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

/**
 * Runs a program in its sandbox together with the trusted process that talks to it.
 *
 * @throws AiraError `design-host` if the host itself fails; and the errors of the program's run.
 */
export async function runHosted(options: HostedOptions): Promise<HostedResult> {
  const { python, design, args, seconds, env, signal, program, waits = false } = options;
  const folder = mkdtempSync(channelFolder);
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
