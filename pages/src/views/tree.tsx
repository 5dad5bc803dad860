import { useEffect, useMemo, useState } from 'preact/hooks';
import { Filters } from '../parts/filters.tsx';
import { date, duration, scoreText, whole } from '../parts/format.ts';
import { Empty } from '../parts/frame.tsx';
import { NodeLink } from '../parts/links.tsx';
import { LaneLegend, withPoints } from '../parts/nodes.tsx';
import { Table } from '../parts/table.tsx';
import { islandLayout, treeLayout } from '../plane/layouts.ts';
import { Plane } from '../plane/plane.tsx';
import { bestIndex, lineage, passing, useFilter, useSelected } from '../state/filter.ts';
import { setQuery, usePlace } from '../state/location.ts';
import { nodeId, type Points } from '../state/points.ts';
import type { SearchView } from '../state/scope.ts';
import { NodeTip } from './nodeTip.tsx';

/** Who descends from whom: as islands of agents over time, or as a tree. A slider replays how it grew. */
export const TreeView = withPoints(Tree, 14);

function Tree({ id, path, overview, points }: SearchView & { points: Points }) {
  const { query } = usePlace();
  const { filter, found } = useFilter(path, points.count);
  const shape = query.shape === 'tree' ? 'tree' : 'islands';
  const layout = useMemo(() => (shape === 'tree' ? treeLayout(points) : islandLayout(points)), [points, shape]);
  const [until, setUntil] = useState<number | null>(query.until ? Number(query.until) : null);
  const [playing, setPlaying] = useState(false);
  const selected = useSelected(points, query.node);
  const best = useMemo(() => bestIndex(points), [points]);

  const { count } = points;
  const shown = until === null ? count : Math.min(count, Math.max(1, until));
  const frozen = until !== null && shown < count;
  // At a past moment, only what was proposed by then is shown, and only what was evaluated by then has its score.
  const time = frozen ? (points.proposedAt[shown - 1] as number) : null;
  const mask = useMemo(() => {
    const passes = passing(points, filter, found.positions);
    const faint =
      filter.agent !== undefined ||
      filter.operator !== undefined ||
      filter.status !== undefined ||
      found.positions !== null;
    for (let index = 0; index < points.count; index++) {
      const there = index < shown;
      passes[index] = !there ? 0 : passes[index] ? 2 : faint ? 1 : 0;
    }
    return passes;
  }, [points, filter, found.positions, shown]);
  const open = useMemo(() => {
    if (time === null) return null;
    const later = new Uint8Array(points.count);
    for (let index = 0; index < shown; index++) {
      const at = points.evaluatedAt[index] as number;
      later[index] = points.status[index] === 1 && at > time ? 1 : 0;
    }
    return later;
  }, [points, time, shown]);
  const focus = selected >= 0 ? selected : frozen ? -1 : best;
  const line = useMemo(() => (focus >= 0 ? lineage(points, focus) : []), [points, focus]);

  useEffect(() => {
    if (!playing || count === 0) return;
    let frame = 0;
    let from: number | null = null;
    const start = until === null || until >= count ? 1 : until;
    // The whole growth takes twelve seconds, whatever its length.
    const step = (now: number) => {
      from ??= now;
      const next = start + Math.floor(((now - from) / 12_000) * count);
      if (next >= count) {
        setUntil(null);
        setPlaying(false);
        return;
      }
      setUntil(next);
      frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
    return () => cancelAnimationFrame(frame);
    // The position it starts from is read once.
  }, [playing, count]);
  useEffect(() => {
    if (!playing) setQuery({ until: until !== null && until < count ? until : '' });
  }, [playing, until, count]);

  if (count === 0) return <Empty title="Nothing has grown yet.">Nodes appear here as agents propose them.</Empty>;
  const height = Math.max(360, Math.min(900, innerHeight - 330));
  return (
    <>
      <h2 class="hidden">Tree</h2>
      <Filters filter={filter} points={points} count={`${whole(shown)} of ${whole(points.count)} nodes`} />
      <div class="controls">
        <button type="button" aria-pressed={shape === 'islands'} onClick={() => setQuery({ shape: '' })}>
          islands
        </button>
        <button type="button" aria-pressed={shape === 'tree'} onClick={() => setQuery({ shape: 'tree' })}>
          tree
        </button>
        <button type="button" onClick={() => setPlaying(!playing)}>
          {playing ? 'pause' : 'replay'}
        </button>
        <label>
          <span class="hidden">shown until node</span>
          <input
            type="range"
            min={1}
            max={Math.max(1, points.count)}
            value={shown}
            aria-valuetext={`${shown} of ${points.count} nodes`}
            onInput={(event) => {
              setPlaying(false);
              const value = Number((event.currentTarget as HTMLInputElement).value);
              setUntil(value >= points.count ? null : value);
            }}
          />
        </label>
        <span class="soft">
          {frozen
            ? `after ${duration(points.proposedAt[shown - 1])}, ${date(points.startedAt + (points.proposedAt[shown - 1] as number))}`
            : 'now'}
        </span>
      </div>
      <Plane
        points={points}
        layout={layout}
        visible={mask}
        open={open}
        edges
        path={line}
        pathStyle="lineage"
        selected={selected}
        onSelect={(index) => setQuery({ node: index >= 0 ? nodeId(points, index) : '' })}
        tip={(index) => <NodeTip points={points} index={index} />}
        height={height}
        summary={`${whole(shown)} nodes in ${points.lanes.length} lanes as ${shape}; the highlighted line leads to ${focus >= 0 ? nodeId(points, focus) : 'no node'}.`}
      />
      <LaneLegend lanes={points.lanes}>
        <li>○ pending</li>
        <li>× failed, rejected or duplicate</li>
      </LaneLegend>
      <p class="note">
        {shape === 'islands'
          ? 'One lane per agent; to the right later proposals, upwards within a lane better screening scores.'
          : 'To the right later generations; each leaf has a row of its own.'}{' '}
        Lines come from parents, also those of other agents. Drag to move, wheel to zoom (Shift: only sideways, Alt:
        only up and down), double click for everything.
      </p>
      {line.length > 0 && (
        <>
          <h2>Lineage of {nodeId(points, focus)}</h2>
          <Table
            box="scroll narrow"
            rows={line.slice(-40).reverse()}
            keyOf={(index) => index}
            columns={[
              {
                head: 'node',
                names: true,
                cell: (index) => <NodeLink search={id} node={nodeId(points, index)} />,
              },
              { head: 'agent', cell: (index) => points.agents[points.agent[index] as number] },
              { head: overview.search.metric, number: true, cell: (index) => scoreText(points.score[index]) },
            ]}
          />
          {line.length > 40 && <p class="note">The last 40 of {line.length} generations.</p>}
        </>
      )}
    </>
  );
}
