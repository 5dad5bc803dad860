import type { Database } from 'better-sqlite3';
import { canonicalJson, type Json } from '../domain/canonical.ts';
import { PrerequisiteError, TerminalError } from '../domain/errors.ts';
import { type SearchId, searchIdSchema } from '../domain/ids.ts';
import { type Phase, phaseSchema, phases, type SearchSpec, searchSpecSchema } from '../domain/search.ts';
import type { Outbox } from './outbox.ts';

const unknown = (id: SearchId) =>
  new PrerequisiteError(
    'unknown-search',
    `there is no search "${id}" in this lab`,
    'list what it holds with: aira nodes',
  );

const isOpen = (phase: Phase) => phase !== 'finished' && phase !== 'stopped';

/** Which searches there are, how far each is, and how long each has been worked on. */
export function searches(db: Database, out: Outbox) {
  const insert = db.prepare('INSERT INTO searches (id, spec, source, created_at) VALUES (?, ?, ?, ?)');
  const spec = db.prepare<[string], { spec: string; source: string }>('SELECT spec, source FROM searches WHERE id = ?');
  const all = db.prepare<[], { id: string; created_at: number }>(
    'SELECT id, created_at FROM searches ORDER BY created_at, id',
  );
  const insertPhase = db.prepare('INSERT INTO phases (search, phase, at) VALUES (?, ?, ?)');
  const lastPhase = db.prepare<[string], { phase: string }>(
    'SELECT phase FROM phases WHERE search = ? ORDER BY seq DESC LIMIT 1',
  );
  const phaseTimes = db.prepare<[string], { phase: string; at: number }>(
    'SELECT phase, at FROM phases WHERE search = ? ORDER BY seq',
  );
  const time = sessions(db);
  const specs = new Map<SearchId, SearchSpec>();

  const repository = {
    /** @throws PrerequisiteError `unknown-search` */
    spec(id: SearchId): SearchSpec {
      const cached = specs.get(id);
      if (cached) return cached;
      const row = spec.get(id);
      if (!row) throw unknown(id);
      const parsed = searchSpecSchema.parse(JSON.parse(row.spec));
      specs.set(id, parsed);
      return parsed;
    },

    exists: (id: SearchId) => spec.get(id) !== undefined,

    /** The search file as it was given. */
    source: (id: SearchId) => spec.get(id)?.source ?? '',

    /** The first free name of a family. */
    freeName(family: string): SearchId {
      for (let number = 1; ; number++) {
        const id = `${family}-${number}`;
        if (!spec.get(id)) return searchIdSchema.parse(id);
      }
    },

    list(): { id: SearchId; createdAt: number }[] {
      return all.all().map((row) => ({ id: row.id as SearchId, createdAt: row.created_at }));
    },

    /**
     * Records a search, or takes up one that was left unfinished; either way a new session begins.
     *
     * @throws TerminalError `search-differs` when the id is taken by a search with another specification.
     */
    open(wanted: SearchSpec, source: string, now: number): { resumed: boolean; phase: Phase } {
      const existing = spec.get(wanted.id);
      const text = canonicalJson(wanted as unknown as Json);
      if (!existing) {
        insert.run(wanted.id, text, source, now);
        insertPhase.run(wanted.id, 'screening', now);
      } else if (canonicalJson(searchSpecSchema.parse(JSON.parse(existing.spec)) as unknown as Json) !== text) {
        throw new TerminalError('search-differs', `"${wanted.id}" is the name of another search`);
      }
      time.open(wanted.id, now);
      const before = repository.phase(wanted.id);
      if (before === 'stopped') repository.enter(wanted.id, repository.phaseBeforeStop(wanted.id), now);
      return { resumed: existing !== undefined, phase: repository.phase(wanted.id) };
    },

    phase(id: SearchId): Phase {
      const row = lastPhase.get(id);
      if (!row) throw unknown(id);
      return phaseSchema.parse(row.phase);
    },

    phaseBeforeStop(id: SearchId): Phase {
      const reached = phaseTimes.all(id).filter((row) => row.phase !== 'stopped');
      return phaseSchema.parse(reached.at(-1)?.phase ?? 'screening');
    },

    /** Moves forward on the ladder; a step back is ignored, because a repeated request must change nothing. */
    enter(id: SearchId, phase: Phase, now: number): Phase {
      const current = repository.phase(id);
      const onwards = phases.indexOf(phase) > phases.indexOf(current) || (current === 'stopped' && isOpen(phase));
      if (!onwards || current === 'finished') return current;
      insertPhase.run(id, phase, now);
      out.addEvent({ kind: 'phase-changed', search: id, phase }, now);
      return phase;
    },

    /** Phases in the order in which they were entered, with the time of each. */
    phaseTimes(id: SearchId): { phase: Phase; at: number }[] {
      return phaseTimes.all(id).map((row) => ({ phase: phaseSchema.parse(row.phase), at: row.at }));
    },

    /** After a transaction that was undone: what was read in it may not be so. */
    forget: () => specs.clear(),

    isOpen: (id: SearchId) => isOpen(repository.phase(id)),

    /** Says that the search is being worked on; running time counts up to here. */
    touch: time.touch,

    /** Says that a training for the search begins. */
    train: time.train,

    /** Whether somebody works on it: a search whose process died is open, and not live. */
    isLive: (id: SearchId, now: number) => repository.isOpen(id) && time.isLive(id, now),

    /** Running time so far, in milliseconds, over all sessions. */
    elapsedMs: time.elapsedMs,

    /** How often it was taken up. */
    sessions: time.count,
  };
  return repository;
}
export type Searches = ReturnType<typeof searches>;

/** A search that was not looked at for longer lay still: its machine slept, or its process was held. */
const restMs = 60_000;
/** The start of workers in a session that resumes is free for so long. */
const startUpMs = 60_000;

interface Session {
  seq: number;
  openedAt: number;
  seenAt: number;
}

/**
 * The running time of searches: what `budget.minutes` counts.
 *
 * Role: sessions of work on a search and the sum of their lengths. Non-role: what a limit does (budget, search machine).
 *
 * W1. Time in which nobody works on a search does not count: between sessions, and where a session was not looked at for
 *     longer than a minute.
 * W2. A kill costs a search nothing, so that one that was killed and resumed has the minutes of one that was not (I5): the
 *     time of trainings that were cut off is taken back, shared among the workers; in a session that resumes, time counts
 *     from the first training that begins, or after a minute.
 */
export function sessions(db: Database) {
  const last = db.prepare<[string], Session>(
    `SELECT seq, opened_at AS openedAt, seen_at AS seenAt FROM sessions WHERE search = ? ORDER BY seq DESC LIMIT 1`,
  );
  const insert = db.prepare('INSERT INTO sessions (search, opened_at, seen_at) VALUES (?, ?, ?)');
  const set = db.prepare('UPDATE sessions SET opened_at = ?, seen_at = ? WHERE seq = ?');
  const sum = db.prepare<[string], { ms: number; n: number }>(
    'SELECT coalesce(sum(seen_at - opened_at), 0) AS ms, count(*) AS n FROM sessions WHERE search = ?',
  );
  /** Trainings for a search that began in a session: how many workers trained, and the time of those without an end. */
  const cutOff = db.prepare<{ search: string; from: number; to: number }, { workers: number; ms: number }>(
    `SELECT count(DISTINCT a.worker) AS workers, coalesce(sum(max(0, @to - a.at)) FILTER (
       WHERE NOT EXISTS (SELECT 1 FROM evaluations e WHERE e.key = a.key)
       AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.key = a.key AND d.worker = a.worker AND d.attempt = a.attempt)
     ), 0) AS ms
     FROM attempts a WHERE a.at >= @from AND a.key IN (SELECT key FROM evaluation_requests WHERE search = @search)`,
  );
  /** Sessions in which a training has begun. */
  const begun = new Set<number>();

  return {
    /** A session begins. */
    open(search: SearchId, now: number): void {
      const before = last.get(search);
      if (before) {
        const lost = cutOff.get({ search, from: before.openedAt, to: before.seenAt });
        const back = lost && lost.workers > 0 ? Math.round(lost.ms / lost.workers) : 0;
        set.run(before.openedAt, Math.max(before.openedAt, before.seenAt - back), before.seq);
      }
      insert.run(search, now, now);
    },

    /** The search is being worked on; time counts up to here. */
    touch(search: SearchId, now: number): void {
      const session = last.get(search);
      if (!session || now <= session.seenAt) return;
      if (now - session.seenAt > restMs) insert.run(search, now, now);
      else set.run(session.openedAt, now, session.seq);
    },

    /** A training for the search begins. */
    train(search: SearchId, now: number): void {
      const session = last.get(search);
      if (!session || begun.has(session.seq)) return;
      begun.add(session.seq);
      if ((sum.get(search)?.n ?? 0) < 2) return;
      const from = Math.max(session.openedAt, Math.min(now, session.openedAt + startUpMs));
      set.run(from, Math.max(from, session.seenAt), session.seq);
    },

    /** Whether somebody works on it now. */
    isLive(search: SearchId, now: number): boolean {
      const session = last.get(search);
      return session !== undefined && now - session.seenAt <= restMs;
    },

    elapsedMs: (search: SearchId): number => sum.get(search)?.ms ?? 0,

    /** Sessions so far. */
    count: (search: SearchId): number => sum.get(search)?.n ?? 0,
  };
}
