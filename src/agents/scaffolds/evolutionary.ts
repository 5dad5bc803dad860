import type { NodeId } from '../../domain/ids.ts';
import type { View, ViewNode } from '../../domain/node.ts';
import type { Rng } from '../../domain/rng.ts';
import type { ScaffoldSpec } from '../../domain/scaffold.ts';
import { isScored, ranked, type ScoredNode } from '../models/model.ts';
import {
  chains,
  crossover,
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

export type EvolutionarySpec = Extract<ScaffoldSpec, { kind: 'evolutionary' }>;

export interface Island {
  /** Every attempt made for this island, whatever became of it, in order. */
  readonly members: readonly ViewNode[];
  /** At most `capacity` of the admitted scored members, best first: the worst leave, the best never does. */
  readonly survivors: readonly ScoredNode[];
}

/**
 * The islands, folded from the view: a draft lives on island (ordinal mod islands), any other node with its first parent.
 * Membership hangs on the node itself, so one that fails or is late never moves another.
 */
export function islandsOf(view: View, spec: EvolutionarySpec): Island[] {
  const members: ViewNode[][] = Array.from({ length: spec.islands }, () => []);
  const homes = new Map<NodeId, number>();
  for (const node of ownOf(history(view))) {
    const [first] = node.parents;
    const home = (first === undefined ? undefined : homes.get(first)) ?? node.ordinal % spec.islands;
    homes.set(node.id, home);
    members[home]?.push(node);
  }
  return members.map((each) => ({ members: each, survivors: survivorsOf(each, spec) }));
}

/** Whoever is less fit than the survivors on average may be kept out (`admission: mean`); members come in order. */
function survivorsOf(members: readonly ViewNode[], { admission, capacity }: EvolutionarySpec): readonly ScoredNode[] {
  if (admission === 'all') return ranked(members).slice(0, capacity);
  let survivors: ScoredNode[] = [];
  for (const node of members.filter(isScored)) {
    // Divided before adding: the sum of finite numbers may overflow.
    const mean = survivors.reduce((sum, { fitness }) => sum + fitness / survivors.length, 0);
    if (survivors.length === 0 || node.fitness >= mean) survivors = ranked([...survivors, node]).slice(0, capacity);
  }
  return survivors;
}

/** The survivors of every other agent, each of which is as an island of its own. */
function foreignSurvivors(view: View, spec: EvolutionarySpec): ScoredNode[] {
  const abroad = history(view).filter(({ foreign }) => foreign);
  const agents = [...new Set(abroad.map(({ agent }) => agent))].sort();
  return agents.flatMap((agent) =>
    survivorsOf(
      abroad.filter((node) => node.agent === agent),
      spec,
    ),
  );
}

/** From `temperature` to `finalTemperature`, in a straight line over the attempts that the budget allows. */
function temperatureAt({ ordinal, remaining }: View, { temperature, finalTemperature }: EvolutionarySpec): number {
  const share = Math.min(1, (ordinal - 1) / Math.max(1, ordinal - 1 + remaining - 1));
  // Two parts that are never negative: a difference of them may be lost in rounding, and a temperature of 0 is none.
  return Math.max(Number.MIN_VALUE, (1 - share) * temperature + share * (finalTemperature ?? temperature));
}

/** Draws by softmax(normalised fitness / temperature), normalised within the pool: the pressure is the same in each. */
function drawParent(pool: readonly ScoredNode[], temperature: number, rng: Rng): ScoredNode {
  const normalise = normaliser(pool.map((node) => node.fitness));
  const merits = pool.map((node) => normalise(node.fitness));
  // Relative to the best, whose weight is 1: no temperature makes the sum vanish or overflow.
  const top = Math.max(...merits);
  return rng.weighted(
    pool,
    merits.map((merit) => Math.exp((merit - top) / temperature)),
  );
}

/**
 * Islands that take turns: attempt k breeds on island (k mod islands), which gives each the same share without an index
 * that a resume could lose. A failure of the island that is open is mended first, the oldest before the others. Until
 * `founders` drafts were made for the island, and whenever it has no survivor, it drafts.
 *
 * Rates are per proposal. A migrating proposal is a crossover whose second parent lives on another island, or survives with
 * another agent, where the agent remembers the ensemble; the child stays with its first parent. With a single survivor on the island a crossover becomes an improvement.
 */
export function evolutionary(spec: EvolutionarySpec, named: Named): Scaffold {
  return (view, rng) => {
    const islands = islandsOf(view, spec);
    const turn = view.ordinal % spec.islands;
    const { members, survivors } = islands[turn] as Island;
    const where = spec.islands === 1 ? 'the population' : `island ${turn}`;
    const [failure] = openFailures(chains(members), spec.debugDepth);
    if (failure) return debug(failure, spec.debugDepth);
    const founders = members.filter((node) => node.operator === 'draft').length;
    if (founders < spec.founders) return draft(`founder ${founders + 1} of ${spec.founders} of ${where}`);
    if (survivors.length === 0) return draft(`${where} has no survivor among ${members.length} attempts`);

    const migrates = rng.float() < spec.migration && view.ordinal > spec.migrationAfter;
    const crosses = rng.float() < spec.crossover && view.ordinal > spec.crossoverAfter;
    const temperature = temperatureAt(view, spec);
    const first = drawParent(survivors, temperature, rng);
    const abroad = [
      ...islands.flatMap((island, index) => (index === turn ? [] : island.survivors)),
      ...foreignSurvivors(view, spec),
    ];
    if (migrates && abroad.length > 0) {
      const second = drawParent(abroad, temperature, rng);
      return crossover(first, second, `${named(first)} of ${where} with the migrant ${named(second)}`);
    }
    const others = survivors.filter((node) => node.id !== first.id);
    if (crosses && others.length > 0) {
      const second = drawParent(others, temperature, rng);
      return crossover(first, second, `${named(first)} with ${named(second)}, drawn by fitness from ${where}`);
    }
    return improve(first, `${named(first)}, drawn by fitness from ${survivors.length} survivors of ${where}`);
  };
}
