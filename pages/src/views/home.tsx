import type { Labs, Searches, SearchRow, Workers } from '../../../src/views/api.ts';
import { counted, date, dollars, duration, intervalText, percent, scoreText, whole } from '../parts/format.ts';
import { Empty, Loaded, Tag } from '../parts/frame.tsx';
import { ShortCandidate } from '../parts/strip.tsx';
import { useData } from '../state/client.ts';
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
              <div class="scroll">
                <table class="stack">
                  <thead>
                    <tr>
                      <th scope="col">
                        <span class="hidden">compare</span>
                      </th>
                      <th scope="col">search</th>
                      <th scope="col">task</th>
                      <th scope="col">status</th>
                      <th scope="col" class="number">
                        best
                      </th>
                      <th scope="col">candidate</th>
                      <th scope="col" class="number">
                        nodes
                      </th>
                      <th scope="col" class="number">
                        cost
                      </th>
                      <th scope="col" class="number">
                        took
                      </th>
                      <th scope="col" class="number">
                        started
                      </th>
                    </tr>
                  </thead>
                  <tbody>
                    {rows.map((row) => (
                      <tr key={row.id}>
                        <td>
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
                        </td>
                        <th scope="row">
                          <a href={href(row)}>{row.id}</a>
                        </th>
                        <td class="full">
                          {row.task} <small>{row.profile}</small>
                        </td>
                        <td class="full">
                          <Tag kind={row.status} /> {row.ending && <small>{row.ending.sentence}</small>}
                        </td>
                        <td
                          class="number"
                          title={row.best ? `${row.best.rung}, ${row.metric} ${intervalText(row.best.interval)}` : ''}
                        >
                          {row.best ? (
                            <>
                              <a href={link(['searches', row.id, 'nodes', row.best.node])}>
                                {scoreText(row.best.score)}
                              </a>{' '}
                              <small>{row.best.rung}</small>
                            </>
                          ) : (
                            '–'
                          )}
                        </td>
                        <td class="full">{row.best && <ShortCandidate text={row.best.short} />}</td>
                        <td class="number" data-label="nodes">
                          {whole(row.nodes)}
                        </td>
                        <td class="number" data-label="cost">
                          {dollars(row.spent.costUsd)}
                        </td>
                        <td class="number" data-label="took">
                          {duration(row.elapsedMs)}
                        </td>
                        <td class="number soft">{date(row.startedAt)}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
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
            <div class="scroll">
              <table class="stack">
                <thead>
                  <tr>
                    <th scope="col">worker</th>
                    <th scope="col">device</th>
                    <th scope="col">state</th>
                    <th scope="col">trains</th>
                    <th scope="col" class="number">
                      trainings
                    </th>
                    <th scope="col" class="number">
                      failed
                    </th>
                    <th scope="col" class="number">
                      busy
                    </th>
                    <th scope="col" class="number">
                      heartbeat
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {workers.map((worker) => (
                    <tr key={worker.worker}>
                      <th scope="row" class="full">
                        {worker.worker}
                      </th>
                      <td>{worker.device ?? '–'}</td>
                      <td>
                        <Tag kind={worker.state} />
                      </td>
                      <td class="text full">
                        {worker.training ? (
                          <>
                            <a href={link(['searches', worker.training.search, 'nodes', worker.training.node])}>
                              {worker.training.node}
                            </a>{' '}
                            of <a href={link(['searches', worker.training.search])}>{worker.training.search}</a>{' '}
                            <small>
                              {worker.training.rung}, seed {worker.training.seed}, since{' '}
                              {duration(Date.now() - worker.training.startedAt)}
                              {worker.training.progress !== null && `, ${percent(worker.training.progress)}`}
                            </small>
                          </>
                        ) : (
                          '–'
                        )}
                      </td>
                      <td class="number" data-label="trainings">
                        {whole(worker.trainings)}
                      </td>
                      <td class="number" data-label="failed">
                        {whole(worker.failed)}
                      </td>
                      <td class="number" data-label="busy">
                        {duration(worker.busyMs)}
                      </td>
                      <td class="number soft" data-label="heartbeat">
                        {worker.heartbeatAt === null
                          ? '–'
                          : `${duration(Math.max(0, Date.now() - worker.heartbeatAt))} ago`}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
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
