import { rmSync } from 'node:fs';
import Database from 'better-sqlite3';
import type { Item, LiteratureSource } from '../domain/literature.ts';
import { type IndexedDocument, indexedDocumentSchema } from './corpus.ts';
import { capText, cleanLine, cleanText, matchExpression } from './text.ts';

/**
 * A full-text index in SQLite's FTS5, ranked by BM25.
 *
 * It is a cache: everything in it can be fetched again, so a file of another version or a damaged one is replaced.
 *
 * IDX-1. No text of a query or a document becomes SQL or FTS5 syntax: queries are quoted words, all else is bound.
 * IDX-2. Documents of different trust are in different indexes: BM25 weighs a word by its document frequency, so anyone who
 *        adds documents to an index can change its ranking.
 * IDX-3. Equal documents and queries give equal answers in equal order: ties are broken by id.
 */

/** Increment when the tables change. */
const formatVersion = 1;

/** BM25 weights: a word in the title says more about a work than one in the abstract, and that more than one in the body. */
const weights = { title: 8, abstract: 3, body: 1 };

const schema = `
  CREATE TABLE docs (
    rowid INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,
    kind TEXT NOT NULL,
    topic TEXT,
    year INTEGER,
    hinted INTEGER NOT NULL,
    title TEXT NOT NULL,
    abstract TEXT NOT NULL,
    body TEXT NOT NULL,
    meta TEXT NOT NULL CHECK (json_valid(meta))
  ) STRICT;
  CREATE VIRTUAL TABLE docs_fts USING fts5 (
    title, abstract, body, content = 'docs', content_rowid = 'rowid', tokenize = 'porter unicode61'
  );
  CREATE TRIGGER docs_added AFTER INSERT ON docs BEGIN
    INSERT INTO docs_fts (rowid, title, abstract, body) VALUES (new.rowid, new.title, new.abstract, new.body);
  END;
  CREATE TRIGGER docs_removed AFTER DELETE ON docs BEGIN
    INSERT INTO docs_fts (docs_fts, rowid, title, abstract, body)
    VALUES ('delete', old.rowid, old.title, old.abstract, old.body);
  END;
`;

export interface IndexQuery {
  readonly text: string;
  readonly must?: readonly string[] | undefined;
  readonly limit: number;
  readonly kinds: readonly Item['kind'][];
  readonly sources?: readonly LiteratureSource[] | undefined;
  readonly since?: number | undefined;
  readonly topic?: string | undefined;
  readonly hinted?: boolean | undefined;
}

/** A matching document. */
export interface Hit {
  readonly document: IndexedDocument;
  readonly snippet: string;
}

interface Row {
  meta: string;
  title: string;
  abstract: string;
  body: string;
  snippet: string;
}

function open(path: string): Database.Database {
  const db = new Database(path, { timeout: 5000 });
  try {
    const version = db.pragma('user_version', { simple: true });
    const tables = db.prepare<[], { n: number }>('SELECT count(*) AS n FROM sqlite_schema').get()?.n;
    if (version !== formatVersion || tables === 0) {
      db.close();
      return create(path);
    }
    return db;
  } catch (thrown) {
    db.close();
    const { code } = thrown as { code?: string };
    if (code === 'SQLITE_NOTADB' || code === 'SQLITE_CORRUPT') return create(path);
    throw thrown;
  }
}

function create(path: string): Database.Database {
  if (path !== ':memory:')
    for (const part of ['', '-wal', '-shm', '-journal']) rmSync(`${path}${part}`, { force: true });
  const db = new Database(path, { timeout: 5000 });
  db.transaction(() => {
    db.exec(schema);
    db.pragma(`user_version = ${formatVersion}`);
  })();
  return db;
}

export class SearchIndex {
  readonly #db: Database.Database;
  readonly #remove;
  readonly #insert;
  readonly #find;
  readonly #search;

  /** In memory, or in a cache file. */
  constructor(path = ':memory:') {
    this.#db = open(path);
    const db = this.#db;
    this.#remove = db.prepare<[string]>('DELETE FROM docs WHERE id = ?');
    this.#insert = db.prepare<Record<string, string | number | null>[]>(
      `INSERT INTO docs (id, source, kind, topic, year, hinted, title, abstract, body, meta)
       VALUES (@id, @source, @kind, @topic, @year, @hinted, @title, @abstract, @body, @meta)`,
    );
    this.#find = db.prepare<[string], Omit<Row, 'snippet'>>(
      'SELECT meta, title, abstract, body FROM docs WHERE id = ?',
    );
    this.#search = db.prepare<Record<string, string | number | null>[], Row>(
      `SELECT d.meta, d.title, d.abstract, d.body, snippet(docs_fts, -1, '', '', ' ... ', 40) AS snippet
       FROM docs_fts JOIN docs d ON d.rowid = docs_fts.rowid
       WHERE docs_fts MATCH @match
         AND d.kind IN (SELECT value FROM json_each(@kinds))
         AND (@sources IS NULL OR d.source IN (SELECT value FROM json_each(@sources)))
         AND (@since IS NULL OR d.year >= @since)
         AND (@topic IS NULL OR d.topic = @topic)
         AND (@hinted IS NULL OR d.hinted = @hinted)
       ORDER BY bm25(docs_fts, ${weights.title}, ${weights.abstract}, ${weights.body}), d.id
       LIMIT @limit`,
    );
  }

  /** Adds documents, replacing those with the same id. Text is cleaned and capped. */
  put(documents: readonly IndexedDocument[]): void {
    this.#db.transaction(() => {
      for (const document of documents) {
        const { title, abstract, body, ...meta } = indexedDocumentSchema.parse({
          ...document,
          title: cleanLine(document.title, 1000),
        });
        this.#remove.run(meta.id);
        this.#insert.run({
          id: meta.id,
          source: meta.source,
          kind: meta.kind,
          topic: meta.topic,
          year: meta.year,
          hinted: meta.hints.length > 0 ? 1 : 0,
          title,
          abstract: capText(cleanText(abstract)).text,
          body: capText(cleanText(body)).text,
          meta: JSON.stringify(meta),
        });
      }
    })();
  }

  /** The matching documents, best first. Text without words matches nothing. */
  search({ text, must, limit, kinds, sources, since, topic, hinted }: IndexQuery): Hit[] {
    const match = matchExpression(text, must);
    if (match === null) return [];
    return this.#search
      .all({
        match,
        limit,
        kinds: JSON.stringify(kinds),
        sources: sources ? JSON.stringify(sources) : null,
        since: since ?? null,
        topic: topic ?? null,
        hinted: hinted === undefined ? null : hinted ? 1 : 0,
      })
      .map(({ snippet, ...row }) => ({ document: documentOf(row), snippet }));
  }

  get(id: string): IndexedDocument | null {
    const row = this.#find.get(id);
    return row ? documentOf(row) : null;
  }

  get size(): number {
    return this.#db.prepare<[], { n: number }>('SELECT count(*) AS n FROM docs').get()?.n ?? 0;
  }

  close(): void {
    this.#db.close();
  }
}

function documentOf({ meta, title, abstract, body }: Omit<Row, 'snippet'>): IndexedDocument {
  return indexedDocumentSchema.parse({ ...JSON.parse(meta), title, abstract, body });
}
