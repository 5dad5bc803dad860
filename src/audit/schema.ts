import Database from 'better-sqlite3';
import { migrate, schemaVersion } from '../memory/migrations.ts';
import { counted, type Inquiry, rowsOf, type Subject } from './subject.ts';

interface Part {
  type: string;
  name: string;
  sql: string | null;
}

const parts = `SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name`;

/**
 * Tables, indices and triggers are those that the migrations make. The uniqueness of evaluations and the permanence of
 * facts rest on them, so that a schema that was altered for a moment is the first thing to look for.
 */
export function checkSchema(subject: Subject, inquiry: Inquiry): void {
  const version = subject.reader.db.pragma('user_version', { simple: true });
  if (version !== schemaVersion) {
    inquiry.unchecked(
      `the schema is of version ${version}, and this Aira knows the details of version ${schemaVersion}`,
    );
    return;
  }
  const fresh = new Database(':memory:');
  try {
    migrate(fresh, ':memory:', 0);
    const expected = fresh.prepare<[], Part>(parts).all();
    const found = new Map(rowsOf<Part>(subject, parts).map((part) => [`${part.type} ${part.name}`, part.sql]));
    for (const { type, name, sql } of expected) {
      const label = `${type} ${name}`;
      if (!found.has(label)) inquiry.broken(`the archive lacks its ${label}`);
      else if (found.get(label) !== sql) inquiry.broken(`the ${label} is not as the migrations made it`);
      found.delete(label);
    }
    for (const label of found.keys()) inquiry.broken(`the archive has a ${label} that no migration made`);
    const triggers = expected.filter(({ type }) => type === 'trigger').length;
    inquiry.saw(
      `schema version ${version}: ${counted(expected.length, 'table, index or trigger', 'tables, indices and triggers')}, ` +
        `${triggers} of which refuse changes to facts`,
    );
  } finally {
    fresh.close();
  }
}
