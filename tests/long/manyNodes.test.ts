/** A search of 100,000 nodes on the dashboard: one response of a bounded size, pages that stay pages. */
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { nodesQuerySchema, pointsSchema } from '../../src/views/apiSearch.ts';
import { HomeViews } from '../../src/views/home.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { manyNodes } from '../support/manyNodes.ts';

it('shows 100,000 nodes', { timeout: 600_000 }, () => {
  const home = temporaryFolder();
  const search = manyNodes(home, 100_000, manualClock());
  const views = HomeViews.open(home, () => 0);
  const text = views.points(search, undefined);
  const points = pointsSchema.parse(JSON.parse(text));
  expect(points.total).toBe(100_000);
  expect(points.agent).toHaveLength(100_000);
  expect(text.length).toBeLessThan(16_000_000);
  expect(gzipSync(text, { level: 1 }).length).toBeLessThan(4_000_000);
  // Thousands of nodes share each score.
  const seen = new Set<string>();
  let after: string | undefined;
  for (let page = 0; page < 20; page++) {
    const query = { sort: 'score', direction: 'descending', limit: '200', ...(after ? { after } : {}) };
    const { rows, next, total } = views.nodes(search, nodesQuerySchema.parse(query));
    expect(total).toBe(100_000);
    for (const { id } of rows) seen.add(id);
    after = next ?? undefined;
  }
  expect(seen.size).toBe(4_000);
  views.close();
});
