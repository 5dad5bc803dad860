import { describe, expect, it } from 'vitest';
import { changedLayers, parseArchitecture } from '../../../src/domain/architecture.ts';
import { agentNameSchema } from '../../../src/domain/ids.ts';
import { Archive } from '../../../src/memory/archive.ts';
import { readArchive } from '../../../src/memory/reader.ts';
import { noColours } from '../../../src/platform/text.ts';
import { storyHtml, storyText } from '../../../src/report/index.ts';
import { storyOf } from '../../../src/views/index.ts';
import { runSearch, trial } from '../../audit/laboratory.ts';
import { manualClock, temporaryFolder } from '../../support/home.ts';
import { agentSpec, searchSpec } from '../../support/specs.ts';
import { partsOf } from '../page.ts';

describe('the story of a search', () => {
  it('tells each attempt in order, as the ledger has it and as its view knew it', async () => {
    const home = temporaryFolder();
    const spec = trial();
    await runSearch(home, spec, { failed: 3 });
    const reader = readArchive(home);
    try {
      const records = new Map(reader.records.nodes(spec.id).map((record) => [record.id as string, record]));
      const story = storyOf(reader, spec.id, null);
      expect(story.agents.map(({ agent }) => agent)).toEqual(spec.agents.map(({ name }) => name));
      let compared = 0;
      for (const { agent, steps } of story.agents) {
        const { pending } = spec.agents.find(({ name }) => name === agent) as { pending: number };
        expect(steps.map(({ ordinal }) => ordinal)).toEqual(steps.map((_, index) => index + 1));
        for (const { node, ordinal, parents, view, difference, effect, measured, status, choice } of steps) {
          const record = records.get(node);
          expect(choice).toBe(record?.rationale.choice);
          expect(parents.map((parent) => parent.node)).toEqual(record?.parents);
          // What came later than the horizon was not known.
          expect(view.known).toBeLessThanOrEqual(Math.max(0, ordinal - pending));
          expect(difference === null).toBe(parents.length === 0);
          const parent = records.get(parents[0]?.node ?? '');
          if (difference?.kind === 'layers' && parent && record) {
            const [from, to] = [parent, record].map(({ candidate }) => parseArchitecture(candidate));
            expect(difference.layers.map(({ layer }) => layer)).toEqual(changedLayers(from as never, to as never));
          }
          const base = parents[0]?.screen ?? null;
          if (effect !== null) {
            compared++;
            expect(effect).toBeCloseTo((measured.screen ?? 0) - (base ?? 0), 12);
          }
          if (status === 'failed') expect(measured.screen).toBeNull();
        }
      }
      expect(compared).toBeGreaterThan(3);
      const text = storyText(story, noColours);
      for (const node of records.values()) {
        if (node.origin !== 'reference' && node.origin !== 'aggregate')
          expect(text).toContain(`${node.id} ${node.origin}`);
      }
      const one = storyOf(reader, spec.id, agentNameSchema.parse('climber'));
      expect(one.agents).toEqual(story.agents.filter(({ agent }) => agent === 'climber'));
      expect(() => storyOf(reader, spec.id, agentNameSchema.parse('nobody'))).toThrow(
        /"nobody" is not an agent of "trial-1"/,
      );
    } finally {
      reader.close();
    }
  });

  it('has what was read, learned and taken from others, and no markup of anybody else', async () => {
    const home = temporaryFolder();
    const archive = Archive.open(home, manualClock());
    const spec = searchSpec({
      agents: [agentSpec({ name: 'walker' }), agentSpec({ name: 'rival' })],
      budget: { evaluations: 8 },
    });
    archive.handlers['search-open']({ spec, source: '' });
    const submit = (agent: string, ordinal: number, candidate: string, rationale: object, lessons: object[] = []) =>
      archive.handlers['agent-submit']({
        ...{ search: spec.id, agent, ordinal, operator: 'draft', parents: [], candidate, lessons },
        rationale: { choice: 'draft', change: 'x', expected: null, retrieved: [], evidence: [], ...rationale },
      } as never);
    submit('rival', 1, 'M M M M', {});
    const attack = '<script>alert(1)</script>\u001b[2J';
    submit('walker', 1, 'M M M M', {
      hypothesis: attack,
      retrieved: ['arxiv:2401.00001'],
      readings: [{ how: 'search-literature', query: attack, found: ['arxiv:2401.00001'] }],
      works: [
        { id: 'arxiv:2401.00001', title: attack, url: null, licence: 'CC0', retrievedAt: '2026-11-20T00:00:00Z' },
      ],
      evidence: ['arxiv:2401.00001', 'rival-1'],
    });
    submit('walker', 2, 'M M M mA', {}, [{ node: 'walker-1', text: attack }]);
    archive.close();
    const reader = readArchive(home);
    const story = storyOf(reader, spec.id, null);
    reader.close();
    const [first] = story.agents[0]?.steps ?? [];
    expect(first?.taken).toEqual([{ node: 'rival-1', agent: 'rival', how: 'cited' }]);
    expect(first?.lesson).toEqual({ text: attack, learnedBefore: 2 });
    expect(first?.distance).toEqual({ parent: null, nearest: null });
    expect(story.agents[0]?.steps[1]?.distance.nearest).toBe(0.25);
    const page = await storyHtml(story);
    const { body } = partsOf(page);
    expect(body).not.toContain('<script');
    expect(page).not.toContain('\u001b');
    expect(body).toContain('&lt;script>');
    expect(body).toContain('walker-1 of rival-1');
    expect(storyText(story, noColours)).not.toContain('\u001b');
    expect(storyText(story, noColours)).toMatch(
      /reading +search literature .*arxiv:2401.00001; cites arxiv:2401.00001/,
    );
  });
});
