import { ascending, greatest } from 'd3-array';
import { metricValue } from '../../../domain/task.ts';
import type { Section, Series } from '../../page.ts';
import { metric } from '../../texts.ts';
import type { ReportData } from '../data.ts';
import { type Findings, isProposal, meanOn, nodeName } from '../findings.ts';

/** Further lines are drawn without colour and name, behind the best ones. */
const maxNamed = 10;

function runningBest(scores: readonly number[]): number[] {
  let best = Number.NEGATIVE_INFINITY;
  return scores.map((value) => {
    best = Math.max(best, value);
    return best;
  });
}

/**
 * Best screening score so far per agent against its own evaluations: agents are compared at equal effort, whatever the speed of
 * their workers.
 */
export function progressSection(data: ReportData, findings: Findings): Section {
  const { search } = data;
  const lines = data.agents
    .map(({ name }, style) => {
      const scores = data.nodes
        .filter((node) => node.agent === name && isProposal(node) && node.finishedAt !== null)
        .toSorted((a, b) => ascending(a.finishedAt as number, b.finishedAt as number) || a.ordinal - b.ordinal)
        .flatMap((node) => meanOn(node, 'screen') ?? []);
      return { name, style, best: runningBest(scores) };
    })
    .filter(({ best }) => best.length > 0)
    .sort((a, b) => (b.best.at(-1) as number) - (a.best.at(-1) as number));
  const [leader] = lines;
  if (!leader) {
    return {
      id: 'progress',
      title: 'Progress',
      blocks: [{ block: 'text', text: 'No agent has a screening score yet.' }],
    };
  }
  const references = findings.references.flatMap((node) => {
    const level = meanOn(node, 'screen');
    return level === null ? [] : [{ name: nodeName(node), score: level }];
  });
  const reference = greatest(references, (a, b) => ascending(a.score, b.score));
  const value = (fitness: number) => metricValue(fitness, search.lowerIsBetter);
  // Only where a line changes, and its end: 10^5 nodes give a few hundred places.
  const places = (best: readonly number[]) =>
    best.flatMap((each, at) =>
      at === 0 || each !== best[at - 1] || at === best.length - 1 ? [{ x: at + 1, y: value(each) }] : [],
    );
  const series = lines.map(
    ({ name, style, best }, rank): Series => ({
      ...{ name, style, marks: places(best), as: 'stairs' },
      ...(rank >= maxNamed && { faint: true }),
    }),
  );
  const unnamed = Math.max(0, lines.length - maxNamed);
  return {
    id: 'progress',
    title: 'Progress',
    blocks: [
      {
        block: 'chart',
        // What is first is drawn behind the others.
        series: [...series.slice(maxNamed), ...series.slice(0, maxNamed)],
        levels: reference ? [{ name: reference.name, value: value(reference.score) }] : [],
        x: "the agent's own evaluations",
        y: `best ${search.metric} so far`,
        whole: true,
        summary: `Best score so far by agent; ${leader.name} leads with ${metric(leader.best.at(-1) as number, search)}.`,
      },
      {
        block: 'text',
        as: 'note',
        text: `Screen rung, one training each: the best of many noisy scores is optimistically biased, so no claim rests on this chart.${
          reference ? ` The dotted line is ${reference.name}, the best reference on the same rung.` : ''
        }${unnamed > 0 ? ` ${unnamed} more agents are drawn thin and grey; see the agents table.` : ''}`,
      },
    ],
  };
}
