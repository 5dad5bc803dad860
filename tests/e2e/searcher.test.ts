/** A program of the user as an agent of a real search: killed and resumed, audited, and lost. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../support/home.ts';
import { withArchive } from '../support/ledger.ts';
import { aira } from '../support/program.ts';
import { toySearch, twoAgents } from '../support/toySearch.ts';

const own = { name: 'own', model: 'program/./searcher.py', scaffold: 'outside' };

/** Proposes at random, by no seed: only a recorded reply can make a resume do the same again. */
const careless = `
import json, os, random, sys
for line in sys.stdin:
    message = json.loads(line)
    if message["kind"] == "open":
        print(json.dumps({"kind": "ready", "protocol": 1, "name": "careless"}))
    if message["kind"] == "propose":
        layers = [" ".join(random.choices(["M", "mA"], k=4)) for _ in range(16)]
        open("asked", "a").write(str(message["attempt"]) + " ")
        each = [{"operator": "draft", "candidate": text, "change": f"by chance {random.random()}"} for text in layers]
        print(json.dumps({"kind": "proposals", "id": message["id"], "proposals": each}))
`;

it('a killed search with a program is resumed with the replies that it had, and the audit repeats them', async () => {
  const folder = temporaryFolder();
  const home = join(folder, 'home');
  writeFileSync(join(folder, 'searcher.py'), careless);
  const file = toySearch(folder, { agents: [{ ...own, evaluations: 4 }, twoAgents[1]], ladder: { promote: 0 } });
  const launch = ['launch', file, '--name', 'mine', '--home', home, '--json'];
  // Dies after a reply was recorded and before it was submitted.
  const killed = await aira(launch, { env: { AIRA_FAILPOINT: 'submit.before-commit:4' } });
  expect(killed.signal).toBe('SIGKILL');
  const before = readFileSync(join(home, 'calls/mine.jsonl'), 'utf8');
  const { code, stderr, stdout } = await aira(['launch', '--resume', 'mine', '--home', home, '--json']);
  expect(code, stderr).toBe(0);
  expect(stdout).toContain('"event":"finished"');
  expect(readFileSync(join(home, 'calls/mine.jsonl'), 'utf8').startsWith(before)).toBe(true);
  const asked = readFileSync(join(folder, 'asked'), 'utf8').trim().split(' ');
  expect(new Set(asked).size).toBe(asked.length);
  const changes = withArchive(home, (db) =>
    db.prepare(`SELECT json_extract(rationale, '$.change') AS change FROM nodes WHERE agent = 'own'`).all(),
  ) as { change: string }[];
  expect(changes.length).toBe(asked.length);
  for (const { change } of changes) expect(readFileSync(join(home, 'calls/mine.jsonl'), 'utf8')).toContain(change);

  const audit = await aira(['audit', 'mine', '--home', home]);
  expect(audit.code, audit.stdout).toBe(0);
  expect(audit.stdout).toMatch(/own: (\d+) of \1 attempts re-executed with program\/\.\/searcher\.py/);
  const trace = await aira(['trace', 'mine', 'own', '--home', home]);
  expect(trace.stdout).toContain('by chance');
});

it('a program that never answers ends its agent, and every display says why', async () => {
  const folder = temporaryFolder();
  const home = join(folder, 'home');
  writeFileSync(join(folder, 'searcher.py'), 'raise RuntimeError("no policy yet")\n');
  const agents = [
    { ...own, evaluations: 3 },
    { ...twoAgents[1], evaluations: 2 },
  ];
  const file = toySearch(folder, { agents, budget: { evaluations: 5 }, references: [], ladder: { promote: 0 } });
  const { code, stdout } = await aira(['launch', file, '--name', 'lost', '--home', home, '--json']);
  // An agent was lost.
  expect(code).toBe(4);
  const reason = /its program failed 5 times in a row, at last: .*RuntimeError: no policy yet/;
  expect(stdout).toMatch(reason);
  const counts = withArchive(home, (db) =>
    db.prepare(`SELECT agent, verdict, count(*) AS n FROM nodes WHERE ordinal > 0 GROUP BY 1, 2 ORDER BY 1`).all(),
  );
  expect(counts).toContainEqual({ agent: 'own', verdict: 'rejected', n: 5 });
  expect(counts).toContainEqual({ agent: 'climber', verdict: 'accepted', n: 2 });
  expect((await aira(['trace', 'lost', '--home', home])).stdout).toMatch(reason);

  const changed = copyOf(folder);
  const resumed = await aira(['launch', changed, '--name', 'other', '--home', home, '--dry-run']);
  expect(resumed).toMatchObject({ code: 2 });
  expect(resumed.stderr).toMatch(/the program .*searcher\.py does not exist/);
});

/** The search file in a folder without its program. */
function copyOf(folder: string): string {
  const path = join(temporaryFolder(), 'toy.yaml');
  copyFileSync(join(folder, 'toy.yaml'), path);
  return path;
}
