import { px } from '../charts/scale.ts';
import { score } from '../format.ts';
import { html, type Markup } from '../markup.ts';
import { lanesOf } from './lanes.ts';
import type { AgentStory, Step } from './story.ts';

const frame = { left: 16, right: 16, top: 16, bottom: 26, row: 26, least: 16, most: 44, width: 1000 } as const;
/** Radii in pixels, of the worst and of the best score. */
const radius = { worst: 3.5, best: 9, none: 4.5 } as const;

/** Which operator it is, as a class; each has a letter beside its colour. */
export const operatorMark: Readonly<Record<string, { readonly className: string; readonly letter: string }>> = {
  draft: { className: 'op-draft', letter: 'D' },
  improve: { className: 'op-improve', letter: 'I' },
  crossover: { className: 'op-crossover', letter: 'X' },
  debug: { className: 'op-debug', letter: 'B' },
};

interface Placed {
  readonly step: Step;
  readonly x: number;
  readonly y: number;
  readonly r: number;
}

function titleOf({ node, operator, short, measured, status, reason }: Step): string {
  const outcome =
    measured.screen === null ? `${status}${reason && reason !== status ? `: ${reason}` : ''}` : score(measured.screen);
  return `${node}, ${operator}: ${short}, ${outcome}`;
}

function edge(from: Placed, to: Placed, className: string): Markup {
  // Down or up within half a column beside the parent, then straight.
  const turn = Math.min(from.x + 14, (from.x + to.x) / 2);
  const d =
    from.y === to.y
      ? `M${px(from.x)} ${px(from.y)}H${px(to.x)}`
      : `M${px(from.x)} ${px(from.y)}C${px(turn)} ${px(from.y)} ${px(from.x)} ${px(to.y)} ${px(turn + 6)} ${px(to.y)}H${px(to.x)}`;
  return html`<path class="${className}" d="${d}"/>`;
}

function mark({ step, x, y, r }: Placed, isBest: boolean): Markup {
  const { className } = operatorMark[step.operator] ?? { className: '' };
  const scored = step.measured.screen !== null;
  const shape = `node ${className}${scored ? '' : step.status === 'pending' ? ' open' : ' lost'}`;
  return html`<g><title>${titleOf(step)}</title>${isBest ? html`<circle class="halo" cx="${px(x)}" cy="${px(y)}" r="${px(r + 4)}"/>` : null}<circle class="${shape}" cx="${px(x)}" cy="${px(y)}" r="${px(r)}"/></g>`;
}

/**
 * The tree of one agent: attempts from left to right, a child in the row of its parent or beside it. Larger is better;
 * colour says the operator; dashed circles gave no score; the best is ringed. Second parents, and parents that other agents
 * made, are thin lines.
 */
export function treeChart({ agent, steps }: AgentStory, lowerIsBetter: boolean): Markup {
  const own = new Set(steps.map(({ node }) => node));
  const lanes = lanesOf(
    steps.map(({ node, ordinal, parents: [first] }) => ({
      ...{ id: node, at: ordinal, parent: first && own.has(first.node) ? first.node : null },
    })),
  );
  const count = Math.max(1, steps.at(-1)?.ordinal ?? 1);
  const column = Math.max(frame.least, Math.min(frame.most, (frame.width - frame.left - frame.right) / count));
  const width = Math.max(320, frame.left + frame.right + column * count);
  const rows = Math.max(1, ...[...lanes.values()].map((lane) => lane + 1));
  const height = frame.top + frame.bottom + rows * frame.row;
  const scores = steps.flatMap(({ measured: { screen } }) =>
    screen === null ? [] : [lowerIsBetter ? -screen : screen],
  );
  const ranks = [...new Set(scores)].sort((a, b) => a - b);
  const size = ({ measured: { screen } }: Step) => {
    if (screen === null) return radius.none;
    const rank = ranks.indexOf(lowerIsBetter ? -screen : screen) / Math.max(1, ranks.length - 1);
    return radius.worst + (ranks.length === 1 ? 1 : rank) * (radius.best - radius.worst);
  };
  const placed = new Map<string, Placed>(
    steps.map((step) => [
      step.node,
      {
        step,
        x: frame.left + column * (step.ordinal - 0.5),
        y: frame.top + frame.row * ((lanes.get(step.node) ?? 0) + 0.5),
        r: size(step),
      },
    ]),
  );
  const best = steps.reduce<Step | null>((top, step) => {
    const value = step.measured.screen;
    if (value === null) return top;
    const lead = top?.measured.screen ?? null;
    return lead === null || (lowerIsBetter ? value < lead : value > lead) ? step : top;
  }, null);
  const edges = [...placed.values()].flatMap((to) =>
    to.step.parents.flatMap(({ node }, position) => {
      const from = placed.get(node);
      return from ? [edge(from, to, position === 0 ? 'branch' : 'branch second')] : [];
    }),
  );
  const every = Math.max(1, Math.ceil(count / 20 / 5) * 5);
  const ticks = Array.from({ length: Math.floor(count / every) }, (_, index) => (index + 1) * every);
  const label = `Tree of ${agent}: ${steps.length} attempts in ${rows} rows`;
  return html`<div class="scroll"><svg class="tree" viewBox="0 0 ${px(width)} ${height}" width="${px(width)}" height="${height}" role="img" aria-label="${label}">
${[1, ...ticks.filter((tick) => tick > 1)].map((tick) => {
  const x = px(frame.left + column * (tick - 0.5));
  return html`<line class="grid" x1="${x}" x2="${x}" y1="${frame.top - 6}" y2="${height - frame.bottom + 4}"/><text class="tick" x="${x}" y="${height - 8}" text-anchor="middle">${tick}</text>`;
})}
${edges}
${[...placed.values()].map((each) => mark(each, each.step === best))}
</svg></div>`;
}
