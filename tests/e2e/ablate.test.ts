import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { stringify } from 'yaml';
import { primitives } from '../../src/domain/architecture.ts';
import { tableText } from '../../src/evaluators/table.ts';
import { temporaryFolder } from '../support/home.ts';
import { trainingCounts } from '../support/ledger.ts';
import { aira, type EventLine, jsonLines, start } from '../support/program.ts';
import { plantedTable } from '../support/table.ts';
import { toyTask } from '../support/toySearch.ts';

function studyFile(folder: string, changes: object): string {
  const path = join(folder, 'trial.yaml');
  const study = {
    question: 'Does it help?',
    seeds: 2,
    budget: { evaluations: 4 },
    agents: [{ name: 'searcher', model: 'local/mutate', scaffold: { kind: 'greedy', drafts: 2 } }],
    arms: [{ name: 'plain' }, { name: 'chance', set: { model: 'local/random' } }],
    workers: 1,
    ...changes,
  };
  writeFileSync(path, stringify(study));
  return path;
}

it('trains the runs of a study in one laboratory, goes on where it was interrupted, and ends with the verdict', async () => {
  const home = temporaryFolder();
  const path = studyFile(home, { tasks: [{ task: toyTask }] });
  const command = ['ablate', path, '--home', home, '--json'];
  const first = start(command);
  const run = await first.event(({ event }) => event === 'run', 'a run');
  first.kill('SIGINT');
  expect((await first.ended).code).toBe(130);
  const before = trainingCounts(home);

  const second = await aira(command);
  expect(second).toMatchObject({ code: 0 });
  const lines = jsonLines<EventLine>(second.stdout);
  const runs = lines.filter(({ event }) => event === 'run');
  expect(runs.map(({ arm, seed }) => `${seed} ${arm}`).sort()).toEqual(['1 chance', '1 plain', '2 chance', '2 plain']);
  // What was known is told first, as it was, and nothing was trained twice.
  expect(runs[0]).toEqual(run);
  expect(runs.every(({ worth, evaluated }) => typeof worth === 'number' && evaluated === 4)).toBe(true);
  const after = trainingCounts(home);
  expect(after.known).toBeGreaterThan(before.known);
  expect(after.begun - after.known).toBe(after.unheard);

  const last = lines.at(-1) as EventLine;
  expect(last).toMatchObject({
    event: 'verdict',
    v: 2,
    comparisons: [
      {
        arms: ['chance', 'plain'],
        effect: expect.any(Number),
        interval: [expect.any(Number), expect.any(Number)],
        p: expect.any(Number),
        verdict: 'not distinguishable',
        sentence: expect.stringContaining('at least 6 pairs are needed'),
      },
    ],
  });
  expect(readFileSync(last.report as string, 'utf8')).toContain('Does it help?');
  expect(existsSync(last.results as string)).toBe(true);
});

it('answers from a table, and writes its figures into a document', async () => {
  const home = temporaryFolder();
  writeFileSync(join(home, 'planted.json'), tableText(plantedTable({ layers: 4, primitives: [...primitives] })));
  const path = studyFile(home, { tasks: [{ table: './planted.json' }], seeds: 30, budget: { evaluations: 20 } });
  const document = join(home, 'figures.md');
  writeFileSync(document, 'before\n<!-- trial: begin -->\nfigures of before\n<!-- trial: end -->\nafter\n');
  const { code, stdout } = await aira(['ablate', path, '--home', home, '--markdown', document]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/chance is worse than plain: .* lower over 30 paired runs of 20 evaluations/);
  const text = readFileSync(document, 'utf8');
  expect(text).toMatch(/^before\n.*chance is worse than plain.*\nafter\n$/s);
  expect(text).not.toContain('figures of before');
});

it('says what is wrong before anything is started', async () => {
  const home = temporaryFolder();
  const wrong = async (changes: object) => {
    const { code, stderr } = await aira(['ablate', studyFile(home, changes), '--home', home]);
    expect(code).toBe(2);
    return stderr;
  };
  expect(await wrong({ tasks: [{ table: 'nothing-such' }] })).toContain('aira table build');
  expect(
    await wrong({ tasks: [{ task: toyTask }], arms: [{ name: 'a' }, { name: 'b', set: { drafts: 3 } }] }),
  ).toContain('unknown key "drafts"');
  expect(existsSync(join(home, 'archive.db'))).toBe(false);
});
