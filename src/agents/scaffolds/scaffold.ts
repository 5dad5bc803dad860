import type { ScaffoldSpec } from '../../domain/scaffold.ts';
import type { Scaffold } from './decision.ts';
import { evolutionary } from './evolutionary.ts';
import { greedy } from './greedy.ts';
import { mcts } from './mcts.ts';
import { oneShot } from './oneShot.ts';

export type { Decision, Scaffold } from './decision.ts';

/** The policy that a specification names, with its parameters bound. */
export function scaffoldFor(spec: ScaffoldSpec): Scaffold {
  switch (spec.kind) {
    case 'one-shot':
      return oneShot;
    case 'greedy':
      return greedy(spec);
    case 'mcts':
      return mcts(spec);
    case 'evolutionary':
      return evolutionary(spec);
  }
}
