// The ledger at growing sizes, and the same work by the stores of other projects, side by side in one run. A lab is filled by a
// generator with copies of the rows that one real node makes; all that is timed runs through the archive's own functions.
// Rewrites its section of BENCHMARKS.md. Run: npm run bench:ledger [-- largest size]
// AIRA_PEERS_PYTHON: a Python with optuna and openevolve; without it they are left out.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Archive, readArchive } from '../dist/memory/index.js';
import { systemClock } from '../dist/platform/timers.js';
import { rewriteSection } from '../scripts/section.mjs';
import { candidate, fill, fillers, newHome, oneNode, spec } from './filled.mjs';
import { circumstances, quantile, search } from './laboratory.mjs';

const largest = Number(process.argv[2] ?? 1e6);
const sizes = [1e3, 1e4, 1e5, 1e6].filter((size) => size <= largest);
const peerSizes = [1e3, 1e4].filter((size) => size <= largest);
const steps = 100;
const draws = 200;

/** Processor milliseconds of this process: what others do to the machine meanwhile does not count. */
function processorTime() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Processor milliseconds that each of `count` calls takes. @param {number} count @param {(index: number) => unknown} action */
function timed(count, action) {
  return Array.from({ length: count }, (_, index) => {
    const begun = processorTime();
    action(index);
    return processorTime() - begun;
  });
}

/** One size: what a person and an agent wait for. @param {string} home @param {number} size @param {number} nextAttempt */
async function measure(home, size, nextAttempt) {
  const bytes = statSync(join(home, 'archive.db')).size;
  let begun = processorTime();
  const archive = Archive.open(home, systemClock);
  archive.handlers['search-open']({ spec, source: '' });
  archive.handlers['search-status']({ search });
  const resume = processorTime() - begun;
  const checking = performance.now();
  await archive.checked(new AbortController().signal);
  const check = (performance.now() - checking) / 1000;
  const views = [];
  const took = [];
  const wall = [];
  for (let ordinal = nextAttempt; ordinal < nextAttempt + steps; ordinal++) {
    const start = processorTime();
    const since = ordinal > 1 ? { since: ordinal - 1 } : {};
    archive.handlers['agent-view']({ search, agent: 'alone', ordinal, ...since });
    views.push(processorTime() - start);
    const [after, onClock] = [processorTime(), performance.now()];
    oneNode(archive, 'alone', ordinal, candidate(3 ** 15 + 100 + ordinal), ordinal > 1 ? ['alone-1'] : []);
    took.push(views.at(-1) + processorTime() - after);
    wall.push(performance.now() - onClock);
  }
  const status = timed(draws, () => archive.handlers['search-status']({ search }));
  archive.close();

  begun = processorTime();
  const reader = readArchive(home);
  reader.searchStatus.of(search);
  const firstPaint = processorTime() - begun;
  const node = (index) => {
    const at = (index * 7919 * 31) % size;
    return `${fillers[at % fillers.length]}-${Math.floor(at / fillers.length) + 1}`;
  };
  const lineage = reader.db.prepare(`WITH RECURSIVE line (node) AS (SELECT ? UNION SELECT p.parent FROM line l
    CROSS JOIN parents p ON p.search = '${search}' AND p.node = l.node) SELECT n.id, n.origin FROM line CROSS JOIN nodes n
    ON n.search = '${search}' AND n.id = line.node`);
  const same = reader.db.prepare(
    `SELECT id FROM nodes WHERE search = '${search}' AND candidate = ? AND verdict = 'accepted'`,
  );
  const queries = {
    top: timed(draws, () => reader.searchStatus.top(search, 'screen', 20)),
    lineage: timed(draws, (index) => lineage.all(node(index))),
    duplicate: timed(draws, (index) => same.all(candidate((index * 104_729) % size))),
  };
  if (process.env.AIRA_BENCH_TABLES) {
    for (const { name, bytes } of reader.db
      .prepare('SELECT name, sum(pgsize) AS bytes FROM dbstat GROUP BY name ORDER BY 2 DESC')
      .all())
      if (bytes > size) console.error(`${(bytes / size).toFixed(0).padStart(6)} ${name}`);
  }
  reader.close();
  return {
    median: quantile(took, 0.5),
    p95: quantile(took, 0.95),
    wall: quantile(wall, 0.5),
    view: quantile(views, 0.99),
    status: quantile(status, 0.99),
    ...Object.fromEntries(Object.entries(queries).map(([name, values]) => [name, quantile(values, 0.99)])),
    resume,
    check,
    firstPaint,
    bytes: bytes / size,
  };
}

const ms = (value) => value.toFixed(value < 10 ? 2 : 0);
const row = (cells) => `| ${cells.join(' | ')} |`;
/** Head and cell of each column. @type {[string, (figures: Record<string, number>) => string][]} */
const columns = [
  ['nodes', ({ size }) => String(size)],
  ['CPU ms/node, median', ({ median }) => ms(median)],
  ['p95', ({ p95 }) => ms(p95)],
  ['on the clock, ms', ({ wall }) => ms(wall)],
  ['view p99', ({ view }) => ms(view)],
  ['status p99', ({ status }) => ms(status)],
  ['top 20 p99', ({ top }) => ms(top)],
  ['lineage p99', ({ lineage }) => ms(lineage)],
  ['duplicate p99', ({ duplicate }) => ms(duplicate)],
  ['resume, ms', ({ resume }) => ms(resume)],
  ['whole check, s', ({ check }) => check.toFixed(1)],
  ['first paint, ms', ({ firstPaint }) => ms(firstPaint)],
  ['bytes/node', ({ bytes }) => bytes.toFixed(0)],
];
const lines = [];
/** @param {string} line */
const say = (line) => {
  console.log(line);
  lines.push(line);
};

/** A home with the two nodes whose rows are copied. */
function prepared() {
  const folder = mkdtempSync(join(tmpdir(), 'aira-bench-'));
  newHome(folder);
  return folder;
}

say(circumstances());
say('');
say(row(columns.map(([head]) => head)));
say(row(columns.map(() => '--:')));

// A process that has compiled its code: the first size would be slower than the second.
const warmUp = prepared();
fill(warmUp, 0, steps);
await measure(warmUp, steps, 1);
rmSync(warmUp, { recursive: true, force: true });

const home = prepared();
const found = [];
try {
  let filled = 0;
  for (const [index, size] of sizes.entries()) {
    const begun = performance.now();
    fill(home, filled, size);
    console.error(`filled ${size - filled} nodes in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
    filled = size;
    const figures = { size, ...(await measure(home, size, index * steps + 1)) };
    found.push(figures);
    say(row(columns.map(([, cell]) => cell(figures))));
  }
} finally {
  rmSync(home, { recursive: true, force: true });
}
say('');
say(
  `Growth of the median from the smallest to the largest size: ${((found.at(-1)?.median ?? 0) / (found[0]?.median ?? 1)).toFixed(2)} x.`,
);

const python = process.env.AIRA_PEERS_PYTHON;
if (python === undefined)
  say('\nOther stores: left out (AIRA_PEERS_PYTHON names no Python with optuna and openevolve).');
else {
  const args = [join(import.meta.dirname, 'ledger_peers.py'), ...peerSizes.map(String)];
  const { stdout, stderr, status } = spawnSync(python, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the other stores could not be measured: ${stderr.slice(-2000)}`);
  say(`\n${stdout.trim()}`);
}
rewriteSection('BENCHMARKS.md', 'ledger', lines.join('\n'));
