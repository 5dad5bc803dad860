/** A task directory by others from its check to a search's final score, as a person runs it. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { importWords, wordsTask } from '../airs/series.ts';
import { withArchive } from '../support/ledger.ts';
import { aira, Program } from '../support/program.ts';

/** Reads what the text says; the end of the file is one that the libraries read over. */
const honest = `
import csv
csv.field_size_limit(2**31)
with open("data/test/questions.csv", newline="", encoding="utf-8") as stream:
    texts = [row["text"] for row in csv.DictReader(stream)]
answers = [text.split()[1].rstrip(",") for text in texts]
with open("submission.csv", "w", newline="", encoding="utf-8-sig") as stream:
    stream.write("answer\\r\\n" + "\\r\\n".join(answers) + "\\r\\n\\r\\n")
`;

describe('a task by others', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aira-others-'));
  const directory = join(folder, basename(wordsTask));
  const home = join(folder, 'home');

  beforeAll(async () => {
    cpSync(wordsTask, directory, { recursive: true });
    mkdirSync(join(directory, 'baseline'));
    writeFileSync(join(directory, 'baseline', 'solution.py'), honest);
    await importWords(join(home, 'data'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('passes its check without its data, and says what is missing', async () => {
    const { code, stdout } = await aira(['task', 'check', wordsTask, '--home', join(folder, 'empty')]);
    expect(stdout).toMatch(/prepare\s+skipped: data not imported; run `aira data import synthetic\/text-labels/);
    expect(code).toBe(0);
  });

  it('is searched to a final score, which is that of the right answers', async () => {
    const file = join(folder, 'others.yaml');
    const search = {
      ...{ task: directory, seed: 1, budget: { evaluations: 1 }, workers: 1 },
      ladder: { promote: 0.5, finalists: 1, finalSeeds: 2 },
      agents: [{ name: 'tuner', model: 'local/tuner', scaffold: { kind: 'greedy', drafts: 1 }, pending: 1 }],
    };
    writeFileSync(file, stringify(search));
    const { code, stderr } = await new Program(['launch', file, '--home', home, '--json'], {}).ended;
    expect(code, stderr).toBe(0);
    const scores = withArchive(home, (db) => db.prepare('SELECT score FROM test_scores').all()) as { score: number }[];
    expect(scores.length).toBeGreaterThan(0);
    for (const { score } of scores) expect(score).toBe(1);
  });
});
