/**
 * What agents need who remember the whole ensemble: which agents have ended before their time, and where an attempt was
 * decided without attempts that it would else have waited for.
 */
export const ensemble = `
-- The agent ended after attempt \`after\`, although its budget would allow more. It may come back: a later attempt shows it.
CREATE TABLE retirements (
  search TEXT NOT NULL REFERENCES searches,
  agent TEXT NOT NULL,
  after INTEGER NOT NULL CHECK (after >= 0),
  reason TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (search, agent, after)
) STRICT, WITHOUT ROWID;

-- Attempt \`ordinal\` of \`agent\` was decided knowing \`other\` up to its attempt \`last\` only, where it would know more by rule.
CREATE TABLE horizons (
  search TEXT NOT NULL REFERENCES searches,
  agent TEXT NOT NULL,
  ordinal INTEGER NOT NULL CHECK (ordinal > 0),
  other TEXT NOT NULL,
  last INTEGER NOT NULL CHECK (last >= 0),
  at INTEGER NOT NULL,
  PRIMARY KEY (search, agent, ordinal, other)
) STRICT, WITHOUT ROWID;

CREATE INDEX lessons_by_ordinal ON lessons (search, ordinal);
CREATE INDEX nodes_refused ON nodes (search, agent, ordinal) WHERE verdict <> 'accepted';

CREATE TRIGGER retirements_are_facts BEFORE UPDATE ON retirements
  BEGIN SELECT RAISE(ABORT, 'retirements are never changed'); END;
CREATE TRIGGER retirements_are_kept BEFORE DELETE ON retirements
  BEGIN SELECT RAISE(ABORT, 'retirements are never deleted'); END;
CREATE TRIGGER horizons_are_facts BEFORE UPDATE ON horizons
  BEGIN SELECT RAISE(ABORT, 'horizons are never changed'); END;
CREATE TRIGGER horizons_are_kept BEFORE DELETE ON horizons
  BEGIN SELECT RAISE(ABORT, 'horizons are never deleted'); END;
`;
