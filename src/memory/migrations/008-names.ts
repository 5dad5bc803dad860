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
