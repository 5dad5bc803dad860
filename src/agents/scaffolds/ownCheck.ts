import { errorMessage, PrerequisiteError } from '../../domain/errors.ts';
import { agentNameSchema, nodeId } from '../../domain/ids.ts';
import { canonicalJson, type Json } from '../../domain/json.ts';
import { byAge, type View, type ViewNode } from '../../domain/node.ts';
import { rngFor } from '../../domain/rng.ts';
import type { Decision, Scaffold } from './decision.ts';

/**
 * What is checked of a user's scaffold before a search may use it: two searches in memory with drawn outcomes, from the
 * empty view on. Each decision must be possible, and the same again: at once, and after all others (POL-1). Failures,
 * duplicates, rejected and pending attempts, vetoes and nodes of another agent occur, each within the first ten attempts.
 */

const self = agentNameSchema.parse('own');
const other = agentNameSchema.parse('other');
const attempts = 32;

/** How the attempts of the check end, in turn. The first has no score, since a search may begin that way. */
const outcomes = [
  'failed',
  'evaluated',
  'evaluated',
  'rejected',
  'evaluated',
  'duplicate',
  'evaluated',
  'failed',
] as const;
/** The attempt that a person vetoes once it is scored. */
const vetoed = 5;

function nodeOf(ordinal: number, decision: Decision, seed: number, agent = self): ViewNode {
  const status = outcomes[(ordinal - 1 + 3 * (seed - 1)) % outcomes.length] as (typeof outcomes)[number];
  const { operator, parents } = decision;
  const fitness = status === 'evaluated' ? rngFor('outcome', seed, agent, ordinal).float() : null;
  const reason = status === 'failed' ? 'nan' : status === 'duplicate' ? 'duplicate' : null;
  return {
    id: nodeId(agent, ordinal),
    agent,
    ordinal,
    operator,
    parents: [...parents],
    candidate: `M mA ${ordinal}`,
    status,
    reason,
    fitness,
    change: `attempt ${ordinal}`,
    ...(agent === self ? {} : { foreign: true as const }),
    ...(ordinal === vetoed && fitness !== null ? { vetoed: true as const } : {}),
  };
}

const textOf = (decision: Decision): string => canonicalJson(decision as unknown as Json);

/** The view of attempt `ordinal`: outcomes up to `pending` attempts back, and another agent's drafts if memory is shared. */
function viewOf(ordinal: number, nodes: readonly ViewNode[], pending: number, shared: boolean): View {
  const shown = nodes.map((node): ViewNode => {
    const open = node.ordinal > ordinal - pending && (node.status === 'evaluated' || node.status === 'failed');
    return open ? { ...node, status: 'pending', reason: null, fitness: null } : node;
  });
  const foreign = shared
    ? Array.from({ length: Math.max(0, ordinal - pending) }, (_, index) =>
        nodeOf(index + 1, { operator: 'draft', parents: [], reason: 'draft' }, 3, other),
      )
    : [];
  return { ordinal, remaining: attempts - ordinal + 1, nodes: [...shown, ...foreign].sort(byAge) };
}

/**
 * Checks a scaffold as a search would use it.
 *
 * @param label how the sentence names it.
 * @throws PrerequisiteError `scaffold` with the first attempt at which it fails, decides what cannot be, or decides otherwise
 * when it is asked again.
 */
export function checkScaffold(scaffold: Scaffold, label: string): void {
  const remedy = 'fix the file; `aira scaffold check <file>` repeats this check';
  for (const [seed, pending, shared] of [
    [1, 1, false],
    [2, 3, true],
  ] as const) {
    const decide = (view: View): Decision => {
      try {
        return scaffold(view, rngFor('check', seed, view.ordinal));
      } catch (cause) {
        const where = view.nodes.length === 0 ? 'on an empty view' : `at attempt ${view.ordinal} of a search in memory`;
        throw new PrerequisiteError('scaffold', `${errorMessage(cause)} (${where})`, remedy, { cause });
      }
    };
    const requireAgain = (view: View, decision: Decision): void => {
      if (textOf(decide(view)) === textOf(decision)) return;
      const message = `the scaffold ${label} is not a pure function: asked again at attempt ${view.ordinal}, it decides otherwise`;
      throw new PrerequisiteError('scaffold', message, 'store nothing between calls, and take all chance from rng');
    };
    const nodes: ViewNode[] = [];
    const made: { view: View; decision: Decision }[] = [];
    for (let ordinal = 1; ordinal <= attempts; ordinal++) {
      const view = viewOf(ordinal, nodes, pending, shared);
      const decision = decide(view);
      requireAgain(view, decision);
      made.push({ view, decision });
      nodes.push(nodeOf(ordinal, decision, seed));
    }
    // Backwards, so that a state left by later decisions would show.
    for (const { view, decision } of made.reverse()) requireAgain(view, decision);
  }
}
