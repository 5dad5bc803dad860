import { operators } from '../../domain/node.ts';
import { framed, px, scale } from '../charts/scale.ts';
import { count, signed } from '../format.ts';
import { html, type Markup, table } from '../markup.ts';
import type { AgentStory, Step } from './story.ts';
import { operatorMark } from './tree.ts';

const bar = { width: 110, height: 12 } as const;

/** How often each operator was used, and how often its child was better than the parent: the dark part of the bar. */
export function operatorTable({ steps }: AgentStory): Markup {
  const used = operators
    .map((operator) => ({ operator, own: steps.filter((step) => step.operator === operator) }))
    .filter(({ own }) => own.length > 0);
  const most = Math.max(...used.map(({ own }) => own.length));
  const width = (n: number) => px((bar.width * n) / most);
  const rows = used.map(({ operator, own }) => {
    const scored = own.filter(({ measured }) => measured.screen !== null);
    const compared = own.flatMap(({ effect }) => (effect === null ? [] : [effect]));
    const better = own.filter(({ improved }) => improved);
    const { className } = operatorMark[operator] ?? { className: '' };
    return [
      html`<span class="keys"><span><i class="${className}"></i>${operator}</span></span>`,
      html`<svg width="${bar.width}" height="${bar.height}" viewBox="0 0 ${bar.width} ${bar.height}" aria-hidden="true"><rect class="bar-soft" width="${width(own.length)}" height="${bar.height}"/><rect class="bar-good" width="${width(better.length)}" height="${bar.height}"/></svg>`,
      count(own.length),
      count(scored.length),
      compared.length === 0 ? '–' : `${count(better.length)} of ${count(compared.length)}`,
      compared.length === 0 ? '–' : signed(compared.reduce((sum, each) => sum + each, 0) / compared.length),
    ];
  });
  return table(
    [
      { head: 'operator', kind: 'name' },
      { head: 'better of used' },
      { head: 'used', kind: 'number' },
      { head: 'scored', kind: 'number' },
      { head: 'better', kind: 'number' },
      { head: 'mean effect', kind: 'number' },
    ],
    rows,
  );
}

const frame = { width: 480, height: 220, left: 46, right: 14, top: 34, bottom: 40 } as const;

/** How far each candidate lies from the nearest of the agent's earlier ones, over its attempts. */
export function explorationChart({ agent, steps }: AgentStory): Markup | null {
  const points = steps.flatMap((step): { step: Step; y: number }[] =>
    step.distance.nearest === null ? [] : [{ step, y: 100 * step.distance.nearest }],
  );
  if (points.length < 2) return null;
  const x = scale([1, steps.at(-1)?.ordinal ?? 1], [frame.left, frame.width - frame.right], 6, true);
  const y = scale([0, ...points.map((point) => point.y)], [frame.height - frame.bottom, frame.top], 4);
  const line = points.map((point, index) => `${index === 0 ? 'M' : 'L'}${px(x(point.step.ordinal))} ${px(y(point.y))}`);
  return framed(
    frame,
    x,
    y,
    { title: `Exploration of ${agent}`, x: 'attempt', y: 'distance from the nearest earlier candidate, %' },
    html`<path class="away" d="${line.join('')}"/>${points.map(({ step, y: value }) => {
      const { className } = operatorMark[step.operator] ?? { className: '' };
      const lost = step.measured.screen === null ? ' lost' : '';
      return html`<circle class="node ${className}${lost}" cx="${px(x(step.ordinal))}" cy="${px(y(value))}" r="4"><title>${step.node}: ${value.toFixed(0)} %</title></circle>`;
    })}`,
  );
}
