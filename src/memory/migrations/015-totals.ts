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
