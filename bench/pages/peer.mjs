// Optuna's dashboard over studies of the same sizes, in the same browser: its history is the plot of all trials that it opens with.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstPaint, freshPage, megabytes, ms, panning, perSecond, quantile, row } from './measure.mjs';

const script = join(import.meta.dirname, '../pages_peer.py');

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  server.close();
  await once(server, 'close');
  return port;
}

/** @param {string} python @param {number} trials */
async function served(python, trials) {
  const folder = mkdtempSync(join(tmpdir(), 'aira-bench-peer-'));
  const port = await freePort();
  const child = spawn(python, [script, join(folder, 'study.db'), String(trials), String(port)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk) => {
    said = (said + chunk).slice(-2000);
  });
  const stop = async () => {
    if (child.exitCode === null && child.kill()) await once(child, 'exit');
    rmSync(folder, { recursive: true, force: true });
  };
  const url = `http://127.0.0.1:${port}/`;
  const made = await Promise.race([once(child.stdout, 'data'), once(child, 'exit').then(() => null)]);
  for (let tries = 0; made && tries < 100; tries++) {
    const answer = await fetch(`${url}api/meta`).catch(() => null);
    if (answer?.ok) return { url, stop };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await stop();
  throw new Error(`Optuna's dashboard did not start: ${said}`);
}

/**
 * One row of the table per size; after a size that it cannot show, no larger one is tried.
 *
 * @param {import('playwright-core').Browser} browser @param {string} python @param {readonly number[]} sizes
 */
export async function peerRows(browser, python, sizes) {
  const rows = [];
  for (const trials of sizes) {
    const { url, stop } = await served(python, trials);
    try {
      const plot = await firstPaint(
        browser,
        async () => `${url}dashboard/studies/1`,
        () =>
          document.querySelector('#plot-history .scatterlayer .points path, #plot-history .gl-canvas')
            ? performance.now()
            : null,
        3,
      );
      if (plot === null) {
        rows.push(row([trials.toLocaleString('en'), 'none in 2 min', '–', '–', '–']));
        break;
      }
      const { page, close } = await freshPage(browser);
      await page.goto(`${url}dashboard/studies/1`, { timeout: 120_000 });
      await page.waitForSelector('#plot-history .scatterlayer .points path, #plot-history .gl-canvas', {
        timeout: 120_000,
      });
      await page.waitForTimeout(3000);
      await page.evaluate(() => {
        /** @type {HTMLElement | null} */ (document.querySelector('#plot-history [data-val="pan"]'))?.click();
      });
      const between = await panning(page, '#plot-history .nsewdrag', 'mouse');
      await close();
      rows.push(
        row([
          ...[trials.toLocaleString('en'), ms(plot.time), megabytes(plot.bytes)],
          ...[perSecond(between), ms(quantile(between, 0.95))],
        ]),
      );
    } finally {
      await stop();
    }
  }
  return rows;
}
