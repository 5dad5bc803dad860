import { type Architecture, canonicalText } from '../domain/architecture.ts';
import { TerminalError } from '../domain/errors.ts';
import type { AgentName, NodeId } from '../domain/ids.ts';
import { kmeans } from './kmeans.ts';

/** An evaluated node of an agent. Scores of one pool must be comparable: one rung, higher is better. */
export interface ScoredNode {
  readonly node: NodeId;
  readonly agent: AgentName;
  readonly architecture: Architecture;
  readonly score: number;
}

/** An architecture of the pool, once, however many nodes proposed it. */
export interface Member {
  readonly architecture: Architecture;
  /** Mean over its nodes. */
  readonly score: number;
  readonly nodes: readonly { readonly node: NodeId; readonly agent: AgentName }[];
}

/** The architectures that may vote: the cluster of the best mean. */
export interface Electorate {
  readonly members: readonly Member[];
  readonly mean: number;
  readonly lowest: number;
  readonly highest: number;
  /** Distinct architectures in the pool, and the sizes of all clusters from worst to best. */
  readonly pool: number;
  readonly clusterSizes: readonly number[];
}

/** Thrown when nodes cannot be aggregated: there are none, or their depths differ. Never succeeds by repetition. */
export class AggregationError extends TerminalError {
  constructor(message: string) {
    super('aggregation', message);
  }
}

/**
 * Each architecture once, in the order of its canonical text. An architecture that several agents found, or one agent
 * found twice, still has one vote: otherwise the pattern would depend on how often an agent repeats itself.
 */
export function distinctMembers(nodes: readonly ScoredNode[]): Member[] {
  const depth = nodes[0]?.architecture.length;
  const groups = new Map<string, ScoredNode[]>();
  for (const node of nodes) {
    if (node.architecture.length !== depth) {
      throw new AggregationError(
        `${node.node} has ${node.architecture.length} layers and ${nodes[0]?.node} has ${depth}; only equal depths can vote`,
      );
    }
    const text = canonicalText(node.architecture);
    groups.set(text, [...(groups.get(text) ?? []), node]);
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, group]) => ({
      architecture: (group[0] as ScoredNode).architecture,
      score: group.reduce((sum, { score }) => sum + score, 0) / group.length,
      nodes: group
        .map(({ node, agent }) => ({ node, agent }))
        .sort((a, b) => (a.node < b.node ? -1 : a.node > b.node ? 1 : 0)),
    }));
}

/** Clusters of the published method (arXiv 2510.00379). */
export const clusterCount = 5;

/**
 * Who votes: the distinct architectures in the best of five 1-D K-means clusters of their scores.
 *
 * @throws AggregationError without nodes, or for nodes of different depths.
 */
export function elect(nodes: readonly ScoredNode[], clusters: number = clusterCount): Electorate {
  if (nodes.length === 0) throw new AggregationError('nothing was evaluated, so there is nothing to aggregate');
  const pool = distinctMembers(nodes);
  const found = kmeans(
    pool.map(({ score }) => score),
    clusters,
  );
  const best = found.at(-1) as (typeof found)[number];
  return {
    members: best.positions.map((position) => pool[position] as Member),
    mean: best.mean,
    lowest: best.lowest,
    highest: best.highest,
    pool: pool.length,
    clusterSizes: found.map(({ positions }) => positions.length),
  };
}

/** Which nodes of which agent stand behind these members. */
export function provenance(members: readonly Member[]): ReadonlyMap<AgentName, readonly NodeId[]> {
  const byAgent = new Map<AgentName, NodeId[]>();
  for (const { node, agent } of members.flatMap((member) => member.nodes)) {
    byAgent.set(agent, [...(byAgent.get(agent) ?? []), node]);
  }
  return new Map([...byAgent].sort(([a], [b]) => (a < b ? -1 : 1)));
}
