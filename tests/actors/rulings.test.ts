/** What people rule while a search runs: it holds, survives kills, and leaves decisions replayable (I3, I5). */
import { describe, expect, it } from 'vitest';
import type { RulingRequest } from '../../src/domain/search.ts';
import { Archive } from '../../src/memory/archive.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { contentsOf, withArchive } from '../support/ledger.ts';
import { agentSpec, searchSpec } from '../support/specs.ts';
import { type Machine, VirtualLab } from '../support/virtualLab.ts';

const spec = searchSpec({
  space: { kind: 'stack', layers: 24, primitives: ['M', 'mA', 'Mb'] },
  budget: { evaluations: 24 },
  agents: [
    agentSpec({ name: 'walker', evaluations: 12 }),
    agentSpec({ name: 'climber', evaluations: 12, pending: 3, memory: 'ensemble' }),
  ],
  references: [{ name: 'llama', candidate: 'mA M mA M mA M mA M mA M mA M mA M mA M mA M mA M mA M mA M' }],
});
const { id: search } = spec;
const machine: Machine = { startUp: [1, 2], seconds: { screen: 4, confirm: 6, final: 8 }, warmUp: 1 };

type Step =
  | { readonly at: number; readonly rule: RulingRequest | ((home: string) => RulingRequest) }
  | { readonly at: number; readonly kill: true };

/** Runs the search with these steps at seconds of its undisturbed time; each kill costs twenty more. */
async function runWith(home: string, steps: readonly Step[]): Promise<void> {
  const clock = manualClock();
  const begun = clock.now();
  let down = 0;
  let lab = new VirtualLab(home, spec, machine, clock);
  for (const step of steps) {
    await lab.run(begun + down + 1000 * step.at);
    if ('rule' in step) lab.rule(typeof step.rule === 'function' ? step.rule(home) : step.rule);
    else {
      lab.kill();
      clock.advance(20_000);
      down += 20_000;
      lab = new VirtualLab(home, spec, machine, clock);
    }
  }
  await lab.run();
  expect(lab.ended).toBe('finished');
  lab.kill();
}

/** The best node so far, which the agents are building on. */
const bestOf = (home: string): string =>
  withArchive(home, (db) =>
    db
      .prepare(
        `SELECT w.node FROM evaluation_requests w JOIN evaluations e ON e.key = w.key
         WHERE w.node LIKE 'walker-%' AND e.validation IS NOT NULL ORDER BY e.validation DESC, w.node LIMIT 1`,
      )
      .pluck()
      .get(),
  ) as string;

const veto = (home: string): RulingRequest => ({
  ...{ search, id: 'veto-0001', kind: 'veto', why: 'a dead end' },
  node: bestOf(home) as never,
});

describe('a veto', () => {
  it('keeps agents off the branch, trains and promotes nothing of it, and a kill changes nothing', async () => {
    const calm = temporaryFolder();
    await runWith(calm, [{ at: 20, rule: veto }]);
    const reader = readArchive(calm);
    try {
      const nodes = reader.records.nodes(search);
      const vetoed = reader.rulings.vetoedNodes(search);
      expect(vetoed.size).toBeGreaterThan(0);
      const [ruled] = reader.rulings.of(search);
      expect(ruled?.sentence).toMatch(/^A person vetoed the branch of walker-\d+: a dead end\.$/);
      const holds = withArchive(calm, (db) =>
        db.prepare('SELECT agent, ordinal FROM ruling_holds ORDER BY agent').all(),
      ) as { agent: string; ordinal: number }[];
      for (const { agent, ordinal } of holds) {
        const after = nodes.filter((node) => node.agent === agent && node.ordinal >= ordinal);
        expect(after.length).toBeGreaterThan(2);
        expect(after.filter(({ parents }) => parents.some((parent) => vetoed.has(parent)))).toEqual([]);
      }
      for (const node of nodes) {
        // One that was decided before its agent knew of it is rejected.
        const built = node.createdAt > (ruled?.at ?? 0) && node.parents.some((parent) => vetoed.has(parent));
        if (built) expect(node).toMatchObject({ verdict: 'rejected', message: expect.stringMatching(/vetoed/) });
        if (!vetoed.has(node.id) || node.verdict !== 'accepted') continue;
        expect(node.evaluations.map(({ rung }) => rung)).toEqual(['screen']);
        const [screen] = node.evaluations;
        const started = withArchive(calm, (db) =>
          db.prepare('SELECT min(at) FROM attempts WHERE key = ?').pluck().get(screen?.key),
        ) as number | null;
        expect(screen?.reason === 'vetoed').toBe(started === null);
      }
    } finally {
      reader.close();
    }
    for (const kill of [21, 30]) {
      const home = temporaryFolder();
      await runWith(home, [
        { at: 20, rule: veto },
        { at: kill, kill: true },
      ]);
      expect(contentsOf(home, search)).toEqual(contentsOf(calm, search));
    }
    const without = temporaryFolder();
    await runWith(without, []);
    expect(contentsOf(without, search)).not.toEqual(contentsOf(calm, search));
  });
});

describe('a pause', () => {
  const pause: RulingRequest = { search, id: 'pause-001', kind: 'pause' };
  const resume: RulingRequest = { search, id: 'resume-01', kind: 'resume' };
  const counts = (home: string) =>
    withArchive(home, (db) =>
      db.prepare('SELECT (SELECT count(*) FROM nodes) n, (SELECT count(*) FROM attempts) a').get(),
    );

  it('of the search stops proposals, trainings and its clock, and changes no decision, with or without a kill', async () => {
    const undisturbed = temporaryFolder();
    await runWith(undisturbed, []);
    const home = temporaryFolder();
    const clock = manualClock();
    const lab = new VirtualLab(home, spec, machine, clock);
    await lab.run(clock.now() + 15_000);
    lab.rule(pause);
    expect(lab.rule(pause).sentence).toBe('A person paused the search.');
    await lab.run(clock.now() + 30_000);
    const before = counts(home);
    const { elapsedMs } = lab.archive.handlers['search-status']({ search });
    await lab.run(clock.now() + 180_000);
    expect(counts(home)).toEqual(before);
    const status = lab.archive.handlers['search-status']({ search });
    expect(status.elapsedMs).toBe(elapsedMs);
    expect(status.paused).toBe('A person paused the search.');
    lab.kill();
    const second = new VirtualLab(home, spec, machine, clock);
    await second.run(clock.now() + 60_000);
    expect(counts(home)).toEqual(before);
    second.rule(resume);
    await second.run();
    expect(second.ended).toBe('finished');
    second.kill();
    expect(contentsOf(home, search)).toEqual(contentsOf(undisturbed, search));
  });

  it('of an agent stops that agent alone', async () => {
    const home = temporaryFolder();
    const clock = manualClock();
    const lab = new VirtualLab(home, spec, machine, clock);
    await lab.run(clock.now() + 15_000);
    lab.rule({ ...pause, agent: 'climber' as never });
    await lab.run(clock.now() + 20_000);
    const of = (agent: string) =>
      withArchive(home, (db) =>
        db.prepare('SELECT count(*) AS n FROM nodes WHERE agent = ?').pluck().get(agent),
      ) as number;
    const [climber, walker] = [of('climber'), of('walker')];
    await lab.run(clock.now() + 60_000);
    expect(of('climber')).toBe(climber);
    expect(of('walker')).toBeGreaterThan(walker);
    lab.rule({ ...resume, agent: 'climber' as never });
    await lab.run();
    expect(of('climber')).toBeGreaterThan(climber);
    expect(lab.ended).toBe('finished');
    lab.kill();
  });
});

describe('rulings', () => {
  it('raise limits, are recorded once, and are refused with a sentence where they do not fit', () => {
    const home = temporaryFolder();
    const archive = Archive.open(home, manualClock());
    const limited = searchSpec({ budget: { evaluations: 4, minutes: 1, dollars: 2 } });
    archive.handlers['search-open']({ spec: limited, source: '' });
    const rule = (request: object) =>
      archive.handlers['search-rule']({
        search: limited.id,
        id: `id-${JSON.stringify(request).length}-0000`,
        ...request,
      } as never);
    rule({ kind: 'raise-budget', limits: { minutes: 5 }, id: 'raise-0001' });
    rule({ kind: 'raise-budget', limits: { minutes: 5 }, id: 'raise-0001' });
    expect(archive.handlers['search-status']({ search: limited.id }).raised).toEqual({
      ...limited.budget,
      minutes: 5,
    });
    const refusals: readonly (readonly [object, RegExp])[] = [
      [{ kind: 'raise-budget', limits: { minutes: 4 } }, /minutes is 5; a limit can only be raised/],
      [{ kind: 'raise-budget', limits: { tokens: 4 } }, /no limit of tokens/],
      [{ kind: 'raise-budget', limits: {} }, /at least one limit/],
      [{ kind: 'veto', node: 'walker-1' }, /no node "walker-1"/],
      [{ kind: 'pause', agent: 'rival' }, /not an agent/],
      [{ kind: 'resume' }, /the search is not paused/],
      [{ kind: 'pause', id: 'raise-0001' }, /another ruling/],
    ];
    for (const [request, sentence] of refusals) expect(() => rule(request)).toThrow(sentence);
    archive.handlers['search-phase']({ search: limited.id, phase: 'finished' });
    expect(() => rule({ kind: 'pause' })).toThrow(/not running/);
    archive.close();
    const reader = readArchive(home);
    expect(reader.rulings.of(limited.id).map(({ sentence }) => sentence)).toEqual([
      'A person raised the budget to 5 minutes.',
    ]);
    reader.close();
  });
});
