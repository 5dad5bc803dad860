import { expect } from 'vitest';
import { type Rng, rngFor } from '../../src/domain/rng.ts';
import { type DistributedLab, type Victim, victims } from './distributedLab.ts';

/** How many trainings each kill may have cut off: with the server or the archive, what both workers had in hand. */
const cost = (victim: Victim): number => {
  if (victim === 'server' || victim === 'archive') return 2;
  return victim.startsWith('worker') || victim.startsWith('trainer') ? 1 : 0;
};

export interface Campaign {
  readonly kills: readonly Victim[];
  /** Trainings that the kills explain. */
  readonly cutOff: number;
}

/**
 * Kills parts of a lab by a seeded choice of victim and moment, until so many kills have hit something or the search has
 * ended.
 */
export async function campaign(lab: DistributedLab, kills: number, seed: number, pauseMs: number): Promise<Campaign> {
  const rng: Rng = rngFor('campaign', seed);
  const hit: Victim[] = [];
  for (let tries = 0; hit.length < kills && !lab.isFinished; tries++) {
    expect(tries, 'nothing could be killed').toBeLessThan(kills * 20);
    // The moment is what is random here; nothing is waited for.
    await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.25 + 1.5 * rng.float())));
    const victim = rng.pick(victims);
    if (lab.kill(victim)) hit.push(victim);
  }
  return { kills: hit, cutOff: hit.reduce((sum, victim) => sum + cost(victim), 0) };
}
