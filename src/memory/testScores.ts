import type { Database } from 'better-sqlite3';
import type { NodeId, SearchId } from '../domain/ids.ts';
import type { TestPurpose } from '../domain/messages.ts';

/** A hidden figure of a node. */
export interface TestScore {
  node: NodeId;
  seed: number;
  score: number;
}

/**
 * The only door to test figures. Whoever looks says why, and the look is recorded, so that an audit can prove that none
 * steered the search (I4).
 */
export function testScores(db: Database) {
  const note = db.prepare('INSERT INTO test_reads (search, purpose, at) VALUES (?, ?, ?)');
  const all = db.prepare<[string], TestScore>(
    `SELECT w.node, w.seed, t.score FROM wants w JOIN test_scores t ON t.key = w.key
     WHERE w.search = ? ORDER BY w.node, w.seed`,
  );
  return {
    /** A look that was recorded already, of which another piece is read, has no purpose of its own. */
    read(search: SearchId, purpose: TestPurpose | null, now: number): TestScore[] {
      if (purpose !== null) note.run(search, purpose, now);
      return all.all(search);
    },
  };
}
