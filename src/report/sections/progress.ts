import { ascending, greatest } from 'd3-array';
import {
  type Findings,
  isProposal,
  type MetricDirection,
  meanOn,
  metric,
  nodeName,
  type ReportData,
} from '../../views/index.ts';
import { framed, metricScale, px, scale, spread } from '../charts/scale.ts';
import { html, type Markup, section } from '../markup.ts';
import { seriesStyle } from '../style.ts';

/** Best screening score so far, per agent. */
export function progressSection(data: ReportData, findings: Findings): Markup {
  const series = data.agents.map(({ name }) => ({
    name,
    scores: data.nodes
      .filter((node) => node.agent === name && isProposal(node) && node.finishedAt !== null)
      .toSorted((a, b) => ascending(a.finishedAt as number, b.finishedAt as number) || a.ordinal - b.ordinal)
      .flatMap((node) => meanOn(node, 'screen') ?? []),
  }));
  const scoredReferences = findings.references.flatMap((node) => {
    const level = meanOn(node, 'screen');
    return level === null ? [] : [{ name: nodeName(node), score: level }];
  });
  const best = greatest(scoredReferences, (a, b) => ascending(a.score, b.score)) ?? null;
  if (series.every(({ scores }) => scores.length === 0)) {
    return section('progress', 'Progress', html`<p>No agent has a screening score yet.</p>`);
  }
  const unlabelled = Math.max(0, series.filter(({ scores }) => scores.length > 0).length - 10);
  return section(
    'progress',
    'Progress',
    html`${progress(series, best, data.search)}
<p class="note">Screen rung, one training each: the best of many noisy scores is optimistically biased, so no claim rests on this chart.${
      best ? ` The dotted line is ${best.name}, the best reference on the same rung.` : ''
    }${unlabelled > 0 ? ` ${unlabelled} more agents are drawn thin and grey; see the agents table.` : ''}</p>`,
  );
}

/** Scores of one agent, in the order in which it received them. */
export interface ProgressSeries {
  readonly name: string;
  readonly scores: readonly number[];
}

const frame = { width: 760, height: 360, left: 52, right: 190, top: 34, bottom: 42 } as const;
/** Further lines are drawn without colour and label, behind the best ones. */
const maxLabelled = 10;

interface Line {
  readonly name: string;
  /** Best score after 1, 2, ... evaluations. */
  readonly best: readonly number[];
  readonly style: number;
}

function runningBest(scores: readonly number[]): number[] {
  let best = Number.NEGATIVE_INFINITY;
  return scores.map((value) => {
    best = Math.max(best, value);
    return best;
  });
}

/**
 * Best score so far against the agent's own evaluations, as steps: agents are compared at equal effort, whatever the speed
 * of their workers.
 *
 * @param reference score of a known architecture on the same rung, drawn as a horizontal line; null for none.
 */
export function progress(
  series: readonly ProgressSeries[],
  reference: { readonly name: string; readonly score: number } | null,
  direction: MetricDirection = { lowerIsBetter: false },
): Markup {
  const lines = series
    .map(({ name, scores }, style): Line => ({ name, best: runningBest(scores), style }))
    .filter(({ best }) => best.length > 0)
    .sort((a, b) => (b.best.at(-1) as number) - (a.best.at(-1) as number));
  const longest = Math.max(1, ...lines.map(({ best }) => best.length));
  const x = scale([0, longest], [frame.left, frame.width - frame.right], 8, true);
  const levels = [...lines.flatMap(({ best }) => best), ...(reference ? [reference.score] : [])];
  const y = scale(levels, [frame.height - frame.bottom, frame.top], 5);

  // Steps: a level starts at an evaluation and lasts until the next.
  const path = ({ best }: Line) =>
    best
      .map((value, index) => (index === 0 ? `M${px(x(1))} ${px(y(value))}` : `H${px(x(index + 1))}V${px(y(value))}`))
      .join('');
  const front = lines.slice(0, maxLabelled);
  const texts = [
    ...front.map((line) => ({
      text: `${line.name} ${metric(line.best.at(-1) as number, direction)}`,
      y: y(line.best.at(-1) as number),
      x: x(line.best.length),
      className: seriesStyle(line.style).className,
    })),
    ...(reference
      ? [
          {
            text: `${reference.name} ${metric(reference.score, direction)}`,
            y: y(reference.score),
            x: frame.width - frame.right,
            className: 's-reference',
          },
        ]
      : []),
  ];
  const labelLeft = frame.width - frame.right + 22;
  const places = spread(
    texts.map((text) => text.y),
    14,
    frame.top - 6,
    frame.height - frame.bottom + 4,
  );
  const short = (text: string) => (text.length > 26 ? `${text.slice(0, 16)}…${text.slice(-9)}` : text);
  return framed(
    frame,
    x,
    metricScale(y, direction),
    { title: 'best score so far by agent', x: "the agent's own evaluations", y: 'best so far' },
    [
      lines.slice(maxLabelled).map((line) => html`<path class="line behind" d="${path(line)}"/>`),
      reference
        ? html`<line class="level" x1="${frame.left}" x2="${frame.width - frame.right}" y1="${px(y(reference.score))}" y2="${px(y(reference.score))}"/>`
        : null,
      front.toReversed().map((line) => {
        const { className, dash } = seriesStyle(line.style);
        const end = line.best.at(-1) as number;
        return html`<path class="line ${className}" stroke-dasharray="${dash}" d="${path(line)}"/>
<circle class="end ${className}" cx="${px(x(line.best.length))}" cy="${px(y(end))}" r="3"/>`;
      }),
      texts.map(
        (
          { text, x: from, y: level, className },
          index,
        ) => html`<path class="leader" d="M${px(from + 4)} ${px(level)}H${px(labelLeft - 14)}L${px(labelLeft - 3)} ${px(places[index] as number)}"/>
<text class="direct ${className}" x="${labelLeft}" y="${px(places[index] as number)}" dy="0.32em">${short(text)}<title>${text}</title></text>`,
      ),
    ],
  );
}
