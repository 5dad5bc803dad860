/**
 * The checker is worth as much as the defects it finds. Two are planted in copies of the built program; each must be
 * found in the scenario that exposes it, and the program as it is must pass the same scenario.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import type { Contents } from '../support/ledger.ts';
import { start } from '../support/program.ts';
import { toySearch } from '../support/toySearch.ts';
import { violations } from './checker.ts';
import { freePort } from './distributedLab.ts';
import { quiet } from './quiet.ts';
import { serve } from './server.ts';
import { undisturbed } from './undisturbed.ts';

interface Patch {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const folder = mkdtempSync(join(tmpdir(), 'aira-mutants-'));
const search = 'mutant';
let calm: Contents;
let file: string;

beforeAll(async () => {
  file = toySearch(folder, { budget: { evaluations: 4 } });
  calm = await undisturbed(folder, file, search);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A copy of the installation in which some text is another. */
function patched(name: string, patches: readonly Patch[]): string {
  const [original, copy] = [inject('installation'), join(folder, name)];
  mkdirSync(copy);
  cpSync(join(original, 'dist'), join(copy, 'dist'), { recursive: true });
  for (const shared of ['package.json', 'gpu-workers', 'tasks', 'node_modules']) {
    symlinkSync(join(original, shared), join(copy, shared));
  }
  for (const { file: path, from, to } of patches) {
    const text = readFileSync(join(copy, 'dist', path), 'utf8');
    // Once and only once: a mutant that was not planted would pass for a program without defects.
    expect(text.split(from), `${path}: ${from}`).toHaveLength(2);
    writeFileSync(
      join(copy, 'dist', path),
      text.replace(from, () => to),
    );
  }
  return copy;
}

/**
 * The archive, a process of its own, dies at a failpoint and is started again; the server, and in the launcher workers and
 * agents, live on. What the checker finds afterwards.
 */
async function archiveDiesAt(failpoint: string, home: string, installation: string): Promise<string[]> {
  const port = await freePort();
  const url = `nats://127.0.0.1:${port}`;
  const server = await serve(`${home}-store`, port);
  onTestFinished(() => void server.kill('SIGKILL'));
  const archive = ['archive', '--home', home, '--nats', url];
  const first = start(archive, { installation, env: { AIRA_FAILPOINT: failpoint } });
  await first.until(() => / at nats:/.test(first.stderr), 'the address of the archive');
  const launch = ['launch', file, '--name', search, '--home', home, '--json', '--nats', url];
  const launcher = start([...launch, '--without', 'archive']);
  expect(await first.ended).toMatchObject({ signal: 'SIGKILL' });
  const second = start(archive, { installation });
  const { code, stderr } = await launcher.ended;
  expect(code, stderr).toBe(0);
  await quiet(url);
  second.kill('SIGTERM');
  await second.ended;
  // The archive that comes back may have a job trained whose result is on its way. But no worker died, so that each
  // training has to be heard of.
  return violations(home, search, { undisturbed: calm, cutOff: 1, unheard: 0, told: launcher.events });
}

describe('acknowledging before committing', () => {
  const scenario = 'archive.before-commit:3';

  it('is not what the program does', async () => {
    expect(await archiveDiesAt(scenario, join(folder, 'commit-first'), inject('installation'))).toEqual([]);
  });

  it('would be found', async () => {
    const installation = patched('ack-first', [
      {
        file: 'bus/results.js',
        from: 'verdict = await handler(decoded.body, decoded.meta);',
        to: 'await ack(); verdict = await handler(decoded.body, decoded.meta);',
      },
      {
        file: 'bus/results.js',
        from: `await (verdict === 'ack' ? ack() : term('refused by its handler'));`,
        to: '',
      },
    ]);
    const found = await archiveDiesAt(scenario, join(folder, 'ack-first-home'), installation);
    expect(found).toEqual(['1 trainings were never heard of again, with 0 cut off']);
  });
});

describe('counting what was counted', () => {
  const scenario = 'archive.after-commit:3';

  it('is not what the program does', async () => {
    expect(await archiveDiesAt(scenario, join(folder, 'counted-once'), inject('installation'))).toEqual([]);
  });

  it('would be found', async () => {
    const installation = patched('counted-twice', [
      {
        file: 'memory/evaluations.js',
        from: `if (evaluation.get(key)) {\n                note('surplus');`,
        to: 'if (false) {',
      },
      {
        file: 'memory/migrationsFrom001.js',
        from: 'CREATE TABLE evaluations_new (\n  key TEXT PRIMARY KEY REFERENCES jobs,',
        to: 'CREATE TABLE evaluations_new (\n  key TEXT REFERENCES jobs,',
      },
      // A reference needs a key to refer to.
      {
        file: 'memory/migrationsFrom001.js',
        from: 'key TEXT PRIMARY KEY REFERENCES evaluations_new,',
        to: 'key TEXT PRIMARY KEY,',
      },
      // Totals by trigger would refuse the second row, and wait without end with one pending less than none.
      ...[
        'totals_of_evaluations AFTER INSERT ON evaluations',
        'scores_of_evaluations AFTER INSERT ON evaluations WHEN NEW.validation IS NOT NULL',
      ].map((trigger) => ({
        file: 'memory/migrationsFrom007.js',
        from: `CREATE TRIGGER ${trigger} BEGIN`,
        to: `CREATE TRIGGER ${trigger} ${trigger.includes('WHEN') ? 'AND' : 'WHEN'} (SELECT count(*) FROM evaluations WHERE key = NEW.key) = 1 BEGIN`,
      })),
      // So would cached sums.
      { file: 'memory/searchStats.js', from: 'memos.get(search) ?? read(search)', to: 'read(search)' },
    ]);
    const found = await archiveDiesAt(scenario, join(folder, 'counted-twice-home'), installation);
    expect(found).toContainEqual(expect.stringMatching(/^a key was counted twice: /));
  });
});
