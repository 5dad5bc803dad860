// How fast the pages are with 10^3, 10^4 and 10^5 nodes, in a real browser without a graphics card, next to those of another project.
// Rewrites its section of BENCHMARKS.md. Run: npm run bench:pages [-- sizes]
// First paint, the best of some: from the navigation to the first frame with the nodes on the canvas, or with the rows of the
// table. Panning: 120 moves of the pointer, one per frame; the time between frames, and the work of a frame (script and drawing,
// without waiting for the screen). Update: from an event of the server to the new nodes on the screen.
// AIRA_PEERS_PYTHON: a Python with optuna and optuna-dashboard; without it they are left out.
import { spawnSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { chromium } from 'playwright-core';
import { rewriteSection } from '../scripts/section.mjs';
import { circumstances } from './laboratory.mjs';
import { coldRows } from './pages/cold.mjs';
import { firstPaint, freshPage, megabytes, ms, panning, perSecond, quantile, row } from './pages/measure.mjs';
import { peerRows } from './pages/peer.mjs';
import { serveWorlds } from './pages/server.mjs';
import { World } from './pages/world.mjs';

const given = process.argv.slice(2).map(Number).filter(Boolean);
const sizes = given.length > 0 ? given : [1000, 10_000, 100_000];
const path = process.env.CHROMIUM ?? '/usr/bin/chromium';
const browser = await chromium.launch({ executablePath: path, args: ['--no-sandbox'] });
/** @type {string[]} */
const lines = [];
const say = (/** @type {string[]} */ ...texts) => {
  for (const text of texts) {
    console.log(text);
    lines.push(text);
  }
};
const head = (/** @type {string[]} */ cells) => say(row(cells), row(cells.map(() => '--:')));

/** Aira's pages over a stand-in that answers at once: what the browser takes. @param {number} nodes */
async function pagesOf(nodes) {
  const world = new World({ nodes, agents: 8 });
  const server = await serveWorlds([world]);
  // The stand-in composes its answers once; what the page itself takes is measured.
  for (const path of ['', '/points']) await (await fetch(`${server.url}api/searches/${world.id}${path}`)).arrayBuffer();
  const plane = await firstPaint(
    browser,
    async () => `${server.url}#/searches/${world.id}/tree`,
    () => performance.getEntriesByName('aira:plane')[0]?.startTime ?? null,
  );
  const table = await firstPaint(
    browser,
    async () => `${server.url}#/searches/${world.id}/nodes`,
    () => (document.querySelector('tr[data-node]') ? performance.now() : null),
  );

  const tree = await freshPage(browser);
  await tree.page.goto(`${server.url}#/searches/${world.id}/tree`);
  await tree.page.waitForFunction(() => performance.getEntriesByName('aira:plane').length > 0);
  await tree.page.waitForTimeout(1500);
  await tree.page.evaluate(() => performance.clearMeasures('aira:frame'));
  const between = await panning(tree.page, '.plane canvas', 'pointer');
  const work = await tree.page.evaluate(() =>
    performance.getEntriesByName('aira:frame').map(({ duration }) => duration),
  );
  await tree.close();

  const { page: list, close } = await freshPage(browser);
  await list.goto(`${server.url}#/searches/${world.id}/nodes?sort=score&direction=descending`);
  await list.waitForSelector('tr[data-node]');
  await list.waitForTimeout(1000);
  const filter = await list.evaluate(async () => {
    const select = /** @type {HTMLSelectElement} */ (document.querySelectorAll('.controls select')[0]);
    const from = performance.now();
    select.value = 'climber';
    select.dispatchEvent(new Event('change', { bubbles: true }));
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    return performance.now() - from;
  });
  await list.evaluate(() => {
    location.hash = location.hash.replace(/\?.*/, '');
  });
  await list.waitForTimeout(500);
  const fresh = world.grow(5);
  const from = Date.now();
  server.changed(world, fresh);
  await list.waitForFunction((id) => document.querySelector(`tr[data-node="${id}"]`), fresh.at(-1), { polling: 'raf' });
  const update = Date.now() - from;
  await close();
  await server.close();
  return row([
    nodes.toLocaleString('en'),
    ...[plane, table].map((found) => (found ? ms(found.time) : 'none in 2 min')),
    megabytes(plane?.bytes ?? 0),
    ...[perSecond(between), ms(quantile(between, 0.95)), `${ms(quantile(work, 0.5))} (${ms(quantile(work, 0.95))})`],
    ...[ms(filter), ms(update)],
  ]);
}

say(`${circumstances().replace(/\.$/, '')}; chromium ${browser.version()}, 1280 x 800, no GPU.`, '');
say('**The pages alone**, over a stand-in for the server that has its answers ready:', '');
head([
  ...['nodes', 'first paint, plane', 'first paint, table', 'transferred', 'panning: frames/s', 'frame p95'],
  ...['work per frame, median (p95)', 'filter', 'live update'],
]);
for (const nodes of sizes) say(await pagesOf(nodes));

say('', '**A finished search on the real server**, cold: a new process, an empty profile, the best of three:', '');
head(['nodes', 'server ready', 'first paint, overview', 'plane', 'table', 'transferred']);
for (const nodes of sizes) say(...(await coldRows(browser, [nodes])));

const python = process.env.AIRA_PEERS_PYTHON;
const versions =
  python === undefined
    ? null
    : spawnSync(python, ['-c', 'import optuna, optuna_dashboard as d; print(optuna.__version__, d.__version__)'], {
        encoding: 'utf8',
      });
if (python === undefined || versions?.status !== 0) {
  say('', "Optuna's dashboard: left out (AIRA_PEERS_PYTHON names no Python with optuna and optuna-dashboard).");
} else {
  const [optuna, dashboard] = versions.stdout.trim().split(' ');
  say(
    '',
    `**Optuna's dashboard** ${dashboard} on Optuna ${optuna}, a study of finished trials in SQLite, 16 parameters each: its page of a study with the history of all trials, the best of three:`,
    '',
  );
  head(['trials', 'first paint, history', 'transferred', 'panning: frames/s', 'frame p95']);
  for (const line of await peerRows(browser, python, sizes)) say(line);
}
say('', `Load average at the end: ${loadavg()[0]?.toFixed(1)}.`);
await browser.close();
// A part of the sizes is a trial of the command.
if (given.length === 0) rewriteSection('BENCHMARKS.md', 'pages', lines.join('\n'));
