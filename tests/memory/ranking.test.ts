/** The order of nodes decides who is promoted, so it must not depend on who came first (I5). */
import { expect, it } from 'vitest';
import type { Job } from '../../src/domain/evaluation.ts';
import type { AgentName, SearchId } from '../../src/domain/ids.ts';
import { Archive } from '../../src/memory/archive.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { agentSpec, measurement, resultOf, searchSpec } from '../support/specs.ts';

const spec = searchSpec({ agents: [agentSpec({ name: 'early' }), agentSpec({ name: 'late' })] });
const search = spec.id as SearchId;

/** What two agents that found candidates of one score are ranked as, when they submit in this order. */
function rankedAfter(...order: readonly string[]): string[] {
  const archive = Archive.open(temporaryFolder(), manualClock());
  archive.handlers['search-open']({ spec, source: '' });
  for (const agent of order) {
    const candidate = agent === 'early' ? 'M M M mA' : 'mA M M M';
    const rationale = { choice: 'draft', change: 'at random', expected: null };
    const proposal = { search, agent: agent as AgentName, ordinal: 1, operator: 'draft' as const, parents: [] };
    expect(archive.handlers['agent-submit']({ ...proposal, candidate, rationale }).verdict).toBe('accepted');
  }
  for (const entry of archive.unsent(100)) {
    if (entry.kind === 'job') archive.record(resultOf(entry.body as Job, measurement(0.5)));
  }
  const { nodes } = archive.handlers['search-ranking']({ search, rung: 'screen' });
  archive.close();
  return nodes.map(({ node }) => node);
}

it('ranks equal scores the same, whoever submitted first', () => {
  expect(rankedAfter('early', 'late')).toEqual(['early-1', 'late-1']);
  expect(rankedAfter('late', 'early')).toEqual(['early-1', 'late-1']);
});
