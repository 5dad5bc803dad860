/** A Python may lie anywhere: what it needs is visible inside, and nothing else of the place where it lies. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import type { Outcome } from '../../src/domain/evaluation.ts';
import { ProgramEvaluator } from '../../src/evaluators/programs/programEvaluator.ts';
import { secretFile } from '../../src/platform/installation.ts';
import { probeSandbox, type SandboxOptions } from '../../src/sandbox/index.ts';
import { jobFor, tinyText } from '../adversarial/support/settings.ts';
import { honestScript } from '../adversarial/support/submissions.ts';
import {
  behindLinks,
  closed,
  homeAsPrefix,
  homes,
  inProject,
  linkPackages,
  ownInstallation,
  privateHome,
  secretFiles,
  uvLike,
  venv,
} from './pythons.ts';
import { openFolder, ordinaryUser, runText } from './support.ts';

const cache = mkdtempSync('/var/tmp/aira-places-');
afterAll(() => rmSync(cache, { recursive: true, force: true }));
const env = { ...process.env, XDG_CACHE_HOME: cache, AIRA_SECRET_FILE: secretFile() };
const isRoot = process.getuid?.() === 0;

/** Trains and scores the honest program of the attack suite, which imports torch. */
async function judge(python: string, sandbox: Partial<SandboxOptions>): Promise<Outcome> {
  const log = pino({ level: 'silent' });
  const evaluator = new ProgramEvaluator({ python, device: { name: 'cpu', memoryLimitBytes: 8e9 }, env, log, sandbox });
  const outcomes: Outcome[] = [];
  await evaluator.evaluate([jobFor(honestScript, tinyText)], { onOutcome: (_, outcome) => outcomes.push(outcome) });
  await evaluator.stop();
  return outcomes[0] as Outcome;
}

const trainStep = `
import torch
weight = torch.ones(4, requires_grad=True)
(weight ** 2).sum().backward()
torch.optim.SGD([weight], 0.25).step()
print("trained" if float(weight.detach()[0]) == 0.5 else weight)`;

const places = [
  ['a virtual environment in a home', () => homes(), (home: string) => venv(join(home, 'venv'))],
  ['a virtual environment in the home of this user', () => homedir(), (home: string) => venv(join(home, '.venv'))],
  ['a virtual environment below /tmp', () => '/tmp', (home: string) => venv(join(home, 'venv'))],
  ['a virtual environment below /dev/shm', () => '/dev/shm', (home: string) => venv(join(home, 'venv'))],
  [
    'a path with blanks and letters of many scripts',
    () => homes(),
    (home: string) => venv(join(home, 'ein Örtchen, 環境 "x", y\\z')),
  ],
  ['links to links', () => homes(), behindLinks],
  ['the layout of uv', () => homes(), uvLike],
  ['the layout of conda', () => homes(), (home: string) => ownInstallation(join(home, 'miniconda3', 'envs', 'e'))],
  ['a virtual environment that is a project too', () => homes(), inProject],
  ['a prefix that is a home', () => homes(), homeAsPrefix],
  [
    'a virtual environment that only its owner can read',
    () => homes(),
    (home: string) => closed(venv(join(home, 'venv'))),
  ],
] as const;

describe.each(places)('a Python in %s', (_, parent, make) => {
  it('trains, and shows nothing else of the place', { timeout: 120_000 }, async () => {
    const home = privateHome(parent());
    const python = make(home);
    const capability = await probeSandbox({ python, env });
    expect(capability).toMatchObject({ mode: 'sandboxed', identity: isRoot ? 'dedicated' : 'own' });
    const trained = await runText({ capability }, '', {
      argv: [python, '-I', '-c', trainStep],
      limits: { memoryBytes: 2 ** 30 },
    });
    expect(trained).toMatchObject({ end: 'exited', exitCode: 0, stdout: 'trained\n' });
    const files = secretFiles(home);
    expect(files.length).toBeGreaterThanOrEqual(2);
    const text = 'import os, sys; print([path for path in sys.argv[1:] if os.path.lexists(path)])';
    const { stdout } = await runText({ capability }, '', { argv: [python, '-I', '-c', text, ...files] });
    expect(stdout.trim()).toBe('[]');
  });
});

it('the program of a candidate is trained and scored there', { timeout: 120_000 }, async () => {
  const python = closed(venv(join(privateHome(homes()), 'venv')));
  const capability = await probeSandbox({ python, env });
  expect(await judge(python, { capability })).toMatchObject({ status: 'ok' });
});

describe.skipIf(!isRoot)('an ordinary user', () => {
  const owned = [
    ['in his own home', (home: string) => venv(join(home, 'venv'))],
    ['in the layout of uv', uvLike],
  ] as const;
  it.each(owned)('has a Python %s', { timeout: 120_000 }, async (_, make) => {
    const home = privateHome('/home', 65534);
    const python = make(home);
    const result = await runText(await ordinaryUser(python), '', {
      argv: [python, '-I', '-c', trainStep],
      limits: { memoryBytes: 2 ** 30 },
    });
    expect(result).toMatchObject({ end: 'exited', exitCode: 0, stdout: 'trained\n' });
  });
});

describe('what is refused is what a Python holds, in one sentence', () => {
  const refusal = async (
    python: string,
    more: Record<string, string> = {},
  ): Promise<{ message: string; remedy: string }> => {
    const thrown = await probeSandbox({ python, env: { ...env, ...more } }).catch((error: unknown) => error);
    return thrown as { message: string; remedy: string };
  };

  it('the secret of the hidden rows', async () => {
    const home = privateHome(homes());
    const python = venv(join(home, 'venv'));
    const secret = join(home, 'venv', 'lib', 'hidden-rows.secret');
    writeFileSync(secret, 'x');
    const { message, remedy } = await refusal(python, { AIRA_SECRET_FILE: secret });
    expect(message).toMatch(/contain Aira's hidden-rows\.secret/);
    expect(remedy).toMatch(/^move it elsewhere/);
    expect(remedy).not.toContain('unsafe');
  });

  it('packages that are links out of its folders', async () => {
    const home = privateHome(homes());
    const python = ownInstallation(join(home, 'python'));
    linkPackages(python, join(home, 'cache'));
    const { message, remedy } = await refusal(python);
    expect(message).toMatch(/Python finds no torch.* inside/);
    expect(remedy).toMatch(/^install the packages as files/);
    expect(remedy).not.toContain('unsafe');
  });

  it('and a folder in which nothing is wrong is none of it', async () => {
    expect((await probeSandbox({ python: venv(join(openFolder(), 'venv')), env })).mode).toBe('sandboxed');
  });
});
