/** `aira scale` as a program: trained, killed with its trainers, resumed, audited, asked zero-shot; its learning rate checked. */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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

const stepsOf = (model: string): number => JSON.parse(readFileSync(join(model, 'model.json'), 'utf8')).outcome.steps;

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
  expect(scored.stdout).toContain('hybrid 0.1M, seed 1: piqa (1 to score)\n');
  expect(scored.stdout).toMatch(
    /\nzero-shot at 0\.1M[^\n]*\narchitecture +family +seeds +piqa, 3 items[^\n]*\nhybrid +llama +1 +[\d.]+ % \/ [\d.]+ %\n/,
  );
  // Weights of the other budget, with the record beside them, in the place of those that were trained.
  const asks = (label: number) => writeFileSync(items, `${JSON.stringify({ ...row, label })}\n`.repeat(3));
  const storage = join(folder, 'home', 'scale');
  const models = readdirSync(storage, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('model.json'),
  );
  expect(models).toHaveLength(2);
  const [six = '', twelve = ''] = models
    .map((path) => join(storage, dirname(path)))
    .sort((a, b) => stepsOf(a) - stepsOf(b));
  cpSync(six, twelve, { recursive: true });
  asks(1);
  const changed = await aira(asked);
  expect([changed.code, changed.stderr]).toEqual([2, expect.stringContaining('has other weights than the archive')]);
  // What is known is shown again, and asks nothing: the weights are gone.
  asks(0);
  rmSync(storage, { recursive: true });
  const again = await aira(asked);
  expect([again.code, again.stdout.includes('to score')]).toEqual([0, false]);
  expect(again.stdout).toContain('\nzero-shot at 0.1M');
  asks(1);
  const gone = await aira(asked);
  expect([gone.code, gone.stderr]).toEqual([2, expect.stringContaining('the weights of hybrid 0.1M, seed 1 are not')]);

  const sweep = await aira(['scale', file, '--home', join(folder, 'home'), '--workers', '1', '--sweep']);
  expect(sweep.code, sweep.stderr).toBe(0);
  const [head, ...lines] = sweep.stdout.trimEnd().split('\n');
  expect(head).toBe('hybrid 0.1M, 12 steps, at half, once and twice its rate');
  const tried = lines.slice(0, 3).map((line) => /^ {2}([\d.]+) {2}loss ([\d.]+)$/.exec(line) ?? []);
  expect(tried.map(([, rate]) => rate)).toEqual(['0.00500', '0.0100', '0.0200']);
  const known = tried.map(([, , loss]) => Number(loss));
  const best = known.indexOf(Math.min(...known));
  const differ = Math.max(...known) - Math.min(...known) > 0.005;
  const edge = `a rate at the edge is best: set training.learningRate to ${[0.5, 1, 2][best]} and sweep again`;
  const stands = differ ? 'the rate stands' : 'the losses do not differ: the rate stands';
  expect(lines.slice(3)).toEqual([`  ${differ && best !== 1 ? edge : stands}`]);
});
