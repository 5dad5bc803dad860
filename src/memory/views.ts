import type { Database } from 'better-sqlite3';
import * as z from 'zod';
import { type AgentSpec, mostAttempts, mostChanges } from '../domain/agent.ts';
import { TerminalError } from '../domain/errors.ts';
import { measurementSchema } from '../domain/evaluation.ts';
import { type AgentName, agentNameSchema, type NodeId, nodeIdSchema, type SearchId } from '../domain/ids.ts';
import type { ReplyOf, RequestOf } from '../domain/messages.ts';
import { soleModelSchema } from '../domain/model.ts';
import { byAge, refusedThoughts, type View, type ViewNode, viewNodeSchema } from '../domain/node.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { BudgetLedger, Calls } from './budget.ts';
import type { Ensemble, Horizons } from './ensemble.ts';
import type { Ideas } from './ideas.ts';
import type { Nodes } from './nodes.ts';
import { pieceOf } from './records.ts';
import type { Rulings } from './rulings.ts';
import type { Searches } from './searches.ts';

/** Awaited nodes listed in a reply: enough to know when to ask again. */
const maxListed = 64;

/** The attempts of one agent in a view: up to `to`, outcomes up to `horizon`, lessons up to `lessons`. */
interface ViewWindow {
  readonly agent: AgentName;
  readonly to: number;
  readonly horizon: number;
  readonly lessons: number;
}

interface Vetoed {
  readonly all: ReadonlySet<string>;
  /** Nodes that an earlier view showed without the mark. */
  readonly newly: readonly string[];
}

/**
 * What an agent may know when it decides.
 *
 * Role: the tree as of a decision. Non-role: horizons over other agents (ensemble), choosing (scaffolds), test scores (never
 * read here, I4).
 *
 * VIE-1  The view of decision n is a function of the specification only: it shows the outcome of every own node up to
 *        n - pending, and later ones as pending even if their result has arrived. It is not ready before those outcomes are.
 *        So the order in which workers finish cannot change a decision (I5), and up to `pending` trainings overlap.
 * VIE-2  Refusals (duplicate, invalid) are visible at once, because they do not depend on trainings.
 * VIE-3  With `memory: ensemble` it also shows every other agent's nodes up to n - pending, all with outcomes, and is not
 *        ready before they have one; later ones are invisible, since their existence depends on timing. For agents that end
 *        early see ensemble.ts.
 * VIE-4  A lesson belongs to the attempt that submitted it, and is visible like that attempt.
 * VIE-5  Nodes of vetoed branches are marked from the attempt on that knows of the veto (RUL-2). While an agent or its search is
 *        paused no view is ready.
 * VIE-6  Candidates of one thought are attempts in a row. An agent that was killed between two of them gets the view of that
 *        thought again: it thinks the same, its recorded attempts are answered as before, and the rest follow.
 */
export function views(
  db: Database,
  parts: {
    searches: Searches;
    budget: BudgetLedger;
    calls: Calls;
    ensemble: Ensemble;
    ideas: Ideas;
    nodes: Pick<Nodes, 'sharedBy'>;
    rulings: Rulings;
  },
) {
  const { searches, budget, calls, ensemble, ideas, rulings } = parts;
  const { rows, rowOf, withLessons, unresolved, refusals } = viewRows(db);

  const windowsOf = (self: AgentSpec, ordinal: number, horizons: Horizons): ViewWindow[] =>
    [...horizons].map(([agent, horizon]) =>
      agent === self.name
        ? { agent, to: ordinal - 1, horizon, lessons: ordinal - 1 }
        : { agent, to: horizon, horizon, lessons: horizon },
    );

  /** What a view shows beyond an earlier one; everything without an earlier one. */
  const difference = (
    spec: SearchSpec,
    self: AgentSpec,
    now: readonly ViewWindow[],
    before: readonly ViewWindow[],
    vetoed: Vetoed,
  ): ViewNode[] => {
    const nodes = now.flatMap((window) => {
      const { agent, to, horizon, lessons } = window;
      const earlier = before.find((each) => each.agent === agent);
      const span: Span = { search: spec.id, agent, after: earlier?.horizon ?? 0, to, horizon, lessons };
      const foreign = agent !== self.name;
      const late = earlier ? withLessons({ ...span, to: span.after, since: earlier.lessons }, foreign) : [];
      const shown = [...late, ...rows(span, foreign)];
      const newly = vetoed.newly.flatMap((id) => {
        if (shown.some((node) => node.id === id)) return [];
        return rowOf({ ...span, after: 0 }, id, foreign);
      });
      return [...shown, ...newly];
    });
    const marked = nodes.map((node) => (vetoed.all.has(node.id) ? { ...node, vetoed: true as const } : node));
    return marked.sort(byAge);
  };

  /** The vetoed nodes that an attempt knows, and which of them an earlier one did not. */
  const vetoedFor = (search: SearchId, agent: AgentName, ordinal: number, since: number | undefined): Vetoed => {
    const all = new Set(rulings.knownTo(search, agent, ordinal));
    const before = new Set(since === undefined ? [] : rulings.knownTo(search, agent, since));
    return { all, newly: since === undefined ? [] : [...all].filter((node) => !before.has(node)) };
  };

  const specOf = (search: SearchId, agent: AgentName): { spec: SearchSpec; self: AgentSpec } => {
    const spec = searches.spec(search);
    const self = spec.agents.find((each) => each.name === agent);
    if (!self) throw new TerminalError('unknown-agent', `"${agent}" is not an agent of search "${search}"`);
    return { spec, self };
  };

  /** Remaining limits at this moment; unlike the rest of a view they depend on the clock. */
  const left = (spec: SearchSpec, self: AgentSpec): NonNullable<View['left']> => {
    const { minutes, dollars } = budget.limits(spec);
    const dollarsLeft = [
      ...(dollars === undefined ? [] : [dollars - calls.spend(spec.id).dollars]),
      ...(self.dollars === undefined ? [] : [self.dollars - calls.spend(spec.id, self.name).dollars]),
    ];
    return {
      ...(minutes === undefined ? {} : { minutes: Math.max(0, minutes - searches.elapsedMs(spec.id) / 60_000) }),
      ...(dollarsLeft.length === 0 ? {} : { dollars: Math.max(0, Math.min(...dollarsLeft)) }),
    };
  };

  const insights = (spec: SearchSpec, self: AgentSpec, ordinal: number, horizons: Horizons): Pick<View, 'insights'> =>
    self.insights === undefined ? {} : { insights: ideas.visibleTo(self, spec, ordinal, horizons) };

  return {
    /** Call inside a transaction: the horizons of the decision may have to be recorded. */
    view({ search, agent, ordinal, since, from = 0 }: RequestOf<'agent-view'>, now: number): ReplyOf<'agent-view'> {
      const { spec, self } = specOf(search, agent);
      const remaining = self.evaluations - budget.accepted(search, agent, ordinal - 1);
      if (remaining <= 0) {
        return { state: 'closed', code: 'budget-used', reason: `its ${self.evaluations} evaluations are used` };
      }
      if (searches.phase(search) !== 'screening')
        return { state: 'closed', code: 'search-closed', reason: 'screening is over' };
      if (ordinal > mostAttempts(self)) {
        return { state: 'closed', code: 'attempts-used', reason: 'too many of its attempts were refused' };
      }
      const refused = refusals(search, agent, ordinal);
      if (refused.thoughts >= (self.patience ?? Number.POSITIVE_INFINITY) * mostChanges) {
        const what = self.proposals === undefined ? 'attempts' : 'thoughts';
        const reason = `its last ${refused.thoughts} ${what} gave no new candidate, the latest because: ${refused.why}`;
        return { state: 'closed', code: 'attempts-used', reason: reason.slice(0, 500) };
      }
      const objection = budget.objection(spec, 'screen', searches.elapsedMs(search));
      if (objection) return { state: 'closed', code: 'search-closed', reason: objection.message };

      const paused = rulings.pauseOf(search, agent);
      if (paused !== null) return { state: 'waiting', nodes: [], agents: [], paused };
      const earlier = since === undefined ? [] : windowsOf(self, since, ensemble.of(spec, self, since));
      const open = [...ensemble.of(spec, self, ordinal)].flatMap(([other, horizon]) => {
        const after = earlier.find((window) => window.agent === other)?.horizon ?? 0;
        return unresolved({ search, agent: other, after, to: horizon });
      });
      const horizons = ensemble.settle(spec, self, ordinal, now);
      const awaited = 'agents' in horizons ? [...horizons.agents] : [];
      if (open.length > 0 || 'agents' in horizons) {
        return { state: 'waiting', nodes: open.slice(0, maxListed), agents: awaited };
      }
      const vetoed = vetoedFor(search, agent, ordinal, since);
      const nodes = difference(spec, self, windowsOf(self, ordinal, horizons), earlier, vetoed);
      const page = pieceOf(nodes, from, (node) => node);
      const known = insights(spec, self, ordinal, horizons);
      const view = { ordinal, remaining, nodes: page, ...known, left: left(spec, self) };
      return { state: 'ready', view, more: from + page.length < nodes.length };
    },

    /** The view at decision time, for a replay: all outcomes up to its horizon are known. */
    past(search: SearchId, agent: AgentName, ordinal: number): Omit<View, 'left'> {
      const { spec, self } = specOf(search, agent);
      const vetoed = vetoedFor(search, agent, ordinal, undefined);
      const horizons = ensemble.of(spec, self, ordinal);
      const nodes = difference(spec, self, windowsOf(self, ordinal, horizons), [], vetoed);
      const remaining = self.evaluations - budget.accepted(search, agent, ordinal - 1);
      return { ordinal, remaining, nodes, ...insights(spec, self, ordinal, horizons) };
    },

    /**
     * The next attempt to decide: one after the last recorded, or the one whose thought has given candidates that are not
     * recorded yet (VIE-6).
     */
    next(search: SearchId, agent: AgentName): number {
      const last = ensemble.lastOf(search, agent);
      const shared = parts.nodes.sharedBy(search, agent, last);
      return shared && shared.place < shared.of ? shared.first : last + 1;
    },
  };
}

/** Attempts of one agent in (after, to], with outcomes up to `horizon` and lessons of attempts up to `lessons`. */
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
  thought: z.int().nullable(),
  operator: viewNodeSchema.shape.operator,
  candidate: z.string(),
  verdict: z.enum(['accepted', 'rejected', 'duplicate']),
  status: z.enum(['ok', 'failed']).nullable(),
  validation: z.number().nullable(),
  reason: viewNodeSchema.shape.reason,
  change: z.string().nullable(),
  expected: z.number().nullable(),
  hypothesis: z.string().nullable(),
  measurement: z.string().nullable(),
  message: z.string().nullable(),
  lesson: z.string().nullable(),
  model: soleModelSchema.nullable(),
  dollars: z.number().nullable(),
});
type Row = z.infer<typeof rowSchema>;

const maxTextChars = 2000;
const maxHypothesisChars = 600;

/** Characters of a long message: its beginning says what ran, its end what went wrong. */
function bothEnds(text: string, most: number): string {
  if (text.length <= most) return text;
  const head = Math.floor(most / 4);
  const marker = '\n[...]\n';
  return `${text.slice(0, head)}${marker}${text.slice(text.length - (most - head - marker.length))}`;
}

const { shape } = measurementSchema;
/** Without its other figures: seconds depend on the machine. */
const measuredSchema = z.object({ params: shape.params, tasks: shape.tasks, curve: shape.curve }).partial();

/** What a screening training showed beyond its score. It has no hidden scores: those are stored apart (I4). */
function measured(text: string): Pick<ViewNode, 'params' | 'tasks' | 'curve'> {
  const { params, tasks = {}, curve = [] } = measuredSchema.parse(JSON.parse(text));
  const step = Math.max(1, Math.ceil(curve.length / 6));
  const points = curve.filter((_, index) => (curve.length - 1 - index) % step === 0);
  return {
    ...(params === undefined ? {} : { params }),
    ...(Object.keys(tasks).length > 0 ? { tasks } : {}),
    ...(points.length > 1 ? { curve: points } : {}),
  };
}

/** A node as the view shows it. */
function viewNode(row: Row, parents: NodeId[], horizon: number, foreign: boolean): ViewNode {
  const refused = row.verdict !== 'accepted';
  const known = row.ordinal <= horizon && row.status !== null;
  const judged = row.status === 'ok' ? 'evaluated' : 'failed';
  const status = row.verdict === 'accepted' ? (known ? judged : 'pending') : row.verdict;
  const refusal = row.verdict === 'duplicate' ? 'duplicate' : 'invalid';
  const { id, agent, ordinal, thought, operator, candidate, change, expected, hypothesis, message, lesson } = row;
  return {
    id,
    agent,
    ordinal,
    ...(thought === null || thought === ordinal ? {} : { thought }),
    operator,
    parents,
    candidate,
    status,
    ...(foreign ? { foreign } : {}),
    reason: refused ? refusal : status === 'failed' ? row.reason : null,
    fitness: status === 'evaluated' ? row.validation : null,
    ...(change ? { change: change.slice(0, maxTextChars) } : {}),
    ...(expected === null ? {} : { expected }),
    ...(hypothesis ? { hypothesis: hypothesis.slice(0, maxHypothesisChars) } : {}),
    ...(status === 'evaluated' && row.measurement ? measured(row.measurement) : {}),
    ...(message && (refused || status === 'failed') ? { message: bothEnds(message, maxTextChars) } : {}),
    ...(lesson === null ? {} : { lesson }),
    ...(row.model === null ? {} : { model: row.model }),
    ...(row.dollars === null ? {} : { dollars: row.dollars }),
  };
}

interface Attempted {
  readonly ordinal: number;
  readonly thought: number | null;
  readonly status: string;
  readonly message: string | null;
}

/** Queries of views: one agent's nodes over a span of attempts. */
export function viewRows(db: Database) {
  const columns = `n.id, n.agent, n.ordinal, n.origin AS operator, n.candidate, n.verdict,
    e.status, e.validation, e.reason, json_extract(n.rationale, '$.change') AS change,
    json_extract(n.rationale, '$.thought.first') AS thought,
    json_extract(n.rationale, '$.expected') AS expected, json_extract(n.rationale, '$.hypothesis') AS hypothesis,
    CASE WHEN e.status = 'ok' THEN e.measurement END AS measurement,
    coalesce(n.message, e.message) AS message, l.text AS lesson,
    json_extract(n.rationale, '$.model') AS model, json_extract(n.rationale, '$.dollars') AS dollars`;
  const judged = `LEFT JOIN evaluation_requests w ON w.search = n.search AND w.node = n.id AND w.rung = 'screen'
    LEFT JOIN evaluations e ON e.key = w.key`;
  const within = 'n.search = @search AND n.agent = @agent AND n.ordinal > @after AND n.ordinal <= @to';
  const nodes = db.prepare<Span, unknown>(
    `SELECT ${columns} FROM nodes n
     LEFT JOIN lessons l ON l.search = n.search AND l.node = n.id AND l.ordinal <= @lessons ${judged}
     WHERE ${within} ORDER BY n.ordinal`,
  );
  const node = db.prepare<Span & { id: string }, unknown>(
    `SELECT ${columns} FROM nodes n
     LEFT JOIN lessons l ON l.search = n.search AND l.node = n.id AND l.ordinal <= @lessons ${judged}
     WHERE ${within} AND n.id = @id`,
  );
  // Few lessons concern an earlier span, and the index finds them.
  const lessonsSince = db.prepare<Span & { since: number }, unknown>(
    `SELECT ${columns} FROM lessons l JOIN nodes n ON n.search = l.search AND n.id = l.node ${judged}
     WHERE l.search = @search AND l.ordinal > @since AND l.ordinal <= @lessons AND n.agent = @agent AND n.ordinal <= @to
     ORDER BY n.ordinal`,
  );
  const parentsWithin = db.prepare<Pick<Span, 'search' | 'agent' | 'after' | 'to'>, { node: NodeId; parent: NodeId }>(
    // CROSS JOIN fixes the order: the planner would else read all parents of the search, because they are sorted.
    `SELECT p.node, p.parent FROM nodes n CROSS JOIN parents p ON p.search = n.search AND p.node = n.id
     WHERE ${within} ORDER BY p.node, p.position`,
  );
  const parentsOf = db.prepare<[string, string], { parent: NodeId }>(
    'SELECT parent FROM parents WHERE search = ? AND node = ? ORDER BY position',
  );
  const unresolved = db.prepare<Pick<Span, 'search' | 'agent' | 'after' | 'to'>, { id: NodeId }>(
    `SELECT n.id FROM nodes n ${judged} WHERE ${within} AND n.verdict = 'accepted' AND e.key IS NULL ORDER BY n.ordinal`,
  );

  const attempts = db.prepare<[string, string, number], Attempted>(
    `SELECT ordinal, json_extract(rationale, '$.thought.first') AS thought, verdict AS status, message FROM nodes
     WHERE search = ? AND agent = ? AND ordinal < ? ORDER BY ordinal DESC`,
  );

  return {
    /** The latest thoughts before `ordinal` that gave no new candidate, and why the last attempt gave none. */
    refusals(search: SearchId, agent: AgentName, ordinal: number): { thoughts: number; why: string } {
      const thoughts = refusedThoughts(attempts.iterate(search, agent, ordinal));
      return { thoughts, why: attempts.get(search, agent, ordinal)?.message ?? '' };
    },

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

    /** One node within the span; none for a node of another agent or outside it. */
    rowOf(span: Span, id: string, foreign: boolean): ViewNode[] {
      const raw = node.get({ ...span, id });
      if (raw === undefined) return [];
      const parents = parentsOf.all(span.search, id).map(({ parent }) => parent);
      return [viewNode(rowSchema.parse(raw), parents, span.horizon, foreign)];
    },

    /** Nodes up to `to` with a lesson of an attempt after `since`. */
    withLessons(span: Span & { since: number }, foreign: boolean): ViewNode[] {
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
