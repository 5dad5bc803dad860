import { TerminalError } from '../../domain/errors.ts';
import type { ScaffoldSpec } from '../../domain/scaffold.ts';
import { draft, namedBy, type Scaffold } from './decision.ts';
import { evolutionary } from './evolutionary.ts';
import { greedy } from './greedy.ts';
import { mcts } from './mcts.ts';

export type { Scaffold } from './decision.ts';

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
export const oneShot: Scaffold = (view) => draft(`attempt ${view.ordinal}, one-shot: every attempt is a fresh draft`);
