import type { Database } from 'better-sqlite3';
import { PrerequisiteError, TerminalError } from '../domain/errors.ts';
import { type SearchId, searchIdSchema } from '../domain/ids.ts';
import { canonicalJson, type Json } from '../domain/json.ts';
import { type Phase, phaseSchema, phases, type SearchSpec, searchSpecSchema } from '../domain/search.ts';
import type { Outbox } from './outbox.ts';

const unknownSearch = (id: SearchId) =>
  new PrerequisiteError('unknown-search', `there is no search "${id}" in this lab`, 'list searches with: aira ls');

const isOpen = (phase: Phase) => phase !== 'finished' && phase !== 'stopped';

/** Searches, their phases and running times. */
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
  const imported = db.prepare<[], { search: string }>('SELECT search FROM imports LIMIT 1');
  const time = sessions(db);
  const specs = new Map<SearchId, SearchSpec>();

  const repository = {
    /** @throws PrerequisiteError `unknown-search` */
    spec(id: SearchId): SearchSpec {
      const cached = specs.get(id);
      if (cached) return cached;
      const row = spec.get(id);
      if (!row) throw unknownSearch(id);
      const parsed = searchSpecSchema.parse(JSON.parse(row.spec));
      specs.set(id, parsed);
      return parsed;
    },

    exists: (id: SearchId) => spec.get(id) !== undefined,

    /** Text of the search file. */
    source: (id: SearchId) => spec.get(id)?.source ?? '',

    /** The first unused name of a family. */
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
     * Records a search, or resumes an unfinished one; either way a new session starts.
     *
     * @throws TerminalError `search-differs` if the id belongs to a search with another specification; PrerequisiteError
     * `home-imported` in a home with an imported search, whose scores would answer for trainings of the new one.
     */
    open(search: SearchSpec, source: string, now: number): { resumed: boolean; phase: Phase } {
      const existing = spec.get(search.id);
      const text = canonicalJson(search as unknown as Json);
      const guest = imported.get()?.search;
      if (!existing && guest !== undefined) {
        const message = `this home has the imported search "${guest}", whose scores were measured elsewhere`;
        throw new PrerequisiteError('home-imported', message, 'choose another --home');
      }
      if (!existing) {
        insert.run(search.id, text, source, now);
        insertPhase.run(search.id, 'screening', now);
      } else if (canonicalJson(searchSpecSchema.parse(JSON.parse(existing.spec)) as unknown as Json) !== text) {
        throw new TerminalError('search-differs', `"${search.id}" names another search`);
      }
      time.open(search.id, now);
      const before = repository.phase(search.id);
      if (before === 'stopped') repository.enter(search.id, repository.phaseBeforeStop(search.id), now);
      return { resumed: existing !== undefined, phase: repository.phase(search.id) };
    },

    phase(id: SearchId): Phase {
      const row = lastPhase.get(id);
      if (!row) throw unknownSearch(id);
      return phaseSchema.parse(row.phase);
    },

    phaseBeforeStop(id: SearchId): Phase {
      const reached = phaseTimes.all(id).filter((row) => row.phase !== 'stopped');
      return phaseSchema.parse(reached.at(-1)?.phase ?? 'screening');
    },

    /** Moves up the ladder; a step back is ignored, so that repeated requests change nothing. */
    enter(id: SearchId, phase: Phase, now: number): Phase {
      const current = repository.phase(id);
      const onwards = phases.indexOf(phase) > phases.indexOf(current) || (current === 'stopped' && isOpen(phase));
      if (!onwards || current === 'finished') return current;
      insertPhase.run(id, phase, now);
      out.addEvent({ kind: 'phase-changed', search: id, phase }, now);
      return phase;
    },

    /** Phases in order, with the time each was entered. */
    phaseTimes(id: SearchId): { phase: Phase; at: number }[] {
      return phaseTimes.all(id).map((row) => ({ phase: phaseSchema.parse(row.phase), at: row.at }));
    },

    /** After a rollback: cached specifications may not exist. */
    forget: () => specs.clear(),

    isOpen: (id: SearchId) => isOpen(repository.phase(id)),

    /** Records that the search is running; running time counts up to here. */
    touch: time.touch,

    /** Records the start of a training for the search. */
    train: time.train,

    /** Whether a process runs it: a search whose process died is open, but not live. */
    isLive: (id: SearchId, now: number) => repository.isOpen(id) && time.isLive(id, now),

    /** Running time over all sessions, in milliseconds. */
    elapsedMs: time.elapsedMs,

    /** Number of sessions. */
    sessions: time.count,
  };
  return repository;
}
export type Searches = ReturnType<typeof searches>;

/** A longer gap between updates is a pause: the machine slept, or the process was suspended. */
const pauseMs = 60_000;
/** Free start-up time of workers in a resumed session. */
const startUpMs = 60_000;

/** Starts of trainings among which the workers of a session are counted: a worker that left long before shared nothing. */
const latestStarts = 5_000;

interface Session {
  seq: number;
  openedAt: number;
  seenAt: number;
}

/**
 * Running time of searches, as limited by `budget.minutes`.
 *
 * Role: sessions of a search and the sum of their lengths. Non-role: enforcing a limit (budget, search machine).
 *
 * TIM-1  Time in which no process runs a search does not count: between sessions, and gaps of more than a minute.
 * TIM-2  A kill costs a search nothing, so that a resumed search has the minutes of an uninterrupted one (I5): the time of
 *        trainings that were cut off is refunded, divided by the workers that started one of the latest trainings; in a
 *        resumed session time counts from the first training, or after a minute.
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
  /** Of a session: the workers that it had last, and the total time of its unfinished trainings. Reads no more of a longer session. */
  const cutOff = db.prepare<{ search: string; from: number; to: number }, { workers: number; ms: number }>(
    `WITH of_search AS (SELECT key FROM evaluation_requests WHERE search = @search)
     SELECT (SELECT count(DISTINCT a.worker) FROM (SELECT * FROM attempts ORDER BY seq DESC LIMIT ${latestStarts}) a
         WHERE a.at >= @from AND EXISTS (SELECT 1 FROM of_search w WHERE w.key = a.key)) AS workers,
       (SELECT coalesce(sum(max(0, @to - a.at)), 0) FROM open_jobs o CROSS JOIN attempts a ON a.key = o.key
         WHERE a.at >= @from AND EXISTS (SELECT 1 FROM of_search w WHERE w.key = a.key) AND NOT EXISTS
           (SELECT 1 FROM deliveries d WHERE d.key = a.key AND d.worker = a.worker AND d.attempt = a.attempt)) AS ms`,
  );
  /** Sessions in which a training has started. */
  const sessionsWithTraining = new Set<number>();

  return {
    /** Starts a session. */
    open(search: SearchId, now: number): void {
      const before = last.get(search);
      if (before) {
        const lost = cutOff.get({ search, from: before.openedAt, to: before.seenAt });
        const back = lost && lost.workers > 0 ? Math.round(lost.ms / lost.workers) : 0;
        set.run(before.openedAt, Math.max(before.openedAt, before.seenAt - back), before.seq);
      }
      insert.run(search, now, now);
    },

    /** Records that the search is running; time counts up to here. */
    touch(search: SearchId, now: number): void {
      const session = last.get(search);
      if (!session || now <= session.seenAt) return;
      if (now - session.seenAt > pauseMs) insert.run(search, now, now);
      else set.run(session.openedAt, now, session.seq);
    },

    /** Records the start of a training for the search. */
    train(search: SearchId, now: number): void {
      const session = last.get(search);
      if (!session || sessionsWithTraining.has(session.seq)) return;
      sessionsWithTraining.add(session.seq);
      if ((sum.get(search)?.n ?? 0) < 2) return;
      const from = Math.max(session.openedAt, Math.min(now, session.openedAt + startUpMs));
      set.run(from, Math.max(from, session.seenAt), session.seq);
    },

    /** Whether a process runs it now. */
    isLive(search: SearchId, now: number): boolean {
      const session = last.get(search);
      return session !== undefined && now - session.seenAt <= pauseMs;
    },

    elapsedMs: (search: SearchId): number => sum.get(search)?.ms ?? 0,

    /** Number of sessions. */
    count: (search: SearchId): number => sum.get(search)?.n ?? 0,
  };
}
