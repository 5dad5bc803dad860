import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PrerequisiteError } from '../domain/errors.ts';
import { makeFolder, packageRoot } from '../platform/index.ts';
import { analyseScale, type ScaleAnalysis, type ScaleQuestion, type ZeroShotResult } from '../scale/index.ts';
import { type Analysis, inferenceSentence, type RunResult, type Study, type TaskFacts } from '../studies/index.ts';
import {
  count,
  type Page,
  percent,
  type ReportData,
  reportPage,
  scaleFiguresOf,
  score,
  shown,
  signed,
  studyOfText,
} from '../views/index.ts';

/**
 * Finished pages: a search, a scaling study, a study.
 *
 * Role: a page as one HTML file, from the components that the dashboard shows: rendered here as text, with the script that brings
 * its charts and tables to life; next to it the data that it follows from. Non-role: what a page shows (views), how it looks (pages/).
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

/** Everything that a study's page and its section of a document show. */
export interface StudyReport {
  readonly name: string;
  readonly study: Study;
  /** Text of the study file. */
  readonly source: string;
  readonly tasks: readonly TaskFacts[];
  readonly results: readonly RunResult[];
  readonly analysis: Analysis;
  readonly airaVersion: string;
  readonly machine: readonly { readonly fact: string; readonly value: string }[];
  readonly commands: readonly string[];
}

/** The results of a study as JSON, from which the dashboard and the page draw. */
export const studyJson = ({ study, tasks, results, analysis }: Omit<StudyReport, 'name'>): string =>
  `${JSON.stringify({ version: 1, study, tasks, results, analysis })}\n`;

/** Versions of the tasks, and what ran. */
const factsOf = ({ tasks, machine, airaVersion }: StudyReport) => [
  ...tasks.flatMap(({ label, versions }) =>
    Object.entries(versions).map(([fact, value]) => ({ fact: `${label}, ${fact}`, value })),
  ),
  { fact: 'Aira', value: airaVersion },
  ...machine,
];

/** A study as one HTML file. @throws PrerequisiteError `pages-not-built` */
export const studyHtml = (report: StudyReport): Promise<string> =>
  pageHtml({
    kind: 'study',
    title: `${report.name}: Aira study`,
    study: studyOfText(report.name, studyJson(report)),
    provenance: {
      facts: factsOf(report),
      commands: report.commands,
      files: [{ title: 'Study file', text: report.source }],
    },
  });

const cell = (text: string): string => text.replaceAll('|', '\\|');
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');

/** A study's results for a document: sentences, arms, comparisons and provenance. */
export function studyMarkdown(report: StudyReport): string {
  const { study, analysis, tasks, results } = report;
  const arms = analysis.arms.toSorted((a, b) => b.middle - a.middle);
  const evaluations = results.reduce((sum, run) => sum + run.evaluated + run.failed, 0);
  return [
    `**${study.question}** ${count(study.arms.length)} arms x ${count(study.seeds)} paired seeds x ${count(study.budget.evaluations)} evaluations on ${tasks.map(({ label }) => label).join(', ')}; ${count(results.length)} runs, ${count(evaluations)} evaluations.`,
    '',
    ...analysis.comparisons.map(({ sentence }) => `- ${sentence}`),
    ...analysis.spending.map((sentence) => `- ${sentence}`),
    ...analysis.cautions.map((caution) => `- ${caution}`),
    '',
    inferenceSentence(analysis.inference.unit, analysis.inference.units),
    '',
    table(
      ['arm', 'interquartile mean', '95 % interval', 'mean', 'normalised', 'candidates', 'valid', 'Elo'],
      arms.map((arm) => [
        arm.name,
        score(arm.middle),
        `${score(arm.interval.low)} … ${score(arm.interval.high)}`,
        score(arm.mean),
        arm.normalised === null ? '–' : arm.normalised.toFixed(3),
        count(arm.candidates),
        percent(arm.validRate),
        arm.elo.rating === null ? '–' : arm.elo.rating.toFixed(0),
      ]),
    ),
    '',
    table(
      [
        'comparison',
        'verdict',
        'difference',
        '95 % interval',
        'p, corrected',
        'minimum detectable effect',
        'effect size (SD)',
        'win rate',
      ],
      analysis.comparisons.map(({ arms: [one, other], ...comparison }) => [
        `${one} against ${other}`,
        comparison.verdict,
        signed(comparison.effect),
        `${signed(comparison.interval.low)} … ${signed(comparison.interval.high)}`,
        comparison.adjusted < 0.0001 ? '< 0.0001' : comparison.adjusted.toPrecision(2),
        comparison.detectable === null ? '–' : score(comparison.detectable),
        comparison.standardised === null ? '–' : comparison.standardised.toFixed(2),
        percent(comparison.ahead),
      ]),
    ),
    '',
    ...tasks.flatMap((task) =>
      Object.entries(task.versions).map(([fact, value]) => `- ${task.label}, ${fact}: ${value}`),
    ),
    ...report.machine.map(({ fact, value }) => `- ${fact}: ${value}`),
    `- Aira ${report.airaVersion}; produced by \`${report.commands[0] ?? ''}\``,
    '',
  ].join('\n');
}
