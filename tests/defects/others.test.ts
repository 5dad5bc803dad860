/** Defects of AIDE, MLGym and AIRS-Bench that bear on this laboratory; docs/defects.md lists them with those of other tests. */
import { describe, expect, it } from 'vitest';
import { think } from '../../src/agents/index.ts';
import { lessonForm, proposalForms } from '../../src/agents/operators/answers.ts';
import { canonicalText, parseArchitecture, primitives } from '../../src/domain/architecture.ts';
import { requests } from '../../src/domain/messages.ts';
import { ranked } from '../../src/domain/node.ts';
import { defaultTimeouts } from '../../src/llm/wire.ts';
import { Archive } from '../../src/memory/archive.ts';
import { space16, viewNode, viewOf } from '../agents/support.ts';
import { bench } from '../llm/support.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { proposer } from '../support/llm-server/brain.ts';
import { startLlmServer } from '../support/llm-server/server.ts';
import { agentSpec, measurement, resultOf, searchSpec } from '../support/specs.ts';

describe('A1 a score that is an integer is a score', () => {
  it.each([0, 1])('%i', (score) => {
    const archive = Archive.open(temporaryFolder(), manualClock());
    const { id: search } = searchSpec();
    archive.handlers['search-open']({ spec: searchSpec(), source: '' });
    const rationale = { choice: '', change: '', expected: null, retrieved: [], evidence: [] };
    const { name: agent } = agentSpec();
    const attempt = { operator: 'draft' as const, parents: [], candidate: 'M M M M', rationale };
    archive.handlers['agent-submit']({ search, agent, ordinal: 1, ...attempt });
    for (const entry of archive.unsent(10)) {
      if (entry.kind === 'job') archive.record(resultOf(entry.body, JSON.parse(JSON.stringify(measurement(score)))));
    }
    const reply = archive.handlers['agent-view']({ search, agent, ordinal: 3 });
    archive.close();
    if (reply.state !== 'ready') throw new Error(`the view is ${reply.state}`);
    expect(ranked(reply.view.nodes).map(({ fitness }) => fitness)).toEqual([score]);
  });
});

describe('A2 no model decides what is better, or states a score', () => {
  it('an answer has no place for a metric or a direction, and a submission none for a score', () => {
    const asked = [...Object.values(proposalForms({ primitives: [...primitives] })), lessonForm].map(({ wire }) =>
      JSON.stringify(wire.json),
    );
    for (const form of asked) expect(form).not.toMatch(/lower_is_better|maximi[sz]e|is_bug|"metric"|"score"|"valid/);
    const submitted = Object.keys(requests['agent-submit'].request.shape);
    expect(submitted.filter((key) => /score|fitness|metric|valid/.test(key))).toEqual([]);
  });
});

describe('A3 a review that is no review ends nothing', () => {
  it.each([
    ['a text', 'It went rather well, I think.'],
    ['a list', '["fine"]'],
    ['lessons about strangers', '{"lessons": [{"node": "walker-99", "text": "be bold"}]}'],
  ])('%s: the attempt is made all the same, without a lesson', async (_, review) => {
    const server = await startLlmServer({
      brain: (asked) => (asked.system.includes('what it teaches') ? review : proposer(asked)),
    });
    const spec = agentSpec({ model: 'openai/gpt-5.6-luna', scaffold: { kind: 'greedy', drafts: 1 } });
    const { chat } = bench(server, {
      timeouts: defaultTimeouts,
      spec: searchSpec({ agents: [spec], space: space16 }),
    });
    const view = viewOf([viewNode(1, { fitness: 0.5, candidate: canonicalText(parseArchitecture('8mA+8M')) })]);
    const topic = { task: 'compose-mad-3p', metric: 'accuracy' };
    const thought = await think({ spec, view, space: space16, seed: 1, topic, models: {}, chat });
    expect(thought.operator).toBe('improve');
    expect(thought).not.toHaveProperty('lessons');
    expect(server.served).toHaveLength(2);
  });
});
