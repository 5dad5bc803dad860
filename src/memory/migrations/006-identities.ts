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
