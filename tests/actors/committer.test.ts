import { describe, expect, it, onTestFinished } from 'vitest';
import { Committer } from '../../src/actors/archivist.ts';
import { RetryableError } from '../../src/domain/errors.ts';
import type { AgentName } from '../../src/domain/ids.ts';
import { Archive } from '../../src/memory/archive.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { agentSpec, searchSpec } from '../support/specs.ts';

const spec = searchSpec({ agents: [agentSpec({ evaluations: 100 })] });

function openArchive() {
  const home = temporaryFolder();
  const archive = Archive.open(home, manualClock());
  onTestFinished(() => archive.close());
  archive.handlers['search-open']({ spec, source: '' });
  const reader = readArchive(home);
  onTestFinished(() => reader.close());
  const recorded = () => reader.records.nodes(spec.id).map(({ id }) => id);
  const submit = (ordinal: number, candidate: string) =>
    archive.handlers['agent-submit']({
      ...{ search: spec.id, agent: 'walker' as AgentName, ordinal, operator: 'draft', parents: [], candidate },
      rationale: { choice: 'test', change: 'test', expected: null, retrieved: [], evidence: [] },
    });
  return { archive, recorded, submit };
}

describe('what comes in one turn', () => {
  it('is one transaction: nobody sees a part of it, and nobody is told before all of it is there', async () => {
    const { archive, recorded, submit } = openArchive();
    let commits = 0;
    const committer = new Committer(archive, () => {
      commits += 1;
    });
    const seen: string[][] = [];
    const told: string[][] = [];
    const answers = ['4M', '4mA', '4Mb'].map(async (candidate, index) => {
      await committer.run(() => {
        submit(index + 1, candidate);
        seen.push(recorded());
      });
      told.push(recorded());
    });
    expect(recorded()).toEqual([]);
    await Promise.all(answers);
    expect(seen).toEqual([[], [], []]);
    const all = ['walker-1', 'walker-2', 'walker-3'];
    expect(told).toEqual([all, all, all]);
    expect(commits).toBe(1);
  });

  it('stands or falls one by one, and leaves nothing of what fell', async () => {
    const { archive, recorded, submit } = openArchive();
    const committer = new Committer(archive, () => undefined);
    const outcomes = await Promise.allSettled([
      committer.run(() => submit(1, '4M').verdict),
      committer.run(() => {
        archive.handlers['node-add']({
          ...{ search: spec.id, node: 'reference-x-1' as never, origin: 'reference', candidate: '4M' },
          rationale: { choice: '', change: '', expected: null, retrieved: [], evidence: [] },
        });
        throw new RetryableError('test', 'changed its mind', 1);
      }),
      committer.run(() => submit(2, '4mA').verdict),
    ]);
    const told = outcomes.map((each) => (each.status === 'fulfilled' ? each.value : each.reason.code));
    expect(told).toEqual(['accepted', 'test', 'accepted']);
    expect(recorded()).toEqual(['walker-1', 'walker-2']);
  });

  it('is committed before it stops, and refused as worth another try afterwards', async () => {
    const { archive, recorded, submit } = openArchive();
    const committer = new Committer(archive, () => undefined);
    const last = committer.run(() => submit(1, '4M'));
    committer.stop();
    expect(recorded()).toEqual(['walker-1']);
    expect(await last).toMatchObject({ verdict: 'accepted' });
    await expect(committer.run(() => submit(2, '4mA'))).rejects.toMatchObject({ code: 'archive-away' });
  });
});
