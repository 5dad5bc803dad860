import { type AgentEnd, endedEarly, isLost } from '../domain/ending.ts';
import type { ReportData } from './data.ts';
import { proposalsOf } from './findings.ts';
import { count } from './format.ts';

const phrases: Readonly<Record<AgentEnd['code'], string>> = {
  'budget-used': 'used its budget',
  'attempts-used': 'used up its attempts',
  'money-used': 'spent its money',
  'search-closed': 'cut off by the end of the search',
  stopped: 'stopped while it still worked',
  failed: 'failed',
  silent: 'vanished',
};

/** How one agent ended: `failed: 404 model not found`. Null while it has not. */
export function agentEndText(end: AgentEnd | null): string | null {
  if (end === null) return null;
  return end.code === 'budget-used' ? phrases[end.code] : `${phrases[end.code]}: ${end.reason}`;
}

/** One sentence for each agent that ended before its budget was used, lost ones first; none where all went well. */
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
