import type { Database } from 'better-sqlite3';
import type { AgentSpec } from '../domain/agent.ts';
import { canonicalCandidate, shortCandidate } from '../domain/candidate.ts';
import { errorMessage, TerminalError } from '../domain/errors.ts';
import { rungSeeds } from '../domain/evaluation.ts';
import { type AgentName, type NodeId, nodeId, type SearchId } from '../domain/ids.ts';
import type { ReplyOf, RequestOf } from '../domain/messages.ts';
import { describeNearDuplicate, findNearDuplicate, type Known } from '../domain/nearDuplicates.ts';
import { type Origin, type SharedThought, sharedThoughtSchema, unusableAnswer } from '../domain/node.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { BudgetLedger, Objection } from './budget.ts';
import type { Endings } from './endings.ts';
import type { Ensemble } from './ensemble.ts';
import type { Evaluations } from './evaluations.ts';
import type { Ideas } from './ideas.ts';
import type { Outbox } from './outbox.ts';
import type { Rulings } from './rulings.ts';
import type { Searches } from './searches.ts';
import type { SearchStats } from './searchStats.ts';

interface NodeRow {
  id: NodeId;
  agent: AgentName;
  candidate: string;
  verdict: 'accepted' | 'rejected' | 'duplicate';
  message: string | null;
}

/** Proposals, references and the aggregate. Call all methods inside a transaction. */
export function nodes(
  db: Database,
  parts: {
    out: Outbox;
    searches: Searches;
    evaluations: Evaluations;
    budget: BudgetLedger;
    endings: Endings;
    ensemble: Ensemble;
    ideas: Ideas;
    tallies: SearchStats;
    rulings: Rulings;
  },
) {
  const { out, searches, evaluations, budget, endings, ensemble, ideas, tallies, rulings } = parts;
  const insert = db.prepare(
    `INSERT INTO nodes (search, id, agent, ordinal, origin, candidate, verdict, message, rationale, created_at)
     VALUES (@search, @id, @agent, @ordinal, @origin, @candidate, @verdict, @message, @rationale, @now)`,
  );
  const insertParent = db.prepare('INSERT INTO parents (search, node, position, parent) VALUES (?, ?, ?, ?)');
  const byId = db.prepare<[string, string], NodeRow>(
    'SELECT id, agent, candidate, verdict, message FROM nodes WHERE search = ? AND id = ?',
  );
  const sameCandidate = db.prepare<[string, string], Known & { agent: AgentName; ordinal: number }>(
    `SELECT id, candidate, agent, ordinal FROM nodes WHERE search = ? AND candidate = ? AND verdict = 'accepted'
     ORDER BY ordinal, agent`,
  );
  const acceptedBy = db.prepare<[string, string, number], Known>(
    `SELECT id, candidate FROM nodes WHERE search = ? AND agent = ? AND ordinal <= ? AND verdict = 'accepted'
     ORDER BY ordinal`,
  );
  const shared = db.prepare<[string, string, number], { thought: string | null }>(
    `SELECT json_extract(rationale, '$.thought') AS thought FROM nodes WHERE search = ? AND agent = ? AND ordinal = ?`,
  );
  const savedOf = db.prepare<[string, string], { saved: number }>(
    `SELECT saved FROM evaluation_requests WHERE search = ? AND node = ? AND rung = 'screen' LIMIT 1`,
  );

  const insertLesson = db.prepare(
    'INSERT INTO lessons (search, node, ordinal, text) VALUES (?, ?, ?, ?) ON CONFLICT (search, node) DO NOTHING',
  );

  const store = (
    search: SearchId,
    node: {
      id: NodeId;
      agent: AgentName;
      ordinal: number;
      origin: Origin;
      candidate: string;
      parents: readonly NodeId[];
    },
    verdict: NodeRow['verdict'],
    message: string | null,
    rationale: object,
    now: number,
  ): void => {
    const text = JSON.stringify(rationale);
    insert.run({
      search,
      id: node.id,
      agent: node.agent,
      ordinal: node.ordinal,
      origin: node.origin,
      candidate: node.candidate,
      verdict,
      message,
      rationale: text,
      now,
    });
    tallies.addNode(search, node.agent, verdict);
    for (const [position, parent] of node.parents.entries()) insertParent.run(search, node.id, position, parent);
  };

  /**
   * Candidates that a proposal must differ from: those its attempt may know, independent of timing (I5). Of other agents these
   * are the ones that its thought knew.
   *
   * @param thought the attempt that thought.
   */
  const memoryOf = (
    spec: SearchSpec,
    self: AgentSpec,
    { ordinal, thought }: { ordinal: number; thought: number },
    candidate: string,
  ): Known[] => {
    const horizons = new Map(ensemble.of(spec, self, thought)).set(self.name, ordinal - 1);
    if ((self.novelty?.distance ?? 1) <= 1) {
      return sameCandidate.all(spec.id, candidate).filter((node) => node.ordinal <= (horizons.get(node.agent) ?? 0));
    }
    return [...horizons].flatMap(([agent, last]) => acceptedBy.all(spec.id, agent, last));
  };

  /** Which candidate of a shared thought an attempt submitted; null for the only one. */
  const sharedBy = (search: SearchId, agent: AgentName, ordinal: number): SharedThought | null => {
    const text = shared.get(search, agent, ordinal)?.thought;
    return text ? sharedThoughtSchema.parse(JSON.parse(text)) : null;
  };

  /** The last candidates of a thought follow its first ones. @throws TerminalError `thought` */
  const checkShared = (
    search: SearchId,
    self: AgentSpec,
    ordinal: number,
    { first, place, of }: SharedThought,
  ): void => {
    // Not of the same number: an agent whose recording was lost asks again, and may get fewer or more.
    const follows = place === 1 || sharedBy(search, self.name, ordinal - 1)?.first === first;
    if (ordinal === first + place - 1 && of <= (self.proposals ?? 1) && follows) return;
    throw new TerminalError(
      'thought',
      `attempt ${ordinal} of ${self.name} is not candidate ${place} of ${of} of attempt ${first}`,
    );
  };

  const refuse = (
    reason: 'invalid' | 'duplicate' | 'budget' | 'closed',
    message: string,
    node: NodeId | null,
  ): ReplyOf<'agent-submit'> => ({ verdict: 'refused', node, reason, message });

  return {
    sharedBy,

    /** Records a proposal: node, job and announcement in one transaction. A repeated ordinal returns the first reply. */
    submit(request: RequestOf<'agent-submit'>, now: number): ReplyOf<'agent-submit'> {
      const { search, agent, ordinal, operator, parents, rationale } = request;
      const spec = searches.spec(search);
      const self = spec.agents.find((each) => each.name === agent);
      if (!self) throw new TerminalError('unknown-agent', `"${agent}" is not an agent of search "${search}"`);
      const id = nodeId(agent, ordinal);
      const before = byId.get(search, id);
      if (before?.verdict === 'accepted') {
        return { verdict: 'accepted', node: id, saved: savedOf.get(search, id)?.saved === 1 };
      }
      if (before) {
        return refuse(before.verdict === 'duplicate' ? 'duplicate' : 'invalid', before.message ?? '', id);
      }
      if (searches.phase(search) !== 'screening') return refuse('closed', 'the search is closed for proposals', null);
      if (rationale.thought) checkShared(search, self, ordinal, rationale.thought);
      const limit =
        budget.accepted(search, agent) >= self.evaluations ? `the ${self.evaluations} evaluations are used` : null;
      const objection = limit ?? budget.objection(spec, 'screen', searches.elapsedMs(search))?.message ?? null;
      if (objection) return refuse('budget', objection, null);
      for (const { node, text } of request.lessons ?? []) {
        const about = byId.get(search, node);
        if (about?.agent !== agent) throw new TerminalError('lesson', `"${node}" is not a node of ${agent}`);
        insertLesson.run(search, node, ordinal, text);
      }
      ideas.submitted(request, now);

      let candidate = request.candidate;
      let problem: string | null = null;
      // Decided before its view knew of the veto.
      const vetoed = parents.find((parent) => rulings.vetoedAt(search, parent) !== null);
      try {
        candidate = canonicalCandidate(candidate, spec.space);
        if (vetoed !== undefined) problem = `a person vetoed the branch of its parent ${vetoed}`;
      } catch (thrown) {
        problem = errorMessage(thrown);
      }
      const known = { ordinal, thought: rationale.thought?.first ?? ordinal };
      const close =
        problem === null ? findNearDuplicate(candidate, memoryOf(spec, self, known, candidate), self.novelty) : null;
      const node = { id, agent, ordinal, origin: operator, candidate, parents };
      if (problem !== null || close) {
        const reason = close ? 'duplicate' : 'invalid';
        // An attempt without a usable answer carries its reason; its text was never meant as a candidate.
        const unusable = unusableAnswer(candidate) ? rationale.change : null;
        const message = close ? describeNearDuplicate(close, self.novelty) : (unusable ?? problem ?? '');
        store(search, node, close ? 'duplicate' : 'rejected', message, rationale, now);
        out.addEvent({ kind: 'node-refused', search, node: id, agent, reason, message: message.slice(0, 500) }, now);
        return refuse(reason, message, id);
      }
      store(search, node, 'accepted', null, rationale, now);
      const [seed = 1] = rungSeeds('screen', 1, spec.ladder.seedBlock);
      const job = evaluations.jobFor(spec, candidate, 'screen', seed);
      out.addEvent(
        { kind: 'node-submitted', search, node: id, agent, operator, parents, short: shortCandidate(candidate) },
        now,
      );
      return { verdict: 'accepted', node: id, ...evaluations.ask(search, id, agent, job, now) };
    },

    /** Adds a reference or the aggregate. Idempotent by node id. */
    add(request: RequestOf<'node-add'>, now: number): { node: NodeId } {
      const { search, node, origin, rationale } = request;
      if (byId.get(search, node)) return { node };
      const spec = searches.spec(search);
      const candidate = canonicalCandidate(request.candidate, spec.space);
      const cut = node.lastIndexOf('-');
      const agent = node.slice(0, cut) as AgentName;
      const ordinal = Number(node.slice(cut + 1));
      store(search, { id: node, agent, ordinal, origin, candidate, parents: [] }, 'accepted', null, rationale, now);
      out.addEvent(
        {
          kind: 'node-submitted',
          search,
          node,
          agent,
          operator: origin,
          parents: [],
          short: shortCandidate(candidate),
        },
        now,
      );
      return { node };
    },

    /** Requests evaluations of nodes on a rung, within the budget. */
    evaluate(request: RequestOf<'node-evaluate'>, now: number): ReplyOf<'node-evaluate'> {
      const { search, rung, seeds } = request;
      const spec = searches.spec(search);
      const counts = { asked: 0, saved: 0, refused: 0 };
      let firstObjection: Objection | null = null;
      for (const id of request.nodes) {
        const node = byId.get(search, id);
        if (!node) throw new TerminalError('unknown-node', `search "${search}" has no node "${id}"`);
        for (const seed of rungSeeds(rung, seeds, spec.ladder.seedBlock)) {
          const job = evaluations.jobFor(spec, node.candidate, rung, seed);
          if (request.known && !evaluations.result(job.key)) continue;
          const free = evaluations.isKnown(search, id, job);
          const objection = free ? null : budget.objection(spec, rung, searches.elapsedMs(search));
          if (objection) {
            counts.refused++;
            firstObjection ??= objection;
            continue;
          }
          counts[evaluations.ask(search, id, node.agent, job, now).saved ? 'saved' : 'asked']++;
        }
      }
      if (firstObjection) {
        const sentence = `Not all evaluations on the ${rung} rung were started: ${firstObjection.message}.`;
        const figures = { refused: counts.refused, wanted: request.nodes.length * seeds };
        endings.record(search, { of: 'rung', subject: rung, reason: firstObjection.reason, sentence, figures }, now);
      }
      return counts;
    },
  };
}
export type Nodes = ReturnType<typeof nodes>;
