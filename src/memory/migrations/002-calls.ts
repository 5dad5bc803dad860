/**
 * Calls of language models, and what results taught. A call is reserved before it is made, at the most that it can cost,
 * and settled once when it has ended; both are facts. A reservation without a settlement belongs to a call under way, or
 * to one whose caller died.
 */
export const calls = `
CREATE TABLE calls (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  search TEXT NOT NULL REFERENCES searches,
  id TEXT NOT NULL,
  agent TEXT NOT NULL,
  ordinal INTEGER NOT NULL CHECK (ordinal > 0),
  purpose TEXT NOT NULL,
  model TEXT NOT NULL,
  request TEXT NOT NULL CHECK (length(request) = 64),
  dollars REAL NOT NULL CHECK (dollars >= 0),
  tokens INTEGER NOT NULL CHECK (tokens >= 0),
  at INTEGER NOT NULL,
  UNIQUE (search, id)
) STRICT;
CREATE INDEX calls_by_agent ON calls (search, agent);

CREATE TABLE settlements (
  search TEXT NOT NULL,
  call TEXT NOT NULL,
  outcome TEXT NOT NULL,
  served TEXT,
  input INTEGER NOT NULL CHECK (input >= 0),
  cached INTEGER NOT NULL CHECK (cached >= 0),
  written INTEGER NOT NULL CHECK (written >= 0),
  output INTEGER NOT NULL CHECK (output >= 0),
  dollars REAL NOT NULL CHECK (dollars >= 0),
  estimated INTEGER NOT NULL CHECK (estimated IN (0, 1)),
  latency_ms REAL NOT NULL CHECK (latency_ms >= 0),
  message TEXT,
  at INTEGER NOT NULL,
  PRIMARY KEY (search, call),
  FOREIGN KEY (search, call) REFERENCES calls (search, id)
) STRICT, WITHOUT ROWID;

-- What the agent took from the result of a node, and the attempt before which it did so.
CREATE TABLE lessons (
  search TEXT NOT NULL,
  node TEXT NOT NULL,
  ordinal INTEGER NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (search, node),
  FOREIGN KEY (search, node) REFERENCES nodes (search, id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER calls_are_facts BEFORE UPDATE ON calls BEGIN SELECT RAISE(ABORT, 'calls are never changed'); END;
CREATE TRIGGER calls_are_kept BEFORE DELETE ON calls BEGIN SELECT RAISE(ABORT, 'calls are never deleted'); END;
CREATE TRIGGER settlements_are_facts BEFORE UPDATE ON settlements
  BEGIN SELECT RAISE(ABORT, 'settlements are never changed'); END;
CREATE TRIGGER settlements_are_kept BEFORE DELETE ON settlements
  BEGIN SELECT RAISE(ABORT, 'settlements are never deleted'); END;
`;
