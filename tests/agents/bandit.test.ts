import { describe, expect, it } from 'vitest';
import { rankedArms, whyArm } from '../../src/agents/graph/proposers.ts';
import { mutateModel, randomModel } from '../../src/agents/models/mutate.ts';
import { canonicalText, primitives } from '../../src/domain/architecture.ts';
import type { SoleModelName } from '../../src/domain/model.ts';
import { viewSchema } from '../../src/domain/node.ts';
import { rngFor } from '../../src/domain/rng.ts';
import { agentSpec, searchSpec } from '../support/specs.ts';
import { campaign, nodesOf } from './campaign.ts';
import { landscape, shuffled, viewNode, viewOf } from './support.ts';

const [good, bad, dear] = ['local/mutate', 'local/random', 'openai/gpt-6-sol'] as const;
const options = { exploration: 0.5, thrift: 0.5 };

interface Pull {
  readonly model: SoleModelName;
  readonly fitness: number | null;
  readonly dollars?: number;
}
const nodesFor = (pulls: readonly Pull[]) =>
  pulls.map(({ model, fitness, dollars = 0 }, index) => viewNode(index + 1, { model, fitness, dollars }));
const best = (pulls: readonly Pull[], models: readonly SoleModelName[], given = options) =>
  rankedArms(models, viewOf(nodesFor(pulls)), given)[0]?.model;

/** Plays N attempts; `gives` returns the score of a model's attempt. */
function play(
  attempts: number,
  models: readonly SoleModelName[],
  gives: (model: SoleModelName, number: number) => Pull,
  given = options,
) {
  const pulls: Pull[] = [];
  for (let number = 0; number < attempts; number++) {
    pulls.push(gives(best(pulls, models, given) as SoleModelName, number));
  }
  const count = (model: SoleModelName) => pulls.filter((pull) => pull.model === model).length;
  return { pulls, count };
}

describe('a choice among models', () => {
  it('tries each once first, in the order in which they are named', () => {
    const { pulls } = play(3, [dear, bad, good], (model) => ({ model, fitness: null }));
    expect(pulls.map(({ model }) => model)).toEqual([dear, bad, good]);
  });

  it('learns to prefer the better one, and never drops the other', () => {
    const noise = rngFor('noise');
    const { count } = play(60, [bad, good], (model) => {
      return { model, fitness: (model === good ? 0.6 : 0.5) + 0.3 * noise.float() };
    });
    expect(count(good)).toBeGreaterThan(40);
    expect(count(bad)).toBeGreaterThan(4);
  });

  it('is not biased by scores that grow during the search', () => {
    // Every attempt beats the earlier ones; the better model is the one that is ahead of its time.
    const { count } = play(60, [bad, good], (model, number) => {
      return { model, fitness: (number + (model === good ? 6 : 0)) / 100 };
    });
    expect(count(good)).toBeGreaterThan(count(bad) + 15);
  });

  it('prefers the cheaper of equals, the more so the thriftier, and by no means otherwise', () => {
    const equal = (model: SoleModelName) => ({ model, fitness: 0.5, dollars: model === dear ? 0.05 : 0.01 });
    const share = (thrift: number) => play(60, [dear, good], equal, { ...options, thrift }).count(good) / 60;
    expect(share(0)).toBe(0.5);
    expect(share(0.5)).toBeGreaterThan(0.7);
    expect(share(0.9)).toBeGreaterThan(share(0.3));
  });

  it('pays for a model that is worth it', () => {
    const noise = rngFor('worth');
    const worth = (model: SoleModelName) => {
      return {
        model,
        fitness: (model === dear ? 0.9 : 0.1) + 0.1 * noise.float(),
        dollars: model === dear ? 0.05 : 0.03,
      };
    };
    expect(play(60, [good, dear], worth).count(dear)).toBeGreaterThan(35);
  });

  it('takes failures and refusals for the worst, and one that is pending for a visit', () => {
    const failing = rankedArms(
      [good, bad],
      viewOf([
        viewNode(1, { model: bad, status: 'failed' }),
        viewNode(2, { model: bad, status: 'rejected' }),
        viewNode(3, { model: good, fitness: 0.1 }),
        viewNode(4, { model: good }),
      ]),
      options,
    );
    expect(failing.map(({ model, pulls, reward }) => [model, pulls, reward])).toEqual([
      [good, 2, 1],
      [bad, 2, 0],
    ]);
    expect(
      best(
        [
          { model: good, fitness: 0.5 },
          { model: bad, fitness: 0.5 },
          { model: good, fitness: null },
        ],
        [good, bad],
      ),
    ).toBe(bad);
  });

  it('says why, in one line', () => {
    const arms = rankedArms(
      [good, bad],
      viewOf(
        nodesFor([
          { model: good, fitness: 0.9 },
          { model: bad, fitness: 0.1, dollars: 0.1 },
        ]),
      ),
      options,
    );
    expect(whyArm(arms[0] as never, arms)).toBe(
      'local/mutate proposes by confidence bound 1.83 (reward 0.5 after 1, price 0.5) against local/random 0.278 (reward 0 after 1, price 1.5)',
    );
    expect(whyArm({ ...(arms[0] as never as object), pulls: 0 } as never, arms)).toMatch(/not tried yet$/);
  });

  it('hangs on nothing but the view: neither its order nor what comes later', () => {
    const rng = rngFor('pulls');
    const nodes = nodesFor(
      Array.from({ length: 30 }, () => {
        return {
          model: rng.pick([good, bad, dear]),
          fitness: rng.float() < 0.2 ? null : rng.float(),
          dollars: rng.float(),
        };
      }),
    );
    const view = viewOf(nodes, 21);
    const arms = rankedArms([good, bad, dear], view, options);
    const copy = viewSchema.parse(JSON.parse(JSON.stringify({ ...view, nodes: shuffled(nodes, rngFor('order')) })));
    expect(rankedArms([good, bad, dear], copy, options)).toEqual(arms);
    expect(rankedArms([good, bad, dear], viewOf(nodes.slice(0, 20), 21), options)).toEqual(arms);
  });
});

describe('an agent that chooses', () => {
  const space = { kind: 'stack' as const, layers: 8, primitives: [...primitives] };
  const ground = landscape(3, space);
  const models = { 'local/random': randomModel(), 'local/mutate': mutateModel() };
  const spec = searchSpec({
    space,
    budget: { evaluations: 40 },
    agents: [
      agentSpec({
        model: 'bandit/[local/random, local/mutate]',
        scaffold: { kind: 'greedy', drafts: 2 },
        pending: 3,
        evaluations: 40,
      }),
    ],
  });
  const run = (order: number, deaths: number) => {
    const judge = (architecture: Parameters<typeof canonicalText>[0]) =>
      Math.min(1, Math.max(0, ground.measure(canonicalText(architecture))));
    return campaign({ spec, models, judge, schedule: rngFor('order', order), deaths });
  };

  it('finds out which of its models is better here, and writes down who proposed what and why', async () => {
    const nodes = nodesOf(await run(1, 0), spec);
    const by = (model: string) => nodes.filter(({ rationale }) => rationale.model === model).length;
    expect(by('local/mutate') + by('local/random')).toBe(nodes.length);
    expect(by('local/mutate')).toBeGreaterThan(by('local/random') + 4);
    for (const { rationale } of nodes) {
      expect(rationale.choice).toContain(`${rationale.model} proposes`);
      expect(rationale.dollars).toBe(0);
    }
  });

  it('makes the same nodes in any order of arrival, and when it is killed on the way', async () => {
    const straight = nodesOf(await run(1, 0), spec);
    expect(nodesOf(await run(2, 0), spec)).toEqual(straight);
    expect(nodesOf(await run(3, 0.2), spec)).toEqual(straight);
  });
});
