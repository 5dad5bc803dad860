/** Finished pages in a real browser, as files: whole without their script, live with it, and inert whatever they quote. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readArchive } from '../../src/memory/reader.ts';
import { reportHtml, scaleHtml, storyHtml } from '../../src/report/index.ts';
import { analyseScale } from '../../src/scale/index.ts';
import { type ReportData, storyOf } from '../../src/views/index.ts';
import { runSearch, trial } from '../audit/laboratory.ts';
import { fixture } from '../report/fixture.ts';
import { observationsOf } from '../support/observations.ts';
import { hasChromium, launch, openPage, type Watched, without } from './support.ts';

const attack = '<img src=x onerror="window.attacked=1"></script><script>window.attacked=1</script>\u202e';

/** Everything that others name, by a name that wants to be markup. */
const hostile = (data: ReportData): ReportData => ({
  ...data,
  search: { ...data.search, id: attack, task: attack },
  agents: data.agents.map((agent) => ({ ...agent, name: attack + agent.name, model: attack })),
  nodes: data.nodes.map((node) => ({ ...node, id: attack + node.id, agent: attack + node.agent, message: attack })),
  provenance: { ...data.provenance, searchFile: attack },
});

describe.skipIf(!hasChromium)(`finished pages${without}`, () => {
  let browser: Browser;
  let folder: string;
  let open: Watched[] = [];
  const data = fixture();

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'aira-documents-'));
    browser = await launch();
    const home = join(folder, 'home');
    const spec = trial();
    await runSearch(home, spec, { failed: 3 });
    const reader = readArchive(home);
    const story = storyOf(reader, spec.id, null);
    reader.close();
    const observations = observationsOf({
      architectures: { found: { gain: 0.06, cache: 64 }, llama: { gain: 0, cache: 256 } },
    });
    const analysis = analyseScale({ observations, reference: 'llama' });
    const pages = {
      report: await reportHtml(data),
      hostile: await reportHtml(hostile(data)),
      trace: await storyHtml(story),
      scale: await scaleHtml({ name: 'micro', analysis, facts: [], commands: [] }),
    };
    for (const [name, text] of Object.entries(pages)) writeFileSync(join(folder, `${name}.html`), text);
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  afterEach(async () => {
    const faults = open.flatMap((each) => each.faults);
    await Promise.all(open.map(({ context }) => context.close()));
    open = [];
    expect(faults).toEqual([]);
  });
  /** Screening scores of an agent in the order in which it received them. */
  const scoresOf = (agent: string): number[] =>
    data.nodes
      .filter((node) => node.agent === agent && node.finishedAt !== null)
      .sort((a, b) => (a.finishedAt ?? 0) - (b.finishedAt ?? 0))
      .flatMap(({ validation }) => validation.screen.map(({ score }) => score));
  const address = (name: string) => pathToFileURL(join(folder, `${name}.html`)).href;
  async function visit(name: string, size?: { width: number; height: number }): Promise<Page> {
    const watched = await openPage(browser, address(name), size);
    open.push(watched);
    return watched.page;
  }
  /** The columns of a table's first rows, as text. */
  const column = (page: Page, section: string, index: number) =>
    page
      .locator(`#${section} tbody tr`)
      .evaluateAll((rows, at) => rows.map((row) => row.children[at]?.textContent ?? ''), index);

  it('draw their charts, and say what is under the pointer', async () => {
    const page = await visit('report');
    const charts = page.locator('.uplot canvas');
    await charts.first().waitFor();
    // Progress, and the agreement of two pairs of rungs.
    expect(await charts.count()).toBe(3);
    const legend = page.locator('#progress .series li').first();
    const last = await legend.textContent();
    const box = await page.locator('#progress .u-over').boundingBox();
    if (!box) throw new Error('the chart has no area');
    await page.mouse.move(box.x + 2, box.y + box.height / 2);
    await page.waitForFunction(
      `document.querySelector('#progress .series li').textContent !== ${JSON.stringify(last)}`,
    );
    // A level holds until the next evaluation that changes it: not the nearest one counts, but the last.
    const longest = Math.max(...data.agents.map(({ name }) => scoresOf(name).length));
    for (const [agent, at] of [
      ['composer', 14],
      ['islander', 3.4],
      ['chance', 22],
    ] as const) {
      await page.mouse.move(box.x + ((at - 1) / (longest - 1)) * box.width, box.y + box.height / 2);
      const held = Math.max(...scoresOf(agent).slice(0, Math.floor(at))).toFixed(4);
      await page.locator('#progress .series li', { hasText: agent }).getByText(held).waitFor({ timeout: 5000 });
    }
    await legend.getByRole('button').click();
    expect(await legend.getByRole('button').getAttribute('aria-pressed')).toBe('false');
  });

  it('sort a table by a heading: up, down, and as it was', async () => {
    const page = await visit('report');
    const heading = page.locator('#agents th', { hasText: 'best screen' });
    const first = await column(page, 'agents', 8);
    const sorted = [...first].sort((a, b) => Number(a) - Number(b));
    expect(first).not.toEqual(sorted);
    await heading.getByRole('button').click();
    expect(await column(page, 'agents', 8)).toEqual(sorted);
    expect(await heading.getAttribute('aria-sort')).toBe('ascending');
    await heading.getByRole('button').click();
    expect(await column(page, 'agents', 8)).toEqual(sorted.toReversed());
    await heading.getByRole('button').click();
    expect(await column(page, 'agents', 8)).toEqual(first);
    // A table with titles among its rows keeps their order.
    expect(await page.locator('#leaderboard th button').count()).toBe(0);
  });

  it('have everything but their charts without a script', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(address('report'));
    expect(await page.locator('h1').textContent()).toBe(data.search.id);
    expect(await page.locator('.claim').first().textContent()).toMatch(/^On the final rung composer-11/);
    expect((await column(page, 'leaderboard', 1)).join()).toContain('aggregate-1');
    expect(await page.locator('#references tr.contest').count()).toBe(8);
    expect(await page.locator('#progress .series li').first().textContent()).toMatch(/\d\.\d{4}/);
    await context.close();
  });

  it('are inert whatever they quote', async () => {
    const page = await visit('hostile');
    await page.locator('.uplot canvas').first().waitFor();
    expect(await page.evaluate('window.attacked')).toBeUndefined();
    expect(await page.locator('main :is(img, iframe, script, base, object, [onload], [onerror])').count()).toBe(0);
    expect(await page.locator('h1').textContent()).toContain('</script><script>window.attacked=1</script>');
    expect(await page.locator('#progress .series li').first().textContent()).toContain('<img src=x');
  });

  it('open an attempt of a trace, with its reason and its difference', async () => {
    const page = await visit('trace');
    const step = page.locator('details.step').nth(3);
    expect(await step.getByText('choice').isVisible()).toBe(false);
    await step.locator('summary').first().click();
    expect(await step.getByText('choice').first().isVisible()).toBe(true);
    expect(await page.locator('svg.steps-tree circle.node').count()).toBe(await page.locator('details.step').count());
    const link = page.locator('#agents tbody a').first();
    await link.click();
    expect(new URL(page.url()).hash).toBe(`#agent-${await link.textContent()}`);
  });

  it.each(['report', 'hostile', 'trace', 'scale'])('fit a telephone: %s', async (name) => {
    const page = await visit(name, { width: 420, height: 860 });
    await page.locator('h2').first().waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
  });
});
