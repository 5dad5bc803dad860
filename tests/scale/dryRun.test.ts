/** Prices of the shipped plans, by the real trainer; nothing is trained. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cli } from '../support/cli.ts';
import { temporaryFolder } from '../support/home.ts';

/** Cells of the row of an architecture at a size. */
const cells = (stdout: string, architecture: string, size: string): string[] =>
  stdout
    .split('\n')
    .map((line) => line.split(/\s{2,}/))
    .find((row) => row[0] === architecture && row[2] === size) ?? [];

it('the grid of the paper has its parameters, depths and FLOPs', { timeout: 240_000 }, async () => {
  const home = join(temporaryFolder(), 'home');
  const { code, stdout, stderr } = await cli(['scale', 'scales/paper.yaml', '--dry-run', '--home', home]);
  expect(code, stderr).toBe(0);
  // Non-embedding parameters of the Llama stacks: 0.35B, 0.97B and 2.8B (arXiv 2510.04800), and the depths of Composer at 1B.
  const sizes = ['350M', '1B', '3B'].map((size) => cells(stdout, 'llama', size));
  expect(sizes.map((row) => row[4])).toEqual(['352,366,080', '973,146,112', '2,774,707,200']);
  expect(sizes.map((row) => row[5])).toEqual(
    [1536, 2048, 3072].map((width) => (128_256 * width).toLocaleString('en-US')),
  );
  expect(cells(stdout, 'composer-stretch', '1B')[3]).toBe('29');
  expect(cells(stdout, 'composer-stack', '1B')[3]).toBe('27');
  // The largest of five budgets, and a fifth of each smaller one, per architecture and size.
  const flops = 18 * (4e20 + 0.2 * (2e19 + 4e19 + 8e19 + 2e20));
  const [, printed = ''] = /, ([\d.e+]+) FLOPs with shared trunks/.exec(stdout) ?? [];
  expect(Number(printed) / flops).toBeCloseTo(1, 2);
  expect(stdout).toContain('on H200s at 40 % of 989 TFLOP/s');
  expect(existsSync(home)).toBe(false);
});

it.each([
  [['--evaluate', 'piqa=/nowhere/rows.jsonl'], /\/nowhere\/rows\.jsonl cannot be read/],
  [['--evaluate', 'chess=rows.jsonl'], /with a task of arc_easy, arc_challenge, hellaswag, piqa, sciq, winogrande/],
  [['--evaluate', 'piqa=a', '--evaluate', 'piqa=b'], /piqa is given twice/],
  [['--sweep', '--evaluate', 'piqa=rows.jsonl'], /'--sweep' cannot be used with option '--evaluate <task=file>'/],
  [['--sweep', '--dry-run'], /'--sweep' cannot be used with option '--dry-run'/],
  [['--sweep', '--nats', 'nats://lab'], /'--sweep' cannot be used with option '--nats <url>'/],
  [['--sweep', '--workers', '0'], /--sweep trains on this machine, and --workers 0 says that others train/],
])('%j is refused before anything is trained', async (options, sentence) => {
  const home = join(temporaryFolder(), 'home');
  const { code, stderr } = await cli(['scale', 'scales/micro.yaml', ...options, '--home', home]);
  expect(code).toBe(2);
  expect(stderr).toMatch(sentence);
  expect(existsSync(home)).toBe(false);
});

it('a plan that cannot be is refused in a sentence', async () => {
  const { code, stderr } = await cli(['scale', 'searches/quickstart.yaml', '--dry-run']);
  expect(code).toBe(2);
  expect(stderr).toMatch(/^aira: searches\/quickstart\.yaml: .*\n {2}remedy: fix the file\n$/);
});
