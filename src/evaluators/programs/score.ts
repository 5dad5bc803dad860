import { join } from 'node:path';
import * as z from 'zod';
import { AiraError } from '../../domain/errors.ts';
import { printable } from '../../platform/index.ts';
import { type DesignPackage, runTrustedModule, type TrustedOptions } from '../../tasks/index.ts';
import { programReasonSchema, type Verdict } from '../evaluator.ts';
import type { Prepared } from './preparation.ts';

export type Split = 'validation' | 'test';

/** The trusted scorer's output: one line of JSON. */
const outputSchema = z.discriminatedUnion('status', [
  z.strictObject({ status: z.literal('ok'), score: z.number(), metrics: z.record(z.string(), z.number()) }),
  z.strictObject({
    status: z.literal('failed'),
    reason: programReasonSchema,
    message: z.string(),
  }),
]);

export interface Scored {
  /** In the metric's direction. */
  readonly score: number;
  readonly metrics: Readonly<Record<string, number>>;
}

const longestSeconds = 600;

/**
 * Computes the score from predictions and hidden targets, in a process that never saw the program (stage 3).
 *
 * @throws AiraError `design-score` if the scorer itself fails, which no predictions may cause.
 */
export async function score(
  python: string,
  design: DesignPackage,
  prepared: Prepared,
  files: { readonly settings: string; readonly predictions: string; readonly state: string; readonly split: Split },
  limits: Pick<TrustedOptions, 'sandbox' | 'memoryBytes'>,
  signal?: AbortSignal,
): Promise<Scored | Verdict> {
  const args = [
    'score',
    '--settings',
    files.settings,
    '--manifest',
    join(prepared.folder, 'manifest.json'),
    '--hidden',
    join(prepared.folder, 'hidden'),
    '--predictions',
    files.predictions,
    '--state',
    files.state,
    '--split',
    files.split,
    ...prepared.scoring,
  ];
  const options = { ...limits, seconds: longestSeconds, ...(signal ? { signal } : {}) };
  const { code, stdout, stderr, end } = await runTrustedModule(python, design, args, options);
  if (signal?.aborted) return { reason: 'cancelled', message: 'the scoring was cancelled' };
  // Aira cannot fix a third-party scorer: a submission that it cannot process has no score.
  if (end === 'oom' || end === 'timeout') return { reason: end, message: `scoring the submission failed: ${stderr}` };
  const parsed = code === 0 ? outputSchema.safeParse(parse(stdout)) : null;
  if (!parsed?.success) {
    const last = printable(stderr.trim().split('\n').at(-1) ?? '', { width: 500 });
    throw new AiraError('design-score', `scoring failed: ${last || printable(stdout, { width: 200 })}`);
  }
  const { data } = parsed;
  return data.status === 'ok'
    ? { score: data.score, metrics: data.metrics }
    : { reason: data.reason, message: data.message };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
