import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { AgentName } from '../../src/domain/ids.ts';
import type { RehearsalReservation, RehearsalSettlement } from '../../src/domain/rehearsal.ts';
import { Archive } from '../../src/memory/archive.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { agentSpec, searchSpec } from '../support/specs.ts';

const [walker, plain] = ['walker', 'plain'] as AgentName[] as [AgentName, AgentName];
const operators = { kind: 'multi-turn', checks: 2, experiments: 2, looks: 2, share: 0.5, deviceSeconds: 100 };

function opened(budget: object = {}, limits: object = {}) {
  const home = temporaryFolder();
  const archive = Archive.open(home, manualClock());
  onTestFinished(() => archive.close());
  const agents = [agentSpec({ operators: { ...operators, ...limits } }), agentSpec({ name: plain })];
  const spec = searchSpec({ agents, budget: { evaluations: 8, ...budget } });
  archive.handlers['search-open']({ spec, source: '' });
  const search = spec.id;
  let count = 0;
  const reserve = (given: Partial<RehearsalReservation> = {}) =>
    archive.handlers['rehearsal-reserve']({
      ...{ search, agent: walker, run: `run-${++count}`, ordinal: 1, tool: 'run_experiment', seconds: 40 },
      ...given,
    });
  const settle = (run: string, given: Partial<RehearsalSettlement> = {}) =>
    archive.handlers['rehearsal-settle']({ search, run, seconds: 10, outcome: 'ok', ...given });
  const used = () => archive.handlers['search-status']({ search }).deviceSeconds;
  return { archive, home, spec, search, reserve, settle, used };
}

describe('rehearsals', () => {
  it('are granted while the most that they can take fits, and what they did not need comes back (I9)', () => {
    const { reserve, settle, used } = opened();
    expect(reserve({ run: 'one' })).toEqual({ state: 'granted' });
    expect(used()).toBe(40);
    expect(settle('one')).toEqual({ recorded: true });
    expect(settle('one', { seconds: 30 })).toEqual({ recorded: false });
    expect(used()).toBe(10);
    expect(reserve({ run: 'two', seconds: 90 })).toEqual({ state: 'granted' });
    expect(reserve({ run: 'two', seconds: 90 })).toEqual({ state: 'granted' });
    settle('two', { seconds: 90 });
    const reason = 'it could exceed the 100 device seconds of walker';
    expect(reserve({ seconds: 1 })).toEqual({ state: 'spent', reason });
  });

  it('are charged no more than was reserved, and in full where their process died', () => {
    const { reserve, settle, used, home, search } = opened();
    reserve({ run: 'late' });
    settle('late', { seconds: 4000, outcome: 'failed' });
    expect(used()).toBe(40);
    reserve({ run: 'lost' });
    expect(reserve({ run: 'next', seconds: 20 })).toEqual({ state: 'granted' });
    expect(used()).toBe(100);
    const reader = readArchive(home);
    expect(reader.rehearsals.of(search).map(({ outcome, seconds }) => [outcome, seconds])).toEqual([
      ['failed', 40],
      ['lost', 40],
      [null, null],
    ]);
    reader.close();
  });

  it('share the device seconds of the search with its trainings', () => {
    const { reserve, settle, archive, search } = opened({ deviceSeconds: 50 });
    reserve({ run: 'one' });
    const rationale = { choice: '', change: '', expected: null, retrieved: [], evidence: [] };
    const proposal = { search, agent: plain, operator: 'draft' as const, parents: [], rationale };
    const submit = (ordinal: number, candidate: string) =>
      archive.handlers['agent-submit']({ ...proposal, ordinal, candidate });
    expect(submit(1, 'M M M M')).toMatchObject({ verdict: 'accepted' });
    // A second of the training is owed.
    settle('one', { seconds: 40 });
    expect(reserve({ seconds: 10 })).toMatchObject({ state: 'spent' });
    expect(reserve({ run: 'fits', seconds: 9 })).toEqual({ state: 'granted' });
    expect(submit(2, 'M M M mA')).toMatchObject({ verdict: 'refused', reason: 'budget' });
  });

  it('are for agents with multi-turn operators, while the search takes proposals', () => {
    const { reserve, settle, archive, search } = opened();
    expect(() => reserve({ agent: plain })).toThrow(/no multi-turn operators/);
    expect(() => settle('never')).toThrow(/never reserved/);
    archive.handlers['search-phase']({ search, phase: 'confirming' });
    expect(reserve()).toEqual({ state: 'closed', reason: 'screening is over' });
  });

  it('never exceed the limit of their agent, whatever is asked, lost and settled', () => {
    const step = fc.record({
      seconds: fc.double({ min: 0.1, max: 60, noNaN: true }),
      used: fc.option(fc.double({ min: 0, max: 500, noNaN: true }), { nil: null }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const { reserve, settle, used } = opened();
        for (const [index, { seconds, used: took }] of steps.entries()) {
          const granted = reserve({ run: `r${index}`, seconds }).state === 'granted';
          if (granted && took !== null) settle(`r${index}`, { seconds: took });
          expect(used()).toBeLessThanOrEqual(100 + 1e-9);
        }
      }),
      { numRuns: 20 },
    );
  });
});
