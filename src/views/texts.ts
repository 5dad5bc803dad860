import { readArchitecture } from '../domain/architecture.ts';
import { shortCandidate } from '../domain/candidate.ts';
import { CandidateError } from '../domain/errors.ts';
import { parseProgram } from '../domain/program.ts';
import { metricValue } from '../domain/task.ts';
import { printable } from '../platform/index.ts';
import type { Candidate, LongText } from './api.ts';

/**
 * Texts and numbers on their way to a page. Everything that agents, programs or files wrote passes through here: printable, cut
 * at a limit, with the place of the whole.
 */

/** UTF-16 units of a text on a page; the whole is a download. */
export const longest = { line: 400, text: 20_000, file: 200_000, error: 100_000 } as const;

/** One line for a table. */
export const line = (text: string, width: number = longest.line): string => printable(text, { width });

/** @param raw path of the whole below the API's root; null where there is none. */
export function longText(text: string, raw: string | null = null, most: number = longest.text): LongText {
  const shown = text.length > most ? text.slice(0, most) : text;
  const more = text.length - shown.length;
  return { text: printable(shown, { lines: true }), more, raw: more > 0 ? raw : null };
}

export const longTextOrNull = (text: string | null | undefined, raw: string | null = null, most?: number) =>
  text === null || text === undefined || text === '' ? null : longText(text, raw, most);

/** Every text of the data, keys included, without what a page must not contain: controls, and marks of direction. */
export function shown<Data>(data: Data): Data {
  if (typeof data === 'string') return printable(data, { lines: true }) as Data;
  if (Array.isArray(data)) return data.map(shown) as Data;
  if (typeof data !== 'object' || data === null) return data;
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [printable(key), shown(value)])) as Data;
}

/** JSON has no NaN and no infinity. */
export const finite = (value: number | null | undefined): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;

/** A fitness as the task's metric. */
export const metricOf = (fitness: number | null | undefined, lowerIsBetter: boolean): number | null => {
  const known = finite(fitness);
  return known === null ? null : metricValue(known, lowerIsBetter);
};

/** An interval of fitness as one of the metric, the lower end first. */
export function metricInterval([low, high]: readonly [number, number], lowerIsBetter: boolean) {
  const ends = [metricValue(low, lowerIsBetter), metricValue(high, lowerIsBetter)] as const;
  return { low: Math.min(...ends), high: Math.max(...ends) };
}

/** The short form of a candidate on one line. */
export const shortLine = (candidate: string, width: number = longest.line): string =>
  line(shortCandidate(candidate), width);

/** A candidate as pages show it; a text that is not one is shown as text. */
export function candidateOf(text: string, node: string): Candidate {
  const whole = `nodes/${encodeURIComponent(node)}`;
  try {
    if (text.startsWith('{')) {
      const files = Object.entries(parseProgram(text)).map(([name, content]) => ({
        name: line(name),
        ...longText(content, `raw/${whole}/files/${encodeURIComponent(name)}`, longest.file),
      }));
      return { kind: 'program', files };
    }
    const layers = [...readArchitecture(text)];
    // A rejected text of plain words reads as layers too.
    if (layers.length <= 512) {
      const canonical = longText(text, `raw/${whole}/candidate`);
      return { kind: 'stack', layers, short: shortLine(text), text: canonical };
    }
  } catch (thrown) {
    if (!(thrown instanceof CandidateError)) throw thrown;
  }
  return { kind: 'text', text: longText(text, `raw/${whole}/candidate`, longest.file) };
}
