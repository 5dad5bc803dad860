import type { ViewNode } from '../../domain/node.ts';
import type { ScaffoldSpec } from '../../domain/scaffold.ts';
import { ranked } from '../models/model.ts';
import { chains, debug, draft, history, improve, type Named, openFailures, ownOf, type Scaffold } from './decision.ts';

export type GreedySpec = Extract<ScaffoldSpec, { kind: 'greedy' }>;

/** So many more unanswered improvements than the runner-up has, and the best node gives way to it once. */
const lead = 2;

function pendingChildren(nodes: readonly ViewNode[], parent: ViewNode): number {
  return nodes.filter((node) => node.status === 'pending' && node.parents[0] === parent.id).length;
}

/**
 * `drafts` drafts, then always the best scored node, whoever made it. An attempt counts as a draft whatever became of it, so failures
 * cannot keep a search drafting while there is something to improve. While failures are open, one of them, whichever, is
 * mended with probability `debugProbability`.
 *
 * With many proposals in flight they would all be children of one node whose worth may be luck. Therefore the best gives
 * way to the second best whenever it has `lead` more pending improvements; never to anything below that, so that a
 * search with `pending` up to `lead` is plain greedy.
 */
export function greedy(spec: GreedySpec, named: Named): Scaffold {
  return (view, rng) => {
    const nodes = history(view);
    const own = ownOf(nodes);
    const drafts = own.filter((node) => node.operator === 'draft').length;
    if (drafts < spec.drafts) return draft(`draft ${drafts + 1} of ${spec.drafts}`);

    const open = openFailures(chains(own), spec.debugDepth);
    if (open.length > 0 && rng.float() < spec.debugProbability) return debug(rng.pick(open), spec.debugDepth);

    const [best, second] = ranked(nodes);
    if (!best) return draft(`none of ${nodes.length} attempts has a score yet`);

    const waiting = pendingChildren(nodes, best);
    if (second && waiting - pendingChildren(nodes, second) >= lead) {
      return improve(
        second,
        `second best ${named(second)}, because the best ${named(best)} has ${waiting} results pending`,
      );
    }
    return improve(best, `best so far: ${named(best)}`);
  };
}
