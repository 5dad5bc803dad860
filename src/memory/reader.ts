import type { Database } from 'better-sqlite3';
import { type Browse, browse } from './browse.ts';
import { archivePath, explainOpen, openForReading } from './database.ts';
import { type Repositories, repositories } from './repositories.ts';

/** The parts that a reader has: those that change something, and test scores (I4), are not among them. */
type Readable = Pick<
  Repositories,
  | 'searches'
  | 'budget'
  | 'calls'
  | 'rehearsals'
  | 'views'
  | 'ensemble'
  | 'searchStatus'
  | 'records'
  | 'evaluations'
  | 'endings'
  | 'tallies'
  | 'rulings'
  | 'ideas'
  | 'plateaus'
>;

/** A home's archive for reading, concurrently with its writer. */
export interface ArchiveReader extends Readable {
  readonly browse: Browse;
  readonly db: Database;
  close(): void;
}

/** @throws PrerequisiteError `archive-missing` without an archive, `archive-damaged` if it cannot be read. */
export function readArchive(home: string): ArchiveReader {
  const { db, close } = openForReading(home);
  try {
    const {
      out: _,
      nodes: __,
      earlyEnds: ___,
      testScores: ____,
      holdings: _____,
      ...readable
    } = repositories(db, false);
    return { db, browse: browse(db), ...(readable satisfies Readable), close };
  } catch (thrown) {
    close();
    throw explainOpen(archivePath(home), thrown);
  }
}
