import type { Database } from 'better-sqlite3';
import * as z from 'zod';
import { agentNameSchema, type NodeId, nodeIdSchema } from '../domain/ids.ts';
import { soleModelSchema } from '../domain/model.ts';
import { type ViewNode, viewNodeSchema } from '../domain/node.ts';

/** Attempts of one agent: those in (after, to], with outcomes up to `horizon` and lessons of attempts up to `lessons`. */
export interface Span {
  readonly search: string;
  readonly agent: string;
  readonly after: number;
  readonly to: number;
  readonly horizon: number;
  readonly lessons: number;
}

const rowSchema = z.object({
  id: nodeIdSchema,
  agent: agentNameSchema,
  ordinal: z.int(),
  operator: viewNodeSchema.shape.operator,
  candidate: z.string(),
  verdict: z.enum(['accepted', 'rejected', 'duplicate']),
  status: z.enum(['ok', 'failed']).nullable(),
  validation: z.number().nullable(),
  reason: viewNodeSchema.shape.reason,
  change: z.string().nullable(),
  message: z.string().nullable(),
  lesson: z.string().nullable(),
  model: soleModelSchema.nullable(),
  dollars: z.number().nullable(),
});
type Row = z.infer<typeof rowSchema>;

const longestText = 2000;

/** The node as the view shows it. */
function viewNode(row: Row, parents: NodeId[], horizon: number, foreign: boolean): ViewNode {
  const refused = row.verdict !== 'accepted';
  const known = row.ordinal <= horizon && row.status !== null;
  const judged = row.status === 'ok' ? 'evaluated' : 'failed';
  const status = row.verdict === 'accepted' ? (known ? judged : 'pending') : row.verdict;
  const refusal = row.verdict === 'duplicate' ? 'duplicate' : 'invalid';
  const { id, agent, ordinal, operator, candidate, change, message, lesson } = row;
  return {
    ...{ id, agent, ordinal, operator, parents, candidate, status },
    ...(foreign ? { foreign } : {}),
    reason: refused ? refusal : status === 'failed' ? row.reason : null,
    fitness: status === 'evaluated' ? row.validation : null,
    ...(change ? { change: change.slice(0, longestText) } : {}),
    ...(message && (refused || status === 'failed') ? { message: message.slice(0, longestText) } : {}),
    ...(lesson === null ? {} : { lesson }),
    ...(row.model === null ? {} : { model: row.model }),
    ...(row.dollars === null ? {} : { dollars: row.dollars }),
  };
}

/** The queries behind views: nodes of one agent over a span of its attempts. */
export function viewRows(db: Database) {
  const columns = `n.id, n.agent, n.ordinal, n.origin AS operator, n.candidate, n.verdict,
    e.status, e.validation, e.reason, json_extract(n.rationale, '$.change') AS change,
    coalesce(n.message, e.message) AS message, l.text AS lesson,
    json_extract(n.rationale, '$.model') AS model, json_extract(n.rationale, '$.dollars') AS dollars`;
  const judged = `LEFT JOIN wants w ON w.search = n.search AND w.node = n.id AND w.rung = 'screen'
    LEFT JOIN evaluations e ON e.key = w.key`;
  const within = 'n.search = @search AND n.agent = @agent AND n.ordinal > @after AND n.ordinal <= @to';
  const nodes = db.prepare<Span, unknown>(
    `SELECT ${columns} FROM nodes n
     LEFT JOIN lessons l ON l.search = n.search AND l.node = n.id AND l.ordinal <= @lessons ${judged}
     WHERE ${within} ORDER BY n.ordinal`,
  );
  // Few attempts teach anything about an earlier span, and the index finds them.
  const lessonsSince = db.prepare<Span & { since: number }, unknown>(
    `SELECT ${columns} FROM lessons l JOIN nodes n ON n.search = l.search AND n.id = l.node ${judged}
     WHERE l.search = @search AND l.ordinal > @since AND l.ordinal <= @lessons AND n.agent = @agent AND n.ordinal <= @to
     ORDER BY n.ordinal`,
  );
  const parentsWithin = db.prepare<Pick<Span, 'search' | 'agent' | 'after' | 'to'>, { node: NodeId; parent: NodeId }>(
    `SELECT p.node, p.parent FROM nodes n JOIN parents p ON p.search = n.search AND p.node = n.id
     WHERE ${within} ORDER BY p.node, p.position`,
  );
  const parentsOf = db.prepare<[string, string], { parent: NodeId }>(
    'SELECT parent FROM parents WHERE search = ? AND node = ? ORDER BY position',
  );
  const unresolved = db.prepare<Pick<Span, 'search' | 'agent' | 'after' | 'to'>, { id: NodeId }>(
    `SELECT n.id FROM nodes n ${judged} WHERE ${within} AND n.verdict = 'accepted' AND e.key IS NULL ORDER BY n.ordinal`,
  );

  return {
    rows(span: Span, foreign: boolean): ViewNode[] {
      if (span.to <= span.after) return [];
      const parents = new Map<string, NodeId[]>();
      const { search, agent, after, to } = span;
      for (const { node, parent } of parentsWithin.all({ search, agent, after, to })) {
        const list = parents.get(node);
        if (list) list.push(parent);
        else parents.set(node, [parent]);
      }
      return nodes.all(span).map((raw) => {
        const row = rowSchema.parse(raw);
        return viewNode(row, parents.get(row.id) ?? [], span.horizon, foreign);
      });
    },

    /** Nodes up to `to` with a lesson of an attempt after `since`. */
    taught(span: Span & { since: number }, foreign: boolean): ViewNode[] {
      return lessonsSince.all(span).map((raw) => {
        const row = rowSchema.parse(raw);
        const parents = parentsOf.all(span.search, row.id).map(({ parent }) => parent);
        return viewNode(row, parents, span.horizon, foreign);
      });
    },

    /** Accepted nodes without an outcome. */
    unresolved: (span: Pick<Span, 'search' | 'agent' | 'after' | 'to'>): NodeId[] =>
      unresolved.all(span).map(({ id }) => id),
  };
}
