import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseInSpace } from '../../../src/domain/architecture.ts';
import type { Rehearsal, Rehearsing, Stage } from '../../../src/domain/rehearsal.ts';
import { openRehearsals } from '../../../src/evaluators/index.ts';
import { shortened } from '../../../src/evaluators/rehearsals.ts';
import { systemClock, systemTimers } from '../../../src/platform/index.ts';
import { findPython } from '../../../src/platform/installation.ts';
import { loadTask, profileOf } from '../../../src/tasks/index.ts';
import { quiet } from '../../bus/support.ts';
import { space, stage } from '../../support/stackStage.ts';

let bench: Rehearsing;
beforeAll(async () => {
  const options = { data: null, tasks: [], unsafe: false, clock: systemClock, timers: systemTimers, log: quiet };
  bench = openRehearsals({ python: await findPython(), ...options });
});
afterAll(() => bench.close());

const rehearse = (architecture: string, more: Partial<Rehearsal> = {}, at: Partial<Stage> = {}) =>
  bench.rehearse(
    { ...stage, ...at },
    {
      ...{ tool: 'run_experiment', share: 0.05, limitSeconds: 60 },
      candidate: { kind: 'stack', architecture: [...parseInSpace(architecture, space)] },
      ...more,
    },
    new AbortController().signal,
  );

describe('rehearsals of stacks', () => {
  it('train for a share of the steps, with parameters and FLOPs; the same candidate scores the same', async () => {
    const found = await rehearse('2mA+14M');
    expect(found).toMatchObject({ status: 'ok' });
    if (found.status !== 'ok') return;
    expect(found.fitness).toBeGreaterThan(0);
    expect(found.params).toBeGreaterThan(1000);
    expect(found.flops).toBeGreaterThan(0);
    expect(found.figures.recall).toBeGreaterThanOrEqual(0);
    expect(await rehearse('2mA+14M')).toMatchObject({ fitness: found.fitness });
    const check = await rehearse('2mA+14M', { tool: 'check_candidate' });
    expect(check).toMatchObject({ status: 'ok', params: found.params });
  });

  it('train on text that is generated, and are refused where the rows come from files', async () => {
    const { settings } = profileOf(loadTask('compose-babistories-2p'), 'nano').rungs.screen;
    const found = await rehearse('2mA+14M', {}, { settings, lowerIsBetter: true });
    expect(found).toMatchObject({ status: 'ok' });
    if (found.status === 'ok') expect(found.fitness).toBeLessThan(0);
    const imported = { ...settings, data: { ...(settings.data as object), corpus: 'dclm' } };
    expect(await rehearse('16M', {}, { settings: imported })).toMatchObject({ status: 'failed', reason: 'refused' });
  });

  it('shorten every count of steps, and the warm-up with it', () => {
    const settings = { steps: 240, optimiser: { warmup: 8, newton_schulz_steps: 4 }, part: { steps: 100, rate: 0.5 } };
    expect(shortened(settings, 0.1)).toEqual({
      steps: 24,
      optimiser: { warmup: 2, newton_schulz_steps: 4 },
      part: { steps: 10, rate: 0.5 },
    });
    expect(shortened({ rate: 1 }, 0.1)).toBeNull();
  });
});
