import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { forecast } from '../../src/agents/forecast.ts';
import { dryRun } from '../../src/cli/dryRun.ts';
import { planSearch } from '../../src/domain/plan.ts';
import { searchFileSchema } from '../../src/domain/search.ts';
import type { Task } from '../../src/domain/task.ts';
import { keyring } from '../../src/llm/keys.ts';
import { loadPrices } from '../../src/llm/prices.ts';
import { loadTask } from '../../src/tasks/index.ts';
import { agentSpec, searchSpec } from '../support/specs.ts';
import { space16 } from './support.ts';

const prices = loadPrices();
const spec = searchSpec({
  space: space16,
  budget: { evaluations: 30, dollars: 3 },
  agents: [
    agentSpec({ name: 'local', evaluations: 10 }),
    agentSpec({
      name: 'thinker',
      model: 'anthropic/claude-opus-5-5',
      scaffold: { kind: 'greedy' },
      evaluations: 10,
      models: { analyze: 'openai/gpt-6-luna' },
    }),
    agentSpec({ name: 'shot', model: 'openai/unheard-of', evaluations: 10 }),
  ],
});

describe('a forecast of multi-turn agents', () => {
  it('counts a question for each call of a tool, with what tools may return', () => {
    const operators = { kind: 'multi-turn', checks: 4, experiments: 2, looks: 6, share: 0.25, deviceSeconds: 90 };
    const chatting = { model: 'anthropic/claude-opus-5-5', scaffold: { kind: 'one-shot' }, evaluations: 10 } as const;
    const of = (more: object) => forecast({ ...spec, agents: [agentSpec({ ...chatting, ...more })] }, prices)[0];
    const [single, multi] = [of({}), of({ operators })];
    expect([single?.calls, multi?.calls]).toEqual([10, 40]);
    expect(multi?.most ?? 0).toBeGreaterThan(13 * (single?.most ?? 0));
    // A script is output once, and input of each later question.
    expect(of({ operators: { ...operators, scripts: true } })?.most ?? 0).toBeGreaterThan(multi?.most ?? 0);
  });
});

describe('a forecast of agents whose thoughts give several candidates', () => {
  it('counts fewer and longer answers, and at most one for each evaluation', () => {
    const chatting = { model: 'anthropic/claude-opus-5-5', scaffold: { kind: 'greedy' }, evaluations: 10 } as const;
    const of = (more: object) => forecast({ ...spec, agents: [agentSpec({ ...chatting, ...more })] }, prices);
    const [one, four] = [of({}), of({ proposals: 4 })];
    expect(one.map(({ calls }) => calls)).toEqual([10, 10]);
    expect(four.map(({ calls }) => calls)).toEqual([3, 3]);
    const perCall = ({ likely, calls }: (typeof one)[number]) => (likely ?? 0) / calls;
    expect(perCall(four[0] as never)).toBeGreaterThan(perCall(one[0] as never));
    // The prompts are paid once for four.
    expect(four[0]?.likely).toBeLessThan(one[0]?.likely ?? 0);
    expect(four[0]?.most).toBeGreaterThan(one[0]?.most ?? 0);
  });
});

describe('a forecast', () => {
  it('has a line for each kind of call of each agent that calls', () => {
    expect(forecast(spec, prices)).toMatchObject([
      { agent: 'thinker', purpose: 'propose', model: 'anthropic/claude-opus-5-5', calls: 10 },
      { agent: 'thinker', purpose: 'analyze', model: 'openai/gpt-6-luna', calls: 10 },
      { agent: 'shot', purpose: 'propose', calls: 10, likely: null, most: null },
    ]);
  });

  it('charges the stated prices, and the likely is less than the most', () => {
    const [proposing] = forecast(spec, prices);
    // 6928 output tokens at $20 a million (reasons, 16 layers, a thought), ten times, and 28 000 characters of input.
    expect(proposing?.most).toBeGreaterThan(10 * 0.1385);
    expect(proposing?.most).toBeLessThan(10 * 0.35);
    expect(proposing?.likely).toBeGreaterThan(10 * 0.04);
    expect(proposing?.likely).toBeLessThan((proposing?.most ?? 0) / 4);
  });

  it('is shown with the limit that applies in any case', () => {
    const text = dryRun(spec, prices, keyring({}), null);
    expect(text).toContain('30 evaluations, $3');
    expect(text).toMatch(/thinker +analyze +openai\/gpt-6-luna +10 calls {2}about +\$0\.0\d/);
    expect(text).toContain('no price');
    expect(text).toContain('prices as of 2026-11-20; calls that could exceed $3 are not made');
    expect(text).toContain('to run it, set ANTHROPIC_API_KEY and OPENAI_API_KEY\n');
    expect(dryRun(spec, prices, keyring({ ANTHROPIC_API_KEY: 'any' }), null)).toContain(
      'to run it, set OPENAI_API_KEY\n',
    );
    expect(dryRun(searchSpec(), prices, keyring({}), null)).toContain('No LLM calls, no cost');
  });

  it('says how far money reaches and which operators are used', () => {
    const thinker = { model: 'anthropic/claude-opus-5-5', scaffold: { kind: 'greedy' }, evaluations: 10 };
    const scarce = searchSpec({
      ...{ space: space16, budget: { evaluations: 20, dollars: 0.4 } },
      agents: [
        agentSpec({ ...thinker, name: 'rich' }),
        agentSpec({ ...thinker, name: 'poor', dollars: 0.1, evaluations: 4 }),
      ],
    });
    const text = dryRun(scarce, prices, keyring({}), null);
    expect(text).toMatch(/rich +5 draft, then 5 improve\n/);
    expect(text).toMatch(/poor +4 draft\n/);
    expect(text).toMatch(/\$0\.1 of poor cover about \d of its 4 evaluations/);
    expect(text).toMatch(/\$0\.4 of the search cover about \d of its 14 evaluations/);
    expect(dryRun(spec, prices, keyring({}), null)).not.toContain('cover about');
  });

  it('of three-providers.yaml is the one that the README states', () => {
    const file = searchFileSchema.parse(parse(readFileSync('searches/three-providers.yaml', 'utf8')));
    const task = loadTask(file.task, ['tasks']);
    const profile = task.profiles[file.profile] as Task['profiles'][string];
    const context = { id: searchSpec().id, task, profile, evaluator: 'e', deviceClass: 'cpu' as const };
    const total = forecast(planSearch(file, context), prices).reduce((sum, { likely }) => sum + (likely ?? 0), 0);
    expect(readFileSync('README.md', 'utf8')).toContain(`about $${total.toFixed(2)} without the limit`);
    expect(total).toBeLessThan(file.budget.dollars ?? 0);
  });

  it.each([
    ['paper-11', 5, 6],
    ['paper-20', 8, 12],
  ])(
    'of %s has a price for every agent, all of them distinct, within its dollars and 24 hours',
    (name, oneShot, greedy) => {
      const file = searchFileSchema.parse(parse(readFileSync(`searches/${name}.yaml`, 'utf8')));
      const kinds = file.agents.map(({ scaffold }) => scaffold.kind);
      expect(kinds.filter((kind) => kind === 'one-shot')).toHaveLength(oneShot);
      expect(kinds.filter((kind) => kind === 'greedy')).toHaveLength(greedy);
      const different = file.agents.map(({ model, scaffold, effort }) => `${model} ${scaffold.kind} ${effort}`);
      expect(new Set(different).size).toBe(oneShot + greedy);
      expect(file.budget.minutes).toBe(24 * 60);
      const task = loadTask(file.task, ['tasks']);
      const profile = task.profiles[file.profile] as Task['profiles'][string];
      const context = { id: searchSpec().id, task, profile, evaluator: 'e', deviceClass: 'cuda' as const };
      const planned = planSearch(file, context);
      const lines = forecast(planned, prices);
      expect(new Set(lines.map(({ agent }) => agent)).size).toBe(oneShot + greedy);
      expect(lines.filter(({ likely, most }) => likely === null || most === null)).toEqual([]);
      expect(lines.reduce((sum, { likely }) => sum + (likely ?? 0), 0)).toBeLessThan(file.budget.dollars ?? 0);
      const text = dryRun(planned, prices, keyring({}), { devices: [], measured: null, missing: [] });
      expect(text).toMatch(/estimated total \$\d/);
      expect(text).toMatch(/time +about \d+:\d\d/);
    },
  );

  it('takes equal shares of several models for the likely and the dearest of them for the most', () => {
    const alone = (model: string) =>
      forecast(searchSpec({ ...spec, agents: [agentSpec({ model, evaluations: 10 })] }), prices)[0];
    const [sol, luna] = [alone('openai/gpt-6-sol'), alone('openai/gpt-6-luna')];
    const choice = alone('bandit/[openai/gpt-6-luna, local/mutate, openai/gpt-6-sol]');
    expect(choice?.likely).toBeCloseTo(((sol?.likely ?? 0) + (luna?.likely ?? 0)) / 3, 12);
    expect(choice?.most).toBe(sol?.most);
    expect(alone('bandit/[local/mutate, openai/unheard-of]')).toMatchObject({ likely: null, most: null });
    expect(alone('bandit/[local/mutate, local/random]')).toBeUndefined();
  });
});
