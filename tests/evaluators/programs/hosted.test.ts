/** Programs with a host (Long Range Arena): how they end, and that nothing is left of the two. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Outcome } from '../../../src/domain/evaluation.ts';
import { ProgramEvaluator } from '../../../src/evaluators/programs/programEvaluator.ts';
import { designVersion } from '../../../src/evaluators/version.ts';
import { findPython, secretFile } from '../../../src/platform/installation.ts';
import { jobFor, tinyArena } from '../../adversarial/support/settings.ts';

let folder = '';
let env: Record<string, string> = {};
let python = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'aira-hosted-'));
  env = { ...(process.env as Record<string, string>), XDG_CACHE_HOME: join(folder, 'cache') };
  env.AIRA_SECRET_FILE = join(folder, 'secret');
  python = await findPython();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const mixer = (body: string, top = ''): string => `
import os, sys, time
import torch
from torch import nn
${top}

class Mixer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = nn.Linear(width, width)

    def forward(self, x, mask):
${body.replaceAll(/^/gm, '        ')}

def build(width, length, heads, seed):
    return Mixer(width)
`;
const plain = mixer('return self.inner(x)');

const channels = (): string[] => readdirSync('/tmp').filter((name) => name.startsWith(`aira-channel-${process.pid}-`));

async function judge(text: string, budget: object = {}, more: object = {}, measure = 'validation' as const) {
  const evaluator = new ProgramEvaluator({ python, device: { name: 'cpu', memoryLimitBytes: 4e9 }, env, ...more });
  const settings = { ...tinyArena, budget: { ...tinyArena.budget, ...budget } };
  const job = { ...jobFor({ 'model.py': text }, settings, { measure }), evaluator: designVersion(secretFile(env)) };
  const found: Outcome[] = [];
  await evaluator.evaluate([job], { onOutcome: (_, outcome) => found.push(outcome) });
  await evaluator.stop();
  return found[0];
}

describe('a program with a host', () => {
  it('is measured, the same without a sandbox, and leaves no socket', async () => {
    const safe = await judge(plain, {}, {}, 'test' as 'validation');
    expect(safe).toMatchObject({ status: 'ok' });
    if (safe?.status !== 'ok') return;
    expect(safe.tasks.accuracy).toEqual({ validation: safe.validation, test: safe.test });
    expect(safe.params).toBe(safe.tasks.parameters?.validation);
    const unsafe = await judge(plain, {}, { unsafe: true });
    expect(unsafe).toMatchObject({ status: 'ok', unsafe: true, validation: safe.validation });
    expect(channels()).toEqual([]);
  });

  it.each([
    ['crash', 'the reason in words', mixer('return self.nothing'), {}, /the forward pass failed: [\s\S]*nothing/],
    ['crash', 'stderr:', mixer('print("farewell", file=sys.stderr); os._exit(5)'), {}, /exited with 5.*farewell/],
    ['crash', 'that it left', mixer('os._exit(0)'), {}, /the program exited before the end of the training/],
    ['timeout', 'that it was silent', mixer('time.sleep(600)'), { seconds: 8 }, /timed out after 8 s/],
    ['over-budget', 'what it used', mixer('while True: pass'), { cpu_seconds: 4 }, /used .* s of processor time/],
    ['oom', 'memory', mixer('self.kept = [bytearray(2 ** 24) for _ in range(10 ** 6)]'), { memory_mb: 700 }, /memory/],
    ['invalid', 'that it has no build', 'x = 1', {}, /defines no function build/],
    [
      'toobig',
      'its size',
      mixer('return self.inner(x)').replace('nn.Linear(width, width)', 'nn.Linear(width, 900)'),
      {},
      /hold 15300 numbers/,
    ],
  ] as const)('ends with %s and says %s', async (reason, _, text, budget, message) => {
    const outcome = await judge(text, budget);
    expect(outcome).toMatchObject({ status: 'failed' });
    if (outcome?.status !== 'failed') return;
    expect(outcome.message).toMatch(message);
    expect(outcome.reason).toBe(reason);
  });

  it('says nothing of what it has seen of hidden rows', async () => {
    for (const end of [
      'raise ValueError("overheard " + str(x.sum()))',
      'print("overheard", file=sys.stderr); os._exit(7)',
    ]) {
      const outcome = await judge(mixer(`if not self.training: ${end}\nreturn self.inner(x)`));
      expect(outcome).toMatchObject({ status: 'failed', reason: 'crash' });
      expect(JSON.stringify(outcome)).not.toContain('overheard');
      expect(JSON.stringify(outcome)).not.toContain('stderr:');
    }
  });
});
