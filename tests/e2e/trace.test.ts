/** Why agents did what they did, and which change earned a gain, from the program itself. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/home.ts';
import { trainingCounts } from '../support/ledger.ts';
import { aira, jsonLines } from '../support/program.ts';
import { toySearch } from '../support/toySearch.ts';

interface StepLine {
  readonly event: string;
  readonly node: string;
  readonly operator: string;
  readonly difference: { layers: { layer: number }[] } | null;
}

describe('aira trace', () => {
  it('tells the story, draws it, and attributes a gain by trainings that are counted once and audited', async () => {
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    const agents = [
      { name: 'climber', model: 'local/mutate', scaffold: { kind: 'greedy', drafts: 1 }, pending: 1 },
      { name: 'reader', model: 'local/prior', scaffold: 'one-shot' },
    ];
    const file = toySearch(folder, { agents, budget: { evaluations: 8 }, workers: 2 });
    expect((await aira(['launch', file, '--home', home, '--json'])).code).toBe(0);

    const told = await aira(['trace', 'toy-1', '--home', home, '--json']);
    expect(told.code, told.stderr).toBe(0);
    const steps = jsonLines<StepLine>(told.stdout).filter(({ event }) => event === 'step');
    expect(steps).toHaveLength(8);
    const drawn = await aira(['trace', 'toy-1', '--home', home, '--html']);
    const page = readFileSync(join(home, 'reports', 'toy-1-trace.html'), 'utf8');
    expect(drawn.stdout).toContain('toy-1-trace.html');
    expect(page).toContain('Tree of climber');

    const improved = steps.find(
      ({ operator, difference }) => operator === 'improve' && (difference?.layers.length ?? 0) > 0,
    );
    const node = improved?.node ?? '';
    const ask = ['trace', 'toy-1', '--attribute', node, '--seeds', '3', '--home', home];
    const first = await aira([...ask, '--json']);
    expect(first.code, first.stderr).toBe(0);
    const [found] = jsonLines<Record<string, never>>(first.stdout);
    expect(found).toMatchObject({ event: 'attribution', node, base: 'climber-1', seeds: 3, rung: 'final' });
    const { changes, gain, trainedAs, interplay } = found as never as {
      changes: { label: string; verdict: string; comparison: { kind: string; n: number; difference: number } }[];
      gain: { kind: string; n: number; difference: number };
      trainedAs: string;
      interplay: number;
    };
    expect(changes).toHaveLength(improved?.difference?.layers.length ?? 0);
    for (const { comparison } of changes) expect(comparison.n).toBe(3);
    const sum = changes.reduce((total, { comparison }) => total + comparison.difference, 0);
    if (gain.kind === 'measured') expect(gain.difference - sum).toBeCloseTo(interplay, 12);

    // Asked again it trains nothing, and says the same.
    const before = trainingCounts(home).begun;
    const again = await aira(ask);
    expect(again.stdout).toContain(`trained as ${trainedAs}`);
    expect(trainingCounts(home).begun).toBe(before);
    const audited = await aira(['audit', trainedAs, '--home', home, '--json']);
    expect(jsonLines<{ violations: string[] }>(audited.stdout).flatMap(({ violations }) => violations)).toEqual([]);
  });

  it('says what is wrong', async () => {
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    await aira(['launch', toySearch(folder, { budget: { evaluations: 2 } }), '--home', home, '--json']);
    const wrong: [string[], RegExp, number][] = [
      [['toy-1', 'nobody'], /"nobody" is not an agent of "toy-1"/, 2],
      [['toy-1', '--attribute', 'chance-1'], /chance-1 is a draft without a parent/, 2],
      [['toy-1', '--attribute', 'chance-1', '--seeds', '1'], /one seed cannot show the noise between seeds/, 2],
    ];
    for (const [args, message, code] of wrong) {
      const ended = await aira(['trace', ...args, '--home', home]);
      expect(ended.stderr).toMatch(message);
      expect(ended.code).toBe(code);
    }
  });
});
