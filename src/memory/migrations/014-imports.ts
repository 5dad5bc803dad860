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
