import { describe, expect, it } from 'vitest';
import { createModel, think } from '../../src/agents/index.ts';
import { audit } from '../../src/audit/index.ts';
import { loadCorpus } from '../../src/literature/index.ts';
import { Archive } from '../../src/memory/archive.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { notes } from '../agents/reading/support.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { agentSpec, measurement, resultOf, searchSpec } from '../support/specs.ts';

const model = createModel('local/prior', { python: 'python3', env: {}, packageRoot: '/nowhere' }, notes);

/** A search whose one agent reads the notes, recorded with that version of them; what the audit says of replaying it. */
async function replayed(corpus: string) {
  const home = temporaryFolder();
  const archive = Archive.open(home, manualClock());
  const self = agentSpec({ name: 'reader', model: 'local/prior', evaluations: 3 });
  const spec = searchSpec({ agents: [self], budget: { evaluations: 3 }, corpus });
  const ask = archive.handlers;
  ask['search-open']({ spec, source: '' });
  const { id: search, space, seed, task, metric } = spec;
  for (let ordinal = 1; ordinal <= 3; ordinal++) {
    const reply = ask['agent-view']({ search, agent: self.name, ordinal });
    if (reply.state !== 'ready') throw new Error(`the view is ${reply.state}`);
    const given = { spec: self, view: reply.view, space, seed, topic: { task, metric } };
    const thought = await think({ ...given, models: { 'local/prior': model } });
    ask['agent-submit']({ search, agent: self.name, ordinal, ...thought });
    const unsent = archive.unsent(100);
    archive.markSent(unsent.map(({ seq }) => seq));
    for (const entry of unsent) {
      if (entry.kind === 'job') archive.record(resultOf(entry.body, measurement(0.5)));
    }
  }
  archive.close();
  const reader = readArchive(home);
  const findings = await audit({
    ...{
      reader,
      search,
      home,
      secrets: [],
      retraining: null,
      files: async () => ({ same: [], changed: [] }),
      claims: () => null,
      openModel: async () => model,
    },
    openRecording: () => {
      throw new Error('nobody here asks language models');
    },
  });
  reader.close();
  return findings.find(({ invariant }) => invariant === 'I5');
}

describe('a search whose agents read the notes', () => {
  it('is thought again where the notes are those that it recorded', async () => {
    const { version } = loadCorpus();
    const found = await replayed(version);
    expect(found).toMatchObject({ holds: true, violations: [] });
    expect(found?.evidence.join('\n')).toContain(`the corpus has version ${version}`);
    expect(found?.evidence.join('\n')).toMatch(/reader: 3 of 3 attempts re-executed/);
  });

  it('is not judged by other notes, and the audit says so', async () => {
    const found = await replayed('elsewhere');
    expect(found).toMatchObject({ holds: null, violations: [] });
    expect(JSON.stringify(found)).toContain('reader read corpus elsewhere, but');
  });
});
