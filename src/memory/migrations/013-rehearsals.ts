/**
 * Rehearsals: what agents tried out before they proposed. A rehearsal is reserved before it runs, at the most device time that
 * it can take, and settled once when it has ended; both are facts. A reservation without a settlement belongs to a rehearsal
 * that is running, or to one whose process died.
 */
export const rehearsals = `
CREATE TABLE rehearsals (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  search TEXT NOT NULL REFERENCES searches,
  id TEXT NOT NULL,
  agent TEXT NOT NULL,
  ordinal INTEGER NOT NULL CHECK (ordinal > 0),
  tool TEXT NOT NULL,
  seconds REAL NOT NULL CHECK (seconds > 0),
  at INTEGER NOT NULL,
  UNIQUE (search, id)
) STRICT;
CREATE INDEX rehearsals_by_agent ON rehearsals (search, agent);

CREATE TABLE rehearsal_ends (
  search TEXT NOT NULL,
  run TEXT NOT NULL,
  outcome TEXT NOT NULL,
  seconds REAL NOT NULL CHECK (seconds >= 0),
  at INTEGER NOT NULL,
  PRIMARY KEY (search, run),
  FOREIGN KEY (search, run) REFERENCES rehearsals (search, id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER rehearsals_are_facts BEFORE UPDATE ON rehearsals
  BEGIN SELECT RAISE(ABORT, 'rehearsals are never changed'); END;
CREATE TRIGGER rehearsals_stay BEFORE DELETE ON rehearsals
  BEGIN SELECT RAISE(ABORT, 'rehearsals are never deleted'); END;
CREATE TRIGGER rehearsal_ends_are_facts BEFORE UPDATE ON rehearsal_ends
  BEGIN SELECT RAISE(ABORT, 'ends of rehearsals are never changed'); END;
CREATE TRIGGER rehearsal_ends_stay BEFORE DELETE ON rehearsal_ends
  BEGIN SELECT RAISE(ABORT, 'ends of rehearsals are never deleted'); END;
`;
