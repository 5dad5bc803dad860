import * as z from 'zod';
import type { Space } from './candidate.ts';
import { contentHash, type Json } from './json.ts';
import type { Brief } from './program.ts';

/**
 * The fidelity ladder. `screen` trains every candidate once, cheaply; `confirm` re-scores the best with longer training on
 * fresh seeds; `final` trains on the full train split and also scores the hidden test set.
 */
export const rungs = ['screen', 'confirm', 'final'] as const;
export const rungSchema = z.enum(rungs);
export type Rung = z.infer<typeof rungSchema>;

/** Device kinds of trainings. A search uses one, because scores of two kinds differ slightly. */
export const deviceClasses = ['cpu', 'cuda'] as const;
export const deviceClassSchema = z.enum(deviceClasses);
export type DeviceClass = z.infer<typeof deviceClassSchema>;

/** Trainer settings of a rung. Only the trainer knows the keys of `settings`; it rejects unknown ones. */
export const rungSettingsSchema = z.strictObject({
  /** Rough cost of one training, in CPU core-seconds or GPU device-seconds; the initial value for forecasts. */
  seconds: z.number().positive(),
  settings: z.record(z.string(), z.json()),
});
export type RungSettings = z.infer<typeof rungSettingsSchema>;

export const profileSchema = z.strictObject({
  rungs: z.strictObject({ screen: rungSettingsSchema, confirm: rungSettingsSchema, final: rungSettingsSchema }),
  /** For program spaces: baseline files of this profile, by name, where they are not the task's. Paths relative to the task. */
  baseline: z.record(z.string().min(1), z.string().min(1)).optional(),
});
export type Profile = z.infer<typeof profileSchema>;

/** Names of the quantities that a profile measures. */
export const metricNamesSchema = z.strictObject({ validation: z.string().min(1), test: z.string().min(1) });
export type MetricNames = z.infer<typeof metricNamesSchema>;

/** A task: arrange primitives, or write a program; fitness is measured by training a small model. */
export interface Task {
  readonly name: string;
  /** Absolute path of its directory. */
  readonly directory: string;
  readonly description: string;
  readonly metric: string;
  /** Per profile, where validation or test scores are quantities of names of their own. */
  readonly metrics?: Readonly<Record<string, MetricNames>>;
  readonly lowerIsBetter: boolean;
  readonly space: Space;
  /** For program spaces: what authors are shown. */
  readonly brief?: Brief;
  /** The same for profiles with a baseline of their own. */
  readonly briefs?: Readonly<Record<string, Brief>>;
  readonly profiles: Readonly<Record<string, Profile>>;
}

/** Changes with everything that could change a score: the space, and the profile's settings. */
export function taskVersion(task: Pick<Task, 'name' | 'space'>, profile: Profile): string {
  const settings = Object.fromEntries(rungs.map((rung) => [rung, profile.rungs[rung].settings]));
  const { kind, ...space } = task.space;
  // Stack spaces are hashed without their kind, as before other kinds existed, so that old results stay usable.
  const identity = kind === 'stack' ? space : { kind, ...space };
  return contentHash({ name: task.name, space: identity, settings: settings as Json }).slice(0, 16);
}

/**
 * Fitness: a finite number, more is better; the negated metric if lower is better. The same negation inverts it: people see
 * the metric, scaffolds the fitness.
 */
export function fitnessOf(value: number, lowerIsBetter: boolean): number {
  // Not -0, which JSON and SQLite would turn into 0.
  return lowerIsBetter ? 0 - value : value;
}

/** The metric that a fitness stands for: the same negation, back. */
export const metricValue = (fitness: number, lowerIsBetter: boolean): number => fitnessOf(fitness, lowerIsBetter);
