import { useMemo } from 'preact/hooks';
import { Chart, type Line } from '../parts/chart.tsx';
import { scoreText } from '../parts/format.ts';
import { Empty } from '../parts/frame.tsx';
import { withPoints } from '../parts/nodes.tsx';
import { go, setQuery, usePlace } from '../state/location.ts';
import { firstOfLab, nodeId, type Points, rungs } from '../state/points.ts';
import { type SearchView, useScope } from '../state/scope.ts';

/** Best so far per agent on one rung, against proposals or time. */
export interface Progress {
  readonly x: number[];
  /** Per agent, with the node that set each value. */
  readonly agents: readonly {
    readonly name: string;
    readonly style: number;
    readonly values: (number | null)[];
    readonly nodes: number[];
  }[];
}

/** Only the values of x at which some line changes: 10^5 nodes give a few hundred. */
export function bestSoFar(points: Points, rung: number, across: 'proposals' | 'time'): Progress {
  const value = (index: number) =>
    (rung === 0 ? points.score[index] : points.rung[index] === rung ? points.rungScore[index] : Number.NaN) as number;
  const order: number[] = [];
  for (let index = 0; index < points.count; index++) {
    if ((points.operator[index] as number) < firstOfLab && Number.isFinite(value(index))) order.push(index);
  }
  if (across === 'time')
    order.sort((a, b) => (points.evaluatedAt[a] as number) - (points.evaluatedAt[b] as number) || a - b);
  const at = (index: number) => (across === 'time' ? (points.evaluatedAt[index] as number) / 60_000 : index + 1);
  const better = points.lowerIsBetter ? (a: number, b: number) => a < b : (a: number, b: number) => a > b;
  const best = new Map<number, number>();
  const steps: { x: number; agent: number; index: number }[] = [];
  for (const index of order) {
    const agent = points.agent[index] as number;
    const present = best.get(agent);
    if (present !== undefined && !better(value(index), value(present))) continue;
    best.set(agent, index);
    steps.push({ x: at(index), agent, index });
  }
  const usable = steps.filter(({ x }) => Number.isFinite(x));
  const lastNode = order.at(-1);
  const end = across === 'time' ? (lastNode === undefined ? 0 : at(lastNode)) : points.count;
  const x = [...new Set([...usable.map((step) => step.x), end])].sort((a, b) => a - b);
  const place = new Map(x.map((each, index) => [each, index]));
  const agents = [...best.keys()]
    .sort((a, b) => a - b)
    .map((agent) => {
      const values = new Array<number | null>(x.length).fill(null);
      const nodes = new Array<number>(x.length).fill(-1);
      for (const step of usable) {
        if (step.agent !== agent) continue;
        const column = place.get(step.x) as number;
        values[column] = value(step.index);
        nodes[column] = step.index;
      }
      // The line continues to the present.
      const last = values.findLastIndex((each) => each !== null);
      if (last >= 0 && last < x.length - 1) {
        values[x.length - 1] = values[last] as number;
        nodes[x.length - 1] = nodes[last] as number;
      }
      return { name: points.agents[agent] as string, style: points.laneOf[agent] as number, values, nodes };
    });
  return { x, agents };
}

/** Scores of references on a rung, each once. */
function referenceLevels(
  points: Points,
  { references }: SearchView['overview'],
  rung: number,
): { name: string; value: number }[] {
  const levels = new Map<string, number>();
  for (const { name, rung: on, score } of references) if (on === rungs[rung] && score !== null) levels.set(name, score);
  const names = new Map(references.map(({ node, name }) => [node, name]));
  for (let index = 0; index < points.count; index++) {
    if (points.operator[index] !== firstOfLab) continue;
    const score = (
      rung === 0 ? points.score[index] : points.rung[index] === rung ? points.rungScore[index] : Number.NaN
    ) as number;
    const name = names.get(nodeId(points, index)) ?? nodeId(points, index);
    if (Number.isFinite(score) && !levels.has(name)) levels.set(name, score);
  }
  return [...levels].map(([name, value]) => ({ name, value }));
}

export function ProgressChart({
  points,
  overview,
  id,
  rung,
  across,
  log,
  height,
}: {
  points: Points;
  overview: SearchView['overview'];
  id: string;
  rung: number;
  across: 'proposals' | 'time';
  log: boolean;
  height: number;
}) {
  const { lab } = useScope();
  const { metric, lowerIsBetter } = overview.search;
  const progress = useMemo(() => bestSoFar(points, rung, across), [points, rung, across]);
  const lines = useMemo<Line[]>(
    () => progress.agents.map(({ name, style, values }) => ({ name, style, values, steps: true })),
    [progress],
  );
  const name = rungs[rung] as string;
  const levels = useMemo(() => referenceLevels(points, overview, rung), [points, overview.references, rung]);
  if (lines.length === 0) {
    return (
      <Empty title={`No scores on the ${name} rung yet.`}>
        Candidates are promoted to it when the rung below is done.
      </Empty>
    );
  }
  const leader = [...progress.agents].sort(
    (a, b) => ((a.values.at(-1) ?? 0) - (b.values.at(-1) ?? 0)) * (lowerIsBetter ? 1 : -1),
  )[0];
  return (
    <Chart
      x={progress.x}
      lines={lines}
      labelX={across === 'time' ? 'minutes since the start' : 'proposals'}
      labelY={`${metric}, ${name} rung`}
      log={log}
      height={height}
      group={`progress-${across}`}
      text="score"
      textX={across === 'time' ? 'minutes' : 'whole'}
      levels={levels}
      onPick={(line, index) => {
        const { nodes } = progress.agents[line] as Progress['agents'][number];
        const node = nodes.slice(0, index + 1).findLast((each) => each >= 0);
        if (node !== undefined)
          go([...(lab === null ? [] : ['labs', lab]), 'searches', id, 'nodes', nodeId(points, node)]);
      }}
      summary={`Best ${metric} so far on the ${name} rung, ${lowerIsBetter ? 'lower' : 'higher'} is better. ${leader?.name ?? ''} leads with ${scoreText(leader?.values.at(-1))}.`}
    />
  );
}

export const ProgressView = withPoints(RungCharts, 12);

function RungCharts({ id, overview, points }: SearchView & { points: Points }) {
  const { query } = usePlace();
  const across = query.across === 'time' ? 'time' : 'proposals';
  const log = query.log === '1';
  const present = rungs.filter((_, rung) => rung === 0 || points.rung.some((each) => each === rung));
  const only = query.rung;
  return (
    <>
      <div class="head">
        <h2>Best so far</h2>
        <span class="soft">{overview.search.lowerIsBetter ? 'lower is better' : 'higher is better'}</span>
      </div>
      <div class="controls">
        <button type="button" aria-pressed={across === 'proposals'} onClick={() => setQuery({ across: '' })}>
          proposals
        </button>
        <button type="button" aria-pressed={across === 'time'} onClick={() => setQuery({ across: 'time' })}>
          time
        </button>
        <button type="button" aria-pressed={log} onClick={() => setQuery({ log: log ? '' : '1' })}>
          log
        </button>
        <span class="soft">Drag to zoom, double click for all of it, click a line for its node.</span>
      </div>
      {present
        .filter((name) => !only || name === only)
        .map((name) => (
          <section key={name}>
            <h3>{name} rung</h3>
            <ProgressChart
              points={points}
              overview={overview}
              id={id}
              rung={rungs.indexOf(name)}
              across={across}
              log={log}
              height={present.length > 1 ? 260 : 420}
            />
          </section>
        ))}
    </>
  );
}
