/**
 * The suite proves itself: with each defence left out in turn some attack gets through. Attacks run here without the training
 * around them, straight in the sandbox; those that take seconds run with `npm run attack`.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Sandbox } from '../../src/sandbox/index.ts';
import { type Defence, defences, without } from '../../src/sandbox/spec.ts';
import { budgetMutants } from './budgetMutants.ts';
import { mutants, weakenings } from './mutants.ts';
import { budgetTitle, compareBudget } from './support/budgetMutation.ts';
import { expectSome, launcherOf, processesWith } from './support/host.ts';
import { compare, compareSources, isPossible, mutantTitle } from './support/mutation.ts';
import { World } from './support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.open();
});
afterAll(() => world?.close());

describe('an attack that a defence contains gets through without it', () => {
  it.each(mutants.filter(({ long }) => !long).map((mutant) => [mutantTitle(mutant), mutant] as const))(
    '%s',
    async (_, mutant) => {
      if (isPossible(mutant, world)) expect(await compare(mutant, world)).toMatchObject({ with: false, without: true });
    },
  );

  it('and each defence has such an attack', () => {
    // The tie to the launcher is shown below.
    const shown = new Set<Defence>([...mutants.map((mutant) => mutant.without), 'die-with-parent']);
    expect(defences.filter((each) => !shown.has(each))).toEqual([]);
  });
});

describe('a budget that a line of the host keeps is broken without it', () => {
  it.each(budgetMutants.filter(({ short }) => short).map((mutant) => [budgetTitle(mutant), mutant] as const))(
    '%s',
    // Two whole trainings, of processor seconds that are measured.
    { timeout: 300_000 },
    async (_, mutant) => {
      expect(await compareBudget(mutant, world)).toEqual({ with: false, without: true });
    },
  );
});

describe('an attack on the evaluator gets through without the line that contains it', () => {
  it.each(weakenings.filter(({ long }) => !long).map((each) => [`${each.line}: ${each.attack}`, each] as const))(
    '%s',
    async (_, weakening) => {
      const scores = await compareSources(weakening, world);
      expect(scores.with).toBeLessThan(scores.below);
      expect(scores.without).toBeGreaterThan(0.95);
    },
  );
});

describe('the launcher', () => {
  /** Runs a sleeper, kills its launcher, and answers which of the sleeper's processes live on. */
  async function afterTheLauncher(left: readonly Defence[]): Promise<string[]> {
    // Without control groups, through which the host would end them as well.
    const capability = { ...world.capability, groups: null };
    const directory = mkdtempSync(join(tmpdir(), 'aira-mutant-'));
    const marker = `sleeper-${process.pid}`;
    const sleeper = `import time; print("up", flush=True); time.sleep(60)  # ${marker}`;
    const alive = () => processesWith(marker).filter((each) => !each.command.includes('bwrap'));
    try {
      const running = new Sandbox({ capability, graceMs: 500, defences: without(...left) }).run({
        argv: [capability.python, '-I', '-S', '-c', sleeper],
        readOnly: [],
        output: { directory, maxBytes: 4096 },
        limits: { seconds: 60, memoryBytes: 2 ** 28, processes: 8, scratchBytes: 2 ** 20 },
      });
      const refused = expect(running).rejects.toThrow(/the launcher ended early/);
      const [program] = await vi.waitFor(() => expectSome(alive()), { timeout: 20_000 });
      process.kill(launcherOf(program?.pid ?? 0), 'SIGKILL');
      await refused;
      return alive().map(({ command }) => command);
    } finally {
      // One of them may take others with it.
      spawnSync('kill', ['-9', ...processesWith(marker).map(({ pid }) => String(pid))]);
      rmSync(directory, { recursive: true, force: true });
    }
  }

  it('takes the program with it when it is killed', async () => {
    expect(await afterTheLauncher([])).toEqual([]);
  });

  it('and would not without the tie between them', async () => {
    expect(await afterTheLauncher(['die-with-parent'])).toHaveLength(1);
  });
});
