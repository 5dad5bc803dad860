import type { Rung } from '../../domain/task.ts';
import { agreementSentence } from '../../statistics/rankCorrelation.ts';
import { type ScatterPoint, scatter } from '../charts/scatter.ts';
import type { ReportData } from '../data.ts';
import { type Findings, meanOn, nodeName } from '../findings.ts';
import { html, type Markup } from '../markup.ts';
import { section } from '../table.ts';

function pointsOf(data: ReportData, lower: Rung, upper: Rung): ScatterPoint[] {
  return data.nodes.flatMap((node) => {
    const x = meanOn(node, lower);
    const y = meanOn(node, upper);
    if (x === null || y === null) return [];
    const kind = node.origin === 'reference' || node.origin === 'aggregate' ? node.origin : 'proposal';
    return [{ name: nodeName(node), x, y, kind } as const];
  });
}

const note = html`<p class="note">Of the proposals only the best are promoted, and within so narrow a range noise weighs more: the figures tend to understate how well a rung orders all candidates. Circles: proposals; squares: references; diamond: aggregate.</p>`;

/** Whether the cheap rungs order candidates as the dear ones do, which is what a search on cheap rungs relies on. */
export function rungSection(data: ReportData, findings: Findings): Markup {
  const steps = [
    { lower: 'screen', upper: 'confirm', agreement: findings.screenToConfirm },
    { lower: 'screen', upper: 'final', agreement: findings.screenToFinal },
  ] as const;
  return section(
    'rungs',
    'Agreement of the rungs',
    html`<div class="pair">${steps.map(({ lower, upper, agreement }) => {
      const points = pointsOf(data, lower, upper);
      return html`<figure>${points.length > 0 ? scatter(points, lower, upper, data.search) : null}<figcaption>${agreementSentence(agreement, lower, upper)}</figcaption></figure>`;
    })}</div>
${steps.some(({ agreement }) => agreement.n > 0) ? note : null}`,
  );
}
