import { ascending, descending, extent, greatest, nice } from 'd3-array';
import { parseProgram } from '../../../domain/program.ts';
import { metricValue } from '../../../domain/task.ts';
import { hunksOf } from '../../../platform/index.ts';
import { type Noise, summarise } from '../../../statistics/index.ts';
import type { Block, Section, Series, Text } from '../../page.ts';
import { candidateCell, candidateHead, type MetricDirection, metric, score, shortened } from '../../texts.ts';
import { floorsText } from '../claims.ts';
import type { ReportData, ReportNode } from '../data.ts';
import { type Basis, basisName, type Findings, isProposal, meanOn, nodeName, scoresOn } from '../findings.ts';

/** Who is best on each rung, how the agents got there, and what the best programs changed. */

/** Rows shown per rung; the archive has all. */
export const maxRows = 20;

/** Fitness at the ends of an axis. */
export type Axis = readonly [number, number];

/** Standard error of the mean of n trainings, from the pooled noise. */
const standardError = (noise: Noise | null, n: number): number | null => (noise ? noise.sd / Math.sqrt(n) : null);

/** Mean, error and seeds of a node on a basis: three table cells. */
export function scoreCells(
  node: ReportNode,
  basis: Basis,
  noise: Noise | null,
  axis: Axis,
  direction: MetricDirection,
): Text[] {
  const scores = scoresOn(node, basis);
  const summary = summarise(scores);
  if (!summary) return ['–', '', ''];
  const error = standardError(noise, summary.n);
  const attempts = node.attempts[basis === 'test' ? 'final' : basis];
  const seeds = scores.map((each) => each.score);
  return [
    [
      metric(summary.mean, direction),
      ...(error === null ? [] : [{ text: ` ± ${score(error)}`, as: 'small' } as const]),
    ],
    attempts > summary.n ? [String(summary.n), { text: ` ${attempts} attempts`, as: 'small' }] : String(summary.n),
    { whisker: { mean: summary.mean, reach: error, seeds, axis } },
  ];
}

/** One axis for all scores of the nodes on a basis, including error bars, rounded outwards. */
export function sharedAxis(nodes: readonly ReportNode[], basis: Basis, noise: Noise | null): Axis {
  const values = nodes.flatMap((node) => {
    const scores = scoresOn(node, basis).map((each) => each.score);
    const centre = meanOn(node, basis);
    const error = standardError(noise, scores.length);
    return centre === null ? [] : [...scores, ...(error === null ? [] : [centre - error, centre + error])];
  });
  const [low = 0, high = 1] = extent(values.filter(Number.isFinite));
  // Equal values get a margin, so that they stand in the middle.
  const margin = high - low < 1e-9 ? Math.max(Math.abs(low) * 0.05, 0.01) : 0;
  return nice(low - margin, high + margin, 20) as [number, number];
}

/** A column of whiskers, with the metric at the ends of its axis. */
export const axisColumn = (head: string, [low, high]: Axis, { lowerIsBetter }: MetricDirection) => ({
  head,
  ends: [metricValue(low, lowerIsBetter).toFixed(2), metricValue(high, lowerIsBetter).toFixed(2)] as const,
});

/** Name of a node over its origin. */
export function nameCell(node: ReportNode): Text {
  const source = isProposal(node) ? `${node.agent}, ${node.origin}` : node.origin;
  return [
    { node: node.id, text: nodeName(node) },
    { text: source, as: 'below' },
  ];
}

function rungTable(data: ReportData, basis: 'final' | 'confirm' | 'screen', findings: Findings): Block {
  const { nodes, search } = data;
  const noise = findings.noise[basis];
  const ranked = nodes
    .filter((node) => scoresOn(node, basis).length > 0)
    .toSorted((a, b) => descending(meanOn(a, basis) as number, meanOn(b, basis) as number));
  const visible = ranked.slice(0, maxRows);
  const axis = sharedAxis(visible, basis, noise);
  const floors = floorsText(data, basis);
  return {
    block: 'table',
    columns: [
      { head: '#', kind: 'number' },
      { head: 'node', kind: 'name' },
      { head: candidateHead(search.space), kind: 'text' },
      { head: 'mean', kind: 'number' },
      { head: 'seeds', kind: 'number' },
      axisColumn('score', axis, search),
    ],
    rows: [
      { group: basisName[basis] },
      ...(floors === null ? [] : [{ group: `floors: ${floors}` }]),
      ...visible.map((node, index) => [
        String(index + 1),
        nameCell(node),
        candidateCell(node, search.primitives),
        ...scoreCells(node, basis, noise, axis, search),
      ]),
      ...(ranked.length > visible.length ? [{ group: `and ${ranked.length - visible.length} more` }] : []),
    ],
  };
}

/** Scores on the rungs whose ranking is meaningful. */
export function leaderboardSection(data: ReportData, findings: Findings): Section {
  const reached = (basis: Basis) => data.nodes.some((node) => scoresOn(node, basis).length > 0);
  const upper = (['final', 'confirm'] as const).filter(reached);
  const of = (blocks: readonly Block[]): Section => ({ id: 'leaderboard', title: 'Leaderboard', blocks });
  if (upper.length > 0) {
    return of([
      ...upper.map((basis) => rungTable(data, basis, findings)),
      {
        block: 'text',
        as: 'note',
        text: 'Dot: mean. Bar: ± 1 standard error, from the noise between seeds pooled over all candidates of the rung. Ticks: single seeds. Where bars overlap, the order is not established; see the comparisons below.',
      },
    ]);
  }
  if (!reached('screen')) return of([{ block: 'text', text: 'No node has a score.' }]);
  return of([
    {
      block: 'text',
      text: 'No node reached an upper rung. These are screening scores from one cheap training each: candidates to inspect, not a ranking.',
    },
    rungTable(data, 'screen', findings),
  ]);
}

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

/** Programs whose diff is shown. */
const maxPrograms = 4;
/** Lines per diff; a rewritten program is read in the archive. */
const maxDiffLines = 160;

function files(node: ReportNode): Readonly<Record<string, string>> | null {
  try {
    return parseProgram(node.candidate);
  } catch {
    return null;
  }
}

/** Changed lines with three lines of context, one block per file. */
function diff(before: ReportNode, after: ReportNode): Block[] {
  const [old, now] = [files(before), files(after)];
  if (!old || !now) return [];
  return Object.keys(now).flatMap((name): Block[] => {
    const hunks = hunksOf(name, old[name] ?? '', now[name] ?? '', 3);
    const lines = hunks.flatMap(({ oldStart, newStart, lines: own }) => [`@ ${oldStart} to ${newStart}`, ...own]);
    if (lines.length === 0) return [];
    return [
      { block: 'diff', name, lines: lines.slice(0, maxDiffLines), more: Math.max(0, lines.length - maxDiffLines) },
    ];
  });
}

/** What the best programs changed relative to their parents, or to the baseline for drafts. */
export function codeSection(data: ReportData, findings: Findings): Section {
  const byId = new Map(data.nodes.map((node) => [node.id, node]));
  const [baseline] = findings.references;
  const score = (node: ReportNode) => meanOn(node, 'final') ?? meanOn(node, 'confirm') ?? meanOn(node, 'screen');
  const rank = (node: ReportNode) => [meanOn(node, 'final'), meanOn(node, 'confirm'), meanOn(node, 'screen')];
  const best = data.nodes
    .filter((node) => isProposal(node) && score(node) !== null)
    .toSorted((a, b) => {
      // Scores of a higher rung take precedence.
      const [one, two] = [rank(a), rank(b)];
      const rung = one.findIndex((value, index) => value !== null || two[index] !== null);
      return descending(one[rung] ?? Number.NEGATIVE_INFINITY, two[rung] ?? Number.NEGATIVE_INFINITY);
    })
    .slice(0, maxPrograms);
  if (best.length === 0) {
    return { id: 'code', title: 'Code', blocks: [{ block: 'text', text: 'No program has a score.' }] };
  }
  const programs = best.flatMap((node): Block[] => {
    const parent = (node.parents[0] === undefined ? undefined : byId.get(node.parents[0])) ?? baseline;
    const changes = parent ? diff(parent, node) : [];
    const with_ = parent === baseline ? 'the baseline' : `its parent ${parent?.id}`;
    return [
      {
        block: 'heading',
        text: [
          `${nodeName(node)} `,
          { text: `${metric(score(node), data.search)}, ${node.agent}, ${node.origin}`, as: 'small' },
        ],
      },
      { block: 'text', text: shortened(node.change, 400) },
      ...(parent ? [{ block: 'text', as: 'note', text: `Compared with ${with_}.` } as const] : []),
      ...(changes.length > 0 ? changes : [{ block: 'text', as: 'note', text: 'No changes.' } as const]),
    ];
  });
  return {
    id: 'code',
    title: 'Code',
    blocks: [{ block: 'text', as: 'lead', text: 'What the best programs changed.' }, ...programs],
  };
}
