// Screenshots of every view over made-up searches, at 1280 and 420 px, light and dark, into a folder:
//   npm run build && node bench/screenshots.mjs /tmp/shots
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { serveWorlds } from './pages/server.mjs';
import { World } from './pages/world.mjs';

const [folder = 'shots', only = ''] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const compose = new World({ nodes: 420 });
const design = new World({ id: 'writer-2', design: true, nodes: 90, agents: 3, seed: 5 });
const finished = new World({ id: 'quickstart-0', nodes: 240, seed: 9, finished: true });
const server = await serveWorlds([compose, design, finished]);
const node = compose.best().id;
const failed = design.nodes.find((each) => each.status === 'failed').id;
const program = design.nodes.findLast((each) => each.parent >= 0 && each.status === 'evaluated').id;
const views = {
  searches: '#/',
  overview: `#/searches/${compose.id}`,
  finished: `#/searches/${finished.id}`,
  nodes: `#/searches/${compose.id}/nodes?sort=score&direction=descending&node=${node}`,
  tree: `#/searches/${compose.id}/tree?node=${node}`,
  'tree-tree': `#/searches/${compose.id}/tree?shape=tree&node=${node}`,
  replay: `#/searches/${compose.id}/tree?until=200`,
  progress: `#/searches/${compose.id}/progress`,
  scatter: `#/searches/${compose.id}/scatter`,
  node: `#/searches/${compose.id}/nodes/${node}?diff=parent`,
  program: `#/searches/${design.id}/nodes/${program}?diff=parent`,
  failed: `#/searches/${design.id}/nodes/${failed}`,
  'design-nodes': `#/searches/${design.id}/nodes`,
  agents: `#/searches/${compose.id}/agents`,
  agent: `#/searches/${compose.id}/agents/treetop`,
  literature: `#/searches/${compose.id}/literature`,
  claims: `#/searches/${compose.id}/claims`,
  'claims-finished': `#/searches/${finished.id}/claims`,
  patterns: `#/searches/${compose.id}/patterns`,
  studies: '#/studies',
  study: '#/studies/memory',
  scale: '#/scales/hold',
  compare: `#/compare?ids=${compose.id},${finished.id},${design.id}`,
  workers: '#/workers',
};
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
for (const width of [1280, 420]) {
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    const context = await browser.newContext({
      viewport: { width, height: width === 420 ? 860 : 800 },
      colorScheme,
      reducedMotion: 'reduce',
    });
    for (const [name, place] of Object.entries(views)) {
      const shot = `${name}-${width}-${colorScheme}`;
      if (!shot.startsWith(only)) continue;
      const page = await context.newPage();
      page.on('pageerror', (error) => console.error(shot, error.message));
      page.on('console', (message) => message.type() === 'error' && console.error(shot, message.text()));
      await page.goto(server.url + place);
      await page.waitForFunction(
        () => document.querySelector('main')?.childElementCount && !document.querySelector('[aria-busy]'),
      );
      await page.waitForTimeout(400);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (overflow > 0) console.error(`${shot}: ${overflow} px wider than the screen`);
      await page.screenshot({ path: join(folder, `${shot}.png`), fullPage: true });
      await page.close();
    }
    await context.close();
  }
}
await browser.close();
await server.close();
