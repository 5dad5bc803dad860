/**
 * The whole attack suite: every malicious submission, after each of them the honest one, every honest submission, and every
 * defence left out in turn. `npm run attack` runs it and prints one line of figures.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attacks } from '../adversarial/attacks.ts';
import { honest } from '../adversarial/honest.ts';
import { mutants } from '../adversarial/mutants.ts';
import { compare, isPossible, mutantTitle } from '../adversarial/support/mutation.ts';
import { tinyText } from '../adversarial/support/settings.ts';
import { honestScript } from '../adversarial/support/submissions.ts';
import { scoreOf, World } from '../adversarial/support/world.ts';

let world: World;
let contained = 0;
let accepted = 0;
let shown = 0;
beforeAll(async () => {
  world = await World.open();
});
afterAll(async () => {
  await world?.close();
  const possible = mutants.filter((mutant) => isPossible(mutant, world)).length;
  process.stdout.write(
    `${contained}/${attacks.length} contained, ${honest.length - accepted} honest refused of ${honest.length}, ` +
      `${shown}/${possible} left-out defences seen\n`,
  );
});

it('holds at least sixty attacks and a hundred honest submissions', () => {
  expect(attacks.length).toBeGreaterThanOrEqual(60);
  expect(honest.length).toBeGreaterThanOrEqual(100);
});

describe('a malicious submission is contained, and the next honest one scores the same', () => {
  it.each(attacks)('$name', async (attack) => {
    const { problems } = await world.attack(attack);
    expect(problems).toEqual([]);
    expect(scoreOf(await world.judge(honestScript, tinyText))).toBe(await world.honestScore());
    contained += 1;
  });
});

describe('an honest submission is not refused', () => {
  it.each(honest)('$name', async ({ files, settings }) => {
    const outcome = await world.judge(files, settings);
    expect(outcome).toMatchObject({ status: 'ok' });
    accepted += 1;
  });
});

describe('an attack that a defence contains gets through without it', () => {
  it.each(mutants.map((mutant) => [mutantTitle(mutant), mutant] as const))('%s', async (_, mutant) => {
    if (!isPossible(mutant, world)) return;
    expect(await compare(mutant, world)).toMatchObject({ with: false, without: true });
    shown += 1;
  });
});
