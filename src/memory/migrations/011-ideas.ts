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
