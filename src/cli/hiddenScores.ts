import type { SearchId } from '../domain/ids.ts';
import type { ReplyOf, TestPurpose } from '../domain/messages.ts';
import { Archive } from '../memory/archive.ts';
import { openForReading } from '../memory/database.ts';
import { systemClock } from '../platform/timers.ts';

type Piece = ReplyOf<'search-tests'>;

/** All pieces of an answer. */
export async function allTestScores(ask: (from: number) => Promise<Piece>): Promise<Piece['scores']> {
  const scores: Piece['scores'] = [];
  for (;;) {
    const piece = await ask(scores.length);
    scores.push(...piece.scores);
    if (!piece.more) return scores;
  }
}

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
    return await allTestScores(async (from) => archive.handlers['search-tests']({ search, purpose, from }));
  } finally {
    archive.close();
  }
}
