import { type Architecture, composition, type Primitive } from '../domain/architecture.ts';
import type { AgentName, NodeId } from '../domain/ids.ts';
import { clusterCount, type Electorate, elect, type Member, provenance, type ScoredNode } from './pool.ts';

/** Number of previous layers that a voter must share to vote on the next: N0, N1, N2, or all. */
export const conditionings = [0, 1, 2, 'all'] as const;
export type Conditioning = (typeof conditionings)[number];

/** The vote on one layer. */
export interface LayerVote {
  readonly winner: Primitive;
  /** Votes as in `composition`; their sum is `voters`. */
  readonly votes: Readonly<Record<Primitive, number>>;
  readonly voters: number;
  /** Preceding layers that a voter had to share; fewer than the conditioning only near the input. */
  readonly condition: number;
  /** A tie between primitives, decided by the voters' mean score. */
  readonly tied: boolean;
}

/** What a cluster agrees on. */
export interface Pattern {
  readonly conditioning: Conditioning;
  readonly architecture: Architecture;
  /** One vote per layer, input first. */
  readonly layers: readonly LayerVote[];
  readonly electorate: Electorate;
  /** Node ids of the electorate, per agent. */
  readonly provenance: ReadonlyMap<AgentName, readonly NodeId[]>;
}

function agrees(member: Member, chosen: Architecture, from: number): boolean {
  for (let layer = from; layer < chosen.length; layer++) {
    if (member.architecture[layer] !== chosen[layer]) return false;
  }
  return true;
}

function vote(members: readonly Member[], chosen: Architecture, conditioning: Conditioning): LayerVote {
  const layer = chosen.length;
  const condition = conditioning === 'all' ? layer : Math.min(conditioning, layer);
  const voters = members.filter((member) => agrees(member, chosen, layer - condition));
  const layers = voters.map((member) => member.architecture[layer] as Primitive);
  const votes = composition(layers);
  const most = Math.max(...Object.values(votes));
  const leaders = Object.keys(votes).filter((primitive) => votes[primitive] === most);
  const meanScore = (primitive: Primitive) =>
    voters.reduce((sum, { score }, index) => (layers[index] === primitive ? sum + score : sum), 0) / most;
  // `reduce` keeps the earlier on equal means: the order of `inOrder` breaks the last tie.
  const winner = leaders.reduce((best, other) => (meanScore(other) > meanScore(best) ? other : best));
  return { winner, votes, voters: voters.length, condition, tied: leaders.length > 1 };
}

/**
 * Layer-wise clustering N_c (Composer, arXiv 2510.00379): layer i is the most frequent primitive among the members whose
 * preceding c layers equal those already chosen. The source leaves ties open; here the primitive wins whose voters have
 * the higher mean score, then the earlier of M, mA, Mb and the user's own by name.
 *
 * There are always voters: those that voted for the winner of layer i shared the c layers before it, so shares with the
 * choice layers i - c to i, and hence may vote on layer i + 1. No rule for an empty condition is needed.
 */
export function layerwise(electorate: Electorate, conditioning: Conditioning): Pattern {
  const depth = electorate.members[0]?.architecture.length ?? 0;
  const layers: LayerVote[] = [];
  const chosen: Primitive[] = [];
  while (chosen.length < depth) {
    const result = vote(electorate.members, chosen, conditioning);
    layers.push(result);
    chosen.push(result.winner);
  }
  return { conditioning, architecture: chosen, layers, electorate, provenance: provenance(electorate.members) };
}

/**
 * The pattern of a whole ensemble: all agents' nodes in one pool.
 *
 * @throws AggregationError without nodes, or for nodes of different depths.
 */
export function aggregate(
  nodes: readonly ScoredNode[],
  conditioning: Conditioning,
  clusters: number = clusterCount,
): Pattern {
  return layerwise(elect(nodes, clusters), conditioning);
}

/** The same under several conditionings: who votes is decided once. */
export function aggregateUnder(
  nodes: readonly ScoredNode[],
  under: readonly Conditioning[],
  clusters: number = clusterCount,
): Pattern[] {
  const electorate = elect(nodes, clusters);
  return under.map((conditioning) => layerwise(electorate, conditioning));
}

/** The pattern that each agent alone would have led to, by agent name; agents without nodes are absent. */
export function aggregateByAgent(
  nodes: readonly ScoredNode[],
  conditioning: Conditioning,
  clusters: number = clusterCount,
): ReadonlyMap<AgentName, Pattern> {
  const agents = [...new Set(nodes.map(({ agent }) => agent))].sort();
  return new Map(
    agents.map((agent) => [
      agent,
      aggregate(
        nodes.filter((node) => node.agent === agent),
        conditioning,
        clusters,
      ),
    ]),
  );
}
