// What the laboratory itself costs per node: view, thought, submission, publication mark and result, with a model and an
// evaluator that take no time, at growing archives. Run: npm run bench
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { createModel, think } from '../dist/agents/index.js';
import { searchSpecSchema } from '../dist/domain/search.js';
import { Archive } from '../dist/memory/archive.js';
import { systemClock } from '../dist/platform/clock.js';

const measured = Number(process.argv[2] ?? 200);
const sizes = [1e3, 1e4, 1e5];
const primitives = ['M', 'mA', 'Mb'];
const rung = { seconds: 1, settings: {} };
const agents = ['filler', 'worker'].map((name) => ({
  ...{ name, model: 'local/random', scaffold: { kind: 'one-shot' }, pending: 1, evaluations: 1_000_000 },
}));
const spec = searchSpecSchema.parse({
  ...{ id: 'bench-1', task: 'bench', taskVersion: 'v1', metric: 'accuracy', space: { layers: 16, primitives } },
  ...{ profile: 'nano', rungs: { screen: rung, confirm: rung, final: rung }, evaluator: 'none', deviceClass: 'cpu' },
  ...{ seed: 1, budget: { evaluations: 2_000_000 }, agents, references: [] },
  ladder: { promote: 0.2, confirmSeeds: 1, finalists: 2, finalSeeds: 2 },
});

/**
 * The `index`-th architecture of 16 layers, counted in base 3.
 *
 * @param {number} index
 */
const candidate = (index) =>
  Array.from({ length: 16 }, (_, layer) => primitives[Math.floor(index / 3 ** layer) % 3]).join(' ');

/**
 * Nodes of another agent, all evaluated, written past the archive in one transaction.
 *
 * @param {string} home
 * @param {number} from
 * @param {number} to
 */
function fill(home, from, to) {
  const db = new Database(join(home, 'archive.db'));
  const node =
    db.prepare(`INSERT INTO nodes (search, id, agent, ordinal, origin, candidate, verdict, rationale, created_at)
    VALUES ('bench-1', ?, 'filler', ?, 'draft', ?, 'accepted', '{"choice":"","change":"","expected":null}', 1)`);
  const job = db.prepare(`INSERT INTO jobs (key, body, created_at) VALUES (?, '{}', 1)`);
  const want = db.prepare(`INSERT INTO wants VALUES ('bench-1', ?, ?, 'screen', 1, 0, 1)`);
  const evaluation = db.prepare(`INSERT INTO evaluations VALUES
    (?, 'ok', 0.5, NULL, NULL, 'none', 'worker-1', 'cpu', 1, 1, '{}', 1)`);
  db.transaction(() => {
    for (let index = from + 1; index <= to; index++) {
      const key = index.toString(16).padStart(64, '0');
      node.run(`filler-${index}`, index, candidate(index));
      job.run(key);
      want.run(`filler-${index}`, key);
      evaluation.run(key);
    }
  })();
  db.close();
}

const outcome = {
  ...{ status: 'ok', validation: 0.5, test: null, tasks: {}, curve: [], seconds: 1, cpuSeconds: 1 },
  ...{ params: 1, flops: 1, peakMemoryBytes: 1, device: 'cpu' },
};

/**
 * One node from the view to its result, as the parts of a lab would do it, without what the bus takes.
 *
 * @param {Archive} archive
 * @param {Parameters<typeof think>[0]['models']} models
 * @param {number} ordinal
 */
async function step(archive, models, ordinal) {
  const ask = archive.handlers;
  const [search, agent] = ['bench-1', 'worker'];
  const { state, view } = ask['agent-view']({ search, agent, ordinal });
  if (state !== 'ready') throw new Error(`the view of attempt ${ordinal} is ${state}`);
  const topic = { task: spec.task, metric: spec.metric };
  const thought = await think({ spec: spec.agents[1], view, space: spec.space, seed: 1, topic, models });
  ask['agent-submit']({ search, agent, ordinal, ...thought });
  for (const entry of archive.unsent(100)) {
    archive.markSent(entry.seq);
    if (entry.kind === 'job') {
      ask['job-claim']({ key: entry.body.key, worker: 'worker-1', attempt: 1 });
      archive.record({ key: entry.body.key, worker: 'worker-1', evaluator: 'none', attempt: 1, outcome });
    }
  }
}

const quantile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];

const home = mkdtempSync(join(tmpdir(), 'aira-bench-'));
try {
  Archive.open(home, systemClock).close();
  const models = { 'local/random': createModel('local/random', {}) };
  console.log(`${cpus()[0]?.model ?? 'unknown processor'}; Node ${process.version}; ${measured} nodes at each size`);
  // Commits wait for the disk (synchronous=FULL): set TMPDIR to a disk of your choice, or to memory.
  console.log('archive   median ms/node   p95   CPU ms/node   thought, median ms');
  let filled = 0;
  let ordinal = 1;
  for (const size of sizes) {
    const opening = Archive.open(home, systemClock);
    opening.handlers['search-open']({ spec, source: '' });
    opening.close();
    fill(home, filled, size);
    filled = size;
    const archive = Archive.open(home, systemClock);
    const took = [];
    let cpu = 0;
    const thought = [];
    for (let done = 0; done < measured; done++, ordinal++) {
      const [begun, before] = [performance.now(), process.cpuUsage()];
      await step(archive, models, ordinal);
      took.push(performance.now() - begun);
      const { user, system } = process.cpuUsage(before);
      cpu += (user + system) / 1000;
      const { view } = archive.handlers['agent-view']({ search: 'bench-1', agent: 'worker', ordinal: ordinal + 1 });
      const thinking = performance.now();
      await think({ spec: spec.agents[1], view, space: spec.space, seed: 1, topic: { task: '', metric: '' }, models });
      thought.push(performance.now() - thinking);
    }
    archive.close();
    const [sorted, thoughts] = [took, thought].map((list) => list.sort((a, b) => a - b));
    const figures = [quantile(sorted, 0.5), quantile(sorted, 0.95), quantile(thoughts, 0.5)].map((ms) => ms.toFixed(2));
    const [median, p95, thinking] = figures;
    const perNode = (cpu / measured).toFixed(2).padStart(11);
    console.log(`${String(size).padStart(7)}   ${median.padStart(14)}   ${p95.padStart(5)}   ${perNode}   ${thinking}`);
  }
} finally {
  rmSync(home, { recursive: true, force: true });
}
