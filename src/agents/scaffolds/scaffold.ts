import { TerminalError } from '../../domain/errors.ts';
import { ranked, type ViewNode } from '../../domain/node.ts';
import type { ScaffoldSpec } from '../../domain/scaffold.ts';
import {
  chains,
  debug,
  draft,
  history,
  improve,
  type Named,
  namedBy,
  openFailures,
  ownOf,
  type Scaffold,
} from './decision.ts';
import { evolutionary } from './evolutionary.ts';
import { mcts } from './mcts.ts';

/**
 * The shipped policies by name, and the two simplest of them; tree search and evolution have a file each (mcts.ts, evolutionary.ts).
 */

/** The policy of a specification with its parameters bound. Reasons state the metric; decisions use fitness. */
export function scaffoldFor(spec: ScaffoldSpec, { lowerIsBetter = false } = {}): Scaffold {
  const named = namedBy(lowerIsBetter);
  switch (spec.kind) {
    case 'one-shot':
      return oneShot;
    case 'greedy':
      return greedy(spec, named);
    case 'mcts':
      return mcts(spec, named);
    case 'evolutionary':
      return evolutionary(spec, named);
    case 'outside':
      throw new TerminalError('scaffold', 'an agent from outside decides in its own client');
    case 'own':
      throw new TerminalError('scaffold', `the scaffold "${spec.name}" of the user is not open`);
  }
}

/** Always draft: the policy that learns nothing from results, as a baseline for the others. */
const oneShot: Scaffold = (view) => draft(`attempt ${view.ordinal}, one-shot: every attempt is a fresh draft`);

export type GreedySpec = Extract<ScaffoldSpec, { kind: 'greedy' }>;

/** The best node yields to the runner-up once when it has this many more pending improvements. */
const lead = 2;

function pendingChildren(nodes: readonly ViewNode[], parent: ViewNode): number {
  return nodes.filter((node) => node.status === 'pending' && node.parents[0] === parent.id).length;
}

/**
 * `drafts` drafts, then always improve the best scored node of any agent. An attempt counts as a draft whatever its status,
 * so that failures cannot keep a search drafting. While failures are open, a random one is repaired with probability
 * `debugProbability`.
 *
 * With many proposals in flight, all would be children of one node whose score may be luck. Therefore the best yields to the
 * second best whenever it has `lead` more pending improvements; never to a lower one, so that a search with `pending` up to
 * `lead` is plain greedy.
 */
export function greedy(spec: GreedySpec, named: Named): Scaffold {
  return (view, rng) => {
    const nodes = history(view);
    const own = ownOf(nodes);
    const drafts = own.filter((node) => node.operator === 'draft').length;
    if (drafts < spec.drafts) return draft(`draft ${drafts + 1} of ${spec.drafts}`, spec.drafts - drafts);

    const open = openFailures(chains(own), spec.debugDepth);
    if (open.length > 0 && rng.float() < spec.debugProbability) return debug(rng.pick(open), spec.debugDepth);

    const [best, second] = ranked(nodes);
    if (!best) return draft(`none of ${nodes.length} attempts has a score yet`);

    const waiting = pendingChildren(nodes, best);
    if (second && waiting - pendingChildren(nodes, second) >= lead) {
      return improve(
        second,
        `second best ${named(second)}, because the best ${named(best)} has ${waiting} pending results`,
      );
    }
    return improve(best, `best so far: ${named(best)}`);
  };
}
