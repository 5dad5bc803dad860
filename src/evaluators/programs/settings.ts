import * as z from 'zod';
import { TerminalError } from '../../domain/errors.ts';
import { explain } from '../../domain/explain.ts';

/** What a rung's settings say to the host. The rest is the Python package's, which refuses what it does not know. */
const budgetSchema = z.looseObject({
  /** Wall-clock and processor seconds of training. */
  seconds: z.number().positive(),
  cpu_seconds: z.number().positive(),
  memory_mb: z.number().positive(),
  /** Wall-clock and processor seconds of one prediction: too few to learn anything in. */
  predict_seconds: z.number().positive(),
});
export type Budget = z.infer<typeof budgetSchema>;

const settingsSchema = z.looseObject({ family: z.string(), budget: budgetSchema });

/** @throws TerminalError `settings` naming what is missing. */
export function budgetOf(settings: unknown): Budget {
  const parsed = settingsSchema.safeParse(settings);
  if (parsed.success) return parsed.data.budget;
  throw new TerminalError(
    'settings',
    `these settings run no program: ${explain(parsed.error, settingsSchema).join('; ')}`,
  );
}

/** Which runner these settings are for. @throws TerminalError `settings`. */
export function familyOf(settings: unknown): string {
  budgetOf(settings);
  return settingsSchema.parse(settings).family;
}
