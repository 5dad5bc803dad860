// What a person waits for at a page, in a real browser: the same measures for Aira's pages and for those of others.

/** @typedef {import('playwright-core').Browser} Browser @typedef {import('playwright-core').Page} Page */

const viewport = { width: 1280, height: 800 };
/** A page that shows nothing after this long is left. */
const longestMs = 120_000;

/** @param {number[]} values @param {number} share */
export const quantile = (values, share) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))] ?? Number.NaN;
export const ms = (/** @type {number} */ value) =>
  value < 10 ? `${value.toFixed(1)} ms` : value < 2000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
export const megabytes = (/** @type {number} */ bytes) => `${(bytes / 1e6).toFixed(bytes < 1e6 ? 2 : 1)} MB`;
export const row = (/** @type {(string | number)[]} */ cells) => `| ${cells.join(' | ')} |`;

/** A page in a profile of its own, so that nothing comes from a cache. @param {Browser} browser */
export async function freshPage(browser) {
  const context = await browser.newContext({ viewport });
  return { page: await context.newPage(), close: () => context.close() };
}

/**
 * From the navigation to the first frame in which `painted` returns a time, and what was transferred until then. The best of some:
 * other work of the machine only ever adds.
 *
 * @param {Browser} browser
 * @param {() => Promise<string>} open the address; called before each repeat
 * @param {() => number | null} painted runs in the page, once per frame
 * @param {number} repeats
 * @returns {Promise<{ time: number, bytes: number } | null>} null if nothing was painted in two minutes
 */
export async function firstPaint(browser, open, painted, repeats = 5) {
  let best = null;
  for (let repeat = 0; repeat < repeats; repeat++) {
    const url = await open();
    const { page, close } = await freshPage(browser);
    try {
      await page.goto(url, { waitUntil: 'commit', timeout: longestMs });
      const handle = await page.waitForFunction(painted, null, { polling: 'raf', timeout: longestMs });
      const time = /** @type {number} */ (await handle.jsonValue());
      const bytes = await page.evaluate(() =>
        [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].reduce(
          (sum, entry) => sum + /** @type {PerformanceResourceTiming} */ (entry).transferSize,
          0,
        ),
      );
      if (best === null || time < best.time) best = { time, bytes };
    } catch (thrown) {
      // The target may have run out of memory.
      if (!/Timeout|crash|closed/i.test(String(thrown))) throw thrown;
      return null;
    } finally {
      await close();
    }
  }
  return best;
}

/**
 * 120 moves of the pointer over an element, one per frame: milliseconds between frames.
 *
 * @param {Page} page
 * @param {string} selector
 * @param {'pointer' | 'mouse'} kind which events the page listens to
 */
export const panning = (page, selector, kind) =>
  page.evaluate(
    async ([target, type]) => {
      const element = /** @type {HTMLElement} */ (document.querySelector(/** @type {string} */ (target)));
      const box = element.getBoundingClientRect();
      element.setPointerCapture = () => {};
      const from = { x: box.left + box.width / 2, y: box.top + box.height / 2 };
      const send = (/** @type {string} */ verb, /** @type {number} */ x, /** @type {number} */ y) => {
        const at = { pointerId: 1, clientX: x, clientY: y, bubbles: true, cancelable: true, buttons: 1, view: window };
        if (type === 'pointer') element.dispatchEvent(new PointerEvent(`pointer${verb}`, at));
        else (verb === 'down' ? element : document).dispatchEvent(new MouseEvent(`mouse${verb}`, at));
      };
      send('down', from.x, from.y);
      /** @type {number[]} */
      const starts = [];
      for (let step = 0; step < 120; step++) {
        const now = await new Promise((resolve) => requestAnimationFrame(resolve));
        starts.push(/** @type {number} */ (now));
        send('move', from.x + 120 * Math.sin(step / 14), from.y + 40 * Math.cos(step / 9));
      }
      send('up', from.x, from.y);
      return starts.slice(1).map((each, index) => each - /** @type {number} */ (starts[index]));
    },
    [selector, kind],
  );

/** @param {number[]} between */
export const perSecond = (between) =>
  (1000 / (between.reduce((sum, each) => sum + each, 0) / between.length)).toFixed(1);
