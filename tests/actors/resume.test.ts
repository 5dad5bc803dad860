/** Killed at any moment and resumed, a search ends with the nodes of one that was not (I5): for every shipped search file. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { searcherFiles } from '../../src/agents/index.ts';
import { readSearchFile } from '../../src/cli/yamlFile.ts';
import { searchIdSchema } from '../../src/domain/ids.ts';
import { trainings } from '../../src/domain/ladder.ts';
import { planSearch } from '../../src/domain/plan.ts';
import { rngFor } from '../../src/domain/rng.ts';
import type { SearchSpec } from '../../src/domain/search.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { packageRoot } from '../../src/platform/installation.ts';
import { loadTask, profileOf } from '../../src/tasks/catalogue.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { contentsOf } from '../support/ledger.ts';
import { type Machine, VirtualLab } from '../support/virtualLab.ts';

const files = readdirSync(join(packageRoot, 'searches')).filter((name) => name.endsWith('.yaml'));

/**
 * More candidates are more than the stand-in of a thought can invent, and more time takes minutes here: its timers tick
 * through all of it. The kills are at shares of the time.
 */
const most = { evaluations: 80, minutes: 30 };

function specOf(name: string): SearchSpec {
  const { file: shipped } = readSearchFile(join(packageRoot, 'searches', name));
  const { evaluations, minutes = most.minutes } = shipped.budget;
  const less = { evaluations: Math.min(evaluations, most.evaluations), minutes: Math.min(minutes, most.minutes) };
  const file = { ...shipped, budget: { ...shipped.budget, ...less } };
  const task = loadTask(file.task);
  const setting = { id: searchIdSchema.parse('trial-1'), task, profile: profileOf(task, file.profile) };
  const programs = searcherFiles(
    file.agents.map(({ model }) => model),
    join(packageRoot, 'searches'),
  );
  return planSearch(file, { ...setting, programs, evaluator: 'test-1', deviceClass: 'cpu', corpus: 'v1' });
}

/** A machine on which the search takes this share of its minutes, with workers that are slow to start. */
function machine(spec: SearchSpec, share: number, workers = 2): Machine {
  const { budget, references, ladder } = spec;
  const planned = trainings(budget.evaluations, references.length, ladder);
  // Longer trainings cost less than the profiles' estimates say, as measured on a busy machine.
  const ratio = { screen: 1, confirm: 1.4, final: 1.7 };
  const units = planned.screen + planned.confirm * ratio.confirm + planned.final * ratio.final;
  const unit = (share * 60 * (budget.minutes ?? 0) * workers) / units;
  return {
    startUp: Array.from({ length: workers }, (_, index) => 3 + 5 * index),
    seconds: { screen: unit, confirm: unit * ratio.confirm, final: unit * ratio.final },
    warmUp: 1.5,
  };
}

const endingsOf = (home: string, spec: SearchSpec) => {
  const reader = readArchive(home);
  try {
    return reader.endings.of(spec.id);
  } finally {
    reader.close();
  }
};

/** Runs a search, killed at these shares of the undisturbed duration. */
async function runIn(home: string, spec: SearchSpec, on: Machine, durationMs: number, kills: readonly number[]) {
  const clock = manualClock();
  const begun = clock.now();
  let down = 0;
  for (const share of kills) {
    const lab = new VirtualLab(home, spec, on, clock);
    await lab.run(begun + down + share * durationMs);
    lab.kill();
    clock.advance(20_000);
    down += 20_000;
  }
  const last = new VirtualLab(home, spec, on, clock);
  await last.run();
  const { ended } = last;
  last.kill();
  expect(ended).toBe('finished');
  return { contents: contentsOf(home, spec.id), durationMs: clock.now() - begun };
}

describe.each(files)('%s', (name) => {
  const spec = specOf(name);
  // A search of programs has few trainings, each a large part of its minutes.
  const on = machine(spec, spec.space.kind === 'program' ? 0.6 : 0.75);

  it('ends the same at any kill point', { timeout: 120_000 }, async () => {
    const calmHome = temporaryFolder();
    const calm = await runIn(calmHome, spec, on, 0, []);
    expect(endingsOf(calmHome, spec)).toEqual([]);
    const rng = rngFor('kills', name);
    const early = [0.04, 0.02 + 0.2 * rng.float()].sort();
    const anywhere = Array.from({ length: 4 }, () => 0.05 + 0.9 * rng.float()).sort();
    for (const kills of [early, anywhere]) {
      const home = temporaryFolder();
      const { contents } = await runIn(home, spec, on, calm.durationMs, kills);
      expect(endingsOf(home, spec), `killed at ${kills.join(' ')}`).toEqual([]);
      expect(contents, `killed at ${kills.join(' ')}`).toEqual(calm.contents);
    }
  });
});

describe('a search that has too little time', () => {
  const spec = specOf('quickstart.yaml');

  it('says why it ends its screening early, and still has its finals', { timeout: 120_000 }, async () => {
    const home = temporaryFolder();
    const { contents } = await runIn(home, spec, machine(spec, 1.6), 0, []);
    const [ending, ...others] = endingsOf(home, spec).sort((a, b) => (a.of < b.of ? 1 : -1));
    // Agents that had evaluations left say that they were cut off.
    expect(others.every(({ of, reason }) => of === 'agent' && reason === 'search-closed')).toBe(true);
    expect(ending).toMatchObject({ of: 'search', subject: 'trial-1', reason: 'short-of-time' });
    expect(ending?.sentence).toMatch(
      /^Screening ended early, after \d+ of 60 candidates: \d:\d\d of the 6 minutes are left/,
    );
    expect(ending?.figures).toMatchObject({ workers: 2, evaluations: 60 });
    expect(ending?.figures.screened).toBeGreaterThan(12);
    const finals = contents.evaluations.filter((text) => text.includes('"rung":"final"'));
    expect(finals).toHaveLength(8 * spec.ladder.finalSeeds);
  });

  it('with one worker goes on as long as its finals allow', { timeout: 120_000 }, async () => {
    const home = temporaryFolder();
    await runIn(home, spec, machine(spec, 0.85, 1), 0, []);
    expect(endingsOf(home, spec)).toEqual([]);
  });
});
