/** A Compose search whose agent brings scripts of its own to its experiments, over HTTP, from the program itself. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findPython } from '../../src/platform/installation.ts';
import { temporaryFolder } from '../support/home.ts';
import { withArchive } from '../support/ledger.ts';
import { proposer } from '../support/llm-server/brain.ts';
import { startLlmServer } from '../support/llm-server/server.ts';
import type { Asked, Called } from '../support/llm-server/wire.ts';
import { aira, jsonLines } from '../support/program.ts';
import { launchAgain } from '../support/replay.ts';
import { toySearch } from '../support/toySearch.ts';

const key = 'sk-canary-agent-scripts-81c2';

const measures = `
import time
began = time.monotonic()
import os, torch, aira_stack
train, apart = aira_stack.rows("recall")
print("rows", len(train), len(apart), "of", aira_stack.candidate())
print("loss", round(float(aira_stack.build().loss(apart)), 4))
print("environment", sorted(name for name in os.environ if "KEY" in name or "SECRET" in name))
while time.monotonic() - began < 3.2: pass
`;
const fails = 'raise RuntimeError("this hypothesis does not hold")';
const scripts = [fails, measures, measures];

// Each run reserves 21 s: after one that ends at once there is room for another, and after that one, of three seconds, for none.
const limits = { checks: 0, experiments: 3, looks: 0, share: 1, deviceSeconds: 24 };
const operators = { kind: 'multi-turn', scripts: true, ...limits };
const agents = [{ name: 'chooser', model: 'openai/gpt-5.6-luna', scaffold: 'greedy', pending: 1, operators }];

const experiment = (script: string): Called => ({
  name: 'run_experiment',
  arguments: JSON.stringify({ architecture: 'mA M mA M', script }),
});

/** Tries the three scripts in its first thought, and proposes what the usual brain would. */
function brain(asked: Asked): string | { calls: Called[] } {
  const rounds = asked.messages.filter(({ role }) => role === 'tools').length;
  const isFirst = !asked.messages.some(({ text }) => text.includes('chooser-1'));
  if (asked.toolsOpen && isFirst && rounds === 0) return { calls: scripts.map(experiment) };
  const messages = asked.messages.filter(({ role }) => role === 'user');
  return proposer({ ...asked, toolsOpen: false, messages });
}

describe('a search whose agent brings scripts', () => {
  // A search, an audit and a replay of a process each.
  it('shows it what they printed, charges their device time to it, passes the audit, and is replayed without running them', {
    timeout: 300_000,
  }, async () => {
    const server = await startLlmServer({ brain });
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    const file = toySearch(folder, { agents, budget: { evaluations: 3, dollars: 1 } });
    const env = { OPENAI_API_KEY: key, OPENAI_BASE_URL: server.urls.openai };
    const { code, stderr } = await aira(['launch', file, '--home', home, '--json'], { env });
    expect(code, stderr).toBe(0);
    expect(server.wrong).toEqual([]);

    const [first, second] = server.served.map(({ asked }) => asked);
    expect(first?.system).toContain('may be a script of yours');
    const results = second?.messages.flatMap(({ results: given = [] }) => given.map(({ text }) => text)) ?? [];
    expect(results[0]).toMatch(/^Failed \(crash\) [\s\S]*\nRuntimeError: this hypothesis does not hold\n<\/data>$/);
    expect(results[1]).toMatch(
      /^Ran in [\d.]+ device seconds\.\n<data source="output of the script">\nrows 5 3 of mA M mA M\nloss [\d.]+\nenvironment \[\]\n<\/data>$/,
    );
    expect(results[2]).toMatch(/^Error: no device time is left: it could exceed the 24 device seconds of chooser/);
    const runs = withArchive(home, (db) =>
      db
        .prepare(
          `SELECT r.agent, r.tool, e.outcome, e.seconds FROM rehearsals r
           JOIN rehearsal_ends e ON e.search = r.search AND e.run = r.id ORDER BY r.seq`,
        )
        .all(),
    ) as { agent: string; tool: string; outcome: string; seconds: number }[];
    expect(runs.map(({ agent, tool, outcome }) => [agent, tool, outcome])).toEqual([
      ['chooser', 'run_experiment', 'failed'],
      ['chooser', 'run_experiment', 'ok'],
    ]);
    expect(runs[1]?.seconds).toBeGreaterThanOrEqual(3.2);

    const { stdout: shown } = await aira(['show', 'toy-1', 'chooser-1', '--home', home]);
    expect(shown).toMatch(/^tried: +ran a script with mA\+M\+mA\+M, .*RuntimeError: this hypothesis does not hold$/m);
    const { stdout: traced } = await aira(['trace', 'toy-1', 'chooser', '--full', '--home', home]);
    expect(traced).toMatch(/^ +script:\n\s+import time\n +began = time\.monotonic\(\)$/m);
    expect(traced).toMatch(/rehearsal +chooser-1: run_experiment: ok after [\d.]+ device seconds/);

    const audited = await aira(['audit', 'toy-1', '--home', home, '--json'], { env });
    const findings = jsonLines<{ invariant: string; violations: string[]; evidence: string[] }>(audited.stdout);
    expect(findings.flatMap(({ violations }) => violations)).toEqual([]);
    expect(findings.find(({ invariant }) => invariant === 'I5')?.evidence.join()).toMatch(
      /chooser: (\d+) of \1 attempts/,
    );

    await server.stop();
    const again = await launchAgain(file, home);
    expect(withArchive(again, (db) => db.prepare('SELECT count(*) AS n FROM rehearsals').get())).toEqual({ n: 0 });
  });

  it('is refused before anything is asked where there is no sandbox', async () => {
    const server = await startLlmServer({ brain });
    const folder = temporaryFolder();
    // A Python whose folders show the secret is none for a sandbox.
    const venv = join(folder, 'venv');
    execFileSync(await findPython(), ['-m', 'venv', '--without-pip', '--system-site-packages', venv]);
    const secret = join(venv, 'lib', 'hidden-rows.secret');
    writeFileSync(secret, 'x');
    const env = {
      ...{ OPENAI_API_KEY: key, OPENAI_BASE_URL: server.urls.openai },
      ...{ AIRA_PYTHON: join(venv, 'bin', 'python3'), AIRA_SECRET_FILE: secret },
    };
    const file = toySearch(folder, { agents, budget: { evaluations: 3, dollars: 1 } });
    const { code, stderr } = await aira(['launch', file, '--home', join(folder, 'home'), '--json'], { env });
    expect(code).toBe(2);
    expect(stderr.trim()).toMatch(/cannot run untrusted code in a sandbox: .*hidden-rows\.secret/);
    expect(server.served).toEqual([]);
  });
});
