import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { claimsOf, lintClaims } from './support/claims.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(`${root}/${path}`, 'utf8');
const scripts = new Set(
  Object.keys(z.object({ scripts: z.record(z.string(), z.string()) }).parse(JSON.parse(read('package.json'))).scripts),
);
const documents = [
  ...['README.md', 'BENCHMARKS.md', 'CONTRIBUTING.md'],
  ...readdirSync(`${root}/docs`)
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

describe('figures in documents that claim a difference (I11)', () => {
  it.each(documents)('name what measured them: %s', (path) => {
    expect(lintClaims(read(path), root, scripts)).toEqual([]);
  });

  const lint = (text: string) => lintClaims(text, root, scripts);

  it.each([
    [
      'a sentence',
      '# A\n\nNative is 4.3 times faster.\n',
      '1: its section names no command: Native is 4.3 times faster.',
    ],
    [
      'a table row',
      '# A\n\n| arm | verdict |\n| --- | --- |\n| mutate | better, +0.0047 |\n',
      'mutate | better, +0.0047',
    ],
    ['a command elsewhere', '# A\n\n`npm run bench`\n\n# B\n\nIt gains 3 %.\n', '5: its section names no command'],
    [
      'a study that is gone',
      '# A\n\nIt is 3 % worse: `npx aira ablate studies/gone.yaml`.\n',
      'studies/gone.yaml does not exist',
    ],
    ['a script that is gone', '<!-- claim: command npm run gone -->\n', 'package.json has no script gone'],
    ['a search without nodes', '<!-- claim: search searches/quickstart.yaml -->\n', 'names no search file and nodes'],
    ['an excuse without a reason', '<!-- claim: none x -->\n', 'needs a reason'],
    ['another word', '<!-- claim: trust me -->\n', '"trust" is none of command, search, none'],
  ])('are found without it: %s', (_, text, problem) => {
    expect(lint(text).join('\n')).toContain(problem);
  });

  it.each([
    '# A\n\nIt is 3 % worse (`npx aira ablate studies/tabulated.yaml`).\n',
    '# A\n\nIt is 3 % worse.\n\n```\nnpm run bench\n```\n',
    '# A\n\n<!-- claim: command npm run bench -->\n\n## B\n\nIt is 3 % worse.\n',
    '# A\n\n<!-- claim: search searches/quickstart.yaml nodes evolution-12 llama -->\nIt beats llama by 0.03.\n',
    '# A\n\n<!-- claim: none an example of the wording -->\nIt beats llama by 0.03.\n',
  ])('pass with it', (text) => expect(lint(text)).toEqual([]));

  it('are neither names with digits, nor code, nor words without a figure', () => {
    expect(
      claimsOf({ lines: ['Better with `x = 3`.', 'MAD-6 and Mamba-2 do better.', 'Nothing is faster.', '3 seeds.'] }),
    ).toEqual([]);
  });
});
