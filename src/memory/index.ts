export { Archive, type ArchiveReader, readArchive } from './archive.ts';
export { archivePath, openForReading } from './database.ts';
export { maxAttempts } from './evaluations.ts';
export { isThere, privateHome } from './home.ts';
export { migrate, schemaVersion } from './migrations.ts';
export { attemptsPerProposal, spareAttempts } from './nodes.ts';
export type { EvaluationRecord, NodeRecord, TestScore } from './records.ts';
