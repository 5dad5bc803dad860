import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { canonicalText, ownTokens, type StackSpec, serves, versionWith } from '../../domain/architecture.ts';
import { stackSpace } from '../../domain/candidate.ts';
import { TerminalError } from '../../domain/errors.ts';
import type { Job, Outcome } from '../../domain/evaluation.ts';
import { evaluationKeySchema } from '../../domain/ids.ts';
import { contentHash, type Json } from '../../domain/json.ts';
import { checkShare, type Rehearsal, type Rehearsed, type Stage } from '../../domain/rehearsal.ts';
import { trainersDirectory } from '../../platform/index.ts';
import { box, type ReadOnlyMount, type Sandbox } from '../../sandbox/index.ts';
import type { Evaluator } from '../evaluator.ts';
import { type EvaluatorOptions, openEvaluator } from '../openEvaluator.ts';
import { primitivesEnvironment } from '../primitives.ts';
import {
  Divisions,
  failedRehearsal,
  library,
  NoRows,
  type RehearsalRunner,
  runScript,
  sandboxOnce,
} from '../rehearsalRunner.ts';
import { versionFor } from '../version.ts';

/** Beyond the seeds of every rung and block (`rungSeeds`): a rehearsal shares no row with an evaluation. */
const rehearsalSeed = 1_500_000_000;

/** Proxies whose rows are generated from the seed, and scored on rows that the network has not learned from. */
const generated = z.union([
  z.looseObject({ proxy: z.enum(['joint', 'separate', 'repeated', 'ladder']) }),
  z.looseObject({ proxy: z.literal('language'), data: z.looseObject({ corpus: z.literal('stories') }) }),
]);

/** Most rows of a task that a script is given, to train on and set apart together. */
const scriptRows = 4096;

/**
 * What a script needs to build a stack. Generators of rows, proxies and the worker are left out: with them a script would draw
 * the rows of an evaluation, whose seeds are public.
 */
const modules: readonly ReadOnlyMount[] = [
  ...['aira_stack', 'aira_primitives', 'aira_workers/primitives'],
  ...['__init__', 'errors', 'strict', 'model'].map((name) => `aira_workers/${name}.py`),
].map((path) => ({ source: join(trainersDirectory, path), target: `${library}/${path}` }));

/** Where `aira_stack` finds rows, candidate and own primitives; translated for runs without a sandbox. */
const places = {
  AIRA_STACK_DATA: `${box}/data`,
  AIRA_STACK_CANDIDATE: `${box}/candidate`,
  ...primitivesEnvironment([`${box}/data/primitives`]),
};

/** The part of `stack.json` that names the sources of own primitives. */
const stackFacts = z.looseObject({ primitives: z.record(z.string(), z.string()) });

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

/**
 * Rehearsals of stacks: the evaluator's own trainer, fewer steps, and rows of a seed that no evaluation uses; or a script of
 * the agent with such rows.
 */
export class StackRehearsals implements RehearsalRunner {
  readonly #options: EvaluatorOptions;
  readonly #divisions: Divisions;
  readonly #openSandbox: () => Promise<Sandbox>;
  #evaluator: Evaluator | null = null;

  constructor(options: EvaluatorOptions) {
    this.#options = options;
    this.#divisions = new Divisions(options.python);
    this.#openSandbox = sandboxOnce(options);
  }

  async run(stage: Stage, rehearsal: Rehearsal, started: () => void, signal: AbortSignal): Promise<Rehearsed> {
    const { tool, candidate, share, script, limitSeconds } = rehearsal;
    if (script !== undefined) return this.#runScript(stage, { ...rehearsal, script }, started, signal);
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

  async #runScript(
    stage: Stage,
    { candidate, script, limitSeconds }: Rehearsal & { readonly script: string },
    started: () => void,
    signal: AbortSignal,
  ): Promise<Rehearsed> {
    if (candidate.kind !== 'stack') throw new TerminalError('rehearsal', 'expected a stack candidate');
    const { device, python } = this.#options;
    const sandbox = await this.#openSandbox();
    try {
      const data = await this.#rowsFor(stage, stackSpace(stage.space));
      const files = { 'architecture.txt': canonicalText(candidate.architecture) };
      const host = { sandbox, python, device, work: this.#divisions.work };
      const order = { script, files, data, modules, env: places, memoryBytes: device.memoryLimitBytes, limitSeconds };
      return await runScript(host, order, started, signal);
    } catch (thrown) {
      if (thrown instanceof NoRows) return failedRehearsal('refused', thrown.message, 0);
      throw thrown;
    }
  }

  /** The folder of rows for scripts. @throws NoRows; TerminalError if own primitives or trainers differ from the search's. */
  async #rowsFor(stage: Stage, space: StackSpec): Promise<string> {
    const { data, primitives = [], device } = this.#options;
    const own = ownTokens(space);
    const args = ['--seed', String(rehearsalSeed), '--rows', String(scriptRows), '--own', ...own];
    const env = { ...(data === null ? {} : { AIRA_DATA: data }), ...primitivesEnvironment(primitives) };
    const folder = await this.#divisions.folderFor(stage.settings, args, env);
    const facts = stackFacts.parse(JSON.parse(readFileSync(join(folder, 'stack.json'), 'utf8')));
    const has = versionWith(versionFor('stack', device.class), facts.primitives);
    if (!serves(has, stage.evaluator)) {
      throw new TerminalError('evaluator', `this machine has ${has}, but the search needs ${stage.evaluator}`);
    }
    return folder;
  }

  async #outcome(job: Job, signal: AbortSignal): Promise<Outcome> {
    const found: Outcome[] = [];
    await this.#evaluator?.evaluate([job], { signal, onOutcome: (_, outcome) => found.push(outcome) });
    return found[0] as Outcome;
  }

  async close(): Promise<void> {
    await this.#evaluator?.stop();
    this.#divisions.close();
  }
}
