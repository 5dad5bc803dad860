import { expect, it } from 'vitest';
import { searchIdSchema } from '../../src/domain/ids.ts';
import { Archive } from '../../src/memory/archive.ts';
import { importSearch, ledgerOf, schemaVersion } from '../../src/memory/index.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { withArchive } from '../support/ledger.ts';
import { agentSpec, searchSpec } from '../support/specs.ts';

it("a search takes along what people ruled, whatever was ruled about its lab's other searches (TRA-1, TRA-2)", () => {
  const home = temporaryFolder();
  const archive = Archive.open(home, manualClock());
  const agents = [agentSpec({ name: 'ada', evaluations: 8 })];
  const [first, second] = ['first-1', 'second-1'].map((id) => searchSpec({ id: searchIdSchema.parse(id), agents }));
  if (!first || !second) throw new Error('two searches');
  const ask = archive.handlers;
  for (const spec of [first, second]) ask['search-open']({ spec, source: '' });
  ask['search-rule']({ search: first.id, id: 'pause-0001', kind: 'pause' });
  ask['search-rule']({ search: second.id, id: 'pause-0001', kind: 'pause' });
  ask['search-rule']({ search: first.id, id: 'resume-0001', kind: 'resume' });
  const rationale = { choice: '', change: '', expected: null, retrieved: [], evidence: [], readings: [] };
  const proposal = { operator: 'draft' as const, parents: [], candidate: 'M mA Mb M', rationale };
  ask['agent-submit']({ search: second.id, agent: 'ada' as never, ordinal: 1, ...proposal });
  ask['search-rule']({ search: second.id, id: 'veto-00001', kind: 'veto', node: 'ada-1' as never });
  ask['search-phase']({ search: second.id, phase: 'finished' });
  archive.close();

  const rulingsIn = (place: string) => {
    const reader = readArchive(place);
    try {
      return reader.rulings.of(second.id).map(({ seq, sentence }) => ({ seq, sentence }));
    } finally {
      reader.close();
    }
  };
  expect(rulingsIn(home).map(({ seq }) => seq)).toEqual([2, 4]);
  const copy = temporaryFolder();
  const tables = withArchive(home, (db) =>
    ledgerOf(db, second.id).map(({ table, rows }) => ({ table, rows: [...rows] })),
  );
  importSearch(copy, second.id, { archive: schemaVersion, digest: 'a'.repeat(64) }, tables, 1);
  expect(rulingsIn(copy)).toEqual(rulingsIn(home).map(({ sentence }, index) => ({ seq: index + 1, sentence })));
  for (const table of ['vetoes', 'ruling_holds']) {
    const held = (place: string) =>
      withArchive(place, (db) =>
        db.prepare(`SELECT t.*, r.id AS ruling FROM ${table} t JOIN rulings r ON r.seq = t.ruling`).all(),
      );
    expect(held(home)).toHaveLength(1);
    expect(held(copy)).toEqual(held(home));
  }
});
