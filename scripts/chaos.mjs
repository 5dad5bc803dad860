// `npm run chaos -- [--seed N] [--campaigns N] [--faults N] [--record]`: campaigns of faults against a distributed lab
// (tests/long/badDays.test.ts), from the seed on. --record adds the totals to docs/data/chaos.jsonl, and writes what that file
// adds up to into BENCHMARKS.md; `--totals` prints it. A failing campaign prints the command that replays it.
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { rewriteSection } from './section.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const ledger = join(root, 'docs/data/chaos.jsonl');

/** @param {string} path @returns {any[]} */
const linesOf = (path) =>
  existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line))
    : [];

/** @param {any[]} campaigns @returns {string} */
function totals(campaigns) {
  /** @type {Record<string, number>} */
  const sums = {};
  for (const { kinds, kills } of campaigns) {
    const { kill: _, ...others } = kinds;
    const ofParts = Object.entries(kills).map(([part, n]) => [`kill of ${part.replace(/-\d+$/, '')}`, n]);
    for (const [kind, n] of [...Object.entries(others), ...ofParts]) sums[kind] = (sums[kind] ?? 0) + Number(n);
  }
  const sum = (/** @type {string} */ key) => campaigns.reduce((total, each) => total + Number(each[key]), 0);
  const killed = campaigns.flatMap(({ kills }) => Object.values(kills)).reduce((total, n) => total + Number(n), 0);
  return [
    `${campaigns.length} campaigns, ${sum('nodes')} nodes, ${sum('faults')} faults, of them ${killed} kills; nothing lost, nothing counted twice, each result that of an undisturbed search, each audit clean.`,
    '',
    '| fault | times |',
    '| --- | --- |',
    ...Object.entries(sums)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([kind, n]) => `| ${kind} | ${n} |`),
  ].join('\n');
}

/** @param {string | undefined} text @param {string} name */
function whole(text, name) {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0 && value < 1e6) return value;
  process.stderr.write(`chaos: --${name} must be a whole number above 0\n`);
  process.exit(2);
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    campaigns: { type: 'string', default: '1' },
    faults: { type: 'string', default: '40' },
    record: { type: 'boolean', default: false },
    totals: { type: 'boolean', default: false },
  },
});
if (values.totals) {
  process.stdout.write(`${totals(linesOf(ledger))}\n`);
} else {
  const first = whole(values.seed, 'seed');
  const seeds = Array.from({ length: whole(values.campaigns, 'campaigns') }, (_, index) => first + index);
  const folder = mkdtempSync(join(tmpdir(), 'aira-chaos-'));
  const result = join(folder, 'totals.jsonl');
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const args = [
    'run',
    '--config',
    'vitest.long.config.ts',
    'tests/long/badDays.test.ts',
    '--disable-console-intercept',
  ];
  const faults = whole(values.faults, 'faults');
  const env = { ...process.env, AIRA_CHAOS: JSON.stringify({ seeds, faults, result }) };
  const { status } = spawnSync(process.execPath, [vitest, ...args], { cwd: root, env, stdio: 'inherit' });
  const campaigns = linesOf(result);
  rmSync(folder, { recursive: true, force: true });
  if (campaigns.length > 0) process.stdout.write(`${totals(campaigns)}\n`);
  if (values.record && status === 0) {
    const date = new Date().toISOString().slice(0, 10);
    for (const each of campaigns) appendFileSync(ledger, `${JSON.stringify({ date, ...each })}\n`);
    rewriteSection('BENCHMARKS.md', 'chaos', totals(linesOf(ledger)));
  }
  process.exitCode = status ?? 1;
}
