/** The pages in a real browser, over the stand-in server: what a person does with them, and what they must never do. */
import { statSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { nodeDetail } from '../../bench/pages/details.mjs';
import { nodesPage, overview } from '../../bench/pages/search.mjs';
import { serveWorlds, type WorldServer } from '../../bench/pages/server.mjs';
import { World } from '../../bench/pages/world.mjs';
import { buildPages, hasChromium, launch, openPage, type Watched, without } from './support.ts';

describe.skipIf(!hasChromium)(`the pages of the dashboard${without}`, () => {
  let browser: Browser;
  let pages: Awaited<ReturnType<typeof buildPages>>;
  beforeAll(async () => {
    [pages, browser] = await Promise.all([buildPages(), launch()]);
  });
  afterAll(async () => {
    await browser?.close();
    pages?.remove();
  });

  let compose: World;
  let design: World;
  let server: WorldServer;
  let open: Watched[];
  beforeEach(async () => {
    compose = new World({ nodes: 300 });
    design = new World({ id: 'writer-2', design: true, nodes: 60, seed: 3 });
    server = await serveWorlds([compose, design], { pages: pages.folder });
    open = [];
  });
  afterEach(async () => {
    const faults = open.flatMap((each) => each.faults);
    await Promise.all(open.map(({ context }) => context.close()));
    await server.close();
    expect(faults).toEqual([]);
  });
  async function visit(place: string, size?: { width: number; height: number }): Promise<Page> {
    const watched = await openPage(browser, `${server.url}${place}`, size);
    open.push(watched);
    return watched.page;
  }
  const rows = (page: Page) => page.locator('tr[data-node]');
  const live = (page: Page) => page.locator('.state.live').waitFor();

  it('show new nodes without a reload, where one is', async () => {
    const page = await visit(`#/searches/${compose.id}/nodes`);
    await live(page);
    await rows(page).first().waitFor();
    await page.evaluate('window.sameDocument = true');
    // In the middle of the list, with a selected row. Only rows in sight are in the page: those of the top leave it
    // when the table has drawn the new place, and a row is named before it is clicked.
    const top = (await rows(page).first().getAttribute('data-node')) as string;
    await page.locator('.grid').evaluate((box) => box.scrollTo(0, 3000));
    await page.locator(`tr[data-node="${top}"]`).waitFor({ state: 'detached' });
    const node = (await rows(page).nth(12).getAttribute('data-node')) as string;
    await page.locator(`tr[data-node="${node}"]`).click();
    const place = async () =>
      page.locator(`tr[data-node="${node}"]`).evaluate((row) => Math.round(row.getBoundingClientRect().top));
    const before = await place();

    const fresh = compose.grow(7);
    server.changed(compose, fresh);
    await page.getByText('307 nodes').waitFor();

    expect(await page.evaluate('window.sameDocument')).toBe(true);
    expect(await page.locator('tr[aria-selected="true"]').getAttribute('data-node')).toBe(node);
    expect(Math.abs((await place()) - before)).toBeLessThanOrEqual(1);
    await page.locator('.grid').evaluate((box) => box.scrollTo(0, 0));
    await page.locator(`tr[data-node="${fresh.at(-1)}"]`).waitFor();
    // Only what changed was asked for.
    const asked = server.requests.filter(({ path }) => path.includes('/points')).map(({ path }) => path);
    expect(asked.filter((path) => !path.includes('after='))).toHaveLength(1);
  });

  it('reconnect after the server was killed, and miss nothing', async () => {
    const page = await visit(`#/searches/${compose.id}/nodes`);
    await live(page);
    server.changed(compose, compose.grow(1));
    await page.getByText('301 nodes').waitFor();
    const { port } = server;
    const last = compose.sequence;
    await server.close();
    await page.locator('.state.reconnecting').waitFor();
    // What was there stays on screen meanwhile.
    expect(await rows(page).count()).toBeGreaterThan(10);

    compose.grow(4);
    server = await serveWorlds([compose, design], { port, pages: pages.folder });
    await live(page);
    await page.getByText('305 nodes').waitFor();
    const resumed = server.requests.find(({ path }) => path === '/api/events');
    expect(resumed?.lastEventId).toBe(String(last));
    expect(server.requests.map(({ path }) => path)).toContain(`/api/searches/${compose.id}/points?after=${last}`);
  });

  it('filter and sort all nodes, and have it in the address', async () => {
    const page = await visit(`#/searches/${compose.id}/nodes`);
    await rows(page).first().waitFor();
    await page.getByLabel('agent').first().selectOption('treetop');
    await page.getByLabel('status').selectOption('evaluated');
    await page.getByRole('button', { name: 'screen' }).click();
    const expected = compose.nodes
      .filter((node) => node.agent === 'treetop' && node.status === 'evaluated')
      .sort((a, b) => (b.score ?? 0) - (a.score ?? 0))
      .map(({ id }) => id);
    await page.getByText(`${expected.length} of 300 nodes`).waitFor();
    const shown = () => rows(page).evaluateAll((all) => all.map((row) => row.getAttribute('data-node')));
    expect((await shown()).slice(0, 12)).toEqual(expected.slice(0, 12));

    // The address alone restores the view.
    const again = await visit(new URL(page.url()).hash);
    await again.getByText(`${expected.length} of 300 nodes`).waitFor();
    expect(await again.locator('th[aria-sort="descending"]').textContent()).toContain('screen');

    await again.keyboard.press('/');
    await again.keyboard.type('treetop-1');
    const found = nodesPage(compose, { q: 'treetop-1', limit: '200' }).rows.filter(
      ({ agent, status }) => agent === 'treetop' && status === 'evaluated',
    );
    await again.getByText(`${found.length} of 300 nodes`).waitFor();
    expect(new URL(again.url()).hash).toContain('q=treetop-1');
  });

  it('move by keys from the table to a node and on to other places', async () => {
    const page = await visit(`#/searches/${compose.id}/nodes?sort=sequence&direction=ascending`);
    await rows(page).first().waitFor();
    for (const key of ['j', 'j', 'j', 'k']) await page.keyboard.press(key);
    expect(await page.locator('tr[aria-selected="true"]').getAttribute('data-node')).toBe(compose.nodes[1]?.id);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Mamba-2' }).waitFor();
    await page.keyboard.press('j');
    await page.getByRole('heading', { level: 1, name: 'Hybrid 1:1' }).waitFor();
    await page.keyboard.press('g');
    await page.keyboard.press('t');
    await page.locator('.plane canvas').waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'keys' }).waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('g');
    await page.keyboard.press('o');
    await page.getByRole('heading', { level: 1, name: 'compose-mad' }).waitFor();
  });

  it('show a program with its difference to parent and baseline', async () => {
    const node = design.nodes.findLast(({ parent, status }) => parent >= 0 && status === 'evaluated');
    const page = await visit(`#/searches/${design.id}/nodes/${node?.id}`);
    await page.locator('.code .hljs-keyword').first().waitFor();
    expect(await page.locator('.code').first().textContent()).toContain('class Mixer(nn.Module):');
    await page.getByRole('button', { name: /diff to parent/ }).click();
    await page.locator('.diff .added').first().waitFor();
    const file = (id: string) => {
      const candidate = nodeDetail(design, id)?.candidate;
      return candidate?.kind === 'program' ? (candidate.files[0]?.text.split('\n') ?? []) : [];
    };
    const [own, parent] = [file(node?.id ?? ''), file(design.nodes[node?.parent ?? 0]?.id ?? '')];
    const added = await page.locator('.diff .added').allTextContents();
    expect(added.length).toBeGreaterThan(0);
    for (const line of added) {
      expect(own).toContain(line.slice(1));
      expect(parent).not.toContain(line.slice(1));
    }
    await page.getByRole('button', { name: /diff to baseline/ }).click();
    await page.waitForURL(/diff=baseline/);
    await page
      .getByText('From prompt to answer')
      .waitFor({ state: node && design.agents.indexOf(node.agent) > 0 ? 'visible' : 'detached' });
  });

  it('put each figure under its heading, and name it where rows are stacked', async () => {
    const { agents, rungs } = overview(compose);
    const page = await visit(`#/searches/${compose.id}`, { width: 420, height: 860 });
    /** Rows of the table with a heading, by heading. */
    const under = async (heading: string) => {
      const table = page.locator('table', { has: page.locator('th[scope="col"]', { hasText: heading }) }).first();
      await table.waitFor();
      return table.evaluate((element) =>
        [...element.querySelectorAll('tbody tr')].map((row) =>
          Object.fromEntries(
            [...element.querySelectorAll('thead th')].map((head, at) => [
              head.textContent,
              row.children[at]?.textContent,
            ]),
          ),
        ),
      );
    };
    expect(await under('model, scaffold')).toMatchObject(
      agents.map(({ name, model, scaffold, counts, evaluations }) => ({
        agent: name,
        'model, scaffold': `${model}, ${scaffold}`,
        proposed: `${counts.proposed} of ${evaluations}`,
        failed: String(counts.failed + counts.rejected),
      })),
    );
    expect(await under('mean time')).toMatchObject(
      rungs.map(({ rung, evaluated, pending, failed, cached }) => ({
        rung,
        evaluated: String(evaluated),
        pending: String(pending),
        failed: String(failed),
        cached: String(cached),
      })),
    );
    const first = page.locator('table.stack tbody tr').first().locator('th, td');
    const labels = await first.evaluateAll((cells) => cells.map((cell) => cell.getAttribute('data-label')));
    expect(labels).toEqual([null, null, null, 'best', 'proposed', 'failed', 'cost']);
  });

  it('show claims with their evidence, and patterns at full size, live', async () => {
    const page = await visit(`#/searches/${compose.id}/claims`);
    await page.getByText('Nothing is claimed yet: the search is still screening').waitFor();
    await live(page);
    compose.finish();
    server.changed(compose, [], ['phase'], true);
    const best = compose.best()?.id ?? '';
    await page.locator('p.claim', { hasText: `${best} is better than Transformer` }).waitFor();
    // The report's parts, with links.
    await page.locator('#references .forest').waitFor();
    expect(await page.locator('#references tr.contest').count()).toBe(3);
    await page.locator('#leaderboard').getByRole('link', { name: best, exact: true }).click();
    await page.getByRole('heading', { level: 1, name: best }).waitFor();
    await page.getByText('At 350M, 1B and 3B parameters').click();
    await page.getByRole('columnheader', { name: 'cache, MiB' }).waitFor();
    await page.keyboard.press('g');
    await page.keyboard.press('m');
    await page.locator('#aggregation .votes').first().waitFor();
    expect(await page.locator('#aggregation .votes').count()).toBe(4);
    await page.locator('#aggregation').getByRole('link', { name: 'treetop' }).click();
    await page.getByRole('heading', { level: 1, name: 'treetop' }).waitFor();

    // Programs have no layers to vote on: no tab, and a sentence for those who come by the address.
    const other = await visit(`#/searches/${design.id}/patterns`);
    await other.getByText('Programs have no layers to vote on').waitFor();
    expect(await other.locator('.tabs a').allTextContents()).not.toContain('patterns');
    expect(await page.locator('.tabs a').allTextContents()).toContain('patterns');
  });

  it('replay how the tree grew', async () => {
    const page = await visit(`#/searches/${compose.id}/tree`);
    await page.locator('.plane canvas').waitFor();
    await page.getByText('300 of 300 nodes').waitFor();
    await page.getByLabel('shown until node').fill('120');
    await page.getByText('120 of 300 nodes').waitFor();
    await page.waitForURL(/until=120/);
    await page.getByRole('button', { name: 'replay' }).click();
    await page.getByRole('button', { name: 'pause' }).click();
    const shown = Number(/^(\d+) of 300/.exec((await page.locator('.controls .end').textContent()) ?? '')?.[1]);
    expect(shown).toBeGreaterThanOrEqual(120);
    expect(shown).toBeLessThan(300);
  });

  it('veto a branch with the token, which leaves the address at once', async () => {
    const node = compose.best()?.id ?? '';
    const watched = await openPage(browser, `${server.url}#token=${server.token}`);
    open.push(watched);
    const { page } = watched;
    await page.getByRole('heading', { name: 'Searches' }).waitFor();
    expect(page.url()).not.toContain(server.token);
    await page.evaluate(`location.hash = '#/searches/${compose.id}/nodes/${node}'`);
    await page.getByRole('button', { name: 'veto this branch' }).click();
    await page.getByRole('dialog').getByLabel('why').fill('it repeats what was tried');
    await page.getByRole('dialog').getByRole('button', { name: 'veto' }).click();
    await page.getByText(`${node} and its descendants are no longer parents.`).waitFor();
    await page.locator('.tag.vetoed').waitFor();
    expect(compose.vetoed.has(node)).toBe(true);
    expect(server.requests.filter(({ path }) => path.includes(server.token))).toEqual([]);
  });

  it('say what to do without a token, with an unknown search, and in an empty home', async () => {
    const page = await visit(`#/searches/${compose.id}`);
    await page.getByText('To take part').waitFor();
    await page.evaluate("location.hash = '#/searches/nothing'");
    await page.getByRole('alert').getByText('there is no such thing here').waitFor();
    await server.close();
    server = await serveWorlds([], { pages: pages.folder });
    const empty = await visit('');
    await empty.getByText('No searches in this home yet.').waitFor();
  });

  it('render hostile names, reasons, programs and errors as inert text', async () => {
    const hostile = new World({ id: 'hostile-1', design: true, nodes: 40, seed: 3, hostile: true });
    await server.close();
    server = await serveWorlds([hostile], { pages: pages.folder });
    const failed = hostile.nodes.find(({ status }) => status === 'failed')?.id ?? '';
    const child =
      hostile.nodes.findLast(({ parent, agent }) => parent >= 0 && hostile.agents.indexOf(agent) === 1)?.id ?? '';
    const page = await visit('');
    const places: readonly (readonly [string, string])[] = [
      ['', 'h1'],
      [`searches/${hostile.id}`, '.figures'],
      [`searches/${hostile.id}/nodes`, 'tr[data-node]'],
      [`searches/${hostile.id}/tree`, '.plane canvas'],
      [`searches/${hostile.id}/agents/treetop`, '.figures'],
      [`searches/${hostile.id}/literature`, '.bars'],
      [`searches/${hostile.id}/claims`, 'svg.whisker'],
      [`searches/${hostile.id}/patterns`, '#aggregation'],
      [`searches/${hostile.id}/nodes/${failed}`, '.code'],
      [`searches/${hostile.id}/nodes/${child}`, '.code'],
      [`searches/${hostile.id}/nodes/${child}?diff=baseline`, '.diff'],
    ];
    for (const [place, ready] of places) {
      await page.evaluate(`location.hash = '#/${place}'`);
      await page.locator(ready).first().waitFor();
      expect(await page.evaluate('window.attacked')).toBeUndefined();
      // Nothing of the payloads has become an element, and no link leaves the page.
      expect(
        await page
          .locator('main :is(img, iframe, script, base, object, embed, [onload], [onerror], [onfocus])')
          .count(),
      ).toBe(0);
      const links = await page
        .locator('main a')
        .evaluateAll((all) => all.map((link) => link.getAttribute('href') ?? ''));
      expect(links.filter((href) => !href.startsWith('#/') && !href.startsWith('blob:'))).toEqual([]);
    }
    expect(await page.locator('main').textContent()).toContain('<script>window.attacked=1');
    // A long text is cut on the page, and whole as a file.
    await page.evaluate(`location.hash = '#/searches/${hostile.id}/nodes/${child}'`);
    await page
      .getByText(/more characters; copy or download has them all/)
      .first()
      .waitFor();
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'download' }).first().click(),
    ]);
    expect(statSync(await file.path()).size).toBeGreaterThan(1_000_000);
  });

  it.each([
    ['', 'table'],
    ['searches/quickstart-1', '.figures'],
    ['searches/quickstart-1/nodes', 'tr[data-node]'],
    ['searches/quickstart-1/tree', '.plane canvas'],
    ['searches/quickstart-1/scatter', '.plane canvas'],
    ['searches/quickstart-1/progress', '.uplot'],
    ['searches/quickstart-1/agents/treetop', '.figures'],
    ['searches/quickstart-1/claims', 'svg.whisker'],
    ['searches/quickstart-1/patterns', '.votes'],
    ['studies/memory', '.forest'],
    ['scales/hold', '.uplot'],
    ['workers', 'table'],
    ['compare?ids=quickstart-1,writer-2', '.uplot'],
  ])('fit a telephone: %s', async (place, ready) => {
    const page = await visit(`#/${place}`, { width: 420, height: 860 });
    await page.locator(ready).first().waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
    // Every page has one heading of the first level, or belongs to a search whose tabs name it.
    expect(await page.locator('main :is(h1, h2)').count()).toBeGreaterThan(0);
  });
});
