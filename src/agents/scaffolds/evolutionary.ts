import type { NodeId } from '../../domain/ids.ts';
import { isScored, ranked, type ScoredNode, type View, type ViewNode } from '../../domain/node.ts';
import type { Rng } from '../../domain/rng.ts';
import type { ScaffoldSpec } from '../../domain/scaffold.ts';
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

interface Island {
  /** Every attempt for this island, whatever its status, in order. */
  readonly members: readonly ViewNode[];
  /** At most `capacity` of the admitted scored members, best first. */
  readonly survivors: readonly ScoredNode[];
}

/**
 * The islands, computed from the view: a draft belongs to island (number of its thought mod islands), any other node to its
 * first parent's.
 * Membership depends on the node alone, so that a failed or late node never moves another.
 */
export function islandsOf(view: View, spec: EvolutionarySpec): Island[] {
  const members: ViewNode[][] = Array.from({ length: spec.islands }, () => []);
  const homes = new Map<NodeId, number>();
  let [number, further] = [0, 0];
  for (const node of ownOf(history(view))) {
    if (node.thought !== undefined) further += 1;
    else number = node.ordinal - further;
    const [first] = node.parents;
    const home = (first === undefined ? undefined : homes.get(first)) ?? number % spec.islands;
    homes.set(node.id, home);
    members[home]?.push(node);
  }
  return members.map((each) => ({ members: each, survivors: survivorsOf(each, spec) }));
}

/** Survivors of `members`, in order of attempts. With `admission: mean`, a node below the survivors' mean is not admitted. */
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

/** The survivors of the other agents, each treated as an island. */
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

/** Linear from `temperature` to `finalTemperature` over the attempts that the budget allows. */
function temperatureAt({ ordinal, remaining }: View, { temperature, finalTemperature }: EvolutionarySpec): number {
  const share = Math.min(1, (ordinal - 1) / Math.max(1, ordinal - 1 + remaining - 1));
  // A sum of non-negative parts: a difference could round to 0, which is not a valid temperature.
  return Math.max(Number.MIN_VALUE, (1 - share) * temperature + share * (finalTemperature ?? temperature));
}

/** Draws by softmax(normalised fitness / temperature), normalised within the pool: equal selection pressure in each. */
function drawParent(pool: readonly ScoredNode[], temperature: number, rng: Rng): ScoredNode {
  const normalise = normaliser(pool.map((node) => node.fitness));
  const merits = pool.map((node) => normalise(node.fitness));
  // Relative to the best, whose weight is 1: the sum can neither vanish nor overflow.
  const top = Math.max(...merits);
  return rng.weighted(
    pool,
    merits.map((merit) => Math.exp((merit - top) / temperature)),
  );
}

/**
 * Islands in turn: thought k breeds on island (k mod islands), so that each gets an equal share without a counter that a
 * resume could lose. An open failure of the island is repaired first, the oldest before the others. The island drafts until
 * it has `founders` drafts, and whenever it has no survivor.
 *
 * Rates are per proposal. A migrating proposal is a crossover whose second parent is a survivor of another island or, with
 * ensemble memory, of another agent; the child stays with its first parent. A crossover on an island with a single survivor
 * becomes an improvement.
 */
export function evolutionary(spec: EvolutionarySpec, named: Named): Scaffold {
  return (view, rng) => {
    const islands = islandsOf(view, spec);
    // The number of this thought: its attempt's without the further candidates of earlier ones.
    const turn =
      (view.ordinal - ownOf(history(view)).filter(({ thought }) => thought !== undefined).length) % spec.islands;
    const { members, survivors } = islands[turn] as Island;
    const where = spec.islands === 1 ? 'the population' : `island ${turn}`;
    const [failure] = openFailures(chains(members), spec.debugDepth);
    if (failure) return debug(failure, spec.debugDepth);
    const founders = members.filter((node) => node.operator === 'draft').length;
    if (founders < spec.founders) {
      return draft(`founder ${founders + 1} of ${spec.founders} of ${where}`, spec.founders - founders);
    }
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
