import * as z from 'zod';
import { contentHash, type Json } from '../../domain/canonical.ts';
import type { Job, Outcome } from '../../domain/evaluation.ts';
import { evaluationKeySchema } from '../../domain/ids.ts';
import { checkShare, type Rehearsal, type Rehearsed, type Stage } from '../../domain/rehearsal.ts';
import type { Evaluator } from '../evaluator.ts';
import { type EvaluatorOptions, openEvaluator } from '../openEvaluator.ts';
import { failedRehearsal, type RehearsalRunner } from './runner.ts';

/** Beyond the seeds of every rung and block (`rungSeeds`): a rehearsal shares no row with an evaluation. */
const rehearsalSeed = 1_500_000_000;

/** Proxies whose rows are generated from the seed, and scored on rows that the network has not learned from. */
const generated = z.looseObject({ proxy: z.enum(['joint', 'separate', 'repeated']) });

type Settings = Job['settings'];
type Value = Settings[string];

/** `change` applied to every number of these settings that has a name. */
function mapped(value: Value, change: (name: string, figure: number) => number): Value {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      typeof each === 'number' ? change(name, each) : mapped(each, change),
    ]),
  );
}

/** The settings with `share` of the steps or epochs, and a warm-up of at most a quarter of them; null without either. */
export function shortened(settings: Settings, share: number): Settings | null {
  const lengths: number[] = [];
  const shorter = mapped(settings, (name, figure) => {
    if (name !== 'steps' && name !== 'epochs') return figure;
    const fewer = Math.max(1, Math.round(figure * share));
    lengths.push(fewer);
    return fewer;
  });
  if (lengths.length === 0) return null;
  const most = Math.max(1, Math.floor(Math.min(...lengths) / 4));
  return mapped(shorter, (name, figure) => (name === 'warmup' ? Math.min(figure, most) : figure)) as Settings;
}

/** Rehearsals of stacks: the evaluator's own trainer, fewer steps, and rows of a seed that no evaluation uses. */
export class StackRehearsals implements RehearsalRunner {
  readonly #options: EvaluatorOptions;
  #evaluator: Evaluator | null = null;

  constructor(options: EvaluatorOptions) {
    this.#options = options;
  }

  async run(
    stage: Stage,
    { tool, candidate, share, script, limitSeconds }: Rehearsal,
    started: () => void,
    signal: AbortSignal,
  ): Promise<Rehearsed> {
    if (script !== undefined)
      return failedRehearsal('refused', 'scripts are for tasks whose candidates are programs', 0);
    if (!generated.safeParse(stage.settings).success) {
      return failedRehearsal(
        'refused',
        'this task reads its validation rows from files; there are no others to try on',
        0,
      );
    }
    const settings = shortened(stage.settings, tool === 'check_candidate' ? checkShare : share);
    if (settings === null) return failedRehearsal('refused', 'this task has no length to shorten', 0);
    const { task, taskVersion, evaluator, deviceClass, content, space, lowerIsBetter } = stage;
    const facts = { candidate, settings, seed: rehearsalSeed };
    const job: Job = {
      key: evaluationKeySchema.parse(contentHash(facts as Json)),
      ...{ task, taskVersion, evaluator, deviceClass, space, lowerIsBetter, ...facts },
      ...(content ? { content } : {}),
      rung: 'screen',
      measure: 'validation',
      timeoutSeconds: limitSeconds,
    };
    this.#evaluator ??= openEvaluator('stack', this.#options);
    await this.#evaluator.start();
    started();
    const outcome = await this.#outcome(job, signal);
    if (outcome.status === 'failed') return failedRehearsal(outcome.reason, outcome.message, outcome.seconds);
    const { validation, tasks, params, flops, seconds } = outcome;
    const figures = Object.entries(tasks).flatMap(([name, scores]) =>
      scores.validation === undefined ? [] : [[name.slice(0, 80), scores.validation] as const],
    );
    return { status: 'ok', fitness: validation, figures: Object.fromEntries(figures), params, flops, seconds };
  }

  async #outcome(job: Job, signal: AbortSignal): Promise<Outcome> {
    const found: Outcome[] = [];
    await this.#evaluator?.evaluate([job], { signal, onOutcome: (_, outcome) => found.push(outcome) });
    return found[0] as Outcome;
  }

  async close(): Promise<void> {
    await this.#evaluator?.stop();
  }
}
