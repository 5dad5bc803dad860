// A finished search on the real server, cold: the process of `aira dashboard` is new, and the browser has an empty profile.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { search } from '../laboratory.mjs';
import { finishedHome } from './finished.mjs';
import { firstPaint, megabytes, ms, row } from './measure.mjs';

const program = join(import.meta.dirname, '../../dist/cli/main.js');

/** Starts the dashboard of a home. @param {string} home */
async function start(home) {
  const begun = performance.now();
  const child = spawn(process.execPath, [program, 'dashboard', '--home', home, '--port', '0', '--open', 'no'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  for await (const chunk of child.stdout) {
    said += chunk;
    const [, url] = /dashboard: (\S+)#/.exec(said) ?? [];
    if (url === undefined) continue;
    const stop = async () => {
      if (child.exitCode === null && child.kill('SIGINT')) await once(child, 'exit');
    };
    return { url, took: performance.now() - begun, stop };
  }
  throw new Error(`the dashboard ended before it printed its address: ${said}`);
}

const places = [
  {
    path: '',
    painted: () => (document.querySelector('main .figures dd a') ? performance.now() : null),
  },
  {
    path: '/tree',
    painted: () => performance.getEntriesByName('aira:plane')[0]?.startTime ?? null,
  },
  {
    path: '/nodes',
    painted: () => (document.querySelector('tr[data-node]') ? performance.now() : null),
  },
];

/** @param {import('playwright-core').Browser} browser @param {readonly number[]} sizes */
export async function coldRows(browser, sizes) {
  const rows = [];
  for (const nodes of sizes) {
    const home = mkdtempSync(join(tmpdir(), 'aira-bench-cold-'));
    /** @type {(() => Promise<void>) | null} */
    let stop = null;
    try {
      finishedHome(home, nodes);
      let starting = Number.POSITIVE_INFINITY;
      const cells = [];
      let bytes = 0;
      for (const { path, painted } of places) {
        const open = async () => {
          await stop?.();
          const server = await start(home);
          stop = server.stop;
          starting = Math.min(starting, server.took);
          return `${server.url}#/searches/${search}${path}`;
        };
        const found = await firstPaint(browser, open, painted, 3);
        cells.push(found ? ms(found.time) : 'none in 2 min');
        bytes = Math.max(bytes, found?.bytes ?? 0);
      }
      rows.push(row([nodes.toLocaleString('en'), ms(starting), ...cells, megabytes(bytes)]));
    } finally {
      await /** @type {any} */ (stop)?.();
      rmSync(home, { recursive: true, force: true });
    }
  }
  return rows;
}
