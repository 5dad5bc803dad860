/** The audit as a person runs it, on searches that the program itself has run. */
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { tampered } from '../audit/laboratory.ts';
import { temporaryFolder } from '../support/home.ts';
import { withArchive } from '../support/ledger.ts';
import { aira, jsonLines, Program } from '../support/program.ts';
import { fiveAgents, toySearch } from '../support/toySearch.ts';

interface FindingLine {
  invariant: string;
  title: string;
  holds: boolean | null;
  evidence: string[];
  violations: string[];
}

const audit = async (home: string, ...rest: string[]) => {
  const { code, stdout, stderr } = await aira(['audit', 'toy-1', '--home', home, '--json', ...rest]);
  return { code, stderr, findings: jsonLines<FindingLine>(stdout) };
};
const finding = (findings: readonly FindingLine[], invariant: string) =>
  findings.find((each) => each.invariant === invariant);

describe('aira audit', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aira-audit-'));
  const home = join(folder, 'home');

  beforeAll(async () => {
    const file = toySearch(folder, { agents: fiveAgents, budget: { evaluations: 30 }, seed: 5, workers: 2 });
    const { code, stderr } = await new Program(['launch', file, '--home', home, '--json'], {}).ended;
    expect(code, stderr).toBe(0);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('finds nothing wrong with a search that the program ran, and shows why', async () => {
    const { code, findings } = await audit(home);
    expect(findings.map(({ invariant }) => invariant)).toEqual([
      'I1',
      'I2',
      'I3',
      'I4',
      'I5',
      'I6',
      'I7',
      'I8',
      'I9',
      'I10',
      'I11',
    ]);
    expect(findings.flatMap(({ violations }) => violations)).toEqual([]);
    expect(code).toBe(0);
    // On a busy machine a training may come to be done twice: then there are two to compare, and I6 is checked as well.
    const compared = !/ 0 comparable/.test(finding(findings, 'I6')?.evidence.join('\n') ?? '');
    const unchecked = findings.filter(({ holds }) => holds === null).map(({ invariant }) => invariant);
    expect(unchecked).toEqual(compared ? [] : ['I6']);
    for (const { name } of fiveAgents) {
      expect(finding(findings, 'I5')?.evidence.join('\n')).toContain(`${name}: 6 of 6 attempts re-executed`);
    }
    const { code: told, stdout } = await aira(['audit', 'toy-1', '--home', home]);
    expect(told).toBe(0);
    expect(stdout).toContain('I2 every evaluation counts once: holds\n');
    expect(stdout).toContain(
      compared ? '11 hold, 0 not checked completely, 0 broken\n' : '10 hold, 1 not checked completely, 0 broken\n',
    );
  });

  it('derives the claims of the report again, which `aira report --json` prints', async () => {
    const { code, stdout } = await aira(['report', 'toy-1', '--home', home, '--json']);
    expect(code).toBe(0);
    const [printed, ...more] = stdout.trimEnd().split('\n');
    expect(more).toEqual([]);
    const { sentences, comparisons, extrapolations } = JSON.parse(printed ?? '');
    expect(sentences.length).toBeGreaterThan(0);
    expect(extrapolations[0].rows[0]).toMatchObject({ size: '350M', rule: 'reference', overTarget: 0 });
    const { findings } = await audit(home);
    expect(finding(findings, 'I11')?.evidence).toEqual([
      expect.stringMatching(
        new RegExp(
          `^${sentences.length} sentences? and ${comparisons.length} comparisons? of the report, each derived again`,
        ),
      ),
    ]);
    const page = join(home, 'reports', 'toy-1.html');
    const html = readFileSync(page, 'utf8');
    writeFileSync(page, html.replace(/<p class="claim">[^<]*/, '<p class="claim">walker-1 beats llama by 9.9 sd.'));
    const doctored = await audit(home);
    writeFileSync(page, html);
    expect(doctored.code).toBe(1);
    expect(finding(doctored.findings, 'I11')?.violations.join()).toContain('walker-1 beats llama by 9.9 sd.');
  });

  it('trains candidates again, alone, and finds the same scores', async () => {
    const { code, findings } = await audit(home, '--retrain', '3');
    expect(code).toBe(0);
    const { holds, evidence } = finding(findings, 'I6') ?? {};
    expect(holds).toBe(true);
    expect(
      evidence?.filter((each) => /^[0-9a-f]{12} trained alone: 0\.\d+, equal to cpu-\d-w/.test(each)),
    ).toHaveLength(3);
  });

  it('does not compare scores of other trainers than those here', async () => {
    const sql = `UPDATE jobs SET body = json_set(body, '$.evaluator', 'torch-ffffffffffff')`;
    const { findings } = await audit(tampered(home, sql), '--retrain', '1');
    expect(finding(findings, 'I6')?.holds).toBeNull();
    expect(finding(findings, 'I6')?.evidence.join()).toContain('job for torch-ffffffffffff on cpu');
  });

  it('exits with 1 where an invariant is broken', async () => {
    const sql = `UPDATE evaluations SET validation = 0.875 WHERE rowid = (SELECT min(rowid) FROM evaluations)`;
    const copy = tampered(home, sql);
    const { code, findings } = await audit(copy);
    expect(code).toBe(1);
    expect(finding(findings, 'I3')?.holds).toBe(false);
    const { code: told, stdout } = await aira(['audit', 'toy-1', '--home', copy]);
    expect(told).toBe(1);
    expect(stdout).toMatch(
      /I3 scores come from the evaluator only: broken\n {3}broken: evaluation \w+ differs from what/,
    );
  });

  it('says where a key is, and never what it is', async () => {
    const canary = 'canary-of-0123456789';
    const copy = join(temporaryFolder(), 'home');
    cpSync(home, copy, { recursive: true });
    writeFileSync(join(copy, 'reports', 'notes.log'), `key: ${canary}\n`);
    const env = { OPENAI_API_KEY: canary };
    const { code, stdout, stderr } = await aira(['audit', 'toy-1', '--home', copy], { env });
    expect(code).toBe(1);
    expect(stdout).toContain('the value of OPENAI_API_KEY occurs in the file reports/notes.log');
    expect(stdout + stderr).not.toContain(canary);
    expect((await aira(['audit', 'toy-1', '--home', home], { env })).code).toBe(0);
  });

  it('has words for a search it does not know, a home without an archive and an archive that is none', async () => {
    expect(await aira(['audit', 'toy-9', '--home', home])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no search "toy-9"'),
    });
    expect(await aira(['audit', 'toy-1', '--home', temporaryFolder()])).toMatchObject({ code: 2 });
    const damaged = temporaryFolder();
    mkdirSync(damaged, { recursive: true });
    writeFileSync(join(damaged, 'archive.db'), 'not a database, but long enough to be read as one'.repeat(100));
    const { code, stderr } = await aira(['audit', 'toy-1', '--home', damaged]);
    expect(code).toBe(2);
    expect(stderr).toContain('is damaged');
    expect(stderr).not.toContain('    at ');
  });
});

describe('a trainer that dies in the midst of a training', () => {
  it('costs one attempt, which is kept, and the same worker trains the candidate again (I8)', async () => {
    const folder = temporaryFolder();
    const installation = join(folder, 'installation');
    cpSync(inject('installation'), installation, { recursive: true, filter: (path) => !path.includes('node_modules') });
    symlinkSync(join(inject('installation'), 'node_modules'), join(installation, 'node_modules'));
    const server = join(installation, 'gpu-workers/aira_workers/worker/server.py');
    const marker = join(folder, 'died');
    expect(readFileSync(server, 'utf8')).toContain('class Server:');
    appendFileSync(
      server,
      `
import os
_serve = Server._run
def _die_once(self, request):
    if not os.path.exists(${JSON.stringify(marker)}):
        open(${JSON.stringify(marker)}, "w").close()
        os.kill(os.getpid(), 9)
    _serve(self, request)
Server._run = _die_once
`,
    );
    const home = join(folder, 'home');
    const file = toySearch(folder, { workers: 1 });
    const { code, stderr } = await aira(['launch', file, '--home', home, '--json'], { installation });
    expect(code, stderr).toBe(0);
    expect(existsSync(marker)).toBe(true);
    const again = withArchive(home, (db) =>
      db
        .prepare(`SELECT key, count(*) AS n, count(DISTINCT worker) AS workers FROM attempts GROUP BY key HAVING n > 1`)
        .all(),
    );
    expect(again).toMatchObject([{ n: 2, workers: 1 }]);
    const { code: audited, findings } = await audit(home);
    expect(findings.flatMap(({ violations }) => violations)).toEqual([]);
    expect(audited).toBe(0);
    expect(finding(findings, 'I2')?.evidence.join()).toContain('1 retried');
  });
});
