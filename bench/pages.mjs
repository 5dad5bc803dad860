// How fast the pages are with 10^3, 10^4 and 10^5 nodes, in a real browser without a graphics card:
//   npm run bench:pages
// First paint, the best of five: from the navigation to the first frame with the nodes on the canvas, or with the rows of the table. Panning:
// 120 moves of the pointer, one per frame; the time between frames, and the work of a frame (script and drawing, without
// waiting for the screen). Update: from an event of the server to the new nodes on the screen.
import { cpus, loadavg } from 'node:os';
import { chromium } from 'playwright-core';
import { serveWorlds } from './pages/server.mjs';
import { World } from './pages/world.mjs';

const sizes = process.argv.slice(2).map(Number).filter(Boolean);
const path = process.env.CHROMIUM ?? '/usr/bin/chromium';
const browser = await chromium.launch({ executablePath: path, args: ['--no-sandbox'] });
console.log(
  `chromium ${browser.version()}, ${cpus().length} x ${cpus()[0]?.model}, 1280 x 800, no GPU, load ${loadavg()[0]?.toFixed(1)}`,
);
console.log(
  '| nodes | first paint, plane | first paint, table | panning: frames/s | frame p95 | work per frame, median (p95) | filter | live update |',
);
console.log('| --- | --- | --- | --- | --- | --- | --- | --- |');

/** @param {number[]} values @param {number} share */
const quantile = (values, share) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))] ?? Number.NaN;
const ms = (/** @type {number} */ value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

for (const nodes of sizes.length > 0 ? sizes : [1000, 10_000, 100_000]) {
  const world = new World({ nodes, agents: 8 });
  const server = await serveWorlds([world]);
  // The stand-in composes its answers once; what the page itself takes is measured.
  for (const path of ['', '/points']) await (await fetch(`${server.url}api/searches/${world.id}${path}`)).arrayBuffer();
  const firstPaint = async (/** @type {string} */ place, /** @type {() => number | null} */ painted) => {
    const times = [];
    for (let repeat = 0; repeat < 5; repeat++) {
      const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
      await page.goto(server.url + place, { waitUntil: 'commit' });
      const handle = await page.waitForFunction(painted, null, { polling: 'raf', timeout: 60_000 });
      times.push(/** @type {number} */ (await handle.jsonValue()));
      await page.close();
    }
    // The best: other work of the machine only ever adds.
    return Math.min(...times);
  };
  const plane = await firstPaint(
    `#/searches/${world.id}/tree`,
    () => performance.getEntriesByName('aira:plane')[0]?.startTime ?? null,
  );
  const table = await firstPaint(`#/searches/${world.id}/nodes`, () =>
    document.querySelector('tr[data-node]') ? performance.now() : null,
  );

  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.goto(`${server.url}#/searches/${world.id}/tree`);
  await page.waitForFunction(() => performance.getEntriesByName('aira:plane').length > 0);
  await page.waitForTimeout(1500);
  const frames = await page.evaluate(async () => {
    const canvas = /** @type {HTMLCanvasElement} */ (document.querySelector('.plane canvas'));
    const box = canvas.getBoundingClientRect();
    canvas.setPointerCapture = () => {};
    const point = (/** @type {string} */ type, /** @type {number} */ x, /** @type {number} */ y) =>
      canvas.dispatchEvent(new PointerEvent(type, { pointerId: 1, clientX: x, clientY: y, bubbles: true }));
    const from = { x: box.left + box.width / 2, y: box.top + box.height / 2 };
    point('pointerdown', from.x, from.y);
    /** @type {number[]} */
    const starts = [];
    performance.clearMeasures('aira:frame');
    for (let step = 0; step < 120; step++) {
      const now = await new Promise((resolve) => requestAnimationFrame(resolve));
      starts.push(/** @type {number} */ (now));
      point('pointermove', from.x + 120 * Math.sin(step / 14), from.y + 40 * Math.cos(step / 9));
    }
    point('pointerup', from.x, from.y);
    return {
      between: starts.slice(1).map((each, index) => each - /** @type {number} */ (starts[index])),
      work: performance.getEntriesByName('aira:frame').map(({ duration }) => duration),
    };
  });
  await page.close();

  const list = await browser.newPage({ viewport: { width: 1280, height: 800 } });
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
  await list.close();
  await server.close();
  const mean = frames.between.reduce((sum, each) => sum + each, 0) / frames.between.length;
  console.log(
    `| ${nodes.toLocaleString('en')} | ${ms(plane)} | ${ms(table)} | ${(1000 / mean).toFixed(1)} | ${ms(quantile(frames.between, 0.95))} | ${ms(quantile(frames.work, 0.5))} (${ms(quantile(frames.work, 0.95))}) | ${ms(filter)} | ${ms(update)} |`,
  );
}
await browser.close();
