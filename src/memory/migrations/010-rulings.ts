/**
 * What people ruled about a running search: a branch vetoed, an agent or the search paused and resumed, a budget raised. A
 * ruling is part of what decided the search, so it says from where it holds.
 */
export const rulings = `
CREATE TABLE rulings (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  search TEXT NOT NULL REFERENCES searches,
  -- Chosen by the sender: a repeated ruling is recorded once.
  id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('veto', 'pause', 'resume', 'raise-budget')),
  -- A node, or an agent; null for the search.
  subject TEXT,
  sentence TEXT NOT NULL,
  -- New limits of a raised budget.
  limits TEXT NOT NULL CHECK (json_valid(limits)),
  at INTEGER NOT NULL,
  UNIQUE (search, id)
) STRICT;

-- The nodes of a vetoed branch when it was vetoed. None can join it later: their parents are refused.
CREATE TABLE vetoes (
  search TEXT NOT NULL,
  node TEXT NOT NULL,
  ruling INTEGER NOT NULL REFERENCES rulings,
  PRIMARY KEY (search, node),
  FOREIGN KEY (search, node) REFERENCES nodes (search, id)
) STRICT, WITHOUT ROWID;

-- The first attempt of each agent whose view knows of a veto. An earlier one may have been decided when it was ruled.
CREATE TABLE ruling_holds (
  ruling INTEGER NOT NULL REFERENCES rulings,
  agent TEXT NOT NULL,
  ordinal INTEGER NOT NULL CHECK (ordinal > 0),
  PRIMARY KEY (ruling, agent)
) STRICT, WITHOUT ROWID;

CREATE INDEX parents_by_parent ON parents (search, parent);

CREATE TRIGGER rulings_are_facts BEFORE UPDATE ON rulings BEGIN SELECT RAISE(ABORT, 'rulings are never changed'); END;
CREATE TRIGGER rulings_stay BEFORE DELETE ON rulings BEGIN SELECT RAISE(ABORT, 'rulings are never deleted'); END;
CREATE TRIGGER vetoes_are_facts BEFORE UPDATE ON vetoes BEGIN SELECT RAISE(ABORT, 'vetoes are never changed'); END;
CREATE TRIGGER vetoes_stay BEFORE DELETE ON vetoes BEGIN SELECT RAISE(ABORT, 'vetoes are never deleted'); END;
`;
