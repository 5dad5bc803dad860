import { join } from 'node:path';
import Database from 'better-sqlite3';

/**
 * What an archive says of a search, read with SQL of the tests' own: a mistake in the program's queries must not hide
 * itself from the checker.
 */
export interface Contents {
  /** Everything of a node that has to be equal in equal searches, one canonical text per node, by id. */
  readonly nodes: readonly string[];
  /** Node, rung, seed and outcome of each evaluation that was asked for, one text each, sorted. */
  readonly evaluations: readonly string[];
}

/** Runs a query on an archive that another process may be writing. */
export function withArchive<T>(home: string, action: (db: Database.Database) => T): T {
  const db = new Database(join(home, 'archive.db'), { readonly: true, fileMustExist: true, timeout: 5000 });
  try {
    return action(db);
  } finally {
    db.close();
  }
}

const nodeQuery = `
  SELECT n.id, n.agent, n.ordinal, n.origin, n.candidate, n.verdict, n.message, n.rationale,
    (SELECT group_concat(p.parent, ' ') FROM (SELECT parent FROM parents WHERE search = n.search AND node = n.id
       ORDER BY position) p) AS parents
  FROM nodes n WHERE n.search = ? ORDER BY n.id`;

const evaluationQuery = `
  SELECT w.node, w.rung, w.seed, e.status, e.validation, e.reason, t.score AS test
  FROM evaluation_requests w JOIN evaluations e ON e.key = w.key LEFT JOIN test_scores t ON t.key = w.key
  WHERE w.search = ? ORDER BY w.node, w.rung, w.seed`;

export function contentsOf(home: string, search: string): Contents {
  return withArchive(home, (db) => ({
    nodes: db
      .prepare(nodeQuery)
      .all(search)
      .map((row) => JSON.stringify(row)),
    evaluations: db
      .prepare(evaluationQuery)
      .all(search)
      .map((row) => JSON.stringify(row)),
  }));
}

export interface TrainingCounts {
  /** Evaluations that this archive knows. */
  readonly known: number;
  /** Trainings that were begun. */
  readonly begun: number;
  /** Of these, the ones of which no outcome was ever recorded. */
  readonly unheard: number;
}

export function trainingCounts(home: string): TrainingCounts {
  return withArchive(home, (db) => {
    const count = (sql: string) => (db.prepare(sql).get() as { n: number }).n;
    return {
      known: count('SELECT count(DISTINCT key) AS n FROM evaluations'),
      begun: count('SELECT count(*) AS n FROM attempts'),
      unheard: count(`SELECT count(*) AS n FROM attempts a WHERE NOT EXISTS (SELECT 1 FROM deliveries d
        WHERE d.key = a.key AND d.worker = a.worker AND d.attempt = a.attempt)`),
    };
  });
}
