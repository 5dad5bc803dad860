// What the laboratory itself costs per node, in two measurements at growing archives: (a) the ledger alone, one agent
// after the other, each change a commit of its own; (b) a whole laboratory of sixteen agents and four workers that meet on
// a nats-server, with a model and an evaluator that take no time. Rewrites its section of BENCHMARKS.md.
// Run: npm run bench [-- nodes per agent]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { createModel, think } from '../dist/agents/index.js';
import { Archive } from '../dist/memory/index.js';
import { systemClock } from '../dist/platform/timers.js';
import { rewriteSection } from '../scripts/section.mjs';
import {
  agent,
  circumstances,
  evaluator,
  openLab,
  outcome,
  primitives,
  quantile,
  search,
  searchOf,
} from './laboratory.mjs';

const perAgent = Number(process.argv[2] ?? 50);
const ensemble = 16;
const devices = 4;
const sizes = [1e3, 1e4, 1e5];
const names = Array.from({ length: ensemble }, (_, index) => `agent-${index + 1}`);
const spec = searchOf([agent('filler', 1_000_000), agent('alone', 1_000_000), ...names.map((n) => agent(n, perAgent))]);

/** The `index`-th architecture of 16 layers, counted in base 3. @param {number} index */
const candidate = (index) =>
  Array.from({ length: 16 }, (_, layer) => primitives[Math.floor(index / 3 ** layer) % 3]).join(' ');

/**
 * Nodes of another agent, all evaluated, written past the archive in one transaction.
 *
 * @param {string} home
 * @param {number} count
 */
function fill(home, count) {
  const opening = Archive.open(home, systemClock);
  opening.handlers['search-open']({ spec, source: '' });
  opening.close();
  const db = new Database(join(home, 'archive.db'));
  const node =
    db.prepare(`INSERT INTO nodes (search, id, agent, ordinal, origin, candidate, verdict, rationale, created_at)
    VALUES ('bench-1', ?, 'filler', ?, 'draft', ?, 'accepted', '{"choice":"","change":"","expected":null}', 1)`);
  const job = db.prepare(`INSERT INTO jobs (key, body, created_at) VALUES (?, '{}', 1)`);
  const want = db.prepare(`INSERT INTO evaluation_requests VALUES ('bench-1', ?, ?, 'screen', 1, 0, 1)`);
  const evaluation = db.prepare(`INSERT INTO evaluations VALUES
    (?, 'ok', 0.5, NULL, NULL, 'none', 'worker-1', 'cpu', 1, 1, '{}', 1, 0)`);
  db.transaction(() => {
    for (let index = 1; index <= count; index++) {
      const key = index.toString(16).padStart(64, '0');
      node.run(`filler-${index}`, index, candidate(index));
      job.run(key);
      want.run(`filler-${index}`, key);
      evaluation.run(key);
    }
  })();
  db.close();
}

/** Processor milliseconds of this process: what others do to the machine meanwhile does not count. */
function processorTime() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** A stopwatch per phase. @param {() => number} now */
function stopwatch(now = processorTime) {
  const sums = new Map();
  return {
    /** @template T @param {string} phase @param {() => T} action @returns {T} */
    time(phase, action) {
      const begun = now();
      try {
        return action();
      } finally {
        sums.set(phase, (sums.get(phase) ?? 0) + now() - begun);
      }
    },
    /** @param {string} phase */
    of: (phase) => sums.get(phase) ?? 0,
  };
}

const row = (cells, widths) => `| ${cells.map((cell, index) => String(cell).padStart(widths[index])).join(' | ')} |`;
const ms = (value) => value.toFixed(2);

/** (a) One node from the view to its result, as the parts of a lab would do it, without what the bus takes. */
async function ledgerAlone(home, models) {
  const archive = Archive.open(home, systemClock);
  const ask = archive.handlers;
  const watch = stopwatch(() => performance.now());
  const took = [];
  const count = 2 * perAgent;
  for (let ordinal = 1; ordinal <= count; ordinal++) {
    const begun = performance.now();
    const { state, view } = watch.time('view', () => ask['agent-view']({ search, agent: 'alone', ordinal }));
    if (state !== 'ready') throw new Error(`the view of attempt ${ordinal} is ${state}`);
    const topic = { task: spec.task, metric: spec.metric, lowerIsBetter: false };
    const thinking = performance.now();
    const thought = await think({ spec: spec.agents[1], view, space: spec.space, seed: 1, topic, models });
    const thinkingTook = performance.now() - thinking;
    watch.time('submit', () => ask['agent-submit']({ search, agent: 'alone', ordinal, ...thought }));
    for (let entries = archive.unsent(100); entries.length > 0; entries = archive.unsent(100)) {
      watch.time('mark', () => archive.markSent(entries.map(({ seq }) => seq)));
      for (const { kind, body } of entries) {
        if (kind !== 'job') continue;
        watch.time('claim', () => ask['job-claim']({ key: body.key, worker: 'worker-1', attempt: 1 }));
        const result = { key: body.key, worker: 'worker-1', evaluator: 'none', attempt: 1, outcome };
        watch.time('record', () => archive.record(result));
      }
    }
    took.push([performance.now() - begun, thinkingTook]);
  }
  archive.close();
  const all = took.map(([one]) => one);
  const phases = ['view', 'submit', 'mark', 'claim', 'record'].map((phase) => watch.of(phase) / count);
  return [quantile(all, 0.5), quantile(all, 0.95), ...phases, took.reduce((sum, [, own]) => sum + own, 0) / count];
}

/** (b) A whole laboratory. @param {string} home @param {Record<string, unknown>} models */
async function wholeLab(home, models) {
  const watch = stopwatch();
  let commits = 0;
  const lab = await openLab(home, (archive) => {
    for (const [verb, handler] of Object.entries(archive.handlers)) {
      archive.handlers[verb] = (request) => watch.time(verb, () => handler(request));
    }
    const [record, together, markSent] = ['record', 'together', 'markSent'].map((name) => archive[name].bind(archive));
    archive.record = (result) => watch.time('record', () => record(result));
    archive.markSent = (entries) => watch.time('mark', () => markSent(entries));
    archive.together = (actions) => {
      commits += 1;
      return watch.time('together', () => together(actions));
    };
  });
  for (let index = 1; index <= devices; index++)
    lab.startWorker(
      `cpu-${index}`,
      evaluator(async () => undefined),
    );
  const looking = setInterval(() => lab.bus.ask('search-status', { search }).catch(() => undefined), 500);
  const [begun, before] = [performance.now(), processorTime()];
  const agents = names.map((name) => lab.startAgent(name, (input) => think({ ...input, models })));
  await Promise.all(agents.map(({ ended }) => ended));
  // The last results of each agent are still on their way.
  while ((await lab.bus.ask('search-status', { search })).pending > 0) await delay(20);
  const [wall, processor] = [performance.now() - begun, processorTime() - before];
  clearInterval(looking);
  await lab.close();
  const count = ensemble * perAgent;
  const inside = ['agent-view', 'agent-submit', 'job-claim', 'record', 'search-status', 'agent-join'];
  const disk = watch.of('together') - inside.reduce((sum, phase) => sum + watch.of(phase), 0);
  const phases = ['agent-view', 'agent-submit', 'job-claim', 'record', 'mark', 'search-status'].map(watch.of);
  const figures = [wall, processor, ...phases, disk].map((sum) => sum / count);
  return [...figures, commits / count];
}

const inMemory = { 'local/random': createModel('local/random', {}) };
const alone = ['nodes', 'median ms', 'p95', 'view', 'submit', 'mark', 'claim', 'record', 'thought'];
const whole = [
  'nodes',
  'ms',
  'CPU ms',
  'view',
  'submit',
  'claim',
  'record',
  'mark',
  'searchStatus',
  'commit',
  'commits',
];
const tables = [
  [`(a) the ledger alone: milliseconds per node, ${2 * perAgent} nodes of one agent`, alone, ledgerAlone],
  [
    `(b) a whole laboratory: milliseconds per node, of the processor but for the first column, ${ensemble} agents with ${perAgent} nodes each, ${devices} workers`,
    whole,
    wholeLab,
  ],
];
const lines = [];
/** @param {string} line */
const say = (line) => {
  console.log(line);
  lines.push(line);
};
say(circumstances());
for (const [title, heads, measure] of tables) {
  const widths = heads.map((head) => Math.max(head.length, 7));
  say(
    `\n**${title}**\n\n${row(heads, widths)}\n${row(
      widths.map((width) => `${'-'.repeat(width - 1)}:`),
      widths,
    )}`,
  );
  for (const size of sizes) {
    // Commits wait for the disk (synchronous=FULL): set TMPDIR to a disk of your choice, or to memory.
    const home = mkdtempSync(join(tmpdir(), 'aira-bench-'));
    try {
      fill(home, size);
      say(row([size, ...(await measure(home, inMemory)).map(ms)], widths));
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  }
}

rewriteSection('BENCHMARKS.md', 'orchestration', lines.join('\n'));
