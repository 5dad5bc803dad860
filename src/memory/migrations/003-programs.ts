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
