/** A person watches a running search with `aira dashboard` in a real browser, and takes part in it. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, launch, openPage, without } from '../browser/support.ts';
import { temporaryFolder } from '../support/home.ts';
import { type Program, start } from '../support/program.ts';
import { fiveAgents, toySearch } from '../support/toySearch.ts';

const patience = { timeout: 60_000 };

/** Starts the dashboard; answers it and the address that it printed. */
async function dashboard(home: string, port: number): Promise<{ program: Program; url: string }> {
  const program = start(['dashboard', '--home', home, '--port', String(port), '--open', 'no']);
  const url = await program.until(() => /^dashboard: (\S+)$/m.exec(program.stdout)?.[1], 'address of the dashboard');
  return { program, url };
}

describe.skipIf(!hasChromium)(`the dashboard of a running search${without}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser?.close());

  it('shows it live, survives its own end, and lets a person veto, pause and resume', async () => {
    const folder = temporaryFolder();
    const home = `${folder}/home`;
    const file = toySearch(folder, { agents: fiveAgents, budget: { evaluations: 3000 }, seed: 7 });
    const search = start(['launch', file, '--home', home, '--json']);
    await search.event(({ event }) => event === 'started');
    const first = await dashboard(home, 0);
    const { page, context, faults } = await openPage(browser, first.url);

    await page.getByRole('link', { name: 'toy-1' }).click();
    await page.getByRole('heading', { level: 1, name: 'toy' }).waitFor();
    await page.locator('.state.live').waitFor();
    await page.evaluate('window.sameDocument = true');
    await page.getByRole('navigation', { name: 'search' }).getByRole('link', { name: 'nodes' }).click();
    await page.locator('tr[data-node]').first().waitFor();
    const count = async () => Number(/^(\d+)/.exec((await page.locator('.controls .end').textContent()) ?? '')?.[1]);
    const before = await count();
    await expect.poll(count, patience).toBeGreaterThan(before + 5);

    // Killed, not stopped: what is shown stays, and a new one on the same port continues it.
    first.program.kill('SIGKILL');
    await page.locator('.state.reconnecting').waitFor();
    const shown = await count();
    expect(shown).toBeGreaterThan(before);
    const { url } = await dashboard(home, Number(new URL(first.url).port));
    await page.locator('.state.live').waitFor();
    await expect.poll(count, patience).toBeGreaterThan(shown);
    expect(await page.evaluate('window.sameDocument')).toBe(true);

    await page.getByLabel('agent').first().selectOption('climber');
    await page.getByLabel('status').selectOption('evaluated');
    await page.getByText(/^\d+ of \d+ nodes/).waitFor();
    const agents = await page
      .locator('tr[data-node]')
      .evaluateAll((rows) => rows.map((row) => row.getAttribute('data-node')));
    expect(agents.every((node) => node?.startsWith('climber-'))).toBe(true);

    // The second dashboard has a token of its own.
    await page.goto(url);
    await page.getByRole('heading', { level: 1, name: 'Searches' }).waitFor();
    expect(page.url()).not.toContain('token');
    await page.evaluate(`location.hash = '#/searches/toy-1/nodes/${agents.at(-1)}'`);
    await page.locator('.strip').first().waitFor();
    await page.getByRole('button', { name: 'veto this branch' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'veto' }).click();
    await page.locator('.tag.vetoed').waitFor();
    await page.keyboard.press('g');
    await page.keyboard.press('o');
    await page.getByRole('button', { name: 'pause', exact: true }).click();
    await page.locator('.tag.paused').waitFor();
    await page.getByRole('button', { name: 'resume', exact: true }).click();
    await page.locator('.tag.running').waitFor();

    search.kill('SIGTERM');
    await search.ended;
    expect(faults).toEqual([]);
    await context.close();
  });
});
