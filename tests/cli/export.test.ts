/** `aira export`: options, the model that they make, and the one sentence where a library is missing. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findPython } from '../../src/platform/index.ts';
import { cli } from '../support/cli.ts';
import { temporaryFolder } from '../support/home.ts';

let python = '';
let hasTransformers = false;
beforeAll(async () => {
  python = await findPython();
  const probe = 'import importlib.util as u; print(all(u.find_spec(n) for n in ("transformers", "safetensors")))';
  hasTransformers = execFileSync(python, ['-c', probe], { encoding: 'utf8' }).trim() === 'True';
});

let home = '';
beforeEach(() => {
  home = temporaryFolder();
});
const run = (...args: string[]) => cli(['export', ...args, '--home', home]);

describe('export --as config', () => {
  it('stacks Llama to its own widths and counts, on no memory', async () => {
    const { code, stdout } = await run('mA+M', '--size', '3B', '--rule', 'stack', '--as', 'config', '--json');
    expect(code).toBe(0);
    const found = JSON.parse(stdout);
    const layers = 28 * (3072 * (2 * 3072 + 2 * 96 * 8) + 3 * 3072 * 8192 + 2 * 3072) + 3072;
    // The embedding of 257 byte tokens is shared with the head.
    expect(found).toMatchObject({ nonEmbedding: layers, parameters: layers + 257 * 3072, outcome: null, data: null });
    expect(found.model.pattern).toHaveLength(56);
  });

  it('stretches a hybrid to at least the size in the family that is asked for', async () => {
    const { code, stdout } = await run(
      '2mA+3M+Mb+2M',
      '--size',
      '350M',
      '--family',
      'nemotron',
      '--as',
      'config',
      '--json',
    );
    expect(code).toBe(0);
    const { model, nonEmbedding } = JSON.parse(stdout);
    expect(model.family).toBe('nemotron');
    expect(new Set(model.pattern)).toEqual(new Set(['mA', 'M', 'Mb']));
    expect(nonEmbedding).toBeGreaterThan(0.35e9 * 0.95);
  });
});

describe('what does not go together', () => {
  it.each([
    [['mA+M', '--size', '1M'], 'an export needs a folder'],
    [['mA+M', '--as', 'config'], 'a pattern has no size'],
    [['--as', 'config'], 'there is nothing to export'],
    [['mA+M', '--weights', '/nowhere', '--as', 'config'], '/nowhere holds no trained model'],
    [['--weights', '/nowhere', '--as', 'config'], '/nowhere holds no trained model'],
    [['mA+M', '--size', '1M', '--data', 'text', '--as', 'config'], 'the data set text has not been imported'],
    [['mA+M', '--size', '7M', '--as', 'config'], 'there is no size "7M"'],
    [['Not/An Architecture', '--size', '1M', '--as', 'config'], 'is neither an architecture nor the name of a search'],
    [['no-such-search', '--size', '1M', '--as', 'config'], 'there is no archive'],
    [['--weights', '/nowhere', '--as', 'config', '--against', '/nowhere'], '--against compares accuracies'],
    [['mA', '--size', '0.1M', '--as', 'config', '--evaluate', 'piqa=x.jsonl'], '--evaluate scores trained weights'],
  ] as const)('%j ends with one sentence', async (args, message) => {
    const { code, stderr } = await run(...args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('names what is missing where transformers is not installed', async (context) => {
    if (hasTransformers) context.skip('this Python has transformers');
    const out = join(temporaryFolder(), 'out');
    const { code, stderr } = await run('mA+M', '--size', '0.1M', '--out', out);
    expect(code).toBe(2);
    expect(stderr).toMatch(/export needs the Python packages? .*transformers/);
    expect(stderr).toContain('AIRA_PYTHON');
    expect(existsSync(out)).toBe(false);
  });
});

describe('an exported directory', () => {
  it('is a checked model with its card', async (context) => {
    if (!hasTransformers) context.skip('this Python has no transformers: name one that has it in AIRA_PYTHON');
    const out = join(temporaryFolder(), 'out');
    const { code, stdout, stderr } = await run(
      'mA+M+Mb',
      '--size',
      '0.1M',
      '--rule',
      'nearest-fit',
      '--out',
      out,
      '--json',
    );
    expect([code, stderr]).toEqual([0, '']);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({ event: 'exported', format: 'granitemoehybrid' });
    expect(found.difference).toBeLessThan(1e-4 * found.scale);
    expect(readdirSync(out)).toEqual(
      expect.arrayContaining(['README.md', 'config.json', 'model.safetensors', 'tokenizer.json']),
    );
    expect(readFileSync(join(out, 'README.md'), 'utf8')).toContain('| small pattern | mA+M+Mb |');
    const again = await run('mA+M', '--size', '0.1M', '--out', out);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('is there already');
  });
});

describe('weights', () => {
  it('are read with their pattern, and their rows scored', async () => {
    const folder = temporaryFolder();
    const [weights, data] = [join(folder, 'model'), join(home, 'data', 'text')];
    mkdirSync(data, { recursive: true });
    const program = `
import hashlib, json, sys, torch
from dataclasses import asdict
from pathlib import Path
from aira_scale.data.tokenizer import bytes_tokenizer
from aira_scale.initial import initialise
from aira_scale.model import ModelSpec, ScaleModel
from aira_scale.shapes import SIZES
folder, data = Path(sys.argv[1]), Path(sys.argv[2])
spec = ModelSpec("llama", ["mA", "M"], SIZES["0.1M"].shape, 257)
model = ScaleModel(spec)
initialise(model, 1)
folder.mkdir()
torch.save(model.state_dict(), folder / "weights.pt")
digest = hashlib.sha256((folder / "weights.pt").read_bytes()).hexdigest()
outcome = {"weightsSha256": digest, "tokens": 1, "steps": 1, "flops": 1.0, "validationLoss": 5.5}
(folder / "model.json").write_text(json.dumps({"model": asdict(spec), "data": "0" * 64, "seed": 1, "outcome": outcome}))
(data / "tokenizer.json").write_text(json.dumps(bytes_tokenizer()))
`;
    const env = { ...process.env, PYTHONPATH: 'gpu-workers', OMP_NUM_THREADS: '1' };
    execFileSync(python, ['-c', program, weights, data], { env, stdio: ['ignore', 'ignore', 'inherit'] });
    const row = { goal: 'cut paper', sol1: 'use scissors', sol2: 'use soup', label: 0 };
    const items = join(folder, 'piqa.jsonl');
    writeFileSync(items, `${JSON.stringify(row)}\n`.repeat(3));
    const { code, stdout, stderr } = await run(
      '--weights',
      weights,
      '--data',
      'text',
      '--as',
      'config',
      '--json',
      '--evaluate',
      `piqa=${items}`,
      '--against',
      weights,
    );
    expect([code, stderr]).toEqual([0, '']);
    for (const [what, message] of [
      ['mA+M', 'trained weights have a pattern of their own'],
      ['no-such-search', 'there is no archive'],
    ] as const) {
      const refused = await run(what, '--weights', weights, '--as', 'config');
      expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(message)]);
    }
    const [configuration, scored, , compared] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(configuration).toMatchObject({ seed: 1, outcome: { validationLoss: 5.5 } });
    expect(scored).toMatchObject({ event: 'scored', task: 'piqa', items: 3 });
    expect(new Set(scored.correct).size).toBe(1);
    expect(compared).toMatchObject({ event: 'compared', difference: 0, interval: { low: 0, high: 0 }, seeds: 1 });
  });
});
