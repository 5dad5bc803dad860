import { mean } from 'd3-array';
import fc from 'fast-check';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { createModel, think } from '../../src/agents/index.ts';
import { aggregate } from '../../src/aggregation/index.ts';
import type { AgentSpec } from '../../src/domain/agent.ts';
import { canonicalText, parseArchitecture, primitives } from '../../src/domain/architecture.ts';
import { candidateText } from '../../src/domain/candidate.ts';
import type { SearchSpec } from '../../src/domain/search.ts';
import { Table } from '../../src/evaluators/index.ts';
import { Archive } from '../../src/memory/archive.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { type Attempt, runOf, simulate } from '../../src/studies/tabulated.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { agentSpec, measurement, resultOf, searchSpec } from '../support/specs.ts';
import { plantedTable } from '../support/table.ts';

const table = new Table(plantedTable({ layers: 4, primitives: [...primitives] }));
const setting = { python: 'none', env: {}, packageRoot: '.' };
const noReading = () => {
  throw new Error('nobody reads here');
};
const models = {
  'local/random': createModel('local/random', setting, noReading),
  'local/mutate': createModel('local/mutate', setting, noReading),
};

const seenBy = (seed: number) => seed % table.file.seeds.length;
/** What a run hands in that saw the training seed with index 1. */
const handedIn = (runs: ReadonlyMap<AgentSpec, readonly Attempt[]>, of = table) =>
  runOf(runs, { seen: 1, look: (candidate) => of.look(candidate, 1), handsIn: 'best' });
const worthOf = (look: Attempt['look'] | undefined) => mean(look?.judged.filter((score) => score !== null) ?? []);

/** The search in a real ledger, its results recorded in an order that `shuffle` decides. */
async function inTheLedger(spec: SearchSpec, shuffle: (bound: number) => number) {
  const home = temporaryFolder();
  const archive = Archive.open(home, manualClock());
  onTestFinished(() => archive.close());
  const ask = archive.handlers;
  ask['search-open']({ spec, source: '' });
  const open: ReturnType<typeof jobs> = [];
  const jobs = () => archive.unsent(10_000).flatMap((entry) => (entry.kind === 'job' ? [entry] : []));
  const recordOne = () => {
    const [entry] = open.splice(shuffle(open.length), 1);
    if (!entry) return;
    const { score } = table.look(candidateText(entry.body.candidate), seenBy(spec.seed));
    archive.record(resultOf(entry.body, measurement(score as number)));
  };
  for (const self of spec.agents) {
    for (let ordinal = 1; ; ) {
      const reply = ask['agent-view']({ search: spec.id, agent: self.name, ordinal });
      if (reply.state === 'closed') break;
      if (reply.state === 'waiting') {
        recordOne();
        continue;
      }
      const { space, seed, task, metric } = spec;
      const thought = await think({ spec: self, view: reply.view, space, seed, topic: { task, metric }, models });
      ask['agent-submit']({ search: spec.id, agent: self.name, ordinal, ...thought });
      ordinal++;
      for (const entry of jobs()) {
        open.push(entry);
        archive.markSent([entry.seq]);
      }
    }
  }
  const reader = readArchive(home);
  try {
    return reader.records.nodes(spec.id);
  } finally {
    reader.close();
  }
}

describe('a simulated search', () => {
  it('makes the nodes that the laboratory makes, whatever the scaffold and the order of results (M1)', async () => {
    const scaffold = fc.constantFrom(
      { kind: 'one-shot' },
      { kind: 'greedy', drafts: 3 },
      { kind: 'mcts', children: 3 },
      { kind: 'evolutionary', islands: 2, founders: 2 },
    );
    const agent = fc.record({
      scaffold,
      pending: fc.integer({ min: 1, max: 4 }),
      evaluations: fc.integer({ min: 3, max: 12 }),
    });
    await fc.assert(
      fc.asyncProperty(
        agent,
        agent,
        fc.nat(50),
        fc.array(fc.nat(100)),
        fc.boolean(),
        async (first, second, seed, order, chooses) => {
          const spec = searchSpec({
            space: { kind: 'stack', ...table.file.space },
            seed,
            budget: { evaluations: 24 },
            agents: [
              agentSpec({
                ...first,
                name: 'one',
                model: chooses ? 'bandit/[local/mutate, local/random]' : 'local/mutate',
              }),
              agentSpec({ ...second, name: 'two', model: 'local/random' }),
            ],
          });
          const runs = await simulate(spec, { models, look: (candidate) => table.look(candidate, seenBy(seed)) });
          const nodes = await inTheLedger(spec, (bound) => (order.pop() ?? 0) % Math.max(1, bound));
          const said = (id: string, candidate: string, parents: readonly string[], verdict: string) => ({
            id,
            candidate,
            parents,
            verdict,
          });
          const verdicts = { duplicate: 'duplicate', rejected: 'rejected' } as Record<string, string>;
          const simulated = [...runs.values()]
            .flat()
            .map(({ node }) => said(node.id, node.candidate, node.parents, verdicts[node.status] ?? 'accepted'));
          expect(simulated).toEqual(nodes.map((node) => said(node.id, node.candidate, node.parents, node.verdict)));
        },
      ),
      { numRuns: 8 },
    );
  });

  it('is the same when it is run again (M2), and another with another seed', async () => {
    const run = (seed: number) =>
      simulate(
        searchSpec({
          space: { kind: 'stack', ...table.file.space },
          seed,
          agents: [agentSpec({ evaluations: 10, model: 'local/mutate', scaffold: { kind: 'greedy', drafts: 2 } })],
        }),
        {
          models,
          look: (candidate) => table.look(candidate, seenBy(seed)),
        },
      );
    expect(await run(3)).toEqual(await run(3));
    expect(handedIn(await run(3))).not.toEqual(handedIn(await run(4)));
  });

  it('hands in what it saw to be best, and is judged by trainings that it did not see', async () => {
    const spec = searchSpec({
      space: { kind: 'stack', ...table.file.space },
      agents: [agentSpec({ name: 'one', evaluations: 6 }), agentSpec({ name: 'two', evaluations: 3 })],
    });
    const runs = await simulate(spec, { models, look: (candidate) => table.look(candidate, 1) });
    const { course, candidate, worth, evaluated, crossed } = handedIn(runs);
    expect(evaluated).toBe(9);
    expect(course).toHaveLength(9);
    const shown = [...runs.values()].flat().map(({ node, look }) => ({ node, look }));
    const best = shown.reduce((a, b) => ((b.look?.score as number) > (a.look?.score as number) ? b : a));
    expect(candidate).toBe(best.node.candidate);
    expect(worth).toBe(worthOf(best.look));
    expect(crossed).toEqual({ seen: 1, judged: table.file.scores[best.node.candidate]?.with(1, null as never) });
    // Turns: one, two, one, two, one, two, then the rest of one.
    const turns = [0, 6].map((index) => shown[index]);
    const ahead = turns.reduce((a, b) => ((b?.look?.score as number) > (a?.look?.score as number) ? b : a));
    expect(course[1]).toBe(worthOf(ahead?.look));
  });

  it('hands in what its nodes agree on where the arm says so, judged by trainings that it did not see', async () => {
    const spec = searchSpec({
      space: { kind: 'stack', ...table.file.space },
      agents: [agentSpec({ name: 'one', evaluations: 12 }), agentSpec({ name: 'two', evaluations: 12 })],
    });
    const look = (candidate: string) => table.look(candidate, 2);
    const runs = await simulate(spec, { models, look });
    const nodes = [...runs].flatMap(([{ name }, attempts]) =>
      attempts.flatMap(({ node }) =>
        node.status === 'evaluated' && node.fitness !== null
          ? [{ node: node.id, agent: name, architecture: parseArchitecture(node.candidate), score: node.fitness }]
          : [],
      ),
    );
    for (const [handsIn, conditioning] of [
      ['N0', 0],
      ['N1', 1],
      ['N2', 2],
    ] as const) {
      const pattern = canonicalText(aggregate(nodes, conditioning).architecture);
      const run = runOf(runs, { seen: 2, look, handsIn });
      expect(run).toMatchObject({ candidate: pattern, evaluated: 24, course: [] });
      expect(run.worth).toBe(worthOf(look(pattern) as Attempt['look']));
      expect(run.crossed?.judged[2]).toBeNull();
    }
  });

  it('spends what an agent has, where the space holds as much, and ends where it does not', async () => {
    const tiny = new Table(plantedTable({ layers: 1, primitives: [...primitives] }));
    const spec = searchSpec({ space: { kind: 'stack', ...tiny.file.space }, agents: [agentSpec({ evaluations: 5 })] });
    const runs = await simulate(spec, { models, look: (candidate) => tiny.look(candidate, 1) });
    const { evaluated, rejected, duplicate } = handedIn(runs, tiny);
    expect(evaluated).toBe(3);
    expect(rejected + duplicate).toBe(5 * 4 + 20 - 3);
  });
});

afterAll(async () => {
  for (const model of Object.values(models)) await model.close();
});
