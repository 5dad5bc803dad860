/**
 * Migrations 001 to 006, in the order of the list in `migrations.ts`: the ledger, calls, programs, ensembles, endings,
 * identities.
 *
 * Every archive has the checksums of their texts: not a byte between the quotation marks may change.
 */

/**
 * The ledger. Facts are inserted once and never changed; where a node or a job stands is derived from them, so that no
 * counter can drift from the rows it counts. The only columns that are updated say how far the transport has got
 * (`outbox.sent_at`, `jobs.epoch`) and how long a sitting has lasted.
 */
export const ledger = `
CREATE TABLE searches (
  id TEXT PRIMARY KEY,
  spec TEXT NOT NULL CHECK (json_valid(spec)),
  -- The search file as it was given, for people.
  source TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE phases (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  search TEXT NOT NULL REFERENCES searches,
  phase TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX phases_by_search ON phases (search, seq);

-- Wall time is the sum of sittings: a search that was interrupted does not pay for the time it lay still.
CREATE TABLE sittings (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  search TEXT NOT NULL REFERENCES searches,
  opened_at INTEGER NOT NULL,
  seen_at INTEGER NOT NULL CHECK (seen_at >= opened_at)
) STRICT;
CREATE INDEX sittings_by_search ON sittings (search);

CREATE TABLE nodes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  search TEXT NOT NULL REFERENCES searches,
  id TEXT NOT NULL,
  agent TEXT NOT NULL,
  ordinal INTEGER NOT NULL CHECK (ordinal > 0),
  origin TEXT NOT NULL,
  candidate TEXT NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('accepted', 'rejected', 'duplicate')),
  message TEXT,
  rationale TEXT NOT NULL CHECK (json_valid(rationale)),
  created_at INTEGER NOT NULL,
  UNIQUE (search, id),
  UNIQUE (search, agent, ordinal)
) STRICT;
CREATE INDEX nodes_by_candidate ON nodes (search, candidate);

CREATE TABLE parents (
  search TEXT NOT NULL,
  node TEXT NOT NULL,
  position INTEGER NOT NULL,
  parent TEXT NOT NULL,
  PRIMARY KEY (search, node, position),
  FOREIGN KEY (search, node) REFERENCES nodes (search, id),
  FOREIGN KEY (search, parent) REFERENCES nodes (search, id)
) STRICT, WITHOUT ROWID;

-- Shared by all searches of this home: the key says everything that decides the outcome (I2).
CREATE TABLE jobs (
  key TEXT PRIMARY KEY CHECK (length(key) = 64),
  body TEXT NOT NULL CHECK (json_valid(body)),
  epoch INTEGER NOT NULL DEFAULT 1,
  created_at INTEGER NOT NULL
) STRICT;

-- Which node wants which evaluation. \`saved\` is 0 for the one that caused the training and pays for it.
CREATE TABLE wants (
  search TEXT NOT NULL,
  node TEXT NOT NULL,
  key TEXT NOT NULL REFERENCES jobs,
  rung TEXT NOT NULL,
  seed INTEGER NOT NULL,
  saved INTEGER NOT NULL CHECK (saved IN (0, 1)),
  at INTEGER NOT NULL,
  PRIMARY KEY (search, node, key),
  FOREIGN KEY (search, node) REFERENCES nodes (search, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX wants_by_key ON wants (key);
CREATE UNIQUE INDEX wants_paid_once ON wants (key) WHERE saved = 0;

-- Every training that was begun, whether or not anything was heard of it again (I8).
CREATE TABLE attempts (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL REFERENCES jobs,
  worker TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  at INTEGER NOT NULL,
  UNIQUE (key, worker, attempt)
) STRICT;

-- Every result that was delivered, the counted one included.
CREATE TABLE deliveries (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL REFERENCES jobs,
  worker TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('counted', 'surplus', 'retry')),
  status TEXT NOT NULL,
  validation REAL,
  reason TEXT,
  message TEXT,
  at INTEGER NOT NULL,
  UNIQUE (key, worker, attempt)
) STRICT;

-- One row per key, ever (I2). Carries nothing of the test set (I4).
CREATE TABLE evaluations (
  key TEXT PRIMARY KEY REFERENCES jobs,
  status TEXT NOT NULL CHECK (status IN ('ok', 'failed')),
  validation REAL CHECK (validation BETWEEN 0 AND 1),
  reason TEXT,
  message TEXT,
  evaluator TEXT NOT NULL,
  worker TEXT NOT NULL,
  device TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  seconds REAL NOT NULL CHECK (seconds >= 0),
  measurement TEXT NOT NULL CHECK (json_valid(measurement)),
  finished_at INTEGER NOT NULL,
  CHECK ((status = 'failed') = (reason IS NOT NULL))
) STRICT;

CREATE TABLE test_scores (
  key TEXT PRIMARY KEY REFERENCES evaluations,
  score REAL NOT NULL CHECK (score BETWEEN 0 AND 1),
  tasks TEXT NOT NULL CHECK (json_valid(tasks))
) STRICT;

-- Every look at test figures (I4).
CREATE TABLE test_reads (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  search TEXT NOT NULL REFERENCES searches,
  purpose TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;

-- What has been decided and must be told: written in the transaction of the decision, published after it (I1).
CREATE TABLE outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL CHECK (kind IN ('job', 'event')),
  message_id TEXT NOT NULL UNIQUE,
  body TEXT NOT NULL CHECK (json_valid(body)),
  created_at INTEGER NOT NULL,
  sent_at INTEGER
) STRICT;
CREATE INDEX outbox_unsent ON outbox (seq) WHERE sent_at IS NULL;

CREATE TRIGGER nodes_are_facts BEFORE UPDATE ON nodes BEGIN SELECT RAISE(ABORT, 'nodes are never changed'); END;
CREATE TRIGGER nodes_are_kept BEFORE DELETE ON nodes BEGIN SELECT RAISE(ABORT, 'nodes are never deleted'); END;
CREATE TRIGGER evaluations_are_facts BEFORE UPDATE ON evaluations
  BEGIN SELECT RAISE(ABORT, 'evaluations are never changed'); END;
CREATE TRIGGER evaluations_are_kept BEFORE DELETE ON evaluations
  BEGIN SELECT RAISE(ABORT, 'evaluations are never deleted'); END;
CREATE TRIGGER test_scores_are_facts BEFORE UPDATE ON test_scores
  BEGIN SELECT RAISE(ABORT, 'test scores are never changed'); END;
`;

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

/**
 * Candidates of more than one kind, and scores of more than one range. A score is a fitness: any finite number of which
 * more is better. A score that was had without a sandbox says so. What earlier versions recorded is carried over into the
 * words of this one: specifications and jobs name the kind of their space, and references their candidate.
 *
 * SQLite cannot drop a check, so both tables are built anew under their names.
 */
export const programs = `
CREATE TABLE evaluations_new (
  key TEXT PRIMARY KEY REFERENCES jobs,
  status TEXT NOT NULL CHECK (status IN ('ok', 'failed')),
  validation REAL CHECK (validation BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
  reason TEXT,
  message TEXT,
  evaluator TEXT NOT NULL,
  worker TEXT NOT NULL,
  device TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  seconds REAL NOT NULL CHECK (seconds >= 0),
  measurement TEXT NOT NULL CHECK (json_valid(measurement)),
  finished_at INTEGER NOT NULL,
  -- The program ran without a sandbox.
  unsafe INTEGER NOT NULL DEFAULT 0 CHECK (unsafe IN (0, 1)),
  CHECK ((status = 'failed') = (reason IS NOT NULL))
) STRICT;
INSERT INTO evaluations_new SELECT key, status, validation, reason, message, evaluator, worker, device, attempt, seconds,
  measurement, finished_at, 0 FROM evaluations;

CREATE TABLE test_scores_new (
  key TEXT PRIMARY KEY REFERENCES evaluations_new,
  score REAL NOT NULL CHECK (score BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
  tasks TEXT NOT NULL CHECK (json_valid(tasks))
) STRICT;
INSERT INTO test_scores_new SELECT key, score, tasks FROM test_scores;

DROP TABLE test_scores;
DROP TABLE evaluations;
ALTER TABLE evaluations_new RENAME TO evaluations;
ALTER TABLE test_scores_new RENAME TO test_scores;

CREATE TRIGGER evaluations_are_facts BEFORE UPDATE ON evaluations
  BEGIN SELECT RAISE(ABORT, 'evaluations are never changed'); END;
CREATE TRIGGER evaluations_are_kept BEFORE DELETE ON evaluations
  BEGIN SELECT RAISE(ABORT, 'evaluations are never deleted'); END;
CREATE TRIGGER test_scores_are_facts BEFORE UPDATE ON test_scores
  BEGIN SELECT RAISE(ABORT, 'test scores are never changed'); END;

UPDATE searches SET spec = json_set(spec, '$.space.kind', 'stack', '$.lowerIsBetter', json('false'), '$.references', (
  SELECT json_group_array(json_object('candidate', json_extract(value, '$.architecture'), 'name', json_extract(value, '$.name')))
  FROM json_each(spec, '$.references')));

UPDATE jobs SET body = json_set(json_remove(body, '$.architecture'), '$.space.kind', 'stack', '$.lowerIsBetter', json('false'),
  '$.candidate', json_object('kind', 'stack', 'architecture', json_extract(body, '$.architecture')));
UPDATE outbox SET body = json_set(json_remove(body, '$.architecture'), '$.space.kind', 'stack', '$.lowerIsBetter', json('false'),
  '$.candidate', json_object('kind', 'stack', 'architecture', json_extract(body, '$.architecture'))) WHERE kind = 'job';
UPDATE outbox SET body = json_set(json_remove(body, '$.architecture'), '$.short', (
    SELECT group_concat(value, ' ') FROM json_each(body, '$.architecture')))
  WHERE kind = 'event' AND json_extract(body, '$.kind') = 'node-submitted';
`;

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

/**
 * What decided each score, part by part (I10): an identity is stored once under the hash of its canonical text, and a job
 * names the one that its key was made of. A job made before has none: what its data and its task's directory were is
 * unknown, and no key that names content can be equal to its key.
 */
export const identities = `
CREATE TABLE identities (
  digest TEXT PRIMARY KEY CHECK (length(digest) = 64),
  components TEXT NOT NULL CHECK (json_valid(components)),
  at INTEGER NOT NULL
) STRICT;

ALTER TABLE jobs ADD COLUMN identity TEXT REFERENCES identities;

CREATE TRIGGER identities_are_facts BEFORE UPDATE ON identities
  BEGIN SELECT RAISE(ABORT, 'identities are never changed'); END;
CREATE TRIGGER identities_are_kept BEFORE DELETE ON identities
  BEGIN SELECT RAISE(ABORT, 'identities are never deleted'); END;
`;
