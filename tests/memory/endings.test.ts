/** Why something ended before its work was done (I13): recorded once, announced once, never changed. */
import Database from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import { Archive } from '../../src/memory/archive.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { searchSpec } from '../support/specs.ts';

function opened() {
  const home = temporaryFolder();
  const clock = manualClock();
  const archive = Archive.open(home, clock);
  onTestFinished(() => archive.close());
  const spec = searchSpec();
  archive.handlers['search-open']({ spec, source: '' });
  const recorded = () => {
    const reader = readArchive(home);
    try {
      return reader.endings.of(spec.id);
    } finally {
      reader.close();
    }
  };
  const announced = () =>
    archive.unsent(100).filter((entry) => entry.kind === 'event' && entry.body.kind === 'ended-early');
  return { home, archive, spec, recorded, announced };
}

const early = {
  of: 'search' as const,
  subject: 'trial-1',
  reason: 'short-of-time',
  sentence: 'Screening stopped after 2 of 4 proposals.',
  figures: { leftSeconds: 12.5 },
  occurrence: 0,
};

it('keeps an ending with its figures and announces it; a repeated request changes nothing', () => {
  const { archive, spec, recorded, announced } = opened();
  const enter = () => archive.handlers['search-phase']({ search: spec.id, phase: 'confirming', ending: early });
  enter();
  enter();
  expect(recorded()).toEqual([{ ...early, seq: 1, at: 1_000_000 }]);
  expect(announced()).toHaveLength(1);
});

it('goes with the phase that it ends: both are recorded, or neither', () => {
  const { archive, spec, recorded } = opened();
  const enter = () => archive.handlers['search-phase']({ search: spec.id, phase: 'confirming', ending: early });
  expect([enter(), enter()]).toEqual([{ phase: 'confirming' }, { phase: 'confirming' }]);
  expect(recorded()).toHaveLength(1);
  // A search that has got further is not ended again.
  archive.handlers['search-phase']({ search: spec.id, phase: 'aggregating' });
  const late = { ...early, reason: 'agents-stopped' };
  archive.handlers['search-phase']({ search: spec.id, phase: 'confirming', ending: late });
  expect(recorded().map(({ reason }) => reason)).toEqual(['short-of-time']);
});

it('is a fact: neither changed nor deleted, and of a search that exists', () => {
  const { home, archive, spec } = opened();
  archive.handlers['search-phase']({ search: spec.id, phase: 'confirming', ending: early });
  const db = new Database(`${home}/archive.db`);
  onTestFinished(() => void db.close());
  expect(() => db.exec(`UPDATE endings SET reason = 'other'`)).toThrow('endings are never changed');
  expect(() => db.exec('DELETE FROM endings')).toThrow('endings are never deleted');
  const nowhere = { search: 'nothing-1' as never, phase: 'confirming' as const, ending: early };
  expect(() => archive.handlers['search-phase'](nowhere)).toThrow('there is no search "nothing-1"');
});
