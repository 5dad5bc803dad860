// A laboratory of hundreds of workers on one machine: null workers, whose trainings are pauses, and null agents, which draw at
// random, in processes of their own, with a connection each, on a nats-server of the loopback address. Bus, archivist, claims and
// ledger are the real ones. Measures throughput, what a job and a device wait for, and what is left of the archivist's processor.
// Rewrites its section of BENCHMARKS.md.
// Run: npm run bench:load [-- workers agents evaluations milliseconds-of-a-training]
import { fork } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { createModel, think } from '../dist/agents/index.js';
import { Archive } from '../dist/memory/index.js';
import { systemClock } from '../dist/platform/timers.js';
import { rewriteSection } from '../scripts/section.mjs';
import {
  agent,
  circumstances,
  connectAs,
  evaluator,
  quantile,
  search,
  searchOf,
  serverOf,
  startAgent,
  startArchivist,
  startWorker,
} from './laboratory.mjs';

const perProcess = { workers: 50, agents: 20 };
/** Of the queue per device: jobs that wait while others are trained. */
const backlog = 1.5;
const stuckAfterMs = 120_000;

const now = () => performance.timeOrigin + performance.now();
/** A part's share of the machine: processor seconds since the last call. */
function processorSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** One after the other: hundreds that sign in at once on a few cores would time out. */
async function connectAll(home, url, role, count) {
  const buses = [];
  for (let index = 0; index < count; index++) buses.push(await connectAs(home, url, role));
  return buses;
}

/** The parts of a process, as `[begin, end]`: what it does when the measurement begins, and what it reports at its end. */
const parts = {
  async archivist({ home, url }) {
    const archive = Archive.open(home, systemClock);
    const bus = await connectAs(home, url, 'archive');
    const machine = startArchivist(archive, home, bus);
    const loop = monitorEventLoopDelay({ resolution: 5 });
    const begin = () => loop.enable();
    const end = async () => {
      machine.send({ type: 'STOP' });
      await machine.ended;
      archive.close();
      await bus.close();
      return { loopMs: loop.percentile(99) / 1e6 };
    };
    return [begin, end];
  },

  async workers({ home, url, names, trainingMs }) {
    const spans = [];
    const buses = await connectAll(home, url, 'worker', names.length);
    let machines = [];
    const begin = () => {
      machines = names.map((name, index) => {
        // Half to one and a half times the mean, by the job: trainings of equal length would come in waves.
        const judge = async (key) => {
          const begun = now();
          await delay(trainingMs * (0.5 + Number.parseInt(key.slice(0, 8), 16) / 2 ** 32));
          spans.push({ name, key, begun, ended: now() });
        };
        return startWorker(name, evaluator(judge), buses[index]);
      });
    };
    const end = async () => {
      for (const machine of machines) machine.send({ type: 'STOP' });
      await Promise.all(machines.map(({ ended }) => ended));
      await Promise.all(buses.map((bus) => bus.close()));
      return { spans };
    };
    return [begin, end];
  },

  async agents({ home, url, names }) {
    const models = { 'local/random': createModel('local/random', {}) };
    const buses = await connectAll(home, url, 'agent', names.length);
    let machines = [];
    const begin = () => {
      machines = names.map((name, index) => startAgent(name, (input) => think({ ...input, models }), buses[index]));
    };
    const end = async () => {
      for (const machine of machines) machine.send({ type: 'STOP' });
      await Promise.all(machines.map(({ ended }) => ended));
      await Promise.all(buses.map((bus) => bus.close()));
      return {};
    };
    return [begin, end];
  },
};

/** Runs one part in this process, as its parent's messages say. */
async function serve() {
  const settings = JSON.parse(process.argv[2]);
  const [begin, end] = await parts[settings.part](settings);
  let used = 0;
  process.on('message', async (message) => {
    if (message === 'begin') {
      used = processorSeconds();
      begin();
    } else if (message === 'mark') process.send({ processor: processorSeconds() - used });
    else process.send(await end());
  });
  process.send('ready');
}

/** A process of one part. @param {object} settings */
function startPart(settings) {
  const child = fork(import.meta.filename, [JSON.stringify(settings)]);
  /** The next message of the process. @type {() => Promise<any>} */
  const heard = () =>
    new Promise((resolve, reject) => {
      const ended = (code) => reject(new Error(`the process of ${settings.part} ended with ${code}`));
      child.once('exit', ended);
      child.once('message', (message) => {
        child.off('exit', ended);
        resolve(message);
      });
    });
  const ask = (message) => {
    const reply = heard();
    child.send(message);
    return reply;
  };
  return { part: settings.part, child, ready: heard(), begin: () => child.send('begin'), ask };
}

/** Processor seconds of another process; null outside Linux. @param {number} pid */
function processorOf(pid) {
  const path = `/proc/${pid}/stat`;
  if (!existsSync(path)) return null;
  const stat = readFileSync(path, 'utf8');
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13);
  // In ticks, of which Linux counts a hundred a second.
  return (Number(user) + Number(system)) / 100;
}

const groups = (names, size) =>
  Array.from({ length: Math.ceil(names.length / size) }, (_, index) => names.slice(index * size, (index + 1) * size));
const sum = (values) => values.reduce((total, value) => total + value, 0);
const overlap = (from, to, [begin, end]) => Math.max(0, Math.min(to, end) - Math.max(from, begin));

/** Runs the laboratory until every evaluation has its result. Returns what the parts report and what they used. */
async function run(home, { workers, agents, evaluations, trainingMs }) {
  const server = await serverOf(home);
  const processes = [];
  try {
    const { url } = server;
    const start = async (settings) => {
      const started = startPart({ home, url, trainingMs, ...settings });
      processes.push(started);
      await started.ready;
    };
    await start({ part: 'archivist' });
    const bus = await connectAs(home, url, 'search');
    await bus.ask('search-name', { family: 'probe' }, { attempts: 100 });
    const names = Array.from({ length: agents }, (_, index) => `agent-${index + 1}`);
    const pending = Math.min(64, Math.ceil((backlog * workers) / agents));
    const ensemble = names.map((name) => ({ ...agent(name, Math.ceil(evaluations / agents)), pending }));
    await bus.ask('search-open', { spec: searchOf(ensemble), source: '' });
    const devices = Array.from({ length: workers }, (_, index) => `cpu-${index + 1}`);
    for (const some of groups(devices, perProcess.workers)) await start({ part: 'workers', names: some });
    for (const some of groups(names, perProcess.agents)) await start({ part: 'agents', names: some });

    const before = processorOf(server.pid);
    const begun = now();
    for (const each of processes) each.begin();
    const wanted = agents * Math.ceil(evaluations / agents);
    // A display does the same.
    let [done, changed] = [0, now()];
    while (done < wanted) {
      await delay(500);
      const { trainings } = await bus.ask('search-status', { search });
      const count = trainings.done + trainings.failed;
      if (count > done) [done, changed] = [count, now()];
      const dead = processes.find(({ child }) => child.exitCode !== null);
      if (dead) throw new Error(`the process of ${dead.part} ended`);
      if (now() - changed > stuckAfterMs) throw new Error(`no result for two minutes, after ${done} of ${wanted}`);
    }
    const seconds = (now() - begun) / 1000;
    const used = { server: before === null ? null : processorOf(server.pid) - before };
    for (const each of processes) used[each.part] = (used[each.part] ?? 0) + (await each.ask('mark')).processor;
    await bus.close();
    const reports = {};
    // The archivist last: the others announce their ends to it.
    for (const each of [...processes].reverse()) {
      const { spans = [], ...report } = await each.ask('end');
      // Not by the process itself: its report may still be on the way.
      each.child.disconnect();
      reports.spans = [...(reports.spans ?? []), ...spans];
      Object.assign(reports, report);
    }
    return { ...reports, seconds, used, done, pending };
  } finally {
    for (const { child } of processes) child.kill('SIGKILL');
    await server.stop();
  }
}

/** Rows of the table. */
function figuresOf(home, { workers, agents, trainingMs }, { spans, loopMs, seconds, used, done, pending }) {
  const db = new Database(join(home, 'archive.db'), { readonly: true });
  const recorded = db
    .prepare(`SELECT j.key, j.created_at AS created, min(a.at) AS claimed, e.finished_at AS finished
      FROM jobs j JOIN attempts a ON a.key = j.key JOIN evaluations e ON e.key = j.key GROUP BY j.key`)
    .all();
  const attempts = db.prepare('SELECT count(*) FROM attempts').pluck().get();
  db.close();
  const byDevice = new Map(spans.map(({ name }) => [name, []]));
  for (const span of spans) byDevice.get(span.name).push(span);
  // While there was work for all: from when every device had begun until nine tenths of the jobs had been proposed.
  const from = Math.max(...[...byDevice.values()].map(([first]) => first.begun));
  const to = quantile(
    recorded.map(({ created }) => created),
    0.9,
  );
  const steady = recorded.filter(({ claimed }) => claimed >= from && claimed <= to);
  const waits = steady.map(({ created, claimed }) => claimed - created);
  const ended = new Map(spans.map(({ key, ended: at }) => [key, at]));
  const results = steady.map(({ key, finished }) => finished - ended.get(key));
  const idle = [...byDevice.values()].map(
    (own) => 1 - sum(own.map((span) => overlap(from, to, [span.begun, span.ended]))) / (to - from),
  );
  const gaps = [...byDevice.values()].flatMap((own) =>
    own.slice(1).flatMap(({ begun }, index) => (begun >= from && begun <= to ? [begun - own[index].ended] : [])),
  );
  const waiting = sum(recorded.map(({ created, claimed }) => overlap(from, to, [created, claimed]))) / (to - from);
  const ms = (value) => `${value < 100 ? value.toFixed(1) : value.toFixed(0)} ms`;
  const percent = (value) => `${(100 * value).toFixed(1)} %`;
  const both = (values) => `${ms(quantile(values, 0.5))}, ${ms(quantile(values, 0.95))}`;
  const each = (name) => (used[name] === null ? 'unknown' : `${((1000 * used[name]) / done).toFixed(2)} ms`);
  return [
    ['workers, each a connection, 50 to a process', workers],
    [`agents with ${pending} proposals in flight, 20 to a process`, agents],
    [`evaluations, with pauses of ${trainingMs / 2} to ${1.5 * trainingMs} ms for trainings`, done],
    ['started trainings without a result', attempts - recorded.length],
    ['evaluations per second: whole run', (done / seconds).toFixed(1)],
    ['while there was work for all', (steady.length / ((to - from) / 1000)).toFixed(1)],
    ['as many as the devices can train', ((1000 * workers) / trainingMs).toFixed(1)],
    ['idle share of devices: mean, worst', `${percent(sum(idle) / idle.length)}, ${percent(Math.max(...idle))}`],
    ['between two trainings of a device: median, 95 %', both(gaps)],
    ['jobs in the queue, mean', waiting.toFixed(0)],
    ['a job from its commit to its claim: median, 95 %', both(waits)],
    ['a result from its training to its commit: median, 95 %', both(results)],
    ['processor time per evaluation: archivist', each('archivist')],
    ['nats-server', each('server')],
    ['agents', each('agents')],
    ['workers', each('workers')],
    ['archivist: share of one core', percent(used.archivist / seconds)],
    ['archivist: longest turn of its event loop, 99 %', ms(loopMs)],
    ['archivist: evaluations per second that fill one core', (done / used.archivist).toFixed(0)],
  ];
}

function bounded(text, what, most) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most) throw new Error(`${what}: a whole number up to ${most}`);
  return value;
}

async function main() {
  const [workers = 200, agents = 40, evaluations = 10_000, trainingMs = 8000] = process.argv.slice(2);
  const size = {
    workers: bounded(workers, 'workers', 1000),
    agents: bounded(agents, 'agents', 200),
    evaluations: bounded(evaluations, 'evaluations', 1e6),
    trainingMs: bounded(trainingMs, 'milliseconds of a training', 60_000),
  };
  const heading = circumstances();
  const home = mkdtempSync(join(tmpdir(), 'aira-bench-'));
  try {
    const rows = figuresOf(home, size, await run(home, size));
    const text = `${heading}\n\n| | |\n| :-- | --: |\n${rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}`;
    console.log(text);
    rewriteSection('BENCHMARKS.md', 'load', text);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

await (process.argv[2]?.startsWith('{') ? serve() : main());
