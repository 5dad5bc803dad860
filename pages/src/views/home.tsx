import type { Labs, Searches, SearchRow, Workers } from '../../../src/views/api.ts';
import { counted, date, dollars, duration, intervalText, percent, whole } from '../parts/format.ts';
import { Empty, Loaded, Tag } from '../parts/frame.tsx';
import { Best, NodeLink } from '../parts/links.tsx';
import { ShortCandidate } from '../parts/strip.tsx';
import { Table } from '../parts/table.tsx';
import { useData } from '../state/data.ts';
import { setQuery, usePlace } from '../state/location.ts';
import { useScope } from '../state/scope.ts';

/** Searches of a lab, running ones first; ticked ones are compared. */
export function HomeView() {
  const { api, link } = useScope();
  const { query } = usePlace();
  const data = useData<Searches>(`${api}searches`, () => true, 15_000);
  const ticked = new Set((query.compare ?? '').split(',').filter(Boolean));
  const words = (query.q ?? '').toLowerCase();
  const href = (row: SearchRow) => (row.workflow === 'scale' ? link(['scales', row.id]) : link(['searches', row.id]));
  return (
    <>
      <h1>Searches</h1>
      <Loaded data={data}>
        {({ searches }) => {
          if (searches.length === 0) {
            return (
              <Empty title="No searches in this home yet.">
                <code>aira launch searches/quickstart.yaml</code> starts one; it appears here at once.
              </Empty>
            );
          }
          const rows = searches
            .filter((row) => `${row.id} ${row.task} ${row.profile}`.toLowerCase().includes(words))
            .sort(
              (a, b) =>
                Number(b.status === 'running') - Number(a.status === 'running') ||
                (b.startedAt ?? 0) - (a.startedAt ?? 0),
            );
          return (
            <>
              <search class="controls">
                <input
                  type="search"
                  data-search
                  aria-label="filter searches"
                  placeholder="name or task  ( / )"
                  defaultValue={query.q ?? ''}
                  onInput={(event) => setQuery({ q: (event.currentTarget as HTMLInputElement).value })}
                />
                {ticked.size > 1 ? (
                  <a href={link(['compare'], { ids: [...ticked].join(',') })}>compare {ticked.size} searches</a>
                ) : (
                  <span class="soft">tick two or more to compare them</span>
                )}
                <span class="end">{counted(rows.length, 'search').replace(/searchs$/, 'searches')}</span>
              </search>
              <Table
                stack
                rows={rows}
                keyOf={(row) => row.id}
                columns={[
                  {
                    head: 'compare',
                    hidden: true,
                    cell: (row) => (
                      <input
                        type="checkbox"
                        aria-label={`compare ${row.id}`}
                        checked={ticked.has(row.id)}
                        onChange={() => {
                          const next = new Set(ticked);
                          if (!next.delete(row.id)) next.add(row.id);
                          setQuery({ compare: [...next].join(',') });
                        }}
                      />
                    ),
                  },
                  { head: 'search', names: true, cell: (row) => <a href={href(row)}>{row.id}</a> },
                  {
                    head: 'task',
                    class: 'full',
                    cell: (row) => (
                      <>
                        {row.task} <small>{row.profile}</small>
                      </>
                    ),
                  },
                  {
                    head: 'status',
                    class: 'full',
                    cell: (row) => (
                      <>
                        <Tag kind={row.status} /> {row.ending && <small>{row.ending.sentence}</small>}
                      </>
                    ),
                  },
                  {
                    head: 'best',
                    number: true,
                    title: (row) =>
                      row.best ? `${row.best.rung}, ${row.metric} ${intervalText(row.best.interval)}` : '',
                    cell: (row) => <Best search={row.id} best={row.best} />,
                  },
                  {
                    head: 'candidate',
                    class: 'full',
                    cell: (row) => row.best && <ShortCandidate text={row.best.short} />,
                  },
                  { head: 'nodes', number: true, label: true, cell: (row) => whole(row.nodes) },
                  { head: 'cost', number: true, label: true, cell: (row) => dollars(row.spent.costUsd) },
                  { head: 'took', number: true, label: true, cell: (row) => duration(row.elapsedMs) },
                  { head: 'started', number: true, class: 'soft', cell: (row) => date(row.startedAt) },
                ]}
              />
            </>
          );
        }}
      </Loaded>
    </>
  );
}

export function WorkersView() {
  const { api, link } = useScope();
  // Heartbeats and progress are no events of the archive.
  const data = useData<Workers>(`${api}workers`, () => true, 3_000);
  return (
    <>
      <h1>Workers</h1>
      <Loaded data={data}>
        {({ workers }) =>
          workers.length === 0 ? (
            <Empty title="No worker has been heard of.">
              <code>aira launch</code> starts workers of its own; <code>aira worker</code> adds another machine.
            </Empty>
          ) : (
            <Table
              stack
              rows={workers}
              keyOf={({ worker }) => worker}
              columns={[
                { head: 'worker', names: true, class: 'full', cell: ({ worker }) => worker },
                { head: 'device', cell: ({ device }) => device ?? '–' },
                { head: 'state', cell: ({ state }) => <Tag kind={state} /> },
                {
                  head: 'trains',
                  class: 'text full',
                  cell: ({ training }) =>
                    training ? (
                      <>
                        <NodeLink search={training.search} node={training.node} /> of{' '}
                        <a href={link(['searches', training.search])}>{training.search}</a>{' '}
                        <small>
                          {training.rung}, seed {training.seed}, since {duration(Date.now() - training.startedAt)}
                          {training.progress !== null && `, ${percent(training.progress)}`}
                        </small>
                      </>
                    ) : (
                      '–'
                    ),
                },
                { head: 'trainings', number: true, label: true, cell: ({ trainings }) => whole(trainings) },
                { head: 'failed', number: true, label: true, cell: ({ failed }) => whole(failed) },
                { head: 'busy', number: true, label: true, cell: ({ busyMs }) => duration(busyMs) },
                {
                  head: 'heartbeat',
                  number: true,
                  label: true,
                  class: 'soft',
                  cell: ({ heartbeatAt }) =>
                    heartbeatAt === null ? '–' : `${duration(Math.max(0, Date.now() - heartbeatAt))} ago`,
                },
              ]}
            />
          )
        }
      </Loaded>
    </>
  );
}

/** Links to the labs of all served homes; nothing where there is one. */
export function LabChoice() {
  const { lab } = useScope();
  const data = useData<Labs>('labs', () => true, 60_000);
  const labs = data.value?.labs ?? [];
  if (labs.length < 2) return null;
  return (
    <select
      aria-label="lab"
      value={lab ?? labs[0]?.name}
      onChange={(event) => {
        const name = (event.currentTarget as HTMLSelectElement).value;
        location.hash = name === labs[0]?.name ? '#/' : `#/labs/${encodeURIComponent(name)}`;
      }}
    >
      {labs.map(({ name, folder, problem }) => (
        <option key={name} value={name} disabled={problem !== null}>
          {name} ({folder}){problem && `: ${problem}`}
        </option>
      ))}
    </select>
  );
}
