import type { NodeId } from '../../domain/ids.ts';
import type { View, ViewNode } from '../../domain/node.ts';
import type { ScaffoldSpec } from '../../domain/scaffold.ts';
import { isScored, type ScoredNode } from '../models/model.ts';
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

export type MctsSpec = Extract<ScaffoldSpec, { kind: 'mcts' }>;

/** An idea in the search tree with what was backed up to it. The root stands for the empty candidate: it has no node. */
export interface Branch {
  /** The candidate that stands for the idea: where it was mended, the last repair. */
  readonly node: ViewNode | null;
  readonly parent: Branch | null;
  readonly children: Branch[];
  visits: number;
  /** Sum of the normalised values of the visits, each in [0, 1]. */
  value: number;
}

/**
 * The tree and its statistics, folded from the view in order of attempts. Each idea is one visit of itself and of all its
 * ancestors, worth its normalised fitness; a repair takes the place of what it mends and is no visit of its own. An idea
 * that gave no score is worth 0, the worst. One that is pending is worth what its parent scored, and 0 without a parent:
 * the visit alone makes later decisions look elsewhere (virtual loss).
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
    // What was improved is the one link of the chain that has a score: the last.
    byId.set(node.id, branch);

    const judged = node.status === 'pending' ? parent.node : node;
    const value = judged && isScored(judged) ? normalise(judged.fitness) : 0;
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

/** The branches below `root`, itself included, that can still lead to a new child; deepest decisions first. */
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
 * Upper-confidence tree search, one child per decision. From the root, whose children are the drafts: a node with fewer
 * than `children` children, pending and failed ones included, gets another one (the unvisited child comes first);
 * otherwise the search descends to the child of highest UCT that leads anywhere, ties to the earlier. Only scored nodes
 * are expanded. A failure of its own that is open is mended before anything else, the oldest first. Where every way is
 * closed, because all that is left failed or is pending, the root is widened by a draft: each call ends in a decision.
 *
 * Where the agent remembers the ensemble the tree is everybody's: what others explored counts as explored.
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
      return draft(
        count < spec.children
          ? `child ${count + 1} of ${spec.children} of the root`
          : `no node can be expanded: the ${view.nodes.length} attempts so far failed, are pending or are exhausted`,
      );
    }
    // Open and not the root: scored.
    const node = at.node as ScoredNode;
    const bound = Number(uct(at, spec.exploration).toPrecision(4));
    return improve(
      node,
      `child ${at.children.length + 1} of ${spec.children} of ${named(node)}, reached by UCT ${bound}`,
    );
  };
}
