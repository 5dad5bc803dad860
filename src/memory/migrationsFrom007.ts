/**
 * Migrations from 007 on, in the order of the list in `migrations.ts`: holdings, names, checkpoints, rulings, ideas, releases,
 * rehearsals, imports, totals.
 *
 * Every archive has the checksums of their texts: not a byte between the quotation marks may change.
 */

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

/**
 * Running totals of the rows, so that the status of a search with a million nodes is read and not counted. Triggers write them
 * in the transaction of the row that they count: no row can be missed by a total. They are not facts: an audit compares
 * them with the rows, and an import makes them again.
 *
 * \`rung_scores\` has each scored node of a rung with its mean over the seeds, best first. The mean before a further seed is the
 * mean over the other keys, which finds the row to replace without an index of its own.
 *
 * The body of a job is stored once, in \`jobs\`; its rows in the outbox have an empty one.
 */
const meanOf = (request: string, but = '') => `(SELECT avg(e.validation) FROM evaluation_requests o
      JOIN evaluations e ON e.key = o.key
      WHERE o.search = ${request}.search AND o.node = ${request}.node AND o.rung = ${request}.rung${but})`;

const scoreAgain = (requests: string, but: string) => `
  DELETE FROM rung_scores WHERE (search, rung, mean, agent, ordinal) IN (
    SELECT w.search, w.rung, ${meanOf('w', but)}, n.agent, n.ordinal
    FROM evaluation_requests w JOIN nodes n ON n.search = w.search AND n.id = w.node WHERE ${requests});
  INSERT INTO rung_scores SELECT w.search, w.rung, ${meanOf('w')}, n.agent, n.ordinal
    FROM evaluation_requests w JOIN nodes n ON n.search = w.search AND n.id = w.node WHERE ${requests};`;

/** Sums over requests \`w\` with their evaluations \`e\`, if any. */
const rungSums = `sum(e.key IS NULL), coalesce(sum(e.status = 'ok'), 0), coalesce(sum(e.status = 'failed'), 0), sum(w.saved),
  sum(e.key IS NULL AND w.saved = 0), coalesce(sum(e.seconds) FILTER (WHERE w.saved = 0), 0),
  coalesce(sum(e.seconds) FILTER (WHERE w.saved = 0 AND e.status = 'ok'), 0),
  coalesce(sum(w.saved = 0 AND e.status = 'ok'), 0),
  coalesce(sum(e.seconds) FILTER (WHERE w.saved = 1 AND e.status = 'ok'), 0),
  coalesce(sum(w.saved = 1 AND e.status = 'ok'), 0)`;

const addToRung = `ON CONFLICT (search, rung) DO UPDATE SET pending = pending + excluded.pending,
    evaluated = evaluated + excluded.evaluated, failed = failed + excluded.failed, saved = saved + excluded.saved,
    owed = owed + excluded.owed, seconds = seconds + excluded.seconds, ok_seconds = ok_seconds + excluded.ok_seconds,
    ok = ok + excluded.ok, known_seconds = known_seconds + excluded.known_seconds, known = known + excluded.known`;

const addToAgent = `ON CONFLICT (search, agent) DO UPDATE SET proposed = proposed + excluded.proposed,
    evaluated = evaluated + excluded.evaluated, failed = failed + excluded.failed,
    rejected = rejected + excluded.rejected, duplicate = duplicate + excluded.duplicate, cached = cached + excluded.cached,
    best = CASE WHEN excluded.best IS NULL THEN best WHEN best IS NULL THEN excluded.best
      ELSE max(best, excluded.best) END`;

/** What the screening of nodes adds to their agents: of requests \`w\` with an evaluation \`e\`. */
const screened = (where: string) => `
  INSERT INTO agent_totals SELECT n.search, n.agent, 0, sum(e.status = 'ok'), sum(e.status = 'failed'), 0, 0, sum(w.saved),
    max(e.validation)
    FROM evaluation_requests w JOIN evaluations e ON e.key = w.key JOIN nodes n ON n.search = w.search AND n.id = w.node
    WHERE w.rung = 'screen' AND ${where} GROUP BY n.search, n.agent
    ${addToAgent};`;

/** Fills empty totals from the rows. */
export const recount = `
INSERT INTO rung_totals SELECT w.search, w.rung, ${rungSums}
  FROM evaluation_requests w LEFT JOIN evaluations e ON e.key = w.key GROUP BY w.search, w.rung;
INSERT INTO agent_totals SELECT search, agent, count(*), 0, 0, sum(verdict = 'rejected'), sum(verdict = 'duplicate'), 0, NULL
  FROM nodes GROUP BY search, agent;
${screened('true')}
INSERT INTO rung_scores SELECT w.search, w.rung, avg(e.validation), n.agent, n.ordinal
  FROM evaluation_requests w JOIN evaluations e ON e.key = w.key JOIN nodes n ON n.search = w.search AND n.id = w.node
  WHERE e.validation IS NOT NULL GROUP BY w.search, w.rung, w.node;
INSERT INTO open_jobs SELECT key FROM jobs j WHERE NOT EXISTS (SELECT 1 FROM evaluations e WHERE e.key = j.key);
`;

export const totals = `
CREATE TABLE rung_totals (
  search TEXT NOT NULL,
  rung TEXT NOT NULL,
  pending INTEGER NOT NULL,
  evaluated INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  saved INTEGER NOT NULL,
  owed INTEGER NOT NULL,
  seconds REAL NOT NULL,
  ok_seconds REAL NOT NULL,
  ok INTEGER NOT NULL,
  known_seconds REAL NOT NULL,
  known INTEGER NOT NULL,
  PRIMARY KEY (search, rung)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_totals (
  search TEXT NOT NULL,
  agent TEXT NOT NULL,
  proposed INTEGER NOT NULL,
  evaluated INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  rejected INTEGER NOT NULL,
  duplicate INTEGER NOT NULL,
  cached INTEGER NOT NULL,
  best REAL,
  PRIMARY KEY (search, agent)
) STRICT, WITHOUT ROWID;

CREATE TABLE rung_scores (
  search TEXT NOT NULL,
  rung TEXT NOT NULL,
  mean REAL NOT NULL,
  agent TEXT NOT NULL,
  ordinal INTEGER NOT NULL,
  PRIMARY KEY (search, rung, mean DESC, agent, ordinal)
) STRICT, WITHOUT ROWID;

-- Jobs without an evaluation: a few, among a million.
CREATE TABLE open_jobs (
  key TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

${recount}

CREATE TRIGGER totals_of_nodes AFTER INSERT ON nodes BEGIN
  INSERT INTO agent_totals VALUES (NEW.search, NEW.agent, 1, 0, 0, NEW.verdict = 'rejected', NEW.verdict = 'duplicate', 0, NULL)
    ${addToAgent};
END;

CREATE TRIGGER totals_of_requests AFTER INSERT ON evaluation_requests BEGIN
  INSERT INTO rung_totals SELECT w.search, w.rung, ${rungSums}
    FROM evaluation_requests w LEFT JOIN evaluations e ON e.key = w.key
    WHERE w.search = NEW.search AND w.node = NEW.node AND w.key = NEW.key GROUP BY w.search, w.rung
    ${addToRung};
  ${screened('w.search = NEW.search AND w.node = NEW.node AND w.key = NEW.key')}
END;

CREATE TRIGGER scores_of_requests AFTER INSERT ON evaluation_requests
  WHEN EXISTS (SELECT 1 FROM evaluations e WHERE e.key = NEW.key AND e.validation IS NOT NULL) BEGIN
  ${scoreAgain('w.search = NEW.search AND w.node = NEW.node AND w.key = NEW.key', ' AND o.key <> NEW.key')}
END;

CREATE TRIGGER totals_of_evaluations AFTER INSERT ON evaluations BEGIN
  INSERT INTO rung_totals SELECT w.search, w.rung, -count(*), sum(NEW.status = 'ok'), sum(NEW.status = 'failed'), 0,
    -sum(w.saved = 0), sum(NEW.seconds * (w.saved = 0)), sum(NEW.seconds * (w.saved = 0 AND NEW.status = 'ok')),
    sum(w.saved = 0 AND NEW.status = 'ok'), sum(NEW.seconds * (w.saved = 1 AND NEW.status = 'ok')),
    sum(w.saved = 1 AND NEW.status = 'ok')
    FROM evaluation_requests w WHERE w.key = NEW.key GROUP BY w.search, w.rung
    ${addToRung};
  ${screened('w.key = NEW.key')}
END;

CREATE TRIGGER scores_of_evaluations AFTER INSERT ON evaluations WHEN NEW.validation IS NOT NULL BEGIN
  ${scoreAgain('w.key = NEW.key', ' AND o.key <> NEW.key')}
END;

CREATE TRIGGER open_jobs_of_jobs AFTER INSERT ON jobs
  WHEN NOT EXISTS (SELECT 1 FROM evaluations e WHERE e.key = NEW.key) BEGIN
  INSERT INTO open_jobs VALUES (NEW.key);
END;

CREATE TRIGGER open_jobs_of_evaluations AFTER INSERT ON evaluations BEGIN
  DELETE FROM open_jobs WHERE key = NEW.key;
END;

UPDATE outbox SET body = '{}' WHERE kind = 'job' AND body = (SELECT body FROM jobs WHERE key = substr(message_id, 1, 64));
`;
