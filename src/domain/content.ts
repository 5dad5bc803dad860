import * as z from 'zod';

/** SHA-256 as 64 hexadecimal digits. */
export const digestSchema = z.string().regex(/^[0-9a-f]{64}$/);

/** Stands for all imported data, where a task by others does not say which of them it reads. */
export const allData = '.';

/** A folder below the data folder, such as `climbmix` or `org/set/default`: no part of it leads out. */
export const dataNamePattern = /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*){0,3}$/;
const dataNameSchema = z.union([z.literal(allData), z.string().max(256).regex(dataNamePattern)]);

/** The files that decide a score, by their content (I10). */
export const taskContentSchema = z.strictObject({
  /** Of the task's directory as it was when the search was planned. */
  directory: digestSchema,
  /** Of the imported data that a rung of the profile reads, by name; empty where everything is generated. */
  data: z.record(dataNameSchema, digestSchema),
});
export type TaskContent = z.infer<typeof taskContentSchema>;
