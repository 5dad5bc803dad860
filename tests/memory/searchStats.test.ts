import fc from 'fast-check';
import { expect, it, onTestFinished } from 'vitest';
import type { Job } from '../../src/domain/evaluation.ts';
import { type AgentName, agentNameSchema, type NodeId, referenceNode, workerIdSchema } from '../../src/domain/ids.ts';
import { countProposals } from '../../src/domain/node.ts';
import { Archive } from '../../src/memory/archive.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { statusOf } from '../../src/memory/records.ts';
import { differingTotals } from '../../src/memory/searchStats.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { agentSpec, measurement, searchSpec } from '../support/specs.ts';

const primitives = ['M', 'mA', 'Mb'];
const action = fc.oneof(
  fc.record({ what: fc.constant('submit' as const), agent: fc.nat(1), code: fc.nat(30) }),
  fc.record({ what: fc.constant('claim' as const), job: fc.nat(40), worker: fc.nat(1) }),
  fc.record({
    ...{ what: fc.constant('record' as const), job: fc.nat(40), worker: fc.nat(1) },
    outcome: fc.oneof(fc.double({ min: -2, max: 2, noNaN: true }), fc.constantFrom('lost' as const, 'nan' as const)),
  }),
  fc.record({ what: fc.constant('climb' as const), node: fc.nat(10), seeds: fc.integer({ min: 1, max: 2 }) }),
  fc.record({ what: fc.constant('undo' as const), code: fc.nat(30) }),
);

// A memo that missed a row, or kept one that was undone, would be a budget that counts wrongly (I2, I9).
it('sums that are remembered are those of the rows, whatever happens and is undone', async () => {
  const agents = ['ada', 'bob'].map((name) => agentSpec({ name, evaluations: 8 }));
  const spec = searchSpec({ agents, budget: { evaluations: 16, deviceSeconds: 40 } });
  const other = { ...spec, id: 'trial-2' as typeof spec.id };
  await fc.assert(
    fc.property(fc.array(action, { minLength: 10, maxLength: 60 }), (actions) => {
      const home = temporaryFolder();
      const archive = Archive.open(home, manualClock());
      onTestFinished(() => archive.close());
      const ask = archive.handlers;
      for (const each of [spec, other]) ask['search-open']({ spec: each, source: '' });
      const ordinals = new Map<string, number>();
      const nodes: NodeId[] = [];
      let attempts = 0;
      const rationale = { choice: '', change: '', expected: null, retrieved: [], evidence: [] };
      const candidate = (code: number) => [0, 1, 2, 3].map((i) => primitives[Math.floor(code / 3 ** i) % 3]).join(' ');
      const submit = (agent: number, code: number, search: typeof spec.id) => {
        const name = ['ada', 'bob'][agent] as AgentName;
        const ordinal = (ordinals.get(`${search} ${name}`) ?? 0) + 1;
        const request = { search, agent: name, ordinal, operator: 'draft' as const, parents: [], rationale };
        const reply = ask['agent-submit']({ ...request, candidate: code === 30 ? 'nonsense' : candidate(code) });
        if (reply.node) ordinals.set(`${search} ${name}`, ordinal);
        if (reply.verdict === 'accepted' && search === spec.id) nodes.push(reply.node);
      };
      const jobs = (): Job[] => archive.unsent(1000).flatMap((entry) => (entry.kind === 'job' ? [entry.body] : []));
      for (const step of actions) {
        if (step.what === 'submit') submit(step.agent, step.code, step.code % 3 === 0 ? other.id : spec.id);
        if (step.what === 'climb' && nodes.length > 0) {
          const node = nodes[step.node % nodes.length] as NodeId;
          ask['node-evaluate']({ search: spec.id, nodes: [node], rung: 'confirm', seeds: step.seeds });
        }
        if (step.what === 'undo') {
          const before = new Map(ordinals);
          const known = nodes.length;
          const [undone] = archive.together([
            () => {
              submit(0, step.code, spec.id);
              throw new Error('changed its mind');
            },
          ]);
          expect(undone?.status).toBe('rejected');
          ordinals.clear();
          for (const [key, value] of before) ordinals.set(key, value);
          nodes.length = known;
        }
        const all = jobs();
        if ((step.what === 'claim' || step.what === 'record') && all.length > 0) {
          const { key, evaluator } = all[step.job % all.length] as Job;
          const worker = workerIdSchema.parse(`worker-${step.worker + 1}`);
          attempts += 1;
          if (step.what === 'claim') ask['job-claim']({ key, worker, attempt: attempts });
          else {
            const failed = { status: 'failed', message: 'ended', seconds: 2, device: 'cpu' } as const;
            const { outcome: drawn } = step;
            const outcome = typeof drawn === 'string' ? { ...failed, reason: drawn } : measurement(drawn);
            archive.record({ key, worker, evaluator, attempt: Math.max(1, attempts - 1), outcome });
          }
        }
        for (const each of [spec, other]) ask['search-status']({ search: each.id });
      }
      const reader = readArchive(home);
      for (const { id } of [spec, other]) {
        const searchStatus = ask['search-status']({ search: id });
        expect(searchStatus).toEqual(reader.searchStatus.of(id));
        expect(differingTotals(reader.db, id)).toEqual([]);
        const { nodes: ranked } = ask['search-ranking']({ search: id, rung: 'confirm' });
        expect(reader.searchStatus.top(id, 'confirm', 3).map(({ node, validation }) => [node, validation])).toEqual(
          ranked.slice(0, 3).map(({ node, validation }) => [node, validation]),
        );
        // What sums say in a display is what counting nodes says in a report.
        const counted = (agent?: string) =>
          countProposals(
            reader.records
              .nodes(id)
              .filter((node) => agent === undefined || node.agent === agent)
              .map((node) => ({
                status: statusOf(node),
                saved: node.evaluations.some(({ rung, saved }) => rung === 'screen' && saved),
              })),
          );
        expect(searchStatus.proposals).toEqual(counted());
        for (const row of searchStatus.agents) expect(row).toMatchObject(counted(row.agent));
      }
      reader.close();
    }),
    { numRuns: 12, seed: 1 },
  );
});

// A point of a scale plan has further seeds on the screening rung.
it('sums of a reference that is screened on two seeds are those of its rows', () => {
  const home = temporaryFolder();
  const archive = Archive.open(home, manualClock());
  onTestFinished(() => archive.close());
  const ask = archive.handlers;
  const llama = agentNameSchema.parse('llama');
  const spec = searchSpec({ references: [{ name: llama, candidate: 'mA M mA M' }] });
  const node = referenceNode(llama);
  const rationale = { choice: 'a point of a plan', change: '', expected: null, retrieved: [], evidence: [] };
  ask['search-open']({ spec, source: '' });
  ask['node-add']({ search: spec.id, node, origin: 'reference', candidate: 'mA M mA M', rationale });
  ask['node-evaluate']({ search: spec.id, nodes: [node], rung: 'screen', seeds: 2 });
  const jobs = archive.unsent(10).flatMap((entry) => (entry.kind === 'job' ? [entry.body] : []));
  expect(jobs).toHaveLength(2);
  const worker = workerIdSchema.parse('worker-1');
  for (const [index, { key, evaluator }] of jobs.entries()) {
    ask['job-claim']({ key, worker, attempt: 1 });
    archive.record({ key, worker, evaluator, attempt: 1, outcome: measurement(0.5 + index / 10) });
  }
  const reader = readArchive(home);
  onTestFinished(() => reader.close());
  expect(differingTotals(reader.db, spec.id)).toEqual([]);
});
