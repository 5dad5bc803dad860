import * as z from 'zod';

/**
 * What a report claims, in a form that can be checked against the archive (I11). A report prints its record of claims on the
 * page; `aira audit` derives the same record from the archive and compares.
 */

const figure = z.number();

/** One comparison of a contender with a reference, as a table of the report shows it. */
export const comparisonClaimSchema = z.strictObject({
  /** Rung whose validation scores are compared, or the hidden test set. */
  basis: z.enum(['screen', 'confirm', 'final', 'test']),
  /** Node ids. */
  contender: z.string(),
  reference: z.string(),
  verdict: z.enum(['better', 'worse', 'even', 'unmeasured']),
  /** Evaluation seeds that both have. */
  seeds: z.array(z.int()),
  /** Fitness of the contender minus that of the reference, and its interval; null if unmeasured. */
  difference: figure.nullable(),
  interval: z.tuple([figure, figure]).nullable(),
  /** Coverage of the interval. */
  level: figure,
  /** Whose noise gives the standard error. */
  noise: z.enum(['pair', 'moderated', 'shared']),
  /** The row of the table, cell by cell. */
  shown: z.string(),
});
export type ComparisonClaim = z.infer<typeof comparisonClaimSchema>;

export const claimRecordSchema = z.strictObject({
  search: z.string(),
  /** The command that prints the same from the same archive. */
  command: z.string(),
  /** Phase of the search when the record was made: only that of an ended search is final. */
  phase: z.string(),
  /** Version that worded the sentences. */
  version: z.string(),
  /** The sentences at the top of the report. */
  sentences: z.array(z.string()),
  comparisons: z.array(comparisonClaimSchema),
});
export type ClaimRecord = z.infer<typeof claimRecordSchema>;

/** What a written report says: its record, and the sentences and rows that a reader sees. */
export interface WrittenClaims {
  /** Null for a page without a record, of an earlier version, or an unreadable one. */
  readonly record: ClaimRecord | null;
  readonly sentences: readonly string[];
  readonly rows: readonly string[];
}
