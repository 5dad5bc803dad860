/** What a dry run says a search will take: trainings per rung, time, memory, missing data, evaluations out of reach. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dryRun, measuredSeconds, studyTotal } from '../../src/cli/dryRun.ts';
import { workloadOf } from '../../src/domain/ladder.ts';
import { keyring } from '../../src/llm/keys.ts';
import { loadPrices } from '../../src/llm/prices.ts';
import { agentSpec, searchSpec } from '../support/specs.ts';

const prices = loadPrices();
const seconds = { screen: 10, confirm: 20, final: 30 };
const rung = (each: number) => ({ seconds: each, settings: {} });
const spec = (budget: object, more: object = {}) =>
  searchSpec({
    budget,
    rungs: { screen: rung(10), confirm: rung(20), final: rung(30) },
    references: [{ name: 'llama', candidate: 'mA+M+mA+M' }],
    agents: [agentSpec({ evaluations: 20 })],
    ...more,
  });
const devices = (count: number) =>
  Array.from({ length: count }, () => ({ name: 'cpu', class: 'cpu' as const, memoryLimitBytes: 3 * 1024 ** 3 }));
const text = (each: ReturnType<typeof spec>, facts = {}) =>
  dryRun(each, prices, keyring({}), { devices: devices(2), measured: null, missing: [], ...facts });

describe('a dry run of multi-turn agents', () => {
  it('says how much device time their checks and experiments may take', () => {
    const operators = { kind: 'multi-turn', checks: 4, experiments: 1, looks: 2, share: 0.2, deviceSeconds: 90 };
    const found = text(spec({ evaluations: 20 }, { agents: [agentSpec({ evaluations: 20, operators })] }));
    const sentence =
      'walker may use 1:30 of device time: at most 4 checks and 1 experiment of 0.2 of a screening per proposal';
    expect(found).toContain(sentence);
    expect(text(spec({ evaluations: 20 }))).not.toContain('experiment');
  });
});

describe('the workload of a search', () => {
  it('counts candidates, references, the aggregate, promoted and finalists with their seeds', () => {
    // 20 candidates, a reference and the aggregate; a fifth confirmed; two finalists, reference and aggregate on two seeds.
    const work = workloadOf(spec({ evaluations: 20 }), 1, seconds);
    expect(work.trainings).toEqual({ screen: 22, confirm: 4, final: 8 });
    expect(work.seconds).toEqual({ screen: 220, confirm: 80, final: 240 });
    expect(work.wallSeconds).toBe(540);
    expect(workloadOf(spec({ evaluations: 20 }), 2, seconds).wallSeconds).toBe(11 * 10 + 2 * 20 + 10 + 4 * 30);
    expect(work.screened).toBe(20);
  });

  it('ends where minutes or device seconds end, at the largest number that fits', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 4 }),
        fc.boolean(),
        (minutes, slots, isWall) => {
          const limit = isWall ? { minutes } : { deviceSeconds: minutes * 60 };
          const { screened } = workloadOf(spec({ evaluations: 200, ...limit }), slots, seconds);
          const took = (evaluations: number) => {
            const work = workloadOf(spec({ evaluations }), slots, seconds);
            return isWall ? work.wallSeconds : work.seconds.screen + work.seconds.confirm + work.seconds.final;
          };
          if (screened > 0) expect(took(screened)).toBeLessThanOrEqual(minutes * 60);
          if (screened < 200) expect(took(screened + 1)).toBeGreaterThan(minutes * 60);
        },
      ),
    );
  });
});

describe('a dry run', () => {
  it('shows trainings, time and memory, and whether the time was measured', () => {
    const estimated = text(spec({ evaluations: 20 }));
    expect(estimated).toMatch(
      /screen +22 trainings of about 10\.0 s\n +confirm +4 trainings of about 20\.0 s\n +final +8 trainings/,
    );
    expect(estimated).toContain(
      'time     about 4:40 on 2 workers (cpu), 9:00 of training; rough: the profile’s estimate',
    );
    expect(estimated).toContain('memory   at most 3.0 GB per worker and 6.0 GB in all');
    expect(estimated).not.toContain('not reached');
    // Half of the estimate on one rung halves the others.
    const measured = text(spec({ evaluations: 20 }), { measured: { screen: 5 } });
    expect(measured).toContain(
      'time     about 2:20 on 2 workers (cpu), 4:30 of training; from trainings of an earlier search',
    );
  });

  it('says which evaluations minutes and dollars will not reach, and which data are missing', () => {
    expect(text(spec({ evaluations: 20, minutes: 4 }))).toMatch(
      /not reached: the time suffices for about \d+ of 20 evaluations/,
    );
    const paid = agentSpec({ name: 'thinker', model: 'anthropic/claude-opus-5-5', evaluations: 20 });
    const poor = text(spec({ evaluations: 20, dollars: 0.2 }, { agents: [paid] }));
    expect(poor).toMatch(/not reached: \$[\d.]+ of the search cover about [1-9] of its 20 evaluations/);
    const few = { ...paid, tokens: 20_000 };
    const short = text(spec({ evaluations: 20, tokens: 40_000 }, { agents: [few] }));
    expect(short).toMatch(/not reached: 20000 tokens of thinker cover about [1-9] of its 20 evaluations/);
    expect(short).toMatch(/not reached: 40000 tokens of the search cover about \d+ of its 20 evaluations/);
    const enough = text(spec({ evaluations: 20, tokens: 10_000_000 }, { agents: [paid] }));
    expect(enough).not.toContain('not reached');
    expect(text(spec({ evaluations: 20 }), { missing: ['the data set stories has not been imported'] })).toContain(
      'missing: the data set stories has not been imported',
    );
  });

  it('of a study adds its runs up: time, checks and experiments, and money', () => {
    const total = (specs: ReturnType<typeof spec>[], measured: object | null = null) =>
      studyTotal(specs, 3, prices, { devices: 2, measured: () => measured });
    const local = spec({ evaluations: 20 });
    // 4:40 each, as above.
    expect(total([local])).toBe('in all 3 trained runs, one after the other: about 14:00 on 2 workers; no LLM calls\n');
    expect(total([local, spec({ evaluations: 20, minutes: 4 })])).toContain('about 26:00 on');
    expect(total([local], { screen: 5 })).toContain('about 7:00 on');
    const operators = { kind: 'multi-turn', checks: 4, experiments: 1, looks: 2, share: 0.2, deviceSeconds: 90 };
    const paid = agentSpec({ name: 'thinker', model: 'anthropic/claude-opus-5-5', evaluations: 20, operators });
    const found = total([local, spec({ evaluations: 20 }, { agents: [paid] })]);
    expect(found).toMatch(
      /; up to 4:30 of checks and experiments in addition; estimated \$[1-9].*, worst case \$[1-9]/,
    );
    const strange = agentSpec({ name: 'stranger', model: 'openai/unheard-of', evaluations: 20 });
    expect(total([spec({ evaluations: 20 }, { agents: [strange] })])).toContain('calls without a price apart');
  });

  it('has no measured times in a lab without an archive', () => {
    const home = mkdtempSync(join(tmpdir(), 'aira-dry-'));
    try {
      expect(measuredSeconds(home, spec({ evaluations: 20 }))).toBeNull();
    } finally {
      rmSync(home, { recursive: true });
    }
  });
});
