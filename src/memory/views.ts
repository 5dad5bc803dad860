import type { Database } from 'better-sqlite3';
import * as z from 'zod';
import type { AgentSpec } from '../domain/agent.ts';
import { TerminalError } from '../domain/errors.ts';
import type { AgentName, NodeId, SearchId } from '../domain/ids.ts';
import type { ReplyOf } from '../domain/messages.ts';
import { type View, type ViewNode, viewNodeSchema } from '../domain/node.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { BudgetLedger } from './budget.ts';
import type { Calls } from './calls.ts';
import { attemptsPerProposal, spareAttempts } from './nodes.ts';
import type { Searches } from './searches.ts';

const rowSchema = z.object({
  id: z.string(),
  agent: z.string(),
  ordinal: z.int(),
  operator: z.string(),
  candidate: z.string(),
  verdict: z.enum(['accepted', 'rejected', 'duplicate']),
  status: z.enum(['ok', 'failed']).nullable(),
  validation: z.number().nullable(),
  reason: z.string().nullable(),
  change: z.string().nullable(),
  message: z.string().nullable(),
  lesson: z.string().nullable(),
  model: z.string().nullable(),
  dollars: z.number().nullable(),
});

/**
 * What an agent may know when it decides.
 *
 * Role: the tree of an agent as of a decision. Non-role: choosing (scaffolds), test figures (never read here, I4).
 *
 * V1. The view of decision n is a function of the search's specification alone: it shows the outcome of every own node up
 *     to n - pending, and shows later ones as pending even when their result is in. It is not ready before those outcomes
 *     are. So the order in which workers finish cannot change a decision (I5), and up to `pending` trainings overlap.
 * V2. Refusals (duplicate, invalid) are known at once, because they do not depend on any training.
 */
export function views(db: Database, parts: { searches: Searches; budget: BudgetLedger; calls: Calls }) {
  const { searches, budget, calls } = parts;
  const rows = db.prepare<{ search: string; agent: string; ordinal: number }, unknown>(
    `SELECT n.id, n.agent, n.ordinal, n.origin AS operator, n.candidate, n.verdict,
       e.status, e.validation, e.reason, json_extract(n.rationale, '$.change') AS change,
       coalesce(n.message, e.message) AS message, l.text AS lesson,
       json_extract(n.rationale, '$.model') AS model, json_extract(n.rationale, '$.dollars') AS dollars
     FROM nodes n
     LEFT JOIN lessons l ON l.search = n.search AND l.node = n.id AND l.ordinal < @ordinal
     LEFT JOIN wants w ON w.search = n.search AND w.node = n.id AND w.rung = 'screen'
     LEFT JOIN evaluations e ON e.key = w.key
     WHERE n.search = @search AND n.agent = @agent AND n.ordinal < @ordinal ORDER BY n.ordinal`,
  );
  const parentRows = db.prepare<[string, string], { node: NodeId; parent: NodeId }>(
    `SELECT p.node, p.parent FROM parents p JOIN nodes n ON n.search = p.search AND n.id = p.node
     WHERE p.search = ? AND n.agent = ? ORDER BY p.node, p.position`,
  );
  const last = db.prepare<[string, string], { n: number }>(
    'SELECT coalesce(max(ordinal), 0) AS n FROM nodes WHERE search = ? AND agent = ?',
  );

  const own = (search: SearchId, agent: AgentName, ordinal: number, horizon: number): ViewNode[] => {
    const parents = new Map<string, NodeId[]>();
    for (const { node, parent } of parentRows.all(search, agent))
      parents.set(node, [...(parents.get(node) ?? []), parent]);
    return rows.all({ search, agent, ordinal }).map((raw) => {
      const row = rowSchema.parse(raw);
      const known = row.ordinal <= horizon;
      const refused = row.verdict !== 'accepted';
      const status = refused
        ? row.verdict
        : !known || !row.status
          ? 'pending'
          : row.status === 'ok'
            ? 'evaluated'
            : 'failed';
      return viewNodeSchema.parse({
        id: row.id,
        agent: row.agent,
        ordinal: row.ordinal,
        operator: row.operator,
        parents: parents.get(row.id) ?? [],
        candidate: row.candidate,
        status,
        reason:
          row.verdict === 'duplicate' ? 'duplicate' : refused ? 'invalid' : status === 'failed' ? row.reason : null,
        fitness: status === 'evaluated' ? row.validation : null,
        ...(row.change ? { change: row.change.slice(0, 2000) } : {}),
        ...(row.message && (refused || status === 'failed') ? { message: row.message.slice(0, 2000) } : {}),
        ...(row.lesson === null ? {} : { lesson: row.lesson }),
        ...(row.model === null ? {} : { model: row.model }),
        ...(row.dollars === null ? {} : { dollars: row.dollars }),
      });
    });
  };

  /** As things stand now; unlike the rest of a view it depends on the clock. */
  const left = (spec: SearchSpec, self: AgentSpec): NonNullable<View['left']> => {
    const { minutes, dollars } = spec.budget;
    const purse = [
      ...(dollars === undefined ? [] : [dollars - calls.spend(spec.id).dollars]),
      ...(self.dollars === undefined ? [] : [self.dollars - calls.spend(spec.id, self.name).dollars]),
    ];
    return {
      ...(minutes === undefined ? {} : { minutes: Math.max(0, minutes - searches.elapsedMs(spec.id) / 60_000) }),
      ...(purse.length === 0 ? {} : { dollars: Math.max(0, Math.min(...purse)) }),
    };
  };

  return {
    view(search: SearchId, agent: AgentName, ordinal: number): ReplyOf<'agent-view'> {
      const spec = searches.spec(search);
      const self = spec.agents.find((each) => each.name === agent);
      if (!self) throw new TerminalError('unknown-agent', `"${agent}" is not an agent of search "${search}"`);
      if (searches.phase(search) !== 'screening') return { state: 'closed', reason: 'the screening is over' };
      const nodes = own(search, agent, ordinal, ordinal - self.pending);
      const remaining =
        self.evaluations - nodes.filter((node) => node.status !== 'rejected' && node.status !== 'duplicate').length;
      if (remaining <= 0) return { state: 'closed', reason: `its ${self.evaluations} evaluations are used` };
      if (ordinal > self.evaluations * attemptsPerProposal + spareAttempts) {
        return { state: 'closed', reason: 'too many of its attempts were refused' };
      }
      const objection = budget.objection(spec, 'screen', searches.elapsedMs(search));
      if (objection) return { state: 'closed', reason: objection };
      const unknown = nodes.some((node) => node.status === 'pending' && node.ordinal <= ordinal - self.pending);
      return unknown
        ? { state: 'waiting' }
        : { state: 'ready', view: { ordinal, remaining, nodes, left: left(spec, self) } };
    },

    /** The view that a decision had when it was made, for a replay: all outcomes up to its horizon are in. */
    past(search: SearchId, agent: AgentName, ordinal: number, pending: number, evaluationsOfAgent: number) {
      const nodes = own(search, agent, ordinal, ordinal - pending);
      const spent = nodes.filter((node) => node.status !== 'rejected' && node.status !== 'duplicate').length;
      return { ordinal, remaining: evaluationsOfAgent - spent, nodes };
    },

    /** The attempt that comes next: one after the last that was recorded. */
    next: (search: SearchId, agent: AgentName) => (last.get(search, agent)?.n ?? 0) + 1,
  };
}
export type Views = ReturnType<typeof views>;
