import * as z from 'zod';
import type { Space } from './candidate.ts';
import { contentHash, type Json } from './canonical.ts';
import type { Brief } from './program.ts';

/**
 * The steps of the fidelity ladder. `screen` looks at everything once and cheaply; `confirm` re-scores the best with
 * longer training on fresh seeds; `final` trains on all of the train split and also scores the hidden test set.
 */
export const rungs = ['screen', 'confirm', 'final'] as const;
export const rungSchema = z.enum(rungs);
export type Rung = z.infer<typeof rungSchema>;

/** Kinds of device that trainings wait for. A search uses one kind, because scores of two kinds are not quite equal. */
export const deviceClasses = ['cpu', 'cuda'] as const;
export const deviceClassSchema = z.enum(deviceClasses);
export type DeviceClass = z.infer<typeof deviceClassSchema>;

/** What a rung asks of the trainer. Only the trainer knows the keys of `settings`, and it refuses unknown ones. */
export const rungSettingsSchema = z.strictObject({
  /** Rough cost of one training, in core-seconds on a CPU or device-seconds on a GPU; plans and forecasts start from it. */
  seconds: z.number().positive(),
  settings: z.record(z.string(), z.json()),
});
export type RungSettings = z.infer<typeof rungSettingsSchema>;

export const profileSchema = z.strictObject({
  rungs: z.strictObject({ screen: rungSettingsSchema, confirm: rungSettingsSchema, final: rungSettingsSchema }),
});
export type Profile = z.infer<typeof profileSchema>;

/** A task: arrange known primitives, or write a program; fitness is measured by training a small model. */
export interface Task {
  readonly name: string;
  /** Where its files are, absolute. */
  readonly directory: string;
  readonly description: string;
  readonly metric: string;
  readonly lowerIsBetter: boolean;
  readonly space: Space;
  /** What an author of programs is told; where there is something to arrange instead, absent. */
  readonly brief?: Brief;
  readonly profiles: Readonly<Record<string, Profile>>;
}

/** Changes whenever anything changes that could change a score: the space, or a setting of the profile. */
export function taskVersion(task: Pick<Task, 'name' | 'space'>, profile: Profile): string {
  const settings = Object.fromEntries(rungs.map((rung) => [rung, profile.rungs[rung].settings]));
  const { kind, ...space } = task.space;
  // Layers were once all that there was to arrange: their versions know no kind, and results of old stay usable.
  const identity = kind === 'stack' ? space : { kind, ...space };
  return contentHash({ name: task.name, space: identity, settings: settings as Json }).slice(0, 16);
}

/**
 * Fitness is a finite number of which more is better; where a task's metric falls as things improve, it is the negated
 * metric. The same negation leads back, so that people are shown the metric and scaffolds see the fitness.
 */
export function fitnessOf(value: number, lowerIsBetter: boolean): number {
  // Not -0, which JSON and SQLite would turn into 0.
  return lowerIsBetter ? 0 - value : value;
}

/** The metric that a fitness stands for: the same negation, back. */
export const metricValue = (fitness: number, lowerIsBetter: boolean): number => fitnessOf(fitness, lowerIsBetter);
