import type { Database } from 'better-sqlite3';
import { canonicalJson, type Json } from '../domain/canonical.ts';
import { PrerequisiteError, TerminalError } from '../domain/errors.ts';
import { type SearchId, searchIdSchema } from '../domain/ids.ts';
import { type Phase, phaseSchema, phases, type SearchSpec, searchSpecSchema } from '../domain/search.ts';
import type { Outbox } from './outbox.ts';
import { sittings } from './sittings.ts';

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
  const time = sittings(db);
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
     * Records a search, or takes up one that was left unfinished; either way a new sitting begins.
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
