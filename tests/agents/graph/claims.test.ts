/** Agents that claim an idea before they submit it. */
import { describe, expect, it } from 'vitest';
import type { Proposer } from '../../../src/agents/graph/proposers.ts';
import { runSteps, type ThoughtDeps } from '../../../src/agents/graph/steps.ts';
import { createModel, think } from '../../../src/agents/index.ts';
import type { ClaimReply } from '../../../src/domain/ideas.ts';
import { agentSpec } from '../../support/specs.ts';

const space = { kind: 'stack' as const, layers: 4, primitives: ['M', 'mA', 'Mb'] };
const view = { ordinal: 1, remaining: 4, nodes: [] };
const spec = agentSpec({ claims: { distance: 2, minutes: 30 } });
const taken: ClaimReply = { state: 'taken', by: 'pending', agent: 'two' as never, node: 'two-3' as never, distance: 1 };
const granted: ClaimReply = { state: 'granted', leaseSeconds: 60 };

/** Claims in the order in which they were made; the first ones are refused. */
function archive(refusals: number) {
  const claimed: string[] = [];
  const claim = async (candidate: string) => (claimed.push(candidate) <= refusals ? taken : granted);
  return { claimed, claim };
}

const random = createModel('local/random', { python: '', env: {}, packageRoot: '' }, null as never);
const local = (claim: ReturnType<typeof archive>['claim'], agent = spec) =>
  think({
    spec: agent,
    view,
    space,
    seed: 1,
    topic: { task: 't', metric: 'm' },
    models: { 'local/random': random },
    claim,
  });

/** A proposer that can repair, as a language model can, and proposes these candidates in turn. */
function asking(...candidates: string[]) {
  const problems: string[] = [];
  let next = 0;
  const proposer: Proposer = {
    ...{ name: 'openai/test' as never, canRepair: true, reader: null, toolbox: null },
    async propose(input) {
      problems.push(...input.problems.map(({ message }) => message));
      const candidate = candidates[next++] ?? '';
      return { proposal: { candidate, change: 'a change', expected: null }, text: candidate };
    },
    learn: async () => ({ lessons: [], insights: [] }),
  };
  return { proposer, problems };
}
const deps = (proposer: Proposer, claim: ThoughtDeps['claim']): ThoughtDeps => ({
  ...{ spec, space, seed: 1, proposer, claim, signal: new AbortController().signal },
});

describe('a local model', () => {
  it('draws again until an idea is free, and submits what it claimed', async () => {
    const { claim, claimed } = archive(3);
    const { candidate } = await local(claim);
    expect(claimed).toHaveLength(4);
    expect(new Set(claimed).size).toBeGreaterThan(1);
    expect(candidate).toBe(claimed.at(-1));
  });

  it('submits its last draw where everything is taken', async () => {
    const { claim, claimed } = archive(1000);
    await expect(local(claim)).resolves.toMatchObject({ operator: 'draft' });
    expect(claimed.length).toBeLessThanOrEqual(8);
  });

  it('claims nothing unless its file says so', async () => {
    const { claim, claimed } = archive(0);
    await local(claim, agentSpec());
    expect(claimed).toEqual([]);
  });
});

describe('a language model', () => {
  it('is asked once more with the reason, before its proposal is paid', async () => {
    const { claim, claimed } = archive(1);
    const { proposer, problems } = asking('M mA M mA', 'Mb Mb Mb Mb');
    const thought = await runSteps(deps(proposer, claim), view);
    expect(problems).toEqual([
      'two-3 of two, which is being evaluated, differs by 1 edit: propose a different candidate',
    ]);
    expect(claimed).toEqual(['M mA M mA', 'Mb Mb Mb Mb']);
    expect(thought).toMatchObject({ candidate: 'Mb Mb Mb Mb', rationale: { change: 'a change' } });
  });

  it('submits its second idea whatever its claim gets', async () => {
    const { claim } = archive(2);
    const { proposer } = asking('M mA M mA', 'Mb Mb Mb Mb', 'M M M M');
    expect(await runSteps(deps(proposer, claim), view)).toMatchObject({ candidate: 'Mb Mb Mb Mb' });
  });
});
