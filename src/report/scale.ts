import { join } from 'node:path';
import { analyseScale, type ScaleAnalysis, type ScaleQuestion, type ZeroShotResult } from '../scale/index.ts';
import { scaleFiguresOf } from '../views/index.ts';
import { pageHtml, writeWhole } from './document.ts';

/** Everything that the page of a plan shows. */
export interface ScaleReport {
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
export interface ScaleReportOptions extends ScaleQuestion, Omit<ScaleReport, 'analysis'> {
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
