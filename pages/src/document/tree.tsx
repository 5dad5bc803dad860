import type { Tree } from '../../../src/views/page.ts';

/**
 * The attempts of one agent from left to right, a child in its parent's row or another one. Size shows the score, colour the
 * operator; dashed circles have no score; the best is ringed. Thin lines lead from second parents.
 */
const left = 16;
const row = 26;
const top = 16;
const bottom = 26;
const worst = 3.5;
const best = 9;

const px = (value: number): number => Number(value.toFixed(2));

export function TreeChart({ tree: { label, nodes } }: { tree: Tree }) {
  const count = Math.max(1, nodes.at(-1)?.at ?? 1);
  const column = Math.max(16, Math.min(44, (1000 - 2 * left) / count));
  const width = px(Math.max(320, 2 * left + column * count));
  const height = top + bottom + row * Math.max(1, ...nodes.map(({ lane }) => lane + 1));
  const placed = nodes.map((node) => ({
    ...node,
    x: px(left + column * (node.at - 0.5)),
    y: top + row * (node.lane + 0.5),
    r: px(node.size === null ? 4.5 : worst + node.size * (best - worst)),
  }));
  const every = Math.max(1, Math.ceil(count / 20 / 5) * 5);
  const ticks = Array.from({ length: Math.floor(count / every) }, (_, index) => (index + 1) * every);
  return (
    <div class="scroll">
      <svg
        class="steps-tree"
        viewBox={`0 0 ${width} ${height}`}
        width={width}
        height={height}
        role="img"
        aria-label={label}
      >
        <title>{label}</title>
        {[1, ...ticks.filter((tick) => tick > 1)].map((tick) => {
          const x = px(left + column * (tick - 0.5));
          return (
            <g key={tick}>
              <line class="rule" x1={x} x2={x} y1={top - 6} y2={height - bottom + 4} />
              <text class="tick" x={x} y={height - 8} text-anchor="middle" font-size={11}>
                {tick}
              </text>
            </g>
          );
        })}
        {placed.flatMap((to, at) =>
          to.parents.map((parent, position) => {
            const from = placed[parent];
            if (!from) return null;
            const turn = px(Math.min(from.x + 14, (from.x + to.x) / 2));
            const path =
              from.y === to.y
                ? `M${from.x} ${from.y}H${to.x}`
                : `M${from.x} ${from.y}C${turn} ${from.y} ${from.x} ${to.y} ${px(turn + 6)} ${to.y}H${to.x}`;
            return <path key={`${at}-${parent}`} class={position === 0 ? 'branch' : 'branch second'} d={path} />;
          }),
        )}
        {placed.map(({ title, x, y, r, mark, size, pending, best: isBest }) => (
          <g key={title}>
            <title>{title}</title>
            {isBest && <circle class="halo" cx={x} cy={y} r={px(r + 4)} />}
            <circle
              class={`node op-${mark}${size === null ? (pending ? ' open' : ' lost') : ''}`}
              cx={x}
              cy={y}
              r={r}
            />
          </g>
        ))}
      </svg>
    </div>
  );
}
