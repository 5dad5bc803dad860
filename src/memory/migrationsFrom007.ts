/** Who holds what: the proof that a message comes from whom it names (I12). Tokens are known by their SHA-256 alone. */
export const holdings = `
-- The token that a worker showed when it claimed a training. A result counts only with the same.
CREATE TABLE claims (
  key TEXT NOT NULL,
  worker TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  token TEXT NOT NULL CHECK (length(token) = 64),
  PRIMARY KEY (key, worker, attempt)
) STRICT, WITHOUT ROWID;

-- The process that speaks as an agent of a search: whoever joined first, until it is silent for long.
CREATE TABLE agent_holders (
  search TEXT NOT NULL REFERENCES searches,
  agent TEXT NOT NULL,
  token TEXT NOT NULL CHECK (length(token) = 64),
  at INTEGER NOT NULL,
  PRIMARY KEY (search, agent)
) STRICT, WITHOUT ROWID;

-- Results that were not taken, because their sender did not hold the claim. A prefix of what came: see mostRefusals.
CREATE TABLE refusals (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL,
  worker TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  reason TEXT NOT NULL,
  at INTEGER NOT NULL,
  UNIQUE (key, worker, attempt, reason)
) STRICT;
`;

/** Tables get the field's names: a request for an evaluation, and a session of a search. Rows and columns stay. */
export const names = `
ALTER TABLE wants RENAME TO evaluation_requests;
DROP INDEX wants_by_key;
DROP INDEX wants_paid_once;
CREATE INDEX evaluation_requests_by_key ON evaluation_requests (key);
CREATE UNIQUE INDEX evaluation_requests_paid_once ON evaluation_requests (key) WHERE saved = 0;

ALTER TABLE sittings RENAME TO sessions;
DROP INDEX sittings_by_search;
CREATE INDEX sessions_by_search ON sessions (search);
`;

/**
 * Checkpoints of trainings that outlast a process: place on the user's storage, step, and hash of the bytes. A row is written
 * when the worker reports it, under the claim of its training.
 */
export const checkpoints = `
CREATE TABLE checkpoints (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL REFERENCES jobs,
  worker TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  step INTEGER NOT NULL CHECK (step >= 0),
  path TEXT NOT NULL,
  bytes INTEGER NOT NULL CHECK (bytes >= 0),
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  at INTEGER NOT NULL,
  UNIQUE (key, path, step, sha256)
) STRICT;
CREATE TRIGGER checkpoints_are_facts BEFORE UPDATE ON checkpoints
  BEGIN SELECT RAISE(ABORT, 'checkpoints are never changed'); END;
CREATE TRIGGER checkpoints_stay BEFORE DELETE ON checkpoints
  BEGIN SELECT RAISE(ABORT, 'checkpoints are never deleted'); END;
`;

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

/**
 * What agents state about ideas: claims before an evaluation is paid, with the reply that each got, insights afterwards, and
 * the plateaus that were noticed. All are facts: whether a claim still counts follows from its expiry, the nodes and the
 * retirements.
 */
export const ideas = `
CREATE TABLE idea_claims (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  search TEXT NOT NULL REFERENCES searches,
  agent TEXT NOT NULL,
  ordinal INTEGER NOT NULL CHECK (ordinal > 0),
  candidate TEXT NOT NULL,
  -- SHA-256 of the candidate.
  digest TEXT NOT NULL CHECK (length(digest) = 64),
  reply TEXT NOT NULL CHECK (json_valid(reply)),
  -- Null unless granted.
  expires_at INTEGER,
  at INTEGER NOT NULL,
  UNIQUE (search, agent, ordinal, digest)
) STRICT;
CREATE INDEX idea_claims_granted ON idea_claims (search, expires_at) WHERE expires_at IS NOT NULL;
CREATE TRIGGER idea_claims_are_facts BEFORE UPDATE ON idea_claims
  BEGIN SELECT RAISE(ABORT, 'claims are never changed'); END;
CREATE TRIGGER idea_claims_stay BEFORE DELETE ON idea_claims
  BEGIN SELECT RAISE(ABORT, 'claims are never deleted'); END;

CREATE TABLE insights (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  search TEXT NOT NULL REFERENCES searches,
  id TEXT NOT NULL,
  agent TEXT NOT NULL,
  -- The attempt before which it was stated.
  ordinal INTEGER NOT NULL CHECK (ordinal > 0),
  hypothesis TEXT NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('supported', 'refuted', 'open')),
  evidence TEXT NOT NULL CHECK (json_valid(evidence)),
  supersedes TEXT,
  at INTEGER NOT NULL,
  UNIQUE (search, id),
  FOREIGN KEY (search, supersedes) REFERENCES insights (search, id)
) STRICT;
CREATE TRIGGER insights_are_facts BEFORE UPDATE ON insights BEGIN SELECT RAISE(ABORT, 'insights are never changed'); END;
CREATE TRIGGER insights_stay BEFORE DELETE ON insights BEGIN SELECT RAISE(ABORT, 'insights are never deleted'); END;

-- An agent whose results do not improve on its best node any more; once per best node.
CREATE TABLE plateaus (
  search TEXT NOT NULL REFERENCES searches,
  agent TEXT NOT NULL,
  best TEXT NOT NULL,
  -- The attempt before which it was noticed, and the scored results since the best.
  ordinal INTEGER NOT NULL,
  results INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (search, agent, best)
) STRICT, WITHOUT ROWID;
`;

/**
 * Trainings that a worker returned unfinished because it had to leave: preempted, or at the end of its lifetime. They are no
 * crash of their candidate, so they never count towards giving it up.
 */
export const releases = `
CREATE TABLE releases (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL REFERENCES jobs,
  worker TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  at INTEGER NOT NULL,
  UNIQUE (key, worker, attempt),
  FOREIGN KEY (key, worker, attempt) REFERENCES attempts (key, worker, attempt)
) STRICT;
CREATE TRIGGER releases_are_facts BEFORE UPDATE ON releases
  BEGIN SELECT RAISE(ABORT, 'releases are never changed'); END;
CREATE TRIGGER releases_stay BEFORE DELETE ON releases
  BEGIN SELECT RAISE(ABORT, 'releases are never deleted'); END;
`;

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

/**
 * Searches that were brought from another lab. Their trainings were paid for and measured there: a new search in this home must
 * not take a stranger's scores for its own.
 */
export const imports = `
CREATE TABLE imports (
  search TEXT PRIMARY KEY REFERENCES searches,
  -- SHA-256 of the file that it came in.
  digest TEXT NOT NULL CHECK (length(digest) = 64),
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Trainings that a search outside of this archive paid for.
CREATE TABLE paid_elsewhere (
  key TEXT PRIMARY KEY REFERENCES jobs
) STRICT, WITHOUT ROWID;

CREATE TRIGGER imports_are_facts BEFORE UPDATE ON imports BEGIN SELECT RAISE(ABORT, 'imports are never changed'); END;
CREATE TRIGGER imports_stay BEFORE DELETE ON imports BEGIN SELECT RAISE(ABORT, 'imports are never deleted'); END;
`;
