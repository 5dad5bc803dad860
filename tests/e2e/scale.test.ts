/** `aira scale` as a program: trained, killed with its trainers, resumed, audited, asked zero-shot; its learning rate checked. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../support/home.ts';
import { aira, type EventLine, start } from '../support/program.ts';

const plan = `
architectures: [{ name: hybrid, pattern: Mb+M+mA+M, rule: nearest-fit }]
sizes: [0.1M]
budgets: [{ steps: 6 }, { steps: 12 }]
seeds: { each: 1, middle: 1 }
data: { generated: 100 }
training: { sequence: 32, batchTokens: 256, validationSequences: 8 }
machine: { device: cpu, checkpointSeconds: 0 }
`;

/** What the plan measured, without what the machine's speed decides. */
const losses = (events: readonly EventLine[]) =>
  events
    .filter(({ event }) => event === 'observation')
    .map(({ seconds: _, tokensPerSecond: __, peakMemoryBytes: ___, ...rest }) => rest);

it('killed on the way, a plan ends with the losses of an undisturbed one; its audit is clean', {
  timeout: 300_000,
}, async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'toy.yaml');
  writeFileSync(file, plan);
  const args = (home: string) => ['scale', file, '--home', join(folder, home), '--workers', '1', '--json'];

  const killed = start(args('home'));
  // The first budget has its loss; the second one trains, or will be.
  await killed.until(() => killed.events.some(({ event }) => event === 'trained'), 'the first loss');
  killed.kill('SIGKILL');
  expect(await killed.ended).toMatchObject({ signal: 'SIGKILL' });
  const resumed = start(args('home'));
  const { code, stderr } = await resumed.ended;
  expect(code, stderr).toBe(0);
  expect(resumed.events[0]).toMatchObject({ event: 'started', trainings: 2, known: 1 });

  const alone = start(args('alone'));
  expect(await alone.ended).toMatchObject({ code: 0 });
  expect(losses(resumed.events)).toHaveLength(2);
  expect(losses(resumed.events)).toEqual(losses(alone.events));
  const page = resumed.events.find(({ event }) => event === 'report') as { path?: string } | undefined;
  expect(readFileSync(page?.path ?? '', 'utf8')).toContain('<h1>Does it hold?</h1>');

  const search = String(resumed.events[0]?.search);
  const report = await aira(['report', search, '--home', join(folder, 'home')]);
  expect(report.stdout).toContain(`does it hold? ${page?.path}\n`);
  const audit = await aira(['audit', search, '--home', join(folder, 'home'), '--retrain', '1']);
  expect(audit.code, audit.stdout).toBe(0);
  expect(audit.stdout).toMatch(/I6 batch-independence: holds[\s\S]*, 0 broken\n$/);

  const items = join(folder, 'piqa.jsonl');
  const row = { goal: 'cut paper', sol1: 'use scissors', sol2: 'use soup', label: 0 };
  writeFileSync(items, `${JSON.stringify(row)}\n`.repeat(3));
  const asked = ['scale', file, '--home', join(folder, 'home'), '--workers', '1', '--evaluate', `piqa=${items}`];
  const scored = await aira(asked);
  expect(scored.code, scored.stderr).toBe(0);
  expect(scored.stdout).toContain('piqa: hybrid 0.1M, seed 1 (1 to score)\n');
  expect(scored.stdout).toMatch(
    /\nzero-shot at 0\.1M[^\n]*\narchitecture +seeds +piqa, 3 items[^\n]*\nhybrid +1 +[\d.]+ % \/ [\d.]+ %\n/,
  );
  // What is known is shown again, and asks nothing: the weights are gone.
  rmSync(join(folder, 'home', 'scale'), { recursive: true });
  const again = await aira(asked);
  expect([again.code, again.stdout.includes('to score')]).toEqual([0, false]);
  expect(again.stdout).toContain('\nzero-shot at 0.1M');
  writeFileSync(items, `${JSON.stringify({ ...row, label: 1 })}\n`);
  const gone = await aira(asked);
  expect([gone.code, gone.stderr]).toEqual([2, expect.stringContaining('the weights of hybrid 0.1M are not in')]);

  const sweep = await aira(['scale', file, '--home', join(folder, 'home'), '--workers', '1', '--sweep']);
  expect(sweep.code, sweep.stderr).toBe(0);
  expect(sweep.stdout).toMatch(
    /^hybrid 0\.1M, 12 steps, at half, once and twice its rate\n(?: {2}[\d.]+ {2}loss [\d.]+\n){3} {2}[^\n]*rate[^\n]*\n$/,
  );
});
