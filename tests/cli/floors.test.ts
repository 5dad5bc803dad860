/** Floors in what scripts read: `aira nodes`, `--json` and the last line of `aira launch --json`. */
import { expect, it } from 'vitest';
import { jsonDisplay } from '../../src/cli/display.ts';
import { Archive } from '../../src/memory/archive.ts';
import { cli } from '../support/cli.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { agentSpec, measurement, resultOf, searchSpec } from '../support/specs.ts';

const spec = searchSpec({
  space: { kind: 'program', files: [{ name: 'model.py', maxBytes: 1000 }] },
  agents: [agentSpec({ model: 'local/tuner' })],
});

/** A home whose one node has this score on the screen rung, where the highest floor is 0.438. */
function home(score: number): string {
  const folder = temporaryFolder();
  const archive = Archive.open(folder, manualClock());
  const ask = archive.handlers;
  ask['search-open']({ spec, source: '' });
  const [{ name: agent }] = spec.agents as [(typeof spec.agents)[number]];
  const rationale = { choice: '', change: 'first', expected: null, retrieved: [], evidence: [] };
  const candidate = JSON.stringify({ 'model.py': 'x = 1\n' });
  ask['agent-submit']({ search: spec.id, agent, parents: [], rationale, operator: 'draft', ordinal: 1, candidate });
  const [job] = archive.unsent(100).flatMap((entry) => (entry.kind === 'job' ? [entry.body] : []));
  if (!job) throw new Error('no job');
  const tasks = {
    accuracy: { validation: score },
    floor_bag: { validation: 0.25 },
    floor_shortcut: { validation: 0.438 },
  };
  archive.record(resultOf(job, measurement(score, { tasks })));
  archive.close();
  return folder;
}

it.each([
  [0.4, ' below the floor of 0.438 (shortcut)'],
  [0.5, ''],
])('a score of %d stands beside them', async (score, said) => {
  const folder = home(score);
  const plain = await cli(['nodes', spec.id, '--home', folder], { NO_COLOR: '1' });
  expect(plain.stdout).toContain(`${score.toFixed(3)}${said}  `);
  const json = await cli(['nodes', spec.id, '--home', folder, '--json'], { NO_COLOR: '1' });
  expect(JSON.parse(json.stdout)).toMatchObject({ floors: { screen: { bag: 0.25, shortcut: 0.438 } } });
});

it('the last line of a search has its verdict and its floors', () => {
  let said = '';
  const display = jsonDisplay((line) => {
    said += line;
  });
  const result = { verdict: ['a-1 is below the floor'], floors: { final: { bag: 0.25 } } };
  display.ended({ how: 'finished', searchStatus: null, report: null, endings: [], summary: null, result });
  expect(JSON.parse(said)).toMatchObject({ event: 'finished', ...result });
});
