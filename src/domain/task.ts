import * as z from 'zod';
import type { spaceSchema } from './architecture.ts';
import { contentHash, type Json } from './canonical.ts';

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

/** A Compose task: arrange known primitives; fitness is measured by training a small model. */
export interface Task {
  readonly name: string;
  /** Where its files are, absolute. */
  readonly directory: string;
  readonly description: string;
  readonly metric: string;
  readonly lowerIsBetter: boolean;
  readonly space: z.infer<typeof spaceSchema>;
  readonly profiles: Readonly<Record<string, Profile>>;
}

/** Changes whenever anything changes that could change a score: the space, or a setting of the profile. */
export function taskVersion(task: Pick<Task, 'name' | 'space'>, profile: Profile): string {
  const settings = Object.fromEntries(rungs.map((rung) => [rung, profile.rungs[rung].settings]));
  return contentHash({ name: task.name, space: task.space, settings: settings as Json }).slice(0, 16);
}
