/**
 * The shipped micro plan, undisturbed and killed three times: the same losses, a clean audit, and an export of trained weights
 * that `transformers` loads. Half an hour on two cores. The export needs a Python with transformers: name one in AIRA_PYTHON.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { findPython } from '../../src/platform/index.ts';
import { audit } from '../chaos/audit.ts';
import { temporaryFolder } from '../support/home.ts';
import { aira, type EventLine, type Program, start } from '../support/program.ts';

/** What the plan measured, without what the machine's speed decides. */
const losses = (events: readonly EventLine[]) =>
  events
    .filter(({ event }) => event === 'observation')
    .map(({ seconds: _, tokensPerSecond: __, peakMemoryBytes: ___, ...rest }) => rest);

it('scales/micro.yaml: killed three times, it ends with the same losses; audited, exported', async (context) => {
  const folder = temporaryFolder();
  const [home, calm] = [join(folder, 'home'), join(folder, 'calm')];
  const begin = (at: string): Program =>
    start(['scale', 'scales/micro.yaml', '--home', at, '--workers', '2', '--json']);

  for (const kill of [1, 2, 3]) {
    const program = begin(home);
    const trained = () => program.events.filter(({ event }) => event === 'trained').length;
    for (let losses = 1; losses <= 2 + kill; losses++)
      await program.until(() => trained() >= losses, `${losses} losses`);
    program.kill('SIGKILL');
    expect(await program.ended).toMatchObject({ signal: 'SIGKILL' });
  }
  const resumed = begin(home);
  const { code, stderr } = await resumed.ended;
  expect(code, stderr).toBe(0);

  const alone = begin(calm);
  expect(await alone.ended).toMatchObject({ code: 0 });
  // Three architectures, five sizes and the middle once more, three budgets.
  expect(losses(alone.events)).toHaveLength(54);
  expect(losses(resumed.events)).toEqual(losses(alone.events));

  const page = readFileSync(String(resumed.events.find(({ event }) => event === 'report')?.path), 'utf8');
  expect(page).toContain('<h1>Does it hold?</h1>');
  const search = String(resumed.events[0]?.search);
  await audit(home, search);

  const python = await findPython();
  const probe = 'import importlib.util as u; print(all(u.find_spec(n) for n in ("transformers", "safetensors")))';
  if (execFileSync(python, ['-c', probe], { encoding: 'utf8' }).trim() !== 'True') {
    context.skip('all but the export was seen: this Python has no transformers, name one that has it in AIRA_PYTHON');
  }
  const models = readdirSync(join(home, 'scale'), { recursive: true, encoding: 'utf8' });
  const weights = dirname(join(home, 'scale', models.find((path) => path.endsWith('model.json')) ?? ''));
  const out = join(folder, 'exported');
  const exported = await aira(['export', '--weights', weights, '--out', out, '--home', home, '--json']);
  expect(exported.code, exported.stderr).toBe(0);
  const found = JSON.parse(exported.stdout);
  expect(found.difference).toBeLessThan(1e-4 * found.scale);
});
