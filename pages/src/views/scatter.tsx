import { useMemo } from 'preact/hooks';
import { Filters } from '../parts/filters.tsx';
import { scoreText, short, whole } from '../parts/format.ts';
import { Empty } from '../parts/frame.tsx';
import { NodeLink } from '../parts/links.tsx';
import { LaneLegend, withPoints } from '../parts/nodes.tsx';
import { Table } from '../parts/table.tsx';
import { paretoFront, scatterLayout } from '../plane/layouts.ts';
import { Plane } from '../plane/plane.tsx';
import { passing, useFilter, useSelected } from '../state/filter.ts';
import { setQuery, usePlace } from '../state/location.ts';
import { nodeId, type Points } from '../state/points.ts';
import type { SearchView } from '../state/scope.ts';
import { NodeTip } from './nodeTip.tsx';

/** Any two figures of all nodes against each other, with the nodes that no other beats on both. */
const axes = {
  score: { name: 'screening score', log: false },
  rungScore: { name: 'score on its highest rung', log: false },
  parameters: { name: 'parameters', log: true },
  flops: { name: 'FLOPs', log: true },
  costUsd: { name: 'cost in US dollars', log: true },
  order: { name: 'order of proposal', log: false },
  minutes: { name: 'minutes since the start', log: false },
} as const;
type AxisKey = keyof typeof axes;

function column(points: Points, key: AxisKey): Float64Array {
  if (key === 'order') return Float64Array.from({ length: points.count }, (_, index) => index + 1);
  if (key === 'minutes') return points.proposedAt.map((ms) => ms / 60_000);
  return points[key];
}

const isAxis = (key: string | undefined): key is AxisKey => key !== undefined && Object.hasOwn(axes, key);

export const ScatterView = withPoints(Scatter, 14);

function Scatter({ id, path, overview, points }: SearchView & { points: Points }) {
  const { query } = usePlace();
  const { lowerIsBetter, metric } = overview.search;
  const { filter, found } = useFilter(path, points.count);
  const x: AxisKey = isAxis(query.x) ? query.x : 'parameters';
  const y: AxisKey = isAxis(query.y) ? query.y : 'score';
  const logX = query.logx ? query.logx === '1' : axes[x].log;
  const logY = query.logy ? query.logy === '1' : axes[y].log;
  const columnsXY = useMemo(() => [column(points, x), column(points, y)] as const, [points, x, y]);
  const layout = useMemo(() => scatterLayout(...columnsXY, { logX, logY }), [columnsXY, logX, logY]);
  const mask = useMemo(
    () => passing(points, filter, found.positions).map((passes) => 2 * passes),
    [points, filter, found.positions],
  );
  const selected = useSelected(points, query.node);
  const direction = (key: AxisKey) =>
    key === 'score' || key === 'rungScore' ? (lowerIsBetter ? 'down' : 'up') : 'down';
  const front = useMemo(() => {
    const only = (values: Float64Array) => values.map((value, index) => (mask[index] ? value : Number.NaN));
    return paretoFront(only(columnsXY[0]), only(columnsXY[1]), { x: direction(x), y: direction(y) });
  }, [columnsXY, mask, x, y, lowerIsBetter]);
  const placed = layout.placed.reduce((sum, each) => sum + each, 0);
  const choice = (label: string, key: 'x' | 'y', value: AxisKey, log: boolean) => (
    <label>
      {label}
      <select
        value={value}
        onChange={(event) => setQuery({ [key]: (event.currentTarget as HTMLSelectElement).value, [`log${key}`]: '' })}
      >
        {Object.entries(axes).map(([name, axis]) => (
          <option key={name} value={name}>
            {axis.name}
          </option>
        ))}
      </select>
      <button type="button" aria-pressed={log} onClick={() => setQuery({ [`log${key}`]: log ? '0' : '1' })}>
        log
      </button>
    </label>
  );
  return (
    <>
      <h2 class="hidden">Scatter</h2>
      <Filters filter={filter} points={points} count={`${whole(placed)} nodes have both values`} />
      <div class="controls">
        {choice('across', 'x', x, logX)}
        {choice('up', 'y', y, logY)}
      </div>
      {placed === 0 ? (
        <Empty title="No node has both values.">Choose other axes, or wait for the first evaluations.</Empty>
      ) : (
        <Plane
          points={points}
          layout={layout}
          visible={mask}
          edges={false}
          path={front}
          pathStyle="front"
          selected={selected}
          onSelect={(index) => setQuery({ node: index >= 0 ? nodeId(points, index) : '' })}
          tip={(index) => <NodeTip points={points} index={index} />}
          height={Math.max(340, Math.min(720, innerHeight - 340))}
          labelX={axes[x].name}
          labelY={y === 'score' ? `${metric} (screen)` : axes[y].name}
          summary={`${axes[y].name} against ${axes[x].name} of ${whole(placed)} nodes; ${front.length} lie on the front.`}
        />
      )}
      <LaneLegend lanes={points.lanes} />
      {front.length > 0 && (
        <Table
          box="scroll narrow"
          caption={`The front: no other node is better on both axes (${metric}: ${lowerIsBetter ? 'lower' : 'higher'} is better; everything else: less is better).`}
          rows={front.slice(0, 60)}
          keyOf={(index) => index}
          columns={[
            {
              head: 'node',
              names: true,
              cell: (index) => <NodeLink search={id} node={nodeId(points, index)} />,
            },
            {
              head: axes[x].name,
              number: true,
              cell: (index) => axisText(x, columnsXY[0][index] as number),
            },
            {
              head: axes[y].name,
              number: true,
              cell: (index) => axisText(y, columnsXY[1][index] as number),
            },
          ]}
        />
      )}
    </>
  );
}

const axisText = (key: AxisKey, value: number): string =>
  key === 'score' || key === 'rungScore' ? scoreText(value) : short(value);
