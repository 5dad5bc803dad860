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
