/** A whole search for a program: files in, sandbox, three zones, acceptance, report. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { withArchive } from '../support/ledger.ts';
import { aira, type Ended, type EventLine, jsonLines, Program } from '../support/program.ts';

const toyProgram = join(import.meta.dirname, '../support/tasks/toy-program');

describe('a search for programs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aira-program-'));
  const home = join(folder, 'home');
  const file = join(folder, 'toy-program.yaml');
  let ended: Ended;
  let lines: EventLine[];

  beforeAll(async () => {
    const search = {
      ...{ task: toyProgram, seed: 2, budget: { evaluations: 2 }, workers: 2 },
      ladder: { promote: 0.5, finalists: 1, finalSeeds: 2 },
      agents: [{ name: 'climber', model: 'local/tuner', scaffold: { kind: 'greedy', drafts: 1 }, pending: 1 }],
    };
    writeFileSync(file, stringify(search));
    ended = await new Program(['launch', file, '--home', home, '--json'], {}).ended;
    lines = jsonLines<EventLine>(ended.stdout);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('ends well: the baseline is node 0, and every program has a score', () => {
    expect(ended.code, ended.stderr).toBe(0);
    const submitted = lines.filter(({ event }) => event === 'node-submitted');
    expect(submitted[0]).toMatchObject({ node: 'reference-baseline-1', operator: 'reference' });
    expect(submitted).toHaveLength(3);
    expect(lines.filter(({ event }) => event === 'node-failed')).toEqual([]);
  });

  it('tells figures in the metric’s own unit, and each change', async () => {
    const { code, stdout } = await aira(['nodes', 'toy-program-1', '--home', home, '--json']);
    expect(code).toBe(0);
    const nodes = jsonLines<{ validation: number; program: string; architecture?: string; status: string }>(stdout);
    for (const node of nodes) {
      expect(node).toMatchObject({ status: 'evaluated' });
      expect(node.architecture).toBeUndefined();
      expect(Object.keys(JSON.parse(node.program))).toEqual(['train.py']);
      // Of one byte of 257 tokens nobody needs more than log2(257) bits.
      expect(node.validation).toBeGreaterThan(0);
      expect(node.validation).toBeLessThanOrEqual(8.1);
    }
  });

  it('is listed with its best score, and a node shows its scores and yields its files', async () => {
    const [row] = jsonLines<{ search: string; phase: string; best: number; node: string }>(
      (await aira(['ls', '--home', home, '--json'])).stdout,
    );
    expect(row).toMatchObject({ search: 'toy-program-1', phase: 'finished', rung: 'final', evaluated: 2 });
    const shown = await aira(['show', 'toy-program-1', row?.node ?? '', '--home', home]);
    expect(shown.stdout).toContain('program:      train.py (');
    expect(shown.stdout).toContain('final seed 2001');
    const files = join(folder, 'files');
    const write = () => aira(['show', 'toy-program-1', row?.node ?? '', '--home', home, '--files', files]);
    expect((await write()).code).toBe(0);
    const node = withArchive(home, (db) => db.prepare('SELECT candidate FROM nodes WHERE id = ?').get(row?.node));
    const { candidate } = node as { candidate: string };
    expect(readFileSync(join(files, 'train.py'), 'utf8')).toBe(JSON.parse(candidate)['train.py']);
    const again = await write();
    expect(again.code).toBe(2);
    expect(again.stderr).toContain('exists already');
    expect((await aira(['show', 'toy-program-1', 'none', '--home', home])).code).toBe(2);
  });

  it('judges finalist and baseline on the same seeds, with the held-out split', () => {
    const seeds = withArchive(home, (db) =>
      db
        .prepare(
          `SELECT w.seed AS seed, count(*) AS n, count(t.score) AS tested FROM evaluation_requests w
           LEFT JOIN test_scores t ON t.key = w.key WHERE w.rung = 'final' GROUP BY w.seed ORDER BY w.seed`,
        )
        .all(),
    ) as { seed: number; n: number; tested: number }[];
    expect(seeds.slice(0, 2)).toEqual([
      { seed: 2001, n: 2, tested: 2 },
      { seed: 2002, n: 2, tested: 2 },
    ]);
    // A record-breaker is trained on a fresh seed as well, and the baseline with it.
    for (const fresh of seeds.slice(2)) expect(fresh).toEqual({ seed: 2003, n: 2, tested: 2 });
  });

  it('leaves a report that says what may be claimed, with the code as a difference', () => {
    const page = readFileSync(join(home, 'reports/toy-program-1.html'), 'utf8');
    expect(page).toContain('programs of train.py · BitsPerByte, lower is better');
    expect(page).toMatch(/improves on baseline|is not distinguishable from baseline|is behind baseline/);
    expect(page).toMatch(/<span class="line added">\+(SMOOTHING|BATCH) = /);
    expect(page).not.toContain('id="aggregation"');
  });

  it('passes the audit: thought again, every attempt is the same', async () => {
    const { code, stdout } = await aira(['audit', 'toy-program-1', '--home', home]);
    expect(code, stdout).toBe(0);
  });
});
