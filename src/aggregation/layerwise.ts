import { type Architecture, canonicalText, composition, type Primitive } from '../domain/architecture.ts';
import { TerminalError } from '../domain/errors.ts';
import type { AgentName, NodeId } from '../domain/ids.ts';

/**
 * The pattern that all agents' nodes have in common: who votes (the best of five clusters of their scores), and the votes on
 * one layer after the other.
 */

/** An evaluated node of an agent. Scores of one pool must be comparable: one rung, higher is better. */
export interface ScoredNode {
  readonly node: NodeId;
  readonly agent: AgentName;
  readonly architecture: Architecture;
  readonly score: number;
}

/** A distinct architecture of the pool. */
interface Member {
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
function distinctMembers(nodes: readonly ScoredNode[]): Member[] {
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
const clusterCount = 5;

/**
 * Who votes: the distinct architectures in the best of five 1-D K-means clusters of their scores.
 *
 * @throws AggregationError without nodes, or for nodes of different depths.
 */
export function elect(nodes: readonly ScoredNode[], clusters: number = clusterCount): Electorate {
  if (nodes.length === 0) throw new AggregationError('no evaluated nodes to aggregate');
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

/** The nodes of each agent behind these members. */
function provenance(members: readonly Member[]): ReadonlyMap<AgentName, readonly NodeId[]> {
  const byAgent = new Map<AgentName, NodeId[]>();
  for (const { node, agent } of members.flatMap((member) => member.nodes)) {
    byAgent.set(agent, [...(byAgent.get(agent) ?? []), node]);
  }
  return new Map([...byAgent].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** One cluster of scores. Positions refer to the list that was clustered. */
interface Cluster {
  readonly mean: number;
  readonly lowest: number;
  readonly highest: number;
  /** Indices into the scores given, ascending. */
  readonly positions: readonly number[];
}

/** A distinct score and how often it occurs. */
interface Point {
  readonly value: number;
  readonly positions: number[];
}

/** Distinct scores ascending, so that equal scores can never be parted. */
function distinct(scores: readonly number[]): Point[] {
  const points = new Map<number, number[]>();
  for (const [position, score] of scores.entries()) {
    if (!Number.isFinite(score))
      throw new RangeError(`score ${position} is ${score}; only finite scores can be clustered`);
    // -0 and 0 are one key of a Map, so they fall together here as they should.
    const existing = points.get(score);
    if (existing) existing.push(position);
    else points.set(score, [position]);
  }
  return [...points].map(([value, positions]) => ({ value, positions })).sort((a, b) => a.value - b.value);
}

/**
 * The cost of making one cluster of the points from `from` to `to`, both included: the sum of squared distances from
 * their mean. Sums are taken about the overall mean, without which scores that differ in the fifth digit would drown in
 * rounding.
 */
function segmentCost(points: readonly Point[]): (from: number, to: number) => number {
  const total = points.reduce((sum, { positions }) => sum + positions.length, 0);
  const centre = points.reduce((sum, { value, positions }) => sum + value * positions.length, 0) / total;
  const weight = [0];
  const first = [0];
  const second = [0];
  for (const [index, { value, positions }] of points.entries()) {
    const offset = value - centre;
    weight.push((weight[index] as number) + positions.length);
    first.push((first[index] as number) + positions.length * offset);
    second.push((second[index] as number) + positions.length * offset * offset);
  }
  const span = (sums: readonly number[], from: number, to: number) => (sums[to + 1] as number) - (sums[from] as number);
  return (from, to) => {
    if (from === to) return 0;
    const sum = span(first, from, to);
    return Math.max(0, span(second, from, to) - (sum * sum) / span(weight, from, to));
  };
}

/**
 * K-means on the line, solved exactly: optimal clusters of sorted points are intervals, so dynamic programming over the
 * boundaries finds the least within-cluster sum of squares (Wang & Song 2011, "Ckmeans.1d.dp", The R Journal 3/2). No
 * starting points, hence no randomness; of equally good partitions the one with the lowest boundaries is taken. The last
 * boundary never moves down as points are added, which lets each row be filled by divide and conquer: O(k n log n).
 *
 * @param scores n finite numbers, in any order.
 * @param k clusters wanted; where fewer distinct scores exist, each becomes a cluster of its own.
 * @returns clusters by ascending mean; none for no scores.
 * @throws RangeError for a score that is not finite, or a k that is not a positive integer.
 */
export function kmeans(scores: readonly number[], k: number): Cluster[] {
  if (!Number.isInteger(k) || k < 1) throw new RangeError(`${k} is not a number of clusters`);
  const points = distinct(scores);
  if (points.length === 0) return [];
  const clusters = Math.min(k, points.length);
  const cost = segmentCost(points);

  // best[i]: least cost of the points 0..i in the clusters placed so far; begins[c][i]: where the last of them begins.
  let best = points.map((_, to) => cost(0, to));
  const begins: number[][] = [points.map(() => 0)];
  for (let cluster = 1; cluster < clusters; cluster++) {
    const next = new Array<number>(points.length).fill(Number.POSITIVE_INFINITY);
    const begin = new Array<number>(points.length).fill(cluster);
    const fill = (low: number, high: number, beginLow: number, beginHigh: number): void => {
      if (low > high) return;
      const middle = (low + high) >> 1;
      for (let from = Math.max(beginLow, cluster); from <= Math.min(middle, beginHigh); from++) {
        const candidate = (best[from - 1] as number) + cost(from, middle);
        if (candidate < (next[middle] as number)) {
          next[middle] = candidate;
          begin[middle] = from;
        }
      }
      fill(low, middle - 1, beginLow, begin[middle] as number);
      fill(middle + 1, high, begin[middle] as number, beginHigh);
    };
    fill(cluster, points.length - 1, cluster, points.length - 1);
    begins.push(begin);
    best = next;
  }

  const result: Cluster[] = [];
  let to = points.length - 1;
  for (let cluster = clusters - 1; cluster >= 0; cluster--) {
    const from = begins[cluster]?.[to] as number;
    result.unshift(describe(points.slice(from, to + 1)));
    to = from - 1;
  }
  return result;
}

function describe(members: readonly Point[]): Cluster {
  const positions = members.flatMap((point) => point.positions).sort((a, b) => a - b);
  const lowest = members[0]?.value as number;
  const sum = members.reduce((all, { value, positions: at }) => all + (value - lowest) * at.length, 0);
  return { mean: lowest + sum / positions.length, lowest, highest: members.at(-1)?.value as number, positions };
}

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
