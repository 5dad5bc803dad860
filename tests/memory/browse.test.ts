/** The queries of people's pages scan no table for one node, or for what changed (BRO-1), and pages agree with the ledger. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SearchId } from '../../src/domain/ids.ts';
import { Archive } from '../../src/memory/archive.ts';
import { browse, readArchive } from '../../src/memory/reader.ts';
import { statusOf } from '../../src/memory/records.ts';
import { pointsSchema } from '../../src/views/apiSearch.ts';
import { SearchColumns, statuses } from '../../src/views/columns.ts';
import { HomeViews } from '../../src/views/home.ts';
import { manualClock } from '../support/home.ts';
import { manyNodes } from '../support/manyNodes.ts';

const folder = mkdtempSync(join(tmpdir(), 'aira-test-'));
const home = join(folder, 'many');
const count = 2_000;
let search: SearchId;
beforeAll(() => {
  search = manyNodes(home, count, manualClock());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('queries of pages', () => {
  it('use an index for one node, and the sequence for what changed', () => {
    const reader = readArchive(home);
    const plans: string[] = [];
    // Every statement that the repository prepares, with its plan.
    const recording = new Proxy(reader.db, {
      get(target, name) {
        if (name !== 'prepare') return Reflect.get(target, name);
        return (sql: string) => {
          if (!sql.startsWith('PRAGMA')) {
            const empty = Array.from({ length: (sql.match(/\?/g) ?? []).length }, () => null);
            const named = { search: null, like: null };
            const rows = target.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...(empty.length > 0 ? [empty] : [named]));
            plans.push(
              ...(rows as { detail: string }[]).map(({ detail }) => `${detail} <- ${sql.trim().slice(0, 60)}`),
            );
          }
          return target.prepare(sql);
        };
      },
    });
    browse(recording);
    reader.close();
    const scans = plans.filter((plan) => plan.startsWith('SCAN') && !plan.startsWith('SCAN CONSTANT'));
    // A first load is by the nodes' order; sums over workers and open trainings concern all searches.
    const allowed = /<- SELECT (worker, max\(device\)|a\.worker)|json_each|SCAN v VIRTUAL/;
    expect(scans.filter((plan) => !allowed.test(plan))).toEqual([]);
    expect(plans.some((plan) => plan.includes('parents_by_parent'))).toBe(true);
  });

  it('give columns that agree with the ledger, also after more has happened', () => {
    const reader = readArchive(home);
    const columns = new SearchColumns(reader, search);
    const refresh = () => reader.browse.snapshot(() => columns.refresh());
    const agree = () => {
      const records = reader.records.nodes(search);
      expect(columns.ids).toEqual(records.map(({ id }) => id));
      expect(columns.status.map((at) => statuses[at])).toEqual(records.map(statusOf));
      expect(columns.scores.screen).toEqual(
        records.map(({ evaluations }) => evaluations.find(({ rung }) => rung === 'screen')?.validation ?? null),
      );
      expect(columns.parent.map((at) => (at < 0 ? undefined : columns.ids[at]))).toEqual(
        records.map(({ parents }) => parents[0]),
      );
    };
    refresh();
    agree();
    const { sequence } = columns;
    const clock = manualClock(2_000_000_000);
    const archive = Archive.open(home, clock);
    const { spec } = archive.handlers['search-spec']({ search });
    archive.handlers['search-open']({ spec, source: 'task: toy\n' });
    for (const { key } of archive.openJobs().slice(0, 1))
      archive.handlers['job-claim']({ key, worker: 'w-1' as never, attempt: 1 });
    archive.close();
    refresh();
    agree();
    expect(columns.changedSince(columns.sequence)).toEqual([]);
    expect(columns.changedSince(sequence).length).toBeLessThan(count);
    reader.close();
  });

  it('answer all nodes in one message of a bounded size, and later only what changed', () => {
    const views = HomeViews.open(home, () => 0);
    const text = views.points(search, undefined);
    const points = pointsSchema.parse(JSON.parse(text));
    for (const column of [
      points.agent,
      points.status,
      points.parent,
      points.score,
      points.pattern,
      points.evaluatedAt,
    ]) {
      expect(column).toHaveLength(count);
    }
    expect(text.length / count).toBeLessThan(160);
    expect(JSON.parse(views.points(search, points.sequence))).toMatchObject({ index: [], agent: [], total: count });
    views.close();
  });
});
