import pc from 'picocolors';
import { agentEndSentences } from './agentEnds.ts';
import { candidateText } from './candidate.ts';
import type { ReportData, ReportNode } from './data.ts';
import { basisName, bestScreened, findingsOf, isProposal, meanOn, nodeName, proposalsOf } from './findings.ts';
import { duration, metric, printable, proposalText, shortened } from './format.ts';
import { unfinished, verdict } from './sentences.ts';

type Colours = ReturnType<typeof pc.createColors>;

/** One line, whatever was in it. */
const line = (text: string): string => printable(text).replace(/\s+/g, ' ').trim();

const isScreenOnly = (node: ReportNode): boolean => meanOn(node, 'confirm') === null && meanOn(node, 'final') === null;

/** Agents that ended early and are named one by one. */
const mostEnds = 4;

/**
 * The end of a search in at most twenty lines.
 *
 * @param colours from picocolors; plain text where it is `createColors(false)`.
 */
export function summary(data: ReportData, colours: Colours = pc): string {
  const findings = findingsOf(data);
  const proposals = data.nodes.filter(isProposal);
  const { spent } = data.budget;
  const ends = agentEndSentences(data);
  const open = unfinished(data);

  const best = bestScreened(proposals);
  const lead = findings.lead && !isScreenOnly(findings.lead) ? findings.lead : null;
  const highlights = [
    { role: 'finalist', node: lead },
    { role: 'aggregate', node: findings.aggregate },
    { role: 'best screened', node: best === lead ? null : best },
  ].flatMap(({ role, node }) => {
    if (!node) return [];
    const basis = (['final', 'confirm', 'screen'] as const).find((each) => meanOn(node, each) !== null);
    const figure = basis ? `${metric(meanOn(node, basis), data.search)} (${basisName[basis]})` : 'no score';
    return [
      `  ${role.padEnd(15)}${line(`${nodeName(node)}  ${node.candidate.startsWith('{') ? shortened(node.change, 80) : candidateText(node.candidate)}  ${figure}`)}`,
    ];
  });
  return [
    colours.bold(line(`${data.search.id}: ${data.search.task}, ${data.search.profile}`)),
    ...verdict(data, findings).map((sentence) => line(sentence)),
    ...(open === null ? [] : [colours.yellow(line(open))]),
    ...highlights,
    line(proposalText(proposalsOf(data))),
    ...ends.slice(0, mostEnds).map((sentence) => colours.yellow(shortened(line(sentence), 200))),
    ...(ends.length > mostEnds ? [colours.yellow(`and ${ends.length - mostEnds} more agents ended early`)] : []),
    line(`${duration(spent.minutes * 60)} wall time, ${duration(spent.deviceSeconds)} of training`),
  ].join('\n');
}
