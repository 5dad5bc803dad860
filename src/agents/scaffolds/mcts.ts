import type { NodeId } from '../../domain/ids.ts';
import { isScored, type ScoredNode, type View, type ViewNode } from '../../domain/node.ts';
import type { ScaffoldSpec } from '../../domain/scaffold.ts';
import {
  chains,
  debug,
  draft,
  history,
  improve,
  type Named,
  normaliser,
  openFailures,
  ownOf,
  type Scaffold,
} from './decision.ts';

type MctsSpec = Extract<ScaffoldSpec, { kind: 'mcts' }>;

/** An idea in the search tree and its statistics. The root is the empty candidate and has no node. */
export interface Branch {
  /** The candidate that represents the idea: the last repair, if it was repaired. */
  readonly node: ViewNode | null;
  readonly parent: Branch | null;
  readonly children: Branch[];
  visits: number;
  /** Sum of the normalised values of the visits, each in [0, 1]. */
  value: number;
}

/**
 * The tree and its statistics, computed from the view in order of attempts. Each idea is one visit of itself and of all its
 * ancestors, with its normalised fitness as value; a repair replaces the failed node and adds no visit. An idea without a
 * score has value 0, the worst. A pending one has its parent's value, or 0 without a parent: the visit alone makes later
 * decisions explore elsewhere (virtual loss).
 */
export function searchTree(view: View): Branch {
  const nodes = history(view);
  const normalise = normaliser(nodes.filter(isScored).map((node) => node.fitness));
  const root: Branch = { node: null, parent: null, children: [], visits: 0, value: 0 };
  const byId = new Map<NodeId, Branch>();
  for (const { first, last: node } of chains(nodes)) {
    const [origin] = first.parents;
    const parent = (origin === undefined ? undefined : byId.get(origin)) ?? root;
    const branch: Branch = { node, parent, children: [], visits: 0, value: 0 };
    parent.children.push(branch);
    // Only the last link of a chain can have a score, so improvements refer to it.
    byId.set(node.id, branch);

    const source = node.status === 'pending' ? parent.node : node;
    const value = source && isScored(source) ? normalise(source.fitness) : 0;
    for (let at: Branch | null = branch; at; at = at.parent) {
      at.visits += 1;
      at.value += value;
    }
  }
  return root;
}

/** UCT = mean value + c sqrt(ln N(parent) / N). Every branch in the tree has been visited, so N is at least 1. */
export function uct(branch: Branch, exploration: number): number {
  const around = branch.parent?.visits ?? branch.visits;
  return branch.value / branch.visits + exploration * Math.sqrt(Math.log(around) / branch.visits);
}

/** The branches below `root`, itself included, that can still lead to a new child. */
function openBranches(root: Branch, width: number): Set<Branch> {
  const open = new Set<Branch>();
  const order: Branch[] = [root];
  for (const branch of order) order.push(...branch.children);
  for (const branch of order.reverse()) {
    const expandable = branch.node === null || isScored(branch.node);
    const room = branch.children.length < width || branch.children.some((child) => open.has(child));
    if (expandable && room) open.add(branch);
  }
  return open;
}

/**
 * Upper-confidence tree search, one child per decision. From the root, whose children are the drafts: a node with fewer than
 * `children` children, pending and failed ones included, gets another one (the unvisited child comes first); otherwise the
 * search descends to the expandable child with the highest UCT, ties to the earlier. Only scored nodes are expanded. An open
 * failure of the agent's own is repaired first, the oldest before the others. If no branch is open, because the rest failed
 * or is pending, the root is widened by a draft: each call ends in a decision.
 *
 * With ensemble memory the tree is shared: exploration by other agents counts.
 */
export function mcts(spec: MctsSpec, named: Named): Scaffold {
  return (view) => {
    const [failure] = openFailures(chains(ownOf(history(view))), spec.debugDepth);
    if (failure) return debug(failure, spec.debugDepth);
    const root = searchTree(view);
    const open = openBranches(root, spec.children);
    let at = root;
    while (open.has(at) && at.children.length >= spec.children) {
      const ways = at.children.filter((child) => open.has(child));
      at = ways.reduce((best, child) => (uct(child, spec.exploration) > uct(best, spec.exploration) ? child : best));
    }
    if (at.node === null) {
      const count = root.children.length;
      return count < spec.children
        ? draft(`child ${count + 1} of ${spec.children} of the root`, spec.children - count)
        : draft(`no node can be expanded: all ${view.nodes.length} attempts failed, are pending or are exhausted`, 1);
    }
    // Open and not the root, therefore scored.
    const node = at.node as ScoredNode;
    const bound = Number(uct(at, spec.exploration).toPrecision(4));
    return improve(
      node,
      `child ${at.children.length + 1} of ${spec.children} of ${named(node)}, selected by UCT ${bound}`,
      spec.children - at.children.length,
    );
  };
}
