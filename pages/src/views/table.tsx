import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Filters } from '../parts/filters.tsx';
import { date, dollars, duration, scoreText, short, whole } from '../parts/format.ts';
import { Empty, Failure, Tag } from '../parts/frame.tsx';
import { withPoints } from '../parts/nodes.tsx';
import { layersOf, Strip } from '../parts/strip.tsx';
import { Swatch } from '../parts/swatch.tsx';
import { passing, useFilter } from '../state/filter.ts';
import { parsePlace, setQuery, usePlace } from '../state/location.ts';
import { firstOfLab, indexOfNode, nodeId, operators, type Points, rungs, statuses } from '../state/points.ts';
import { type SearchView, useScope } from '../state/scope.ts';
import { useTexts } from '../state/texts.ts';

/**
 * All nodes. Sorted and filtered here, on the columns, so that 10^5 rows answer at once; only rows on screen exist.
 * Scroll position and selection stay when nodes arrive.
 */
const rowHeight = 30;
const spare = 8;

const everyColumn = [
  { key: 'sequence', name: 'node', width: 120 },
  { key: 'agent', name: 'agent', width: 125 },
  { key: 'operator', name: 'operator', width: 86 },
  { key: 'status', name: 'status', width: 96 },
  { key: 'score', name: 'screen', width: 84, number: true },
  { key: 'rungScore', name: 'highest rung', width: 118, number: true },
  { key: 'candidate', name: 'candidate', width: 0 },
  { key: 'parameters', name: 'parameters', width: 92, number: true },
  { key: 'flops', name: 'FLOPs', width: 80, number: true },
  { key: 'costUsd', name: 'cost', width: 76, number: true },
  { key: 'proposedAt', name: 'after', width: 104, number: true },
] as const;
type ColumnKey = (typeof everyColumn)[number]['key'];
/** What a telephone has room for. */
const narrowKeys: readonly ColumnKey[] = ['sequence', 'score', 'candidate'];
const narrowScreen = '(max-width: 560px)';

/** Values to sort by; NaN goes last in either direction. */
function valuesOf(points: Points, key: ColumnKey): ArrayLike<number> {
  switch (key) {
    case 'sequence':
      return Float64Array.from({ length: points.count }, (_, index) => index);
    case 'agent': {
      const order = [...points.agents].sort();
      const rank = points.agents.map((name) => order.indexOf(name));
      return points.agent.map((agent) => rank[agent] ?? 0);
    }
    case 'candidate': {
      const order = [...points.patterns].sort();
      const rank = new Map(order.map((text, index) => [text, index]));
      const ranks = points.patterns.map((text) => rank.get(text) ?? 0);
      return points.pattern.map((pattern) => ranks[pattern] ?? -1);
    }
    case 'rungScore': {
      // Scores of different rungs do not compare: the higher rung is better, then the score.
      const better = points.lowerIsBetter ? -1e9 : 1e9;
      return points.rungScore.map((score, index) => score + better * (points.rung[index] as number));
    }
    default:
      return points[key];
  }
}

function sorted(points: Points, mask: Uint8Array, key: ColumnKey, down: boolean): Int32Array {
  const order = new Int32Array(points.count);
  let rows = 0;
  for (let index = 0; index < points.count; index++) if (mask[index]) order[rows++] = index;
  const used = order.subarray(0, rows);
  if (key === 'sequence') return down ? used.reverse() : used;
  const values = valuesOf(points, key);
  return used.sort((a, b) => {
    const x = values[a] as number;
    const y = values[b] as number;
    if (x === y) return a - b;
    if (Number.isNaN(x)) return Number.isNaN(y) ? a - b : 1;
    if (Number.isNaN(y)) return -1;
    return down ? y - x : x - y;
  });
}

export const NodesView = withPoints(NodeTable, 14);

function NodeTable({ id, path, overview, points }: SearchView & { points: Points }) {
  const { link } = useScope();
  const { query } = usePlace();
  const { lowerIsBetter, metric } = overview.search;
  const { filter, found } = useFilter(path, points.count);
  const texts = useTexts(path, id);
  const key = (everyColumn.find((column) => column.key === query.sort)?.key ?? 'sequence') as ColumnKey;
  const down = query.direction ? query.direction === 'descending' : key === 'sequence';
  const mask = useMemo(() => passing(points, filter, found.positions), [points, filter, found.positions]);
  const order = useMemo(() => sorted(points, mask, key, down), [points, mask, key, down]);
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  const [narrow, setNarrow] = useState(() => matchMedia(narrowScreen).matches);
  useEffect(() => {
    const media = matchMedia(narrowScreen);
    const update = () => setNarrow(media.matches);
    media.addEventListener('change', update);
    return () => media.removeEventListener('change', update);
  }, []);
  const columns = narrow ? everyColumn.filter((column) => narrowKeys.includes(column.key)) : everyColumn;
  const shown = query.node ?? '';

  useEffect(() => {
    const measure = () => {
      const from = box.current?.getBoundingClientRect().top ?? 200;
      setHeight(Math.max(320, innerHeight - Math.max(from + scrollY, 120) - 24));
    };
    measure();
    addEventListener('resize', measure);
    return () => removeEventListener('resize', measure);
  }, []);

  // New rows above what is on screen would push it down: the scroll position follows the first visible row.
  const anchor = useRef<{ node: number; offset: number } | null>(null);
  useEffect(() => {
    const element = box.current;
    if (!element || !anchor.current || element.scrollTop < rowHeight) return;
    const row = order.indexOf(anchor.current.node);
    if (row >= 0) element.scrollTop = row * rowHeight + anchor.current.offset;
  }, [order]);

  useEffect(() => {
    const move = (event: KeyboardEvent) => {
      if (event.target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      // From the address: a key may come before the render of the one before it.
      const selected = parsePlace(location.hash).query.node ?? '';
      const step =
        event.key === 'j' || event.key === 'ArrowDown' ? 1 : event.key === 'k' || event.key === 'ArrowUp' ? -1 : 0;
      if (
        event.key === 'Enter' &&
        selected &&
        !(event.target instanceof HTMLAnchorElement) &&
        !(event.target instanceof HTMLButtonElement)
      ) {
        location.hash = link(['searches', id, 'nodes', selected]);
        return;
      }
      if (step === 0) return;
      event.preventDefault();
      const present = selected ? order.indexOf(indexOfNode(points, selected)) : -1;
      const row = Math.min(order.length - 1, Math.max(0, present < 0 ? 0 : present + step));
      if (order[row] === undefined) return;
      setQuery({ node: nodeId(points, order[row]) });
      const element = box.current;
      if (!element) return;
      const head = rowHeight;
      if (row * rowHeight < element.scrollTop) element.scrollTop = row * rowHeight;
      else if ((row + 1) * rowHeight + head > element.scrollTop + element.clientHeight - 20) {
        element.scrollTop = (row + 1) * rowHeight + head - element.clientHeight + 20;
      }
    };
    addEventListener('keydown', move);
    return () => removeEventListener('keydown', move);
  }, [points, order, id, link]);

  if (points.count === 0) {
    return <Empty title="No proposals yet.">The first ones appear here as soon as an agent submits them.</Empty>;
  }
  const first = Math.max(0, Math.floor(top / rowHeight) - spare);
  const last = Math.min(order.length, first + Math.ceil(height / rowHeight) + 2 * spare);
  const visible = Array.from(order.subarray(first, last));
  const count =
    order.length === points.count
      ? `${whole(points.count)} nodes`
      : `${whole(order.length)} of ${whole(points.count)} nodes${found.total > (found.positions?.size ?? 0) ? ` (the words match ${whole(found.total)}; add more)` : ''}${found.searching ? ' …' : ''}`;
  const onScroll = () => {
    const element = box.current;
    if (!element) return;
    setTop(element.scrollTop);
    const row = Math.floor(element.scrollTop / rowHeight);
    anchor.current =
      order[row] === undefined ? null : { node: order[row], offset: element.scrollTop - row * rowHeight };
  };
  return (
    <>
      <h2 class="hidden">Nodes</h2>
      <Filters filter={filter} points={points} count={count} />
      {found.error && <Failure error={found.error} />}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the list is scrolled by keys */}
      <div class="grid" ref={box} style={{ height: `${height}px` }} tabIndex={0} onScroll={onScroll}>
        <table aria-rowcount={order.length}>
          <caption class="hidden">
            Nodes with {metric}; a heading sorts by its column, j and k move, Enter opens
          </caption>
          <colgroup>
            {columns.map(({ key: name, width }) => (
              <col key={name} style={width > 0 ? { width: `${width}px` } : {}} />
            ))}
          </colgroup>
          <thead>
            <tr>
              {columns.map((column) => {
                const active = column.key === key;
                return (
                  <th
                    key={column.key}
                    scope="col"
                    class={'number' in column ? 'number' : ''}
                    {...(active && { 'aria-sort': down ? 'descending' : 'ascending' })}
                  >
                    <button
                      type="button"
                      onClick={() => {
                        anchor.current = null;
                        const start = column.key === 'score' || column.key === 'rungScore' ? !lowerIsBetter : false;
                        const next = active ? !down : start;
                        setQuery({ sort: column.key, direction: next ? 'descending' : 'ascending' });
                      }}
                    >
                      {column.name}
                      {active ? (down ? ' ↓' : ' ↑') : ''}
                    </button>
                  </th>
                );
              })}
            </tr>
          </thead>
          <tbody>
            <tr class="spacer">
              <td colSpan={columns.length} style={{ height: `${first * rowHeight}px` }} />
            </tr>
            {visible.map((index, row) => {
              const node = nodeId(points, index);
              const agent = points.agent[index] as number;
              const rung = points.rung[index] as number;
              const pattern = points.patterns[points.pattern[index] as number];
              const layers = pattern ? layersOf(pattern) : null;
              const text = texts.get(node);
              const cell = (column: ColumnKey) => {
                switch (column) {
                  case 'sequence':
                    return <a href={link(['searches', id, 'nodes', node])}>{text?.name ?? node}</a>;
                  case 'agent':
                    return (
                      <>
                        <Swatch index={points.laneOf[agent] as number} />
                        {(points.operator[index] as number) < firstOfLab ? (
                          <a href={link(['searches', id, 'agents', points.agents[agent] as string])}>
                            {points.agents[agent]}
                          </a>
                        ) : (
                          <span class="soft">the lab</span>
                        )}
                      </>
                    );
                  case 'operator':
                    return operators[points.operator[index] as number];
                  case 'status':
                    return (
                      <Tag kind={text?.vetoed ? 'vetoed' : (statuses[points.status[index] as number] as string)} />
                    );
                  case 'score':
                    return scoreText(points.score[index]);
                  case 'rungScore':
                    return rung > 0 ? (
                      <>
                        <small>{rungs[rung]}</small> {scoreText(points.rungScore[index])}
                      </>
                    ) : null;
                  case 'candidate':
                    return layers ? (
                      <Strip layers={layers} small />
                    ) : (
                      <span title={text?.change}>{pattern || text?.change || text?.short}</span>
                    );
                  case 'parameters':
                    return short(points.parameters[index]);
                  case 'flops':
                    return short(points.flops[index]);
                  case 'costUsd':
                    return points.costUsd[index] ? dollars(points.costUsd[index]) : null;
                  case 'proposedAt':
                    return (
                      <span class="soft" title={date(points.startedAt + (points.proposedAt[index] as number))}>
                        {duration(points.proposedAt[index])}
                      </span>
                    );
                }
              };
              return (
                <tr
                  key={index}
                  data-node={node}
                  aria-rowindex={first + row + 1}
                  aria-selected={node === shown}
                  onClick={() => setQuery({ node })}
                >
                  {columns.map((column) => (
                    <td key={column.key} class={'number' in column ? 'number' : ''}>
                      {cell(column.key)}
                    </td>
                  ))}
                </tr>
              );
            })}
            <tr class="spacer">
              <td colSpan={columns.length} style={{ height: `${(order.length - last) * rowHeight}px` }} />
            </tr>
          </tbody>
        </table>
      </div>
      {order.length === 0 && <Empty title="No node passes this filter.">Clear a filter or use other words.</Empty>}
    </>
  );
}
