/** The order of nodes decides who is promoted, so it must not depend on who came first (I5). */
import { expect, it } from 'vitest';
import { candidateText } from '../../src/domain/candidate.ts';
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
    const rationale = { choice: 'draft', change: 'at random', expected: null, retrieved: [], evidence: [] };
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

it('shows as best of the final rung what the rung below selected, not the luckiest of the scores that judge', () => {
  const archive = Archive.open(temporaryFolder(), manualClock());
  const ask = archive.handlers;
  ask['search-open']({ spec, source: '' });
  const rationale = { choice: 'draft', change: 'at random', expected: null, retrieved: [], evidence: [] };
  for (const [agent, candidate] of [
    ['early', 'M M M mA'],
    ['late', 'mA M M M'],
  ] as const) {
    const proposal = { search, agent: agent as AgentName, ordinal: 1, operator: 'draft' as const, parents: [] };
    ask['agent-submit']({ ...proposal, candidate, rationale });
  }
  const nodes = ['early-1', 'late-1'] as never[];
  let sent = new Set<string>();
  const score = (early: number, late: number) => {
    const jobs = archive.unsent(100).flatMap((entry) => (entry.kind === 'job' ? [entry.body as Job] : []));
    for (const job of jobs.filter(({ key }) => !sent.has(key))) {
      archive.record(resultOf(job, measurement(candidateText(job.candidate).startsWith('M') ? early : late)));
    }
    sent = new Set([...sent, ...jobs.map(({ key }) => key)]);
    const { best } = ask['search-status']({ search });
    return [best?.rung, best?.node, best?.validation];
  };
  expect(score(0.5, 0.6)).toEqual(['screen', 'late-1', 0.6]);
  ask['node-evaluate']({ search, nodes, rung: 'confirm', seeds: 1 });
  expect(score(0.8, 0.7)).toEqual(['confirm', 'early-1', 0.8]);
  ask['node-evaluate']({ search, nodes, rung: 'final', seeds: 2 });
  expect(score(0.71, 0.75)).toEqual(['final', 'early-1', 0.71]);
  archive.close();
});
