import { ascending, greatest } from 'd3-array';
import { progress } from '../charts/progress.ts';
import type { ReportData } from '../data.ts';
import { type Findings, isProposal, meanOn, nodeName } from '../findings.ts';
import { html, type Markup } from '../markup.ts';
import { section } from '../table.ts';

/** Best screening score so far, per agent. */
export function progressSection(data: ReportData, findings: Findings): Markup {
  const series = data.agents.map(({ name }) => ({
    name,
    scores: data.nodes
      .filter((node) => node.agent === name && isProposal(node) && node.finishedAt !== null)
      .toSorted((a, b) => ascending(a.finishedAt as number, b.finishedAt as number) || a.ordinal - b.ordinal)
      .flatMap((node) => meanOn(node, 'screen') ?? []),
  }));
  const known = findings.references.flatMap((node) => {
    const level = meanOn(node, 'screen');
    return level === null ? [] : [{ name: nodeName(node), score: level }];
  });
  const best = greatest(known, (a, b) => ascending(a.score, b.score)) ?? null;
  if (series.every(({ scores }) => scores.length === 0)) {
    return section('progress', 'Progress', html`<p>No agent has a screening score yet.</p>`);
  }
  const unlabelled = Math.max(0, series.filter(({ scores }) => scores.length > 0).length - 10);
  return section(
    'progress',
    'Progress',
    html`${progress(series, best, data.search)}
<p class="note">Screen rung, one training each: the best of many noisy scores is flattered by chance, so no claim rests on this picture.${
      best ? ` The level line is ${best.name}, the best reference on the same rung.` : ''
    }${unlabelled > 0 ? ` ${unlabelled} more agents are drawn thin and grey; the table of agents has their figures.` : ''}</p>`,
  );
}
