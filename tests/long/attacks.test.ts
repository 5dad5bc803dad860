/**
 * The whole attack suite: every malicious submission, after each of them the honest one, every honest submission, and every
 * defence left out in turn. `npm run attack` runs it and prints one line of figures.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attacks } from '../adversarial/attacks.ts';
import { budgetMutants } from '../adversarial/budgetMutants.ts';
import { companions, others } from '../adversarial/honest.ts';
import { mutants, weakenings } from '../adversarial/mutants.ts';
import { budgetTitle, compareBudget } from '../adversarial/support/budgetMutation.ts';
import { compare, compareSources, isPossible, mutantTitle } from '../adversarial/support/mutation.ts';
import { scoreOf, World } from '../adversarial/support/world.ts';

let world: World;
let contained = 0;
const accepted = new Set<string>();
let shown = 0;
beforeAll(async () => {
  world = await World.open();
});
afterAll(async () => {
  await world?.close();
  const honest = companions.length + others.length;
  const possible = mutants.filter((mutant) => isPossible(mutant, world)).length + weakenings.length;
  process.stdout.write(
    `${contained}/${attacks.length} contained, ${honest - accepted.size} honest refused of ${honest}, ` +
      `${shown}/${possible + budgetMutants.length} left-out defences seen\n`,
  );
});

it('holds at least sixty attacks and a hundred honest submissions', () => {
  expect(attacks.length).toBeGreaterThanOrEqual(60);
  expect(companions.length + others.length).toBeGreaterThanOrEqual(100);
  expect(attacks.length).toBeGreaterThanOrEqual(companions.length);
});

describe('a malicious submission is contained, and the next honest one scores the same', () => {
  it.each(attacks.map((attack, index) => [attack.name, attack, index] as const))('%s', async (_, attack, index) => {
    const next = companions[index % companions.length];
    if (!next) throw new Error('there is no honest submission');
    const { problems } = await world.attack(attack);
    expect(problems).toEqual([]);
    contained += 1;
    expect(scoreOf(await world.judge(next.files, next.settings)), next.name).toBe(await world.honestScore());
    accepted.add(next.name);
  });
});

describe('an honest submission is not refused', () => {
  it.each(others)('$name', async ({ name, files, settings }) => {
    const outcome = await world.judge(files, settings);
    expect(outcome).toMatchObject({ status: 'ok' });
    accepted.add(name);
  });
});

describe('an attack that a defence contains gets through without it', () => {
  it.each(mutants.map((mutant) => [mutantTitle(mutant), mutant] as const))('%s', async (_, mutant) => {
    if (!isPossible(mutant, world)) return;
    expect(await compare(mutant, world)).toMatchObject({ with: false, without: true });
    shown += 1;
  });
});

describe('a budget that a line of the host keeps is broken without it', () => {
  it.each(budgetMutants.map((mutant) => [budgetTitle(mutant), mutant] as const))('%s', async (_, mutant) => {
    expect(await compareBudget(mutant, world)).toEqual({ with: false, without: true });
    shown += 1;
  });
});

describe('an attack on the evaluator gets through without the line that contains it', () => {
  it.each(weakenings.map((each) => [`${each.line}: ${each.attack}`, each] as const))('%s', async (_, weakening) => {
    const scores = await compareSources(weakening, world);
    expect(scores.with).toBeLessThan(scores.below);
    expect(scores.without).toBeGreaterThan(0.95);
    shown += 1;
  });
});
