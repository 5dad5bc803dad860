/** Data that are replaced, from the command line: nothing scored on the old is given to a search on the new. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { withArchive } from '../support/ledger.ts';
import { aira, jsonLines } from '../support/program.ts';
import { smallTask } from '../support/smallTasks.ts';

const folder = mkdtempSync(join(tmpdir(), 'aira-content-'));
const home = join(folder, 'home');
const file = join(folder, 'search.yaml');
let task: string;

/** Writes 300 different documents of these words, since the hash of a document decides which split it is in. */
function corpusOf(words: string): string {
  const source = mkdtempSync(join(folder, 'text-'));
  const all = words.split(' ');
  const text = (row: number) =>
    Array.from({ length: 40 }, (_, place) => all[(row * 7 + place * place) % all.length]).join(' ');
  const lines = Array.from({ length: 300 }, (_, row) => JSON.stringify({ text: `${text(row)} ${row}` }));
  writeFileSync(join(source, 'part.jsonl'), `${lines.join('\n')}\n`);
  return source;
}

const run = (...words: string[]) => aira([...words, '--home', home]);
const bring = (words: string) => run('data', 'import', 'babistories', corpusOf(words), '--replace');
const trained = (search: string) =>
  withArchive(home, (db) =>
    db
      .prepare<[string], { paid: number; saved: number }>(
        'SELECT sum(saved = 0) AS paid, sum(saved = 1) AS saved FROM evaluation_requests WHERE search = ?',
      )
      .get(search),
  );
interface FindingLine {
  invariant: string;
  holds: boolean | null;
  evidence: string[];
  violations: string[];
}
async function content(search: string): Promise<FindingLine | undefined> {
  const { stdout } = await run('audit', search, '--json');
  return jsonLines<FindingLine>(stdout).find(({ invariant }) => invariant === 'I10');
}

describe('imported data', () => {
  beforeAll(() => {
    task = smallTask('compose-babistories-2p', folder);
    const metadata = join(task, 'metadata.yaml');
    writeFileSync(metadata, readFileSync(metadata, 'utf8').replaceAll('corpus: stories', 'corpus: babistories'));
    const agents = [{ name: 'chance', model: 'local/random', scaffold: 'one-shot' }];
    writeFileSync(file, stringify({ task, budget: { evaluations: 2 }, agents, references: [], workers: 1 }));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('have to be there before anything is recorded', async () => {
    const { code, stderr } = await run('launch', file, '--name', 'early');
    expect([code, stderr]).toEqual([2, expect.stringContaining('babistories has not been imported')]);
    expect(stderr).toContain('aira data import babistories <folder>');
    expect(existsSync(join(home, 'archive.db'))).toBe(false);
  });

  it('are refused in one sentence where they are bad', async () => {
    const source = corpusOf('a b');
    writeFileSync(join(source, 'zz.jsonl'), '{"text":"fine"}\n{"text":\n');
    const { code, stdout, stderr } = await run('data', 'import', 'babistories', source);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('zz.jsonl line 2 is not JSON');
    expect(stderr).not.toMatch(/ at .*\.js:\d+/);
  });

  it('that are replaced are trained on again, and that come back are known', { timeout: 240_000 }, async () => {
    await bring('one two three four five');
    expect((await run('launch', file, '--name', 'first')).code).toBe(0);
    expect((await run('launch', file, '--name', 'second')).code).toBe(0);
    expect(trained('second')).toMatchObject({ paid: 0 });
    await bring('red green blue black white grey');
    expect((await run('launch', file, '--name', 'third')).code).toBe(0);
    expect(trained('third')).toEqual(trained('first'));
    // What has changed is no fault of the scores, which name what they were made of.
    expect(await content('third')).toMatchObject({ holds: true, violations: [] });
    const first = await content('first');
    expect(first).toMatchObject({ holds: true, violations: [] });
    expect(first?.evidence.join('\n')).toMatch(/since the search started: data set babistories has changed/);
    expect(first?.evidence.join('\n')).toMatch(/compose-babistories-2p is unchanged since the search started/);
    await bring('one two three four five');
    expect((await run('launch', file, '--name', 'fourth')).code).toBe(0);
    expect(trained('fourth')).toMatchObject({ paid: 0 });
    const resumed = await run('launch', '--resume', 'third');
    expect([resumed.code, resumed.stderr]).toEqual([
      2,
      expect.stringContaining('the imported data babistories have changed since "third" started'),
    ]);
  });

  it('that were edited in place are noticed', async () => {
    expect(await run('data', 'list', '--verify')).toMatchObject({ code: 0, stdout: expect.stringContaining('1 file') });
    writeFileSync(join(home, 'data', 'babistories', 'part.jsonl'), '{"text":"edited"}\n');
    writeFileSync(join(home, 'data', 'babistories', 'extra.txt'), 'extra');
    const { code, stdout } = await run('data', 'list', '--verify');
    expect(code).toBe(1);
    expect(stdout).toContain('part.jsonl has changed since it was imported');
    expect(stdout).toContain('extra.txt was not imported');
  });
});
