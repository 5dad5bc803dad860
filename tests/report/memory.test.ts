import { describe, expect, it } from 'vitest';
import { reportHtml } from '../../src/report/index.ts';
import type { ReportData, ReportNode } from '../../src/views/report/data.ts';
import { memoryFigures } from '../../src/views/report/sections/agents.ts';
import { fixture, reportAgent } from './fixture.ts';

const base = fixture({ agents: 2, attempts: 2 });
const [sample] = base.nodes as [ReportNode];

function node(agent: string, ordinal: number, given: Partial<ReportNode> & { screen?: number }): ReportNode {
  const { screen, ...rest } = given;
  const scores = screen === undefined ? [] : [{ seed: 1, score: screen }];
  return {
    ...sample,
    ...{ id: `${agent}-${ordinal}`, agent, ordinal, origin: 'draft', name: null, parents: [], saved: false },
    ...{ candidate: `${agent} ${ordinal}`, status: screen === undefined ? 'duplicate' : 'evaluated' },
    validation: { screen: scores, confirm: [], final: [] },
    ...rest,
  };
}

const data: ReportData = {
  ...base,
  agents: [reportAgent({ name: 'hermit' }), reportAgent({ name: 'guest', memory: 'ensemble', distance: 3 })],
  nodes: [
    node('hermit', 1, { screen: 0.5 }),
    node('hermit', 2, { screen: 0.4, origin: 'improve', parents: ['hermit-1'] }),
    node('hermit', 3, { candidate: 'hermit 1' }),
    node('guest', 1, { screen: 0.3, saved: true }),
    node('guest', 2, { screen: 0.6, origin: 'improve', parents: ['hermit-1'] }),
    node('guest', 3, { screen: 0.45, origin: 'crossover', parents: ['guest-1', 'hermit-1'] }),
    node('guest', 4, { screen: 0.4, origin: 'improve', parents: ['guest-1'] }),
    node('guest', 5, { candidate: 'near to something' }),
    node('guest', 6, { candidate: 'hermit 2' }),
  ],
};

describe('memory across agents', () => {
  it('is worth what its refusals, its reuse and its foreign parents came to', () => {
    const [hermit, guest] = memoryFigures(data);
    expect(hermit).toMatchObject({ memory: 'own', distance: 1, equal: 1, close: 0, reused: 0 });
    expect(hermit).toMatchObject({ own: { judged: 1, improved: 0 }, foreign: { judged: 0, improved: 0 } });
    expect(guest).toMatchObject({ memory: 'ensemble', distance: 3, equal: 1, close: 1, reused: 1 });
    // The better parent is what a crossover has to outdo.
    expect(guest).toMatchObject({ own: { judged: 1, improved: 1 }, foreign: { judged: 2, improved: 1 } });
  });

  it('is told side by side, and only where there is more than one agent', async () => {
    const page = await reportHtml(data);
    expect(page).toContain('Reuse across agents');
    expect(page).toMatch(/with a parent of another agent, 1 of 2 \(50 %\)/);
    const [only] = data.agents;
    expect(await reportHtml({ ...data, agents: only ? [only] : [] })).not.toContain('Reuse across agents');
  });
});
