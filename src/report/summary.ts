import pc from 'picocolors';
import { printable } from '../platform/printable.ts';
import { candidateText } from './candidate.ts';
import type { ReportData, ReportNode } from './data.ts';
import { basisName, bestScreened, findingsOf, isProposal, meanOn, nodeName } from './findings.ts';
import { count, duration, metric, shortened } from './format.ts';
import { unfinished, verdict } from './sentences.ts';

type Colours = ReturnType<typeof pc.createColors>;

/** One line, whatever was in it. */
const line = (text: string): string => printable(text);

const isScreenOnly = (node: ReportNode): boolean => meanOn(node, 'confirm') === null && meanOn(node, 'final') === null;

/**
 * The end of a search in at most fifteen lines.
 *
 * @param report where the full report lies, as the user would open it.
 * @param colours from picocolors; plain text where it is `createColors(false)`.
 */
export function summary(data: ReportData, report: string, colours: Colours = pc): string {
  const findings = findingsOf(data);
  const proposals = data.nodes.filter(isProposal);
  const of = (status: string) => proposals.filter((node) => node.status === status).length;
  const { spent, saved } = data.budget;
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
    line(
      `${count(proposals.length)} proposed, ${count(of('evaluated'))} evaluated, ${count(of('failed'))} failed, ` +
        `${count(saved.evaluations)} evaluations saved`,
    ),
    line(`${duration(spent.minutes * 60)} wall time, ${duration(spent.deviceSeconds)} of training`),
    `report: ${shortened(line(report), 300)}`,
  ].join('\n');
}
