import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mutateModel, randomModel } from '../../src/agents/models/mutate.ts';
import { chains } from '../../src/agents/scaffolds/decision.ts';
import { type Architecture, canonicalText, primitives } from '../../src/domain/architecture.ts';
import type { FailureReason } from '../../src/domain/evaluation.ts';
import { rngFor } from '../../src/domain/rng.ts';
import { scaffoldPresetNames, scaffoldPresets } from '../../src/domain/scaffold.ts';
import type { SearchSpec } from '../../src/domain/search.ts';
import { Archive } from '../../src/memory/archive.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { manualClock } from '../support/home.ts';
import { agentSpec, searchSpec } from '../support/specs.ts';
import { campaign, nodesOf } from './campaign.ts';
import { anyScaffold, landscape } from './support.ts';

const space = { kind: 'stack' as const, layers: 8, primitives: [...primitives] };
const models = { 'local/random': randomModel(), 'local/mutate': mutateModel() };
const ground = landscape(3, space);

/** Some candidates train and some never do, whenever they are asked. */
const judge =
  (failing: number) =>
  (architecture: Architecture): number | FailureReason => {
    const rng = rngFor('judge', canonicalText(architecture));
    if (rng.float() < failing) return rng.pick(['nan', 'oom', 'timeout'] as const);
    return Math.min(1, Math.max(0, ground.measure(canonicalText(architecture))));
  };

const anySpec: fc.Arbitrary<SearchSpec> = fc
  .record({
    seed: fc.nat({ max: 1000 }),
    agents: fc.array(
      fc.record({
        model: fc.constantFrom('local/mutate', 'local/random'),
        scaffold: anyScaffold,
        pending: fc.integer({ min: 1, max: 5 }),
        evaluations: fc.integer({ min: 0, max: 9 }),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  })
  .map(({ seed, agents }) =>
    searchSpec({
      ...{ seed, space },
      budget: {
        evaluations: Math.max(
          1,
          agents.reduce((sum, { evaluations }) => sum + evaluations, 0),
        ),
      },
      agents: agents.map((given, index) => agentSpec({ ...given, name: `agent-${index + 1}` })),
    }),
  );
const anyFailing = fc.constantFrom(0, 0.3, 0.7, 1);

describe('an ensemble, whatever its policies and outcomes', () => {
  it('uses every budget to its end and not beyond, ends, and never improves what failed', async () => {
    await fc.assert(
      fc.asyncProperty(anySpec, anyFailing, fc.nat(), async (spec, failing, order) => {
        const done = await campaign({ spec, models, judge: judge(failing), schedule: rngFor('schedule', order) });
        const nodes = nodesOf(done, spec);
        // D1: every thought ended in an attempt, and there are no more of them than attempts.
        expect(done.thoughts).toBe(nodes.length);
        expect(done.ends.size).toBe(spec.agents.length);
        const byId = new Map(nodes.map((node) => [node.id, node]));
        for (const self of spec.agents) {
          const own = nodes.filter(({ agent }) => agent === self.name);
          expect(own.filter(({ verdict }) => verdict === 'accepted')).toHaveLength(self.evaluations);
          for (const { origin, parents } of own) {
            for (const id of parents) {
              expect(byId.get(id)?.outcome[0]?.status).toBe(origin === 'debug' ? 'failed' : 'ok');
            }
          }
        }
        const archive = Archive.open(done.home, manualClock());
        for (const { name, evaluations } of spec.agents) {
          const ordinal = evaluations * 4 + 1;
          const asked = { search: spec.id, agent: name, ordinal };
          expect(archive.handlers['agent-view'](asked)).toMatchObject({ state: 'closed' });
          const rationale = { choice: '', change: '', expected: null, retrieved: [], evidence: [] };
          const more = { ...asked, operator: 'draft' as const, parents: [], candidate: '8M', rationale };
          expect(archive.handlers['agent-submit'](more)).toMatchObject({ verdict: 'refused', reason: 'budget' });
        }
        archive.close();
      }),
      { numRuns: 15, seed: 1 },
    );
  });

  it('makes the same nodes in whichever order agents and results come, and however often it dies', async () => {
    await fc.assert(
      fc.asyncProperty(anySpec, anyFailing, fc.nat(), async (spec, failing, order) => {
        const run = (schedule: number, deaths: number) =>
          campaign({ spec, models, judge: judge(failing), schedule: rngFor('order', schedule), deaths });
        const straight = nodesOf(await run(order, 0), spec);
        expect(nodesOf(await run(order + 1, 0), spec)).toEqual(straight);
        expect(nodesOf(await run(order + 2, 0.15), spec)).toEqual(straight);
      }),
      { numRuns: 8, seed: 2 },
    );
  });

  it.each(scaffoldPresetNames)(
    '%s starves nothing: candidates are improved, and failures are repaired up to the limit',
    async (name) => {
      const scaffold = { ...scaffoldPresets[name], debugDepth: 2 };
      const spec = searchSpec({
        space,
        budget: { evaluations: 60 },
        agents: [agentSpec({ model: 'local/mutate', scaffold, evaluations: 60, pending: 3 })],
      });
      const done = await campaign({ spec, models, judge: judge(0.6), schedule: rngFor('starve') });
      const reader = readArchive(done.home);
      const { nodes } = reader.views.past(spec.id, agentSpec().name, 10_000);
      reader.close();
      const count = (operator: string) => nodes.filter((node) => node.operator === operator).length;
      expect(count('debug')).toBeGreaterThan(5);
      expect(count('improve') + count('crossover')).toBeGreaterThan(5);
      for (const { repairs } of chains(nodes)) expect(repairs).toBeLessThanOrEqual(2);
    },
  );

  it('gives every island its turn, whatever fails', async () => {
    const scaffold = { kind: 'evolutionary', islands: 4, founders: 2, capacity: 4, migration: 0.3, debugDepth: 3 };
    const spec = searchSpec({
      space,
      budget: { evaluations: 48 },
      agents: [agentSpec({ model: 'local/mutate', scaffold, evaluations: 48, pending: 4 })],
    });
    const done = await campaign({ spec, models, judge: judge(0.5), schedule: rngFor('islands') });
    const home = new Map<string, number>();
    for (const { id, ordinal, parents } of nodesOf(done, spec)) {
      const island = (parents[0] === undefined ? undefined : home.get(parents[0])) ?? ordinal % 4;
      home.set(id, island);
      expect(island).toBe(ordinal % 4);
    }
  });
});
