/**
 * Whatever ended before its work was done, and why (I13). `search` is null for a worker that belongs to no search. The
 * figures are those that the decision rested on, as they were at that moment.
 */
export const endings = `
CREATE TABLE endings (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  search TEXT REFERENCES searches,
  kind TEXT NOT NULL CHECK (kind IN ('search', 'agent', 'worker', 'rung', 'job')),
  subject TEXT NOT NULL,
  reason TEXT NOT NULL,
  sentence TEXT NOT NULL,
  figures TEXT NOT NULL CHECK (json_valid(figures)),
  -- Tells apart two ends of one subject for the same reason: the attempt of an agent, the session of a search.
  occurrence INTEGER NOT NULL DEFAULT 0 CHECK (occurrence >= 0),
  at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX endings_once ON endings (coalesce(search, ''), kind, subject, reason, occurrence);

CREATE TRIGGER endings_are_facts BEFORE UPDATE ON endings BEGIN SELECT RAISE(ABORT, 'endings are never changed'); END;
CREATE TRIGGER endings_are_kept BEFORE DELETE ON endings BEGIN SELECT RAISE(ABORT, 'endings are never deleted'); END;
`;
