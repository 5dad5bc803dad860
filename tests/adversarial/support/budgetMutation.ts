import { attacks } from '../attacks.ts';
import type { BudgetMutant } from '../budgetMutants.ts';
import { weakened } from './weakened.ts';
import { scoreOf, type World } from './world.ts';

/** Bits per byte. Standard errors are a fiftieth of it (`fewBatches`), or what is gained is nearly all there is. */
const far = 1;

/** Whether the attack gets through with the sources as they are, and without the mutant's line. */
export async function compareBudget(
  { attack: name, through, without: _, ...weakening }: BudgetMutant,
  world: World,
): Promise<{ with: boolean; without: boolean }> {
  const attack = attacks.find((each) => each.name === name);
  if (!attack) throw new Error(`there is no attack ${name}`);
  const honest = await world.honestScore(attack);
  const own = await world.attempt(attack);
  const mutated = await weakened(weakening, (design) => world.attempt(attack, {}, design));
  const got = (outcome: typeof own): boolean => {
    // Said in a training it is kept as text; said of hidden rows it is not, and the end by itself is all that is seen.
    if (through === 'says so') return outcome.status === 'failed' && outcome.reason === 'crash';
    return outcome.status === 'ok' && (through === 'scored' || scoreOf(outcome) > honest + far);
  };
  return { with: got(own), without: got(mutated) };
}

export const budgetTitle = ({ without, attack }: BudgetMutant): string => `${without}: ${attack}`;
