import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PrerequisiteError } from '../domain/errors.ts';
import { makeFolder, packageRoot } from '../platform/index.ts';
import { analyseScale, type ScaleAnalysis, type ScaleQuestion, type ZeroShotResult } from '../scale/index.ts';
import { type Page, type ReportData, reportPage, scaleFiguresOf, shown } from '../views/index.ts';

/**
 * Role: a page as one HTML file, from the components that the dashboard shows: rendered here as text, with the script that brings
 * its charts and tables to life. Non-role: what a page shows (views), how it looks (pages/).
 *
 * - DOC-1 A page asks no host for anything, and runs only the script that was built with Aira: its content policy names style and
 *   script by their hashes and allows nothing else.
 * - DOC-2 Nothing of the data is markup: the renderer escapes it, and the properties of charts are JSON without `<`.
 * - DOC-3 Equal data give equal files: nothing here reads a clock, a locale or the machine.
 */

/** What `npm run build` makes of pages/, for Node and for each page. */
interface Assets {
  readonly render: (page: Page) => { readonly body: string; readonly islands: string };
  readonly script: string;
  readonly style: string;
}

let loaded: Promise<Assets> | undefined;

async function load(): Promise<Assets> {
  const folder = join(packageRoot, 'dist', 'document');
  if (!existsSync(join(folder, 'render.js'))) {
    throw new PrerequisiteError('pages-not-built', 'the pages of reports are not built', 'build them: npm run build');
  }
  const { render } = await import(pathToFileURL(join(folder, 'render.js')).href);
  // The end of a script element, in a text of the script.
  const script = readFileSync(join(folder, 'document.js'), 'utf8').replaceAll('</script', '<\\/script').trim();
  const style = readFileSync(join(folder, 'document.css'), 'utf8').replaceAll('</', '<\\/').trim();
  return { render, script, style };
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/**
 * A page as the text of one self-contained HTML file.
 *
 * @throws PrerequisiteError `pages-not-built`
 */
export async function pageHtml(data: Page): Promise<string> {
  loaded ??= load();
  const { render, script, style } = await loaded;
  const page = shown(data);
  const { body, islands } = render(page);
  const policy = `default-src 'none'; script-src ${hashOf(script)}; style-src ${hashOf(style)}; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>${escaped(page.title)}</title>
<style>${style}</style>
</head>
<body>
${body}
<script type="application/json" id="islands">${islands.replaceAll('<', '\\u003c')}</script>
<script>${script}</script>
</body>
</html>
`;
}

/** Writes a file whole: renamed into place, so that a reader never sees half of it. Its folder is made if missing. */
export function writeWhole(path: string, text: string): string {
  makeFolder(dirname(path));
  writeFileSync(`${path}.part`, text);
  renameSync(`${path}.part`, path);
  return path;
}

/** The report of a search as one HTML file. @throws PrerequisiteError `pages-not-built` */
export const reportHtml = (data: ReportData): Promise<string> => pageHtml(reportPage(data));

/** Everything that the page of a plan shows. */
interface ScaleReport {
  readonly name: string;
  readonly analysis: ScaleAnalysis;
  readonly zeroShot?: ZeroShotResult | null;
  /** Text of the plan. */
  readonly plan?: string;
  readonly facts: readonly { readonly fact: string; readonly value: string }[];
  readonly commands: readonly string[];
}

/** A scaling study as one HTML file. @throws PrerequisiteError `pages-not-built` */
export const scaleHtml = ({ name, analysis, zeroShot = null, plan, facts, commands }: ScaleReport): Promise<string> =>
  pageHtml({
    kind: 'scale',
    title: `${name}: Aira scaling study`,
    scale: scaleFiguresOf(name, analysis, zeroShot),
    provenance: { facts, commands, files: plan === undefined ? [] : [{ title: 'Plan', text: plan }] },
  });

/** Everything of the page but its analysis, and where it goes. */
interface ScaleReportOptions extends ScaleQuestion, Omit<ScaleReport, 'analysis'> {
  /** Made if missing; gets `scale.html` and `scale.json`. */
  readonly folder: string;
}

/**
 * Analyses the outcomes of a plan and writes `scale.html`, and `scale.json` with the observations that every figure of the
 * page follows from.
 *
 * @throws TerminalError `scale-observations` if the reference has no outcome; PrerequisiteError `pages-not-built`
 */
export async function writeScaleReport(options: ScaleReportOptions): Promise<{
  readonly path: string;
  readonly analysis: ScaleAnalysis;
}> {
  const { folder, observations, reference, proxies, ...page } = options;
  const analysis = analyseScale({ observations, reference, ...(proxies && { proxies }) });
  const text = await scaleHtml({ ...page, analysis });
  writeWhole(
    join(folder, 'scale.json'),
    `${JSON.stringify({ version: 1, name: page.name, reference, observations }, null, 1)}\n`,
  );
  return { path: writeWhole(join(folder, 'scale.html'), text), analysis };
}
