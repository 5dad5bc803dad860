import { useMemo } from 'preact/hooks';
import type { Overview } from '../../../src/views/api.ts';
import { Chart, type Line } from '../parts/chart.tsx';
import { Forest } from '../parts/forest.tsx';
import { counted, dollars, duration, intervalText, whole } from '../parts/format.ts';
import { Empty, Failure, Ghost } from '../parts/frame.tsx';
import { Best } from '../parts/links.tsx';
import { ShortCandidate } from '../parts/strip.tsx';
import { Table } from '../parts/table.tsx';
import { usePlace } from '../state/location.ts';
import { type Points, usePoints } from '../state/points.ts';
import { searchPath, useOverview, useScope } from '../state/scope.ts';

/** Two to eight searches next to each other: what they were after, what they cost, and how fast they got there. */
export function CompareView() {
  const { query } = usePlace();
  const { link } = useScope();
  const ids = useMemo(() => [...new Set((query.ids ?? '').split(',').filter(Boolean))].slice(0, 8), [query.ids]);
  // A fixed number of slots, since hooks may not change in number.
  const slots = [
    useOne(ids[0]),
    useOne(ids[1]),
    useOne(ids[2]),
    useOne(ids[3]),
    useOne(ids[4]),
    useOne(ids[5]),
    useOne(ids[6]),
    useOne(ids[7]),
  ];
  if (ids.length < 2) {
    return (
      <Empty title="Nothing to compare yet.">
        Tick two or more searches in <a href={link([])}>the list of searches</a>.
      </Empty>
    );
  }
  const error = slots.find((slot) => slot.error)?.error;
  const all = slots.flatMap(({ overview, points }) => (overview ? [{ overview, points }] : []));
  if (error) return <Failure error={error} />;
  if (all.length < ids.length) return <Ghost lines={12} />;
  const groups = [...new Set(all.map(({ overview }) => `${overview.search.task}\n${overview.search.metric}`))];
  return (
    <>
      <h1>Compare</h1>
      <Table
        rows={all.map(({ overview }) => overview)}
        keyOf={({ search }) => search.id}
        columns={[
          {
            head: 'search',
            names: true,
            cell: ({ search }) => <a href={link(['searches', search.id])}>{search.id}</a>,
          },
          {
            head: 'task',
            cell: ({ search }) => (
              <>
                {search.task} <small>{search.profile}</small>
              </>
            ),
          },
          { head: 'best', number: true, cell: ({ search }) => <Best search={search.id} best={search.best} /> },
          { head: 'interval', number: true, cell: ({ search }) => intervalText(search.best?.interval ?? null) },
          { head: 'candidate', cell: ({ search }) => search.best && <ShortCandidate text={search.best.short} /> },
          { head: 'evaluated', number: true, cell: ({ counts }) => whole(counts.evaluated) },
          { head: 'failed', number: true, cell: ({ counts }) => whole(counts.failed) },
          { head: 'cost', number: true, cell: ({ search }) => dollars(search.spent.costUsd) },
          { head: 'took', number: true, cell: ({ search }) => duration(search.elapsedMs) },
        ]}
      />
      {groups.map((group) => {
        const members = all.filter(({ overview }) => `${overview.search.task}\n${overview.search.metric}` === group);
        return <Group key={group} members={members} />;
      })}
      {groups.length > 1 && (
        <p class="note">Searches on different tasks are not on one axis: their scores do not compare.</p>
      )}
    </>
  );
}

interface Member {
  readonly overview: Overview;
  readonly points: Points | null;
}

function Group({ members }: { members: readonly Member[] }) {
  const first = members[0] as Member;
  const { metric, task, lowerIsBetter } = first.overview.search;
  const { x, lines } = useMemo(() => curves(members), [members.map(({ points }) => points?.sequence).join()]);
  const rungs = new Set(members.map(({ overview }) => overview.search.best?.rung));
  return (
    <>
      <h2>{task}</h2>
      {members.length > 1 && members.some(({ overview }) => overview.search.best?.interval) && (
        <Forest
          label={`best ${metric}${rungs.size > 1 ? '; not all on one rung' : ''}, ${lowerIsBetter ? 'lower' : 'higher'} is better`}
          zero={null}
          effects={members.map(({ overview: { search } }) => ({
            name: search.id,
            sub: search.best ? `${search.best.rung} rung, ${counted(search.best.seeds, 'seed')}` : '',
            estimate: search.best?.score ?? null,
            low: search.best?.interval?.low ?? null,
            high: search.best?.interval?.high ?? null,
            verdict: '',
          }))}
        />
      )}
      <Chart
        x={x}
        lines={lines}
        labelX="proposals"
        labelY={`best ${metric}, screen`}
        text="score"
        textX="whole"
        summary={`Best ${metric} so far by proposals for ${lines.map(({ name }) => name).join(', ')}.`}
      />
    </>
  );
}

function curves(members: readonly Member[]): { x: number[]; lines: Line[] } {
  const series = members.map(({ overview, points }) => {
    const steps = new Map<number, number>();
    let best = Number.NaN;
    for (let index = 0; points && index < points.count; index++) {
      const score = points.score[index] as number;
      if (!Number.isFinite(score)) continue;
      if (Number.isNaN(best) || (overview.search.lowerIsBetter ? score < best : score > best)) {
        best = score;
        steps.set(index + 1, score);
      }
    }
    if (points && points.count > 0 && Number.isFinite(best)) steps.set(points.count, best);
    return { name: overview.search.id, steps };
  });
  const x = [...new Set(series.flatMap(({ steps }) => [...steps.keys()]))].sort((a, b) => a - b);
  return {
    x,
    lines: series.map(({ name, steps }, style) => ({
      name,
      style,
      steps: true,
      values: x.map((at) => steps.get(at) ?? null),
    })),
  };
}

function useOne(id: string | undefined) {
  const scope = useScope();
  const { value: overview, error } = useOverview(scope, id ?? null);
  const { points } = usePoints(
    id === undefined ? null : searchPath(scope, id),
    id ?? '',
    overview?.search.lowerIsBetter ?? null,
  );
  return { overview, points, error };
}
