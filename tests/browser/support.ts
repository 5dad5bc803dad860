import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { build } from 'vite';

/** Debian's Chromium, or the one that CHROMIUM names. */
export const chromiumPath = process.env.CHROMIUM ?? '/usr/bin/chromium';
export const hasChromium = existsSync(chromiumPath);
/** Part of the name of tests that are skipped, so that the report says why. */
export const without = hasChromium ? '' : ` (skipped: there is no Chromium at ${chromiumPath}; set CHROMIUM)`;

const root = resolve(import.meta.dirname, '../..');

/** The pages as `npm run build` makes them, in a folder of their own. */
export async function buildPages(): Promise<{ folder: string; remove: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), 'aira-pages-'));
  await build({
    configFile: join(root, 'pages/vite.config.ts'),
    build: { outDir: folder },
    logLevel: 'warn',
  });
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export const launch = (): Promise<Browser> =>
  chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox', '--disable-gpu'] });

/** A page, and everything that it must not do: each is a fault of the test that opened it. */
export interface Watched {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of scripts, messages of the content policy, dialogs, and requests to other hosts. */
  readonly faults: string[];
}

export async function openPage(browser: Browser, url: string, size = { width: 1280, height: 800 }): Promise<Watched> {
  const context = await browser.newContext({ viewport: size, reducedMotion: 'reduce' });
  const page = await context.newPage();
  const faults: string[] = [];
  const { host, protocol } = new URL(url);
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('console', (message) => {
    // The browser reports refused connections itself; a server that is away is part of some tests.
    if (message.type() === 'error' && !/Failed to load resource|ERR_CONNECTION/.test(message.text())) {
      faults.push(`console: ${message.text()}`);
    }
  });
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    const to = new URL(request.url());
    const isOwn = to.host === host && (protocol !== 'file:' || to.href === url.replace(/#.*/, ''));
    if (!isOwn && to.protocol !== 'blob:') faults.push(`request to ${to.href}`);
  });
  await page.goto(url);
  return { page, context, faults };
}
