import type { Database } from 'better-sqlite3';
import * as z from 'zod';
import { TerminalError } from '../domain/errors.ts';
import type { AgentName, SearchId } from '../domain/ids.ts';
import {
  type Budget,
  type RaisedLimits,
  type RulingRequest,
  raisedLimitsSchema,
  rulingKinds,
  type SearchSpec,
} from '../domain/search.ts';
import type { Outbox } from './outbox.ts';

const rowSchema = z.object({
  seq: z.int(),
  id: z.string(),
  kind: z.enum(rulingKinds),
  subject: z.string().nullable(),
  sentence: z.string(),
  limits: z.string().transform((text) => raisedLimitsSchema.parse(JSON.parse(text))),
  at: z.number(),
});
/** A recorded ruling. */
export type RulingRecord = z.infer<typeof rowSchema>;

const units: Readonly<Record<keyof RaisedLimits, (value: number) => string>> = {
  minutes: (value) => `${value} minutes`,
  deviceSeconds: (value) => `${value} device seconds`,
  dollars: (value) => `$${value}`,
  tokens: (value) => `${value} tokens`,
};

/**
 * What people ruled about searches. Call writing methods inside a transaction.
 *
 * Role: records a ruling with its sentence, and answers what holds. Non-role: acting on it (views, nodes, evaluations, budget).
 *
 * RUL-1  A ruling is recorded once per id, with its announcement, in the order in which it holds.
 * RUL-2  A veto covers the node and the descendants that it has; no later node can descend from them, because a submission
 *        with a vetoed parent is rejected. A view knows of it from the second attempt after an agent's last recorded one: the
 *        view of the next attempt may have been served before. So what an attempt knew follows from the ledger alone, and a
 *        killed search decides as an undisturbed one does (I5).
 * RUL-3  A training that had started before the veto may start again after a kill, and counts: otherwise a kill would change an
 *        outcome.
 * RUL-4  A pause delays attempts, and of a search also trainings; it changes no decision. The minutes of a paused search do
 *        not run.
 * RUL-5  A limit is only raised, and holds from its ruling on.
 */
export function rulings(db: Database, out: Outbox) {
  const columns = 'seq, id, kind, subject, sentence, limits, at';
  const all = db.prepare<[string], unknown>(`SELECT ${columns} FROM rulings WHERE search = ? ORDER BY seq`);
  const byId = db.prepare<[string, string], unknown>(`SELECT ${columns} FROM rulings WHERE search = ? AND id = ?`);
  const insert = db.prepare(
    `INSERT INTO rulings (search, id, kind, subject, sentence, limits, at)
     VALUES (@search, @id, @kind, @subject, @sentence, @limits, @now)`,
  );
  const exists = db.prepare<[string, string], { one: number }>(
    'SELECT 1 AS one FROM nodes WHERE search = ? AND id = ?',
  );
  const branch = db
    .prepare<{ search: string; node: string }, string>(
      `WITH RECURSIVE branch (node) AS (
         SELECT @node UNION SELECT p.node FROM branch b JOIN parents p ON p.search = @search AND p.parent = b.node)
       SELECT node FROM branch`,
    )
    .pluck();
  const insertVeto = db.prepare('INSERT OR IGNORE INTO vetoes (search, node, ruling) VALUES (?, ?, ?)');
  const insertHold = db.prepare('INSERT INTO ruling_holds (ruling, agent, ordinal) VALUES (?, ?, ?)');
  const last = db.prepare<[string, string], { n: number }>(
    'SELECT coalesce(max(ordinal), 0) AS n FROM nodes WHERE search = ? AND agent = ?',
  );
  const vetoed = db.prepare<[string], { node: string }>('SELECT node FROM vetoes WHERE search = ?');
  const isVetoed = db.prepare<[string, string], { at: number }>(
    'SELECT r.at FROM vetoes v JOIN rulings r ON r.seq = v.ruling WHERE v.search = ? AND v.node = ?',
  );
  const known = db
    .prepare<[string, string, number], string>(
      `SELECT v.node FROM vetoes v JOIN ruling_holds h ON h.ruling = v.ruling
       WHERE v.search = ? AND h.agent = ? AND h.ordinal <= ? ORDER BY v.node`,
    )
    .pluck();
  const latest = db.prepare<[string, string | null], { kind: string; sentence: string }>(
    `SELECT kind, sentence FROM rulings WHERE search = ? AND subject IS ? AND kind IN ('pause', 'resume')
     ORDER BY seq DESC LIMIT 1`,
  );

  const raised = db.prepare<[string], { one: number }>(
    `SELECT 1 AS one FROM rulings WHERE search = ? AND kind = 'raise-budget' LIMIT 1`,
  );

  const subjectOf = (request: RulingRequest): string | null =>
    request.kind === 'veto' ? request.node : request.kind === 'raise-budget' ? null : (request.agent ?? null);

  const repository = {
    of: (search: SearchId): RulingRecord[] => all.all(search).map((row) => rowSchema.parse(row)),

    /** All nodes of vetoed branches. */
    vetoedNodes: (search: SearchId): ReadonlySet<string> => new Set(vetoed.all(search).map(({ node }) => node)),

    /** When the branch of a node was vetoed; null if it was not. */
    vetoedAt: (search: SearchId, node: string): number | null => isVetoed.get(search, node)?.at ?? null,

    /** The vetoed nodes that an attempt's view knows of. */
    knownTo: (search: SearchId, agent: AgentName, ordinal: number): string[] => known.all(search, agent, ordinal),

    /** Why an agent is paused, alone or with its search; null if it is not. */
    pauseOf(search: SearchId, agent: AgentName): string | null {
      const own = latest.get(search, agent);
      if (own?.kind === 'pause') return own.sentence;
      return repository.pauseOfSearch(search);
    },

    pauseOfSearch(search: SearchId): string | null {
      const ruled = latest.get(search, null);
      return ruled?.kind === 'pause' ? ruled.sentence : null;
    },

    hasRaised: (search: SearchId): boolean => raised.get(search) !== undefined,

    /** The limits of a search with what was raised. */
    budget(spec: Pick<SearchSpec, 'id' | 'budget'>): Budget {
      if (!repository.hasRaised(spec.id)) return spec.budget;
      return Object.assign({}, spec.budget, ...repository.of(spec.id).map(({ limits }) => limits)) as Budget;
    },

    /**
     * Records a ruling; a repeated id changes nothing and returns the first.
     *
     * @throws TerminalError `ruling` for one that does not fit the search, `ruling-differs` for a reused id.
     */
    record(request: RulingRequest, spec: SearchSpec, now: number): RulingRecord {
      const { search, id, kind } = request;
      const before = byId.get(search, id);
      const subject = subjectOf(request);
      if (before !== undefined) {
        const recorded = rowSchema.parse(before);
        if (recorded.kind === kind && recorded.subject === subject) return recorded;
        throw new TerminalError('ruling-differs', `the id "${id}" belongs to another ruling`);
      }
      const because = request.why ? `: ${request.why}` : '';
      const sentence = `A person ${repository.describe(request, spec)}${because}.`;
      const limits = request.kind === 'raise-budget' ? request.limits : {};
      const { lastInsertRowid } = insert.run({
        search,
        id,
        kind,
        subject,
        sentence,
        limits: JSON.stringify(limits),
        now,
      });
      if (request.kind === 'veto') {
        for (const node of branch.all({ search, node: request.node })) insertVeto.run(search, node, lastInsertRowid);
        for (const { name } of spec.agents) insertHold.run(lastInsertRowid, name, (last.get(search, name)?.n ?? 0) + 2);
      }
      out.addEvent({ kind: 'ruled', search, ruling: kind, ...(subject === null ? {} : { subject }), sentence }, now);
      return rowSchema.parse(byId.get(search, id));
    },

    /** What a ruling does, in words. @throws TerminalError `ruling` */
    describe(request: RulingRequest, spec: SearchSpec): string {
      const refuse = (message: string) => new TerminalError('ruling', message);
      const { search } = request;
      if (request.kind === 'veto') {
        if (!exists.get(search, request.node)) throw refuse(`search "${search}" has no node "${request.node}"`);
        if (repository.vetoedAt(search, request.node) !== null) throw refuse(`${request.node} is vetoed already`);
        return `vetoed the branch of ${request.node}`;
      }
      if (request.kind === 'raise-budget') {
        const now = repository.budget(spec);
        const raised = Object.entries(request.limits) as [keyof RaisedLimits, number][];
        if (raised.length === 0) throw refuse('a raised budget names at least one limit');
        for (const [unit, value] of raised) {
          const present = now[unit];
          if (present === undefined) throw refuse(`the search has no limit of ${unit}`);
          if (value < present) throw refuse(`${unit} is ${present}; a limit can only be raised`);
        }
        return `raised the budget to ${raised.map(([unit, value]) => units[unit](value)).join(' and ')}`;
      }
      const { kind, agent } = request;
      if (agent !== undefined && !spec.agents.some(({ name }) => name === agent)) {
        throw refuse(`"${agent}" is not an agent of search "${search}"`);
      }
      const paused = latest.get(search, agent ?? null)?.kind === 'pause';
      const who = agent ?? 'the search';
      if (kind === 'pause' && paused) throw refuse(`${who} is paused already`);
      if (kind === 'resume' && !paused) throw refuse(`${who} is not paused`);
      return `${kind === 'pause' ? 'paused' : 'resumed'} ${who}`;
    },
  };
  return repository;
}
export type Rulings = ReturnType<typeof rulings>;
