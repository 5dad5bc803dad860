import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../../platform/index.ts';
import { analyseScale, type ScaleAnalysis, type ScaleQuestion } from '../../scale/index.ts';
import { type ScaleReport, scaleHtml } from './page.ts';

/** Everything of the page but its analysis, and where it goes. */
export interface ScaleReportOptions extends ScaleQuestion, Omit<ScaleReport, 'analysis'> {
  /** Made if missing; gets `scale.html` and `scale.json`. */
  readonly folder: string;
}

/**
 * Analyses the outcomes of a plan and writes `scale.html`, and `scale.json` with the observations that every figure of the
 * page follows from.
 *
 * @throws TerminalError `scale-observations` if the reference has no outcome.
 */
export function writeScaleReport(options: ScaleReportOptions): {
  readonly path: string;
  readonly analysis: ScaleAnalysis;
} {
  const { folder, observations, reference, proxies, ...page } = options;
  const analysis = analyseScale({ observations, reference, ...(proxies && { proxies }) });
  makeFolder(folder);
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    // Renamed into place, so that a reader never sees half a file.
    writeFileSync(`${path}.part`, text);
    renameSync(`${path}.part`, path);
    return path;
  };
  write('scale.json', `${JSON.stringify({ version: 1, name: page.name, reference, observations }, null, 1)}\n`);
  return { path: write('scale.html', scaleHtml({ ...page, analysis })), analysis };
}
