/** `aira data import --tokenizer`: text as shards of tokens, by the real encoder. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { tokenData } from '../../src/evaluators/index.ts';
import { cli } from '../support/cli.ts';
import { temporaryFolder } from '../support/home.ts';

const documents = Array.from(
  { length: 40 },
  (_, index) => `document ${index} has its own words, ${'ab'.repeat(index)}`,
);

function texts(): { folder: string; home: string; source: string } {
  const folder = temporaryFolder();
  const source = join(folder, 'text');
  mkdirSync(join(source, 'more'), { recursive: true });
  writeFileSync(join(source, 'one.txt'), documents[0] ?? '');
  const lines = documents.slice(1).map((text) => JSON.stringify({ text }));
  writeFileSync(join(source, 'more', 'rest.jsonl'), `${lines.join('\n')}\n`);
  return { folder, source, home: join(folder, 'home') };
}

it('encodes documents once, records every file, and notices a change', async () => {
  const { source, home } = texts();
  const args = ['data', 'import', 'web', source, '--tokenizer', 'bytes', '--validation', '20', '--home', home];
  const imported = await cli(args);
  expect(imported).toMatchObject({ code: 0, stderr: '' });
  expect(imported.stdout).toContain('40 documents');
  // One byte a token, and a separator before each document.
  const tokens = documents.reduce((sum, text) => sum + text.length + 1, 0);
  const [, train = '', validation = ''] = /(\d+) tokens to train on, (\d+) to validate/.exec(imported.stdout) ?? [];
  expect(Number(train) + Number(validation)).toBe(tokens);
  expect(Number(validation)).toBeGreaterThan(0);
  const { digest, vocabulary } = tokenData(join(home, 'data', 'web'));
  expect([vocabulary, imported.stdout.includes(digest)]).toEqual([257, true]);
  expect(readFileSync(join(home, 'data', 'web', 'train-00000.bin'))).toHaveLength(4 * Number(train));

  expect(await cli(args)).toMatchObject({ code: 2, stderr: expect.stringContaining('already exists') });
  expect(await cli([...args, '--replace'])).toMatchObject({ code: 0 });
  expect(tokenData(join(home, 'data', 'web')).digest).toBe(digest);
  expect(await cli(['data', 'list', '--verify', '--home', home])).toMatchObject({ code: 0 });
  appendFileSync(join(home, 'data', 'web', 'train-00000.bin'), 'x');
  const verified = await cli(['data', 'list', '--verify', '--home', home]);
  expect(verified).toMatchObject({ code: 1, stdout: expect.stringContaining('has changed since it was imported') });
});

it.each([
  ['a line that is no document', 'web', 'bytes', /rest\.jsonl line 40 is not an object with a text/],
  ['the name of a benchmark', 'listops', 'bytes', /cannot be the name of token shards/],
  ['a tokenizer that is none', 'web', 'words', /tokenizer/],
])('refuses %s in a sentence, and leaves nothing behind', async (_, name, tokenizer, sentence) => {
  const { source, home } = texts();
  if (name === 'web' && tokenizer === 'bytes') appendFileSync(join(source, 'more', 'rest.jsonl'), '{"words": 1}\n');
  const { code, stderr } = await cli(['data', 'import', name, source, '--tokenizer', tokenizer, '--home', home]);
  expect(code).toBe(2);
  expect(stderr).toMatch(sentence);
  expect(stderr).toMatch(/^aira: .*\n {2}remedy: .*\n$/);
  expect(existsSync(join(home, 'data', name))).toBe(false);
});
