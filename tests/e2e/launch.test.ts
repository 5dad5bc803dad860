/** Whole searches: what they print, what they leave behind, and that equal searches are equal. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/home.ts';
import { contentsOf, trainingCounts, withArchive } from '../support/ledger.ts';
import { aira, type Ended, type EventLine, jsonLines, Program } from '../support/program.ts';
import { fiveAgents, toySearch } from '../support/toySearch.ts';

interface NodeLine {
  id: string;
  agent: string;
  operator: string;
  parents: string[];
  architecture: string;
  status: string;
  validation: number | null;
  seconds: number;
}

const nodesOf = async (home: string, search: string, ...rest: string[]) => {
  const { code, stdout, stderr } = await aira(['nodes', search, '--home', home, '--json', ...rest]);
  expect(code, stderr).toBe(0);
  return { stdout, nodes: jsonLines<NodeLine & Record<string, unknown>>(stdout) };
};

/** What has to be equal in equal searches. Nodes are listed in the order in which agents came to them, which is free. */
const comparable = (nodes: readonly NodeLine[]) =>
  nodes.map(({ seconds: _, ...rest }) => JSON.stringify(rest)).sort((a, b) => (a < b ? -1 : 1));

describe('a search with local agents of every kind', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aira-launch-'));
  const home = join(folder, 'home');
  const file = toySearch(folder, { agents: fiveAgents, budget: { evaluations: 15 }, seed: 7 });
  let ended: Ended;
  let lines: EventLine[];

  beforeAll(async () => {
    ended = await new Program(['launch', file, '--home', home, '--json'], {}).ended;
    lines = jsonLines<EventLine>(ended.stdout);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('ends well, and prints nothing but events', () => {
    expect(ended.code, ended.stderr).toBe(0);
    expect(lines.every(({ event, v }) => typeof event === 'string' && v === 2)).toBe(true);
    expect(lines[0]).toMatchObject({ event: 'started', search: 'toy-1', resumed: false, task: 'toy' });
    expect(lines.filter(({ event }) => event === 'phase-changed').map(({ phase }) => phase)).toEqual([
      'confirming',
      'aggregating',
      'finalising',
      'finished',
    ]);
    expect(lines.filter(({ event }) => event === 'finished')).toHaveLength(1);
  });

  it('says at last what came of it', () => {
    const last = lines.at(-1);
    expect(last).toMatchObject({ event: 'finished', search: 'toy-1', failed: 0, rejected: 0, pending: 0 });
    const { asked, saved } = withArchive(
      home,
      (db) =>
        db.prepare('SELECT count(*) AS asked, sum(saved) AS saved FROM evaluation_requests').get() as Record<
          string,
          number
        >,
    );
    expect(last?.trainings).toEqual({ done: asked, failed: 0, pending: 0, cached: saved });
    const { proposed, evaluated, duplicate } = last as unknown as Record<string, number>;
    expect((evaluated ?? 0) + (duplicate ?? 0)).toBe(proposed);
    const best = last?.best as { node: string; architecture: string; validation: number };
    expect(best.architecture).toMatch(/^\d*(M|mA|Mb)(\+\d*(M|mA|Mb))*$/);
    expect(best.validation).toBeGreaterThan(0);
    expect(lines.some(({ event, node }) => event === 'node-submitted' && node === best.node)).toBe(true);
  });

  it('leaves a report', () => {
    const report = lines.at(-1)?.report as string;
    expect(report).toBe(join(home, 'reports', 'toy-1.html'));
    const html = readFileSync(report, 'utf8');
    expect(html).toMatch(/^<!doctype html>/i);
    expect(html).toMatch(/<\/html>\s*$/);
    expect(html).toContain('toy-1');
    expect(existsSync(`${report}.part`)).toBe(false);
  });

  it('lists its nodes', async () => {
    const { nodes } = await nodesOf(home, 'toy-1');
    for (const node of nodes) {
      expect(Object.keys(node).sort()).toEqual(
        [
          ...['id', 'agent', 'operator', 'parents', 'architecture', 'status'],
          ...['reason', 'validation', 'confirm', 'final', 'seconds', 'attempts'],
        ].sort(),
      );
    }
    for (const { name } of fiveAgents) {
      const own = nodes.filter(({ agent, status }) => agent === name && status === 'evaluated');
      expect(own, name).toHaveLength(3);
      expect(own.every(({ id }) => id.startsWith(`${name}-`))).toBe(true);
    }
    const evaluated = nodes.filter(({ status }) => status === 'evaluated');
    expect(evaluated.every(({ validation, seconds }) => validation !== null && seconds > 0)).toBe(true);
    const known = new Set(nodes.map(({ id }) => id));
    expect(nodes.flatMap(({ parents }) => parents).every((parent) => known.has(parent))).toBe(true);
    const searches = await aira(['nodes', '--home', home, '--json']);
    expect(jsonLines(searches.stdout)).toEqual([{ search: 'toy-1', phase: 'finished' }]);
  });

  it('shows no test score unless it is requested, and records each read', async () => {
    const looks = () =>
      withArchive(home, (db) =>
        db.prepare('SELECT purpose FROM test_reads WHERE search = ? ORDER BY seq').all('toy-1'),
      );
    const scores = withArchive(home, (db) => db.prepare('SELECT DISTINCT score FROM test_scores').all()) as {
      score: number;
    }[];
    const validations = withArchive(home, (db) => db.prepare('SELECT validation FROM evaluations').all()) as {
      validation: number;
    }[];
    // A score that some validation shares cannot be told from it.
    const telling = scores
      .map(({ score }) => score)
      .filter((score) => !validations.some(({ validation }) => validation === score))
      .map(String);
    expect(telling.length).toBeGreaterThan(0);
    const before = looks();
    expect(before).toEqual([{ purpose: 'report' }]);
    const { stdout } = await nodesOf(home, 'toy-1');
    for (const text of [stdout, ended.stdout]) expect(telling.filter((score) => text.includes(score))).toEqual([]);
    expect(looks()).toEqual(before);
    const { nodes } = await nodesOf(home, 'toy-1', '--with-test');
    expect(nodes.flatMap(({ test }) => test as number[]).map(String)).toEqual(expect.arrayContaining(telling));
    expect(looks()).toEqual([{ purpose: 'report' }, { purpose: 'nodes --with-test' }]);
  });

  it('launched again, trains nothing and finds the same', async () => {
    const before = trainingCounts(home);
    const { code, stdout, stderr } = await aira(['launch', file, '--home', home, '--json']);
    expect(code, stderr).toBe(0);
    const last = jsonLines<EventLine>(stdout).at(-1);
    expect(last).toMatchObject({ event: 'finished', search: 'toy-2', failed: 0 });
    expect(last?.cached).toBe(last?.evaluated);
    expect(trainingCounts(home)).toEqual(before);
    const [first, second] = [await nodesOf(home, 'toy-1'), await nodesOf(home, 'toy-2')];
    expect(comparable(second.nodes)).toEqual(comparable(first.nodes));
  });

  it('elsewhere and with another number of workers, finds the same', async () => {
    const other = join(folder, 'other');
    const { code, stderr } = await aira(['launch', file, '--home', other, '--json', '--workers', '2']);
    expect(code, stderr).toBe(0);
    expect(contentsOf(other, 'toy-1')).toEqual(contentsOf(home, 'toy-1'));
    const workers = withArchive(other, (db) => db.prepare('SELECT DISTINCT worker FROM attempts').all());
    expect(workers.length).toBe(2);
  });
});

describe('a search without a valid node', () => {
  it('ends with 3, and keeps why every candidate failed', async () => {
    const folder = temporaryFolder();
    const file = toySearch(folder, { profile: 'diverging', budget: { evaluations: 3 }, references: [] });
    const { code, stdout, stderr } = await aira(['launch', file, '--home', folder, '--json']);
    expect(code, stderr).toBe(3);
    expect(jsonLines(stdout).at(-1)).toMatchObject({ event: 'finished', evaluated: 0, failed: 3, best: null });
    const { nodes } = await nodesOf(folder, 'toy-1');
    expect(nodes).toHaveLength(3);
    for (const node of nodes) expect(node).toMatchObject({ status: 'failed', reason: 'nan', validation: null });
  });
});
