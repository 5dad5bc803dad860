import type { SearchId } from '../domain/ids.ts';
import type { TestPurpose } from '../domain/messages.ts';
import { Archive } from '../memory/archive.ts';
import { openForReading } from '../memory/database.ts';
import { systemClock } from '../platform/clock.ts';

/**
 * Test figures of a search that has ended; the look is recorded, which takes the archive for writing (I4).
 *
 * @throws PrerequisiteError while the lab is being written by somebody else, or where there is none; TerminalError while
 * the search is still going on.
 */
export async function hiddenScores(home: string, search: SearchId, purpose: TestPurpose) {
  openForReading(home).close();
  const archive = Archive.open(home, systemClock);
  try {
    return archive.handlers['search-tests']({ search, purpose }).scores;
  } finally {
    archive.close();
  }
}
