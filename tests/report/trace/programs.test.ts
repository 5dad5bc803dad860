import { describe, expect, it, onTestFinished } from 'vitest';
import { nodeIdSchema } from '../../../src/domain/ids.ts';
import { Archive } from '../../../src/memory/archive.ts';
import { readArchive } from '../../../src/memory/reader.ts';
import { noColours } from '../../../src/platform/text.ts';
import { storyHtml, storyText } from '../../../src/report/index.ts';
import { planAttribution } from '../../../src/studies/attribution.ts';
import { storyOf, tracePage } from '../../../src/views/index.ts';
import { manualClock, temporaryFolder } from '../../support/home.ts';
import { agentSpec, measurement, resultOf, searchSpec } from '../../support/specs.ts';

const before = ['width = 8', 'depth = 2', '', 'def model():', '    return width * depth', '', 'rate = 0.1'];
const after = [
  'width = 16',
  'depth = 2',
  '',
  'def model():',
  '    return width * depth',
  '',
  'rate = 0.2',
  'decay = 0',
];
const program = (lines: string[]) => JSON.stringify({ 'model.py': `${lines.join('\n')}\n` });

/** A search for programs in which the second improves the first; less is better. */
function searched() {
  const home = temporaryFolder();
  const archive = Archive.open(home, manualClock());
  const spec = searchSpec({
    lowerIsBetter: true,
    space: { kind: 'program', files: [{ name: 'model.py', maxBytes: 400 }] },
    agents: [agentSpec({ model: 'local/tuner' })],
  });
  archive.handlers['search-open']({ spec, source: '' });
  for (const [index, lines] of [before, after].entries()) {
    archive.handlers['agent-submit']({
      ...{ search: spec.id, agent: 'walker', ordinal: index + 1, operator: index === 0 ? 'draft' : 'improve' },
      ...{ parents: index === 0 ? [] : ['walker-1'], candidate: program(lines) },
      rationale: { choice: '', change: '', expected: -2.4, retrieved: [], evidence: [] },
    } as never);
  }
  const jobs = archive.unsent(100).flatMap((entry) => (entry.kind === 'job' ? [entry.body] : []));
  for (const [index, job] of jobs.entries()) archive.record(resultOf(job, measurement(-2.5 + index * 0.25)));
  archive.close();
  const reader = readArchive(home);
  onTestFinished(() => reader.close());
  return { reader, spec };
}

describe('programs', () => {
  it('are told by the lines that changed, their figures in the unit of the metric', async () => {
    const { reader, spec } = searched();
    const story = storyOf(reader, spec.id, null);
    const step = story.agents[0]?.steps[1];
    expect(step?.difference).toMatchObject({ kind: 'lines', files: [{ name: 'model.py', added: 3, removed: 2 }] });
    expect(step).toMatchObject({ predicted: 2.4, measured: { screen: 2.25 }, effect: -0.25, improved: true });
    expect(step?.distance.parent).toBeCloseTo(5 / 15, 12);
    expect(storyText(story, noColours)).toMatch(/differs +model.py: \+3 -2 lines[\s\S]*−0.2500 against its parent/);
    // Less is better: the second attempt is the best of the tree, and its effect is good.
    const blocks = tracePage(story, null, null, null).sections.flatMap((section) => section.blocks);
    expect(blocks.find(({ block }) => block === 'tree')).toMatchObject({
      tree: {
        nodes: [
          { size: 0, best: false, parents: [] },
          { size: 1, best: true, parents: [0] },
        ],
      },
    });
    expect(blocks.find(({ block }) => block === 'steps')).toMatchObject({
      steps: [{ effect: '' }, { effect: { text: '−0.2500', as: 'good' } }],
    });
    const page = await storyHtml(story);
    expect(page).toContain('<span class="line removed">-width = 8</span>');
    expect(page).toContain('<span class="line added">+decay = 0</span>');
  });

  it('are attributed by the places that changed', () => {
    const { reader, spec } = searched();
    const plan = planAttribution(reader, spec.id, {
      ...{ node: nodeIdSchema.parse('walker-2'), against: null, seeds: 3, mostChanges: 8, minutes: null },
    });
    expect(plan.changes.map(({ label }) => label)).toEqual(['model.py: line 1', 'model.py: lines 7-8']);
    const texts = plan.spec.references.map(({ candidate }) => JSON.parse(candidate)['model.py'].split('\n'));
    expect(texts[2]).toEqual(['width = 8', ...after.slice(1), '']);
    expect(texts[3]).toEqual([...after.slice(0, 6), 'rate = 0.1', '']);
  });
});
