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
