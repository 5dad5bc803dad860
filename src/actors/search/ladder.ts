import { AggregationError, aggregate, conditionings, type Pattern, type ScoredNode } from '../../aggregation/index.ts';
import type { Bus } from '../../bus/index.ts';
import { canonicalText, parseInSpace, runLengthText } from '../../domain/architecture.ts';
import { type AgentName, type NodeId, nodeId, nodeIdSchema, referenceNode } from '../../domain/ids.ts';
import { aggregatesOf, leastFinals, promoted } from '../../domain/ladder.ts';
import { maxNodes, type ReplyOf } from '../../domain/messages.ts';
import type { SearchSpec } from '../../domain/search.ts';
import type { Rung } from '../../domain/task.ts';
import { freshSeeds, recordBreakers, type Trial } from '../../statistics/index.ts';

/**
 * The steps of a search on its ladder, as requests to the archivist. Every step may be taken again after a restart: node
 * ids are fixed, and no evaluation is requested twice.
 */
export function ladderSteps(spec: SearchSpec, bus: Bus) {
  const search = spec.id;
  const references = spec.references.map(({ name }) => referenceNode(name));
  /** N0 is aggregate-1, N1 aggregate-2, N2 aggregate-3. */
  const aggregateNode = (place: number): NodeId => nodeId('aggregate' as AgentName, place + 1);

  const evaluate = async (nodes: readonly NodeId[], rung: Rung, seeds: number, known?: true) => {
    for (let from = 0; from < nodes.length; from += maxNodes) {
      const some = nodes.slice(from, from + maxNodes);
      await bus.ask('node-evaluate', { search, nodes: some, rung, seeds, ...(known && { known }) });
    }
  };

  const ranking = async (rung: Rung, candidates = false): Promise<ReplyOf<'search-ranking'>['nodes']> => {
    const nodes: ReplyOf<'search-ranking'>['nodes'] = [];
    for (;;) {
      const piece = await bus.ask('search-ranking', { search, rung, candidates, from: nodes.length });
      nodes.push(...piece.nodes);
      if (!piece.more) return nodes;
    }
  };

  const ofAgents = async (rung: Rung, candidates = false) =>
    (await ranking(rung, candidates)).filter(({ origin }) => origin !== 'reference' && origin !== 'aggregate');

  return {
    /** Known patterns, trained on the same rungs and seeds as the agents' candidates. */
    async addReferences(): Promise<void> {
      for (const [index, node] of references.entries()) {
        const reference = spec.references[index];
        if (!reference) continue;
        const choice = 'a known pattern to compare with';
        const rationale = { choice, change: reference.name, expected: null, retrieved: [], evidence: [] };
        await bus.ask('node-add', { search, node, origin: 'reference', candidate: reference.candidate, rationale });
      }
      if (references.length === 0) return;
      const { finalSeeds } = spec.ladder;
      await evaluate(references, 'final', finalSeeds, true);
      // Where time is limited, some finals, which are needed anyway, show early what finals cost here (F4).
      const some = references.slice(0, Math.ceil(leastFinals / finalSeeds));
      if (spec.budget.minutes !== undefined) await evaluate(some, 'final', finalSeeds);
      await evaluate(references, 'screen', 1);
    },

    /** The best share climbs; meanwhile the references take their final training, which depends on nothing. */
    async confirm(): Promise<void> {
      const screened = await ofAgents('screen');
      const best = screened.slice(0, promoted(screened.length, spec.ladder)).map(({ node }) => node);
      if (best.length > 0) await evaluate(best, 'confirm', spec.ladder.confirmSeeds);
      if (references.length > 0) await evaluate(references, 'final', spec.ladder.finalSeeds);
    },

    /**
     * What all agents' nodes agree on becomes a node of its own, under each conditioning that the ladder trains; a pattern that an
     * earlier one has already is not added again. False where there is nothing to aggregate.
     */
    async aggregate(): Promise<boolean> {
      const { space } = spec;
      // Programs have no layers to vote about.
      if (space.kind !== 'stack') return false;
      const nodes: ScoredNode[] = (await ofAgents('screen', true)).map(({ node, candidate = '', validation }) => ({
        node,
        agent: node.slice(0, node.lastIndexOf('-')) as AgentName,
        architecture: parseInSpace(candidate, space),
        score: validation,
      }));
      let patterns: Pattern[];
      try {
        patterns = conditionings.slice(0, aggregatesOf(spec.ladder)).map((each) => aggregate(nodes, each));
      } catch (thrown) {
        if (thrown instanceof AggregationError) return false;
        throw thrown;
      }
      const candidates = patterns.map(({ architecture }) => canonicalText(architecture));
      const added: NodeId[] = [];
      for (const [place, { electorate, architecture, conditioning }] of patterns.entries()) {
        const candidate = candidates[place] as string;
        if (candidates.indexOf(candidate) < place) continue;
        const given =
          conditioning === 0 ? '' : `, of those that share the ${conditioning === 1 ? 'layer' : '2 layers'} before`;
        const rationale = {
          choice: `N${conditioning} over the best of five clusters: ${electorate.members.length} of ${nodes.length} nodes`,
          change: `per layer the most frequent primitive${given}: ${runLengthText(architecture)}`,
          expected: null,
          retrieved: [],
          evidence: [],
        };
        const node = aggregateNode(place);
        await bus.ask('node-add', { search, node, origin: 'aggregate', candidate, rationale });
        added.push(node);
      }
      await evaluate(added, 'screen', 1);
      return true;
    },

    /** Finalists, references and aggregates on the same fresh seeds, with the hidden test set. */
    async finalise(): Promise<void> {
      const confirmed = await ofAgents('confirm');
      const finalists = confirmed.slice(0, spec.ladder.finalists).map(({ node }) => node);
      const aggregates = (await ranking('screen')).flatMap(({ node, origin }) => (origin === 'aggregate' ? node : []));
      const nodes = [...finalists, ...aggregates.sort(), ...references];
      if (nodes.length > 0) await evaluate(nodes, 'final', spec.ladder.finalSeeds);
    },

    /** A program that beats the baseline has to do so again on fresh seeds (see statistics/acceptance.ts). */
    async retry(): Promise<void> {
      const [baseline] = references;
      if (spec.space.kind !== 'program' || !baseline) return;
      const trials = (await ranking('final')).map(({ node, origin, seeds }): Trial & { origin: typeof origin } => ({
        id: node,
        origin,
        validation: seeds,
        heldOut: [],
      }));
      const incumbent = trials.find(({ id }) => id === baseline);
      if (!incumbent) return;
      const { finalSeeds } = spec.ladder;
      const challengers = trials.filter(({ origin }) => origin !== 'reference');
      const breakers = recordBreakers(challengers, incumbent, finalSeeds).map(({ id }) => nodeIdSchema.parse(id));
      if (breakers.length > 0) await evaluate([...breakers, baseline], 'final', finalSeeds + freshSeeds);
    },
  };
}
