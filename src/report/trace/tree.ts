import { operators } from '../../domain/node.ts';
import { type AgentStory, count, type Step, score, signed } from '../../views/index.ts';
import { framed, px, scale } from '../charts/scale.ts';
import { html, type Markup, table } from '../markup.ts';

const frame = { left: 16, right: 16, top: 16, bottom: 26, row: 26, least: 16, most: 44, width: 1000 } as const;
/** Radii in pixels, of the worst and of the best score. */
const radius = { worst: 3.5, best: 9, none: 4.5 } as const;

/** Class and letter of each operator. */
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
  // Curve within half a column next to the parent, then straight.
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
 * The tree of one agent: attempts from left to right, a child in its parent's row or another one. Dot size shows the
 * score, colour the operator; dashed circles have no score; the best is ringed. Thin lines lead from second parents and
 * from parents of other agents.
 */
export function treeChart({ agent, steps }: AgentStory, lowerIsBetter: boolean): Markup {
  const own = new Set(steps.map(({ node }) => node));
  const lanes = lanesOf(
    steps.map(({ node, ordinal, parents: [first] }) => ({
      id: node,
      at: ordinal,
      parent: first && own.has(first.node) ? first.node : null,
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

/** A node of a tree. */
export interface TreeEntry {
  readonly id: string;
  /** Position in time, from 1; unique. */
  readonly at: number;
  /** Null for a root, or if the parent belongs to another tree. */
  readonly parent: string | null;
}

/**
 * Rows for a tree whose columns are times, drawn like a version log: a node shares its parent's row if it is the heir, the
 * child with the most descendants; every other child takes the nearest free row. A row is free if nothing is drawn in it
 * between the branch's first and last node, so drafts without children share rows.
 */
export function lanesOf(nodes: readonly TreeEntry[]): Map<string, number> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const children = new Map<string, TreeEntry[]>();
  for (const node of nodes) {
    if (node.parent !== null && byId.has(node.parent)) {
      children.set(node.parent, [...(children.get(node.parent) ?? []), node]);
    }
  }
  const weight = new Map<string, number>();
  for (const { id } of [...nodes].sort((a, b) => b.at - a.at)) {
    weight.set(id, 1 + (children.get(id) ?? []).reduce((sum, child) => sum + (weight.get(child.id) ?? 1), 0));
  }
  const heirOf = (id: string) =>
    (children.get(id) ?? []).reduce<TreeEntry | null>(
      (best, child) => (best === null || (weight.get(child.id) ?? 0) > (weight.get(best.id) ?? 0) ? child : best),
      null,
    );
  const isHeir = (node: TreeEntry) =>
    node.parent !== null && byId.has(node.parent) && heirOf(node.parent)?.id === node.id;

  const lanes = new Map<string, number>();
  const busy: { from: number; to: number }[][] = [];
  for (const start of nodes.filter((node) => !isHeir(node)).sort((a, b) => a.at - b.at)) {
    const chain = [start];
    for (let next = heirOf(start.id); next; next = heirOf(next.id)) chain.push(next);
    // A branch starts at its parent; its line must not cross nodes of another row.
    const origin = start.parent === null ? undefined : byId.get(start.parent);
    const span = { from: origin ? origin.at + 0.5 : start.at, to: (chain.at(-1) ?? start).at };
    const near = origin ? (lanes.get(origin.id) ?? 0) : 0;
    const order = [...busy.keys(), busy.length].sort((a, b) => Math.abs(a - near) - Math.abs(b - near) || a - b);
    const isFree = (lane: number) => (busy[lane] ?? []).every(({ from, to }) => to < span.from || from > span.to);
    const lane = order.find(isFree) ?? busy.length;
    busy[lane] = [...(busy[lane] ?? []), span];
    for (const { id } of chain) lanes.set(id, lane);
  }
  return lanes;
}

const bar = { width: 110, height: 12 } as const;

/** Uses of each operator, and how many of its children beat the parent (dark part of the bar). */
export function operatorTable({ steps }: AgentStory): Markup {
  const rowsByOperator = operators
    .map((operator) => ({ operator, own: steps.filter((step) => step.operator === operator) }))
    .filter(({ own }) => own.length > 0);
  const most = Math.max(...rowsByOperator.map(({ own }) => own.length));
  const width = (n: number) => px((bar.width * n) / most);
  const rows = rowsByOperator.map(({ operator, own }) => {
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
      { head: 'success rate' },
      { head: 'used', kind: 'number' },
      { head: 'scored', kind: 'number' },
      { head: 'better', kind: 'number' },
      { head: 'mean effect', kind: 'number' },
    ],
    rows,
  );
}

const frameOfOperators = { width: 480, height: 220, left: 46, right: 14, top: 34, bottom: 40 } as const;

/** Novelty of each candidate over the agent's attempts. */
export function explorationChart({ agent, steps }: AgentStory): Markup | null {
  const points = steps.flatMap((step): { step: Step; y: number }[] =>
    step.distance.nearest === null ? [] : [{ step, y: 100 * step.distance.nearest }],
  );
  if (points.length < 2) return null;
  const x = scale(
    [1, steps.at(-1)?.ordinal ?? 1],
    [frameOfOperators.left, frameOfOperators.width - frameOfOperators.right],
    6,
    true,
  );
  const y = scale(
    [0, ...points.map((point) => point.y)],
    [frameOfOperators.height - frameOfOperators.bottom, frameOfOperators.top],
    4,
  );
  const line = points.map((point, index) => `${index === 0 ? 'M' : 'L'}${px(x(point.step.ordinal))} ${px(y(point.y))}`);
  return framed(
    frameOfOperators,
    x,
    y,
    { title: `Exploration of ${agent}`, x: 'attempt', y: 'novelty: edit distance to nearest earlier candidate, %' },
    html`<path class="away" d="${line.join('')}"/>${points.map(({ step, y: value }) => {
      const { className } = operatorMark[step.operator] ?? { className: '' };
      const lost = step.measured.screen === null ? ' lost' : '';
      return html`<circle class="node ${className}${lost}" cx="${px(x(step.ordinal))}" cy="${px(y(value))}" r="4"><title>${step.node}: ${value.toFixed(0)} %</title></circle>`;
    })}`,
  );
}
