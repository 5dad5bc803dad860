/** The times of a ledger, on a machine whose calendar is set back and forward. */
import { expect, it } from 'vitest';
import { Archive } from '../../src/memory/archive.ts';
import { openForReading } from '../../src/memory/database.ts';
import { temporaryFolder } from '../support/home.ts';
import { searchSpec } from '../support/specs.ts';

const hour = 3_600_000;
const spec = searchSpec();
const rationale = { choice: '', change: '', expected: null, retrieved: [], evidence: [] };

/** A clock whose calendar can be set. */
function settableClock() {
  const [state, start] = [{ passed: 0, ahead: 0 }, 1_700_000_000_000];
  return {
    now: () => start + state.passed + state.ahead,
    monotonic: () => 77.25 + state.passed,
    pass(ms: number): void {
      state.passed += ms;
    },
    set(ms: number): void {
      state.ahead += ms;
    },
  };
}

it('never decrease and pass at their rate, whether it is set back while the ledger is open or closed', () => {
  const home = temporaryFolder();
  const clock = settableClock();
  let archive = Archive.open(home, clock);
  archive.handlers['search-open']({ spec, source: '' });
  const elapsed = () => archive.handlers['search-status']({ search: spec.id }).elapsedMs;
  const pass = (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      clock.pass(1000);
      elapsed();
    }
  };
  const propose = (ordinal: number) =>
    archive.handlers['agent-submit']({
      ...{ search: spec.id, agent: 'walker' as never, ordinal, operator: 'draft', parents: [], rationale },
      candidate: ['M mA M', 'mA M M', 'M M mA'][ordinal - 1] ?? '',
    });
  const reopen = () => {
    archive.close();
    archive = Archive.open(home, clock);
    archive.handlers['search-open']({ spec, source: '' });
  };
  try {
    pass(10);
    propose(1);
    clock.set(-hour);
    pass(10);
    propose(2);
    expect(elapsed()).toBe(20_000);
    clock.set(-hour);
    reopen();
    pass(10);
    propose(3);
    expect(elapsed()).toBe(30_000);
    // Set right again, twice: forward steps are followed, and count as time in which nothing ran.
    clock.set(2 * hour);
    pass(5);
    expect(elapsed()).toBeGreaterThanOrEqual(34_000);
    expect(elapsed()).toBeLessThanOrEqual(35_000);
  } finally {
    archive.close();
  }
  const { db, close } = openForReading(home);
  try {
    const times = db
      .prepare<[], { at: number }>('SELECT created_at AS at FROM outbox ORDER BY seq')
      .all()
      .map(({ at }) => at);
    expect(times.length).toBeGreaterThanOrEqual(3);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times.every(Number.isInteger)).toBe(true);
  } finally {
    close();
  }
});
