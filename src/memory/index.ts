/**
 * Memory: the archive of a lab, one SQLite file with every node, training, call and decision.
 *
 * Role: schema and migrations, repositories, views, search status, budgets, the outbox. Non-role: deciding what a search does
 * next. Only this module opens the archive. `migrationsFrom001.ts` says what each table is for.
 *
 * - STRICT tables, WAL, `synchronous=FULL`, foreign keys, triggers against changing facts, checksummed migrations, one writer
 *   per home by a lock of the kernel. The status of a node or a job is derived, never stored.
 * - A view shows what an attempt may know and is ready no earlier (`views.ts`, V1 to V4). With `memory: ensemble`, attempt n
 *   also sees all agents' nodes up to n - pending, waits for smaller numbers only, and does without agents that have ended or
 *   been silent for 15 minutes, which is recorded before the decision (`ensemble.ts`). Such an agent is no faster than the
 *   slowest one.
 * - A training that the lab lost is tried twice more; an end that a program causes counts at once. A candidate whose trainings
 *   were started five times without an end, since the archive was opened, ends as `poison`.
 * - `budget.minutes` counts running time over sessions: not the time between them, not sleep, not what a kill cut off.
 * - Evaluations of archives made before content was recorded have keys of the old rule; no new search uses their scores (I10).
 * - Publication marks wait for no disk: after a power failure the messages are published again under their ids.
 */

export { Archive } from './archive.ts';
export type { RehearsalRecord } from './budget.ts';
export {
  type BackupManifest,
  backUp,
  importSearch,
  type LedgerRow,
  type LedgerTable,
  ledgerOf,
  restore,
} from './copies.ts';
export { archivePath, isThere, openForReading, privateHome } from './database.ts';
export { silenceLimitMs } from './ensemble.ts';
export { maxAttempts } from './evaluations.ts';
export type { InsightRecord, Plateau } from './ideas.ts';
export { migrate, schemaVersion } from './migrations.ts';
export type { OutboxEntry } from './outbox.ts';
export { type ArchiveReader, type NodeColumns, type OutcomeColumns, readArchive } from './reader.ts';
export { type EvaluationRecord, type NodeRecord, statusOf, storedTestScores, type TestScore } from './records.ts';
export { differingTotals } from './searchStats.ts';
