/** `aira scale` as a program: trained, killed with its trainers, resumed, audited. */
import { readFileSync, writeFileSync } from 'node:fs';
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
});
