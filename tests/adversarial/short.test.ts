/** A few of the attacks, on every run of the tests. All of them, and a hundred honest submissions: `npm run attack`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attacks } from './attacks.ts';
import { tinyText } from './support/settings.ts';
import { honestScript } from './support/submissions.ts';
import { scoreOf, World } from './support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.open();
});
afterAll(() => world?.close());

describe('an attack is contained', () => {
  it.each(attacks.filter(({ short }) => short))('$name', async (attack) => {
    expect((await world.attack(attack)).problems).toEqual([]);
  });
});

it('and the honest script scores the same afterwards', async () => {
  const again = await world.judge(honestScript, tinyText);
  expect(scoreOf(again)).toBe(await world.honestScore());
});
