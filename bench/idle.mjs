// How long devices wait between two candidates when there is always work: agents whose thoughts take 30 s, enough of them
// that they propose more than the devices train, and trainings of one second that take no processor time. A device is busy
// from the moment that its evaluator is given a job until it has answered. Rewrites its section of BENCHMARKS.md.
// Run: npm run bench:evaluator, of which this is the second half, or node bench/idle.mjs
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createModel, think } from '../dist/agents/index.js';
import { rewriteSection } from '../scripts/section.mjs';
import { agent, circumstances, evaluator, openLab, searchOf } from './laboratory.mjs';

const seconds = 60;
const devices = 2;
const thoughtMs = 30_000;
const trainingMs = 1_000;
/** A fifth more than the devices can take. */
const ensemble = Math.ceil(1.2 * devices * ((thoughtMs + trainingMs) / trainingMs));

const names = Array.from({ length: ensemble }, (_, index) => `agent-${index + 1}`);
const home = mkdtempSync(join(tmpdir(), 'aira-bench-'));
const lab = await openLab(home);
try {
  await lab.bus.ask('search-open', { spec: searchOf(names.map((name) => agent(name, 1000))), source: '' });
  /** Per device the times, in milliseconds, at which it was given a job and had done it. */
  const spans = Array.from({ length: devices }, () => []);
  for (const [index, own] of spans.entries()) {
    const judge = async () => {
      const begun = performance.now();
      await delay(trainingMs);
      own.push([begun, performance.now()]);
    };
    lab.startWorker(`cpu-${index + 1}`, evaluator(judge));
  }
  const models = { 'local/random': createModel('local/random', {}) };
  const slowly = async (input) => {
    await delay(thoughtMs);
    return think({ ...input, models });
  };
  const agents = names.map((name) => lab.startAgent(name, slowly));
  console.log(
    `${ensemble} agents think for ${thoughtMs / 1000} s, then ${devices} devices are watched for ${seconds} s`,
  );
  await delay(thoughtMs + seconds * 1000 + trainingMs);
  for (const one of agents) one.send({ type: 'STOP' });

  const gaps = spans
    .flatMap((own) => own.slice(1).map(([begun], index) => begun - own[index][1]))
    .sort((a, b) => a - b);
  const quantile = (share) => gaps[Math.min(gaps.length - 1, Math.floor(share * gaps.length))].toFixed(1);
  const shares = spans.map((own) => {
    const whole = own.at(-1)[1] - own[0][0];
    return 1 - own.reduce((sum, [begun, ended]) => sum + ended - begun, 0) / whole;
  });
  const rows = [
    ['devices', devices],
    ['agents, 30 s a thought', ensemble],
    ['trainings of 1 s', gaps.length + devices],
    ['idle, each device', shares.map((share) => `${(100 * share).toFixed(2)} %`).join(', ')],
    ['between two trainings, ms: median', quantile(0.5)],
    ['90 % below', quantile(0.9)],
    ['longest', quantile(1)],
  ];
  const text = `${circumstances()}\n\n| | |\n| :-- | --: |\n${rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}`;
  console.log(text);
  rewriteSection('BENCHMARKS.md', 'idle', text);
} finally {
  await lab.close();
  rmSync(home, { recursive: true, force: true });
}
