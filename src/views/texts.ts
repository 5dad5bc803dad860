import {
  type Architecture,
  ArchitectureError,
  type OwnPrimitive,
  parseArchitecture,
  primitives,
  readArchitecture,
  runLengthText,
} from '../domain/architecture.ts';
import { type Space, shortCandidate } from '../domain/candidate.ts';
import { type AgentEnd, endedEarly, isLost } from '../domain/ending.ts';
import { CandidateError } from '../domain/errors.ts';
import type { ProposalCounts } from '../domain/node.ts';
import { parseProgram } from '../domain/program.ts';
import { metricValue } from '../domain/task.ts';
import { printable } from '../platform/index.ts';
import type { Candidate, LongText } from './api.ts';
import type { Text } from './page.ts';
import type { ReportBudget, ReportData, ReportNode } from './report/data.ts';
import { proposalsOf } from './report/findings.ts';

/**
 * Texts and numbers on their way to a page or a terminal. All functions are pure and independent of the locale.
 *
 * First what pages get as data: everything that agents, programs or files wrote passes through here, printable, cut at a limit, with
 * the place of the whole. Then figures and candidates in words, as reports have them.
 */

const isKnown = (value: number | null | undefined): value is number =>
  typeof value === 'number' && Number.isFinite(value);

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
export const finite = (value: number | null | undefined): number | null => (isKnown(value) ? value : null);

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

const missing = '–';
const minus = (text: string) => text.replace('-', '−');

/** A score of which more is better, or a spread of scores. */
export const score = (value: number | null | undefined): string => (isKnown(value) ? minus(value.toFixed(4)) : missing);

/** Direction of a metric. */
export interface MetricDirection {
  readonly lowerIsBetter: boolean;
}

/** Fitness as the metric. */
export const metric = (fitness: number | null | undefined, { lowerIsBetter }: MetricDirection): string =>
  score(isKnown(fitness) ? metricValue(fitness, lowerIsBetter) : fitness);

/** A difference of fitness as one of the metric, always signed. */
export const change = (difference: number, { lowerIsBetter }: MetricDirection): string =>
  signed(metricValue(difference, lowerIsBetter));

/** A difference of scores, always signed. */
export const signed = (value: number): string =>
  isKnown(value) ? `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(4)}` : missing;

export const percent = (share: number): string => (isKnown(share) ? `${(100 * share).toFixed(0)} %` : missing);

/** A relative difference, always signed, to a tenth of a percent. */
export const signedPercent = (share: number): string =>
  isKnown(share) ? `${share < 0 ? '−' : '+'}${Math.abs(100 * share).toFixed(1)} %` : missing;

/** A whole number with thousands separators. */
export const count = (value: number): string =>
  isKnown(value) ? minus(String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',')) : missing;

/** `21 of 24 proposed: 16 evaluated (2 cached), 5 rejected`; zeros are left out. */
export function proposalText(counts: ProposalCounts, limit?: number): string {
  const cached = counts.cached > 0 ? ` (${count(counts.cached)} cached)` : '';
  const parts = [
    `${count(counts.evaluated)} evaluated${cached}`,
    ...(['failed', 'rejected', 'duplicate', 'pending'] as const).flatMap((status) =>
      counts[status] > 0 ? [`${count(counts[status])} ${status}`] : [],
    ),
  ];
  return `${count(counts.proposed)}${limit === undefined ? '' : ` of ${count(limit)}`} proposed: ${parts.join(', ')}`;
}

/** A duration: seconds below two minutes, then minutes, then hours. */
export function duration(seconds: number): string {
  if (!isKnown(seconds)) return missing;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 119.5) return `${seconds.toFixed(0)} s`;
  if (seconds < 7170) return `${(seconds / 60).toFixed(1)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** What device time is, and which part of it is checks and experiments of agents instead of trainings. */
export function deviceTimeName({ rehearsalSeconds }: ReportBudget['spent']): [name: string, part: string] {
  if (rehearsalSeconds === 0) return ['training time', ''];
  return ['device time', `${duration(rehearsalSeconds)} of it in checks and experiments`];
}

export const millions = (value: number): string => minus((value / 1e6).toFixed(1));
export const billions = (value: number): string => minus((value / 1e9).toFixed(2));
export const mebibytes = (value: number): string => minus((value / 2 ** 20).toFixed(1));

/** At most `length` characters; appends the full length if the text is cut. */
export function shortened(text: string, length: number): string {
  const characters = [...text.slice(0, 2 * length + 2)];
  if (characters.length <= length && text.length <= 2 * length) return text;
  return `${characters.slice(0, length).join('')}… (${count(text.length)} characters)`;
}

const phrases: Readonly<Record<AgentEnd['code'], string>> = {
  'budget-used': 'used its budget',
  'attempts-used': 'used all its attempts',
  'money-used': 'spent its dollar budget',
  'search-closed': 'cut off by the end of the search',
  stopped: 'stopped while working',
  failed: 'failed',
  silent: 'stopped responding',
};

/** How an agent ended: `failed: 404 model not found`. Null before. */
export function agentEndText(end: AgentEnd | null): string | null {
  if (end === null) return null;
  return end.code === 'budget-used' ? phrases[end.code] : `${phrases[end.code]}: ${end.reason}`;
}

/** One sentence per agent that ended before its budget was used, lost ones first. */
export function agentEndSentences(data: Pick<ReportData, 'agents' | 'nodes'>): string[] {
  const early = data.agents.flatMap(({ end, ...agent }) =>
    end !== null && endedEarly(end) ? [{ ...agent, end }] : [],
  );
  const ordered = [...early.filter(({ end }) => isLost(end)), ...early.filter(({ end }) => !isLost(end))];
  return ordered.map(({ name, end, evaluations, spend: { dollars } }) => {
    const { proposed, rejected, duplicate } = proposalsOf(data, name);
    const used = proposed - rejected - duplicate;
    const cost = dollars > 0 ? `, $${dollars.toFixed(4)}` : '';
    return `agent ${name} ${agentEndText(end)} (${count(used)} of ${count(evaluations)} evaluations${cost})`;
  });
}

/** An architecture of built-in primitives and these, or null for any other text. */
function parseOrNull(candidate: string, own: readonly OwnPrimitive[]): Architecture | null {
  try {
    return parseArchitecture(candidate, [...primitives, ...own.map(({ token }) => token)]);
  } catch (error) {
    if (error instanceof ArchitectureError) return null;
    throw error;
  }
}

/** An architecture as cells over its runs; any other candidate as plain text. */
export function candidateMarks(candidate: string, own: readonly OwnPrimitive[]): Text {
  const architecture = parseOrNull(candidate, own);
  return architecture
    ? { stack: runLengthText(architecture), runs: true }
    : { text: shortened(candidate, 200), as: 'code' };
}

/** Column head for candidates. */
export const candidateHead = (space: Space): string => (space.kind === 'stack' ? 'architecture' : 'program');

/** A candidate in a table cell: the cells of an architecture; for a program its change, since the code is too long. */
export function candidateCell(node: ReportNode, own: readonly OwnPrimitive[]): Text {
  if (!node.candidate.startsWith('{')) return candidateMarks(node.candidate, own);
  return [
    { text: shortCandidate(node.candidate), as: 'code' },
    ...(node.unsafe ? [' ', { text: 'without sandbox', as: 'bad' } as const] : []),
    { text: shortened(node.change, 160), as: 'below' },
  ];
}

/** A candidate in one line of text. */
export function candidateText(candidate: string, own: readonly OwnPrimitive[]): string {
  const architecture = parseOrNull(candidate, own);
  if (architecture) return runLengthText(architecture);
  return candidate.startsWith('{') ? shortCandidate(candidate) : shortened(candidate, 60);
}
