import { type AgentEnd, endedEarly, isLost } from '../../domain/ending.ts';
import type { ProposalCounts } from '../../domain/node.ts';
import { metricValue } from '../../domain/task.ts';
import type { ReportBudget, ReportData } from './data.ts';
import { proposalsOf } from './findings.ts';

/** Numbers and texts for people. All functions are pure and independent of the locale. */

const missing = '–';
const minus = (text: string) => text.replace('-', '−');
const isKnown = (value: number | null | undefined): value is number =>
  typeof value === 'number' && Number.isFinite(value);

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
