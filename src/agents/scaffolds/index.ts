/**
 * `aira/scaffolds`: types for search policies of one's own, and the pure functions of the shipped ones.
 *
 * @example
 * ```ts
 * import { checkScaffold, boundScaffold, type OwnScaffold, rngFor } from 'aira/scaffolds';
 *
 * const mine = await import(process.argv[2]); // the file of a scaffold
 * const policy = boundScaffold(mine.decide, mine.settings, { name: 'epsilon' });
 * checkScaffold(policy, 'epsilon'); // throws with the first decision that cannot be, or is not repeated
 * policy({ ordinal: 1, remaining: 60, nodes: [] }, rngFor(1));
 * ```
 */

export type { NodeId } from '../../domain/ids.ts';
export type { Operator, ScoredNode, View, ViewNode } from '../../domain/node.ts';
export { isScored, ranked } from '../../domain/node.ts';
export { type Rng, rngFor } from '../../domain/rng.ts';
export { type OwnSettings, type ScaffoldSpec, scaffoldPresets } from '../../domain/scaffold.ts';
export {
  type Chain,
  chains,
  crossover,
  type Decision,
  debug,
  draft,
  history,
  improve,
  type Named,
  namedBy,
  normaliser,
  openFailures,
  ownOf,
  type Scaffold,
} from './decision.ts';
export {
  boundScaffold,
  checkScaffold,
  type OwnScaffold,
  type ScaffoldContext,
  type ScaffoldTools,
  type ScaffoldView,
  scaffoldTools,
} from './own.ts';
export { scaffoldFor } from './scaffold.ts';
