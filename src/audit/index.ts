/**
 * Audit: does the archive of a search keep the invariants?
 *
 * Role: one check per invariant, I1 to I11, each with its evidence. Non-role: repair.
 *
 * - Nothing is written, and all queries see one state of the archive.
 * - Every attempt is executed again (I5); with `--retrain`, candidates are trained again, alone (I6).
 * - What cannot be checked, because notes or data have changed or were not recorded, is reported as not checked.
 */

export { type AuditOptions, audit } from './audit.ts';
export { type Secret, secretsOf } from './leaks.ts';
export type { ClaimsNow } from './recomputed.ts';
export type { FilesNow, TrainAlone } from './scores.ts';
export type { Finding } from './subject.ts';
