import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Empty, Failure, Ghost } from './parts/frame.tsx';
import { ColoursContext } from './parts/strip.tsx';
import { followEvents, type LiveState, useLiveState } from './state/live.ts';
import { accessToken, usePlace } from './state/location.ts';
import { usePoints } from './state/points.ts';
import { ScopeContext, type SearchView, scopeOf, searchPath, useOverview, useScope } from './state/scope.ts';
import { AgentView } from './views/agent.tsx';
import { CompareView } from './views/compare.tsx';
import { HomeView, LabChoice, WorkersView } from './views/home.tsx';
import { LiteratureView } from './views/literature.tsx';
import { NodeView } from './views/node.tsx';
import { AgentsView, OverviewView } from './views/overview.tsx';
import { ProgressView } from './views/progress.tsx';
import { ScaleView } from './views/scale.tsx';
import { ScatterView } from './views/scatter.tsx';
import { ClaimsView, PatternsView } from './views/sections.tsx';
import { StudiesView, StudyView } from './views/studies.tsx';
import { NodesView } from './views/table.tsx';
import { TreeView } from './views/tree.tsx';

/** The frame of every page: where one is, whether it is live, and keys for moving. */
const tabs = [
  { part: '', name: 'overview', key: 'o' },
  { part: 'progress', name: 'progress', key: 'p' },
  { part: 'nodes', name: 'nodes', key: 'n' },
  { part: 'tree', name: 'tree', key: 't' },
  { part: 'scatter', name: 'scatter', key: 'x' },
  { part: 'agents', name: 'agents', key: 'a' },
  { part: 'literature', name: 'literature', key: 'l' },
  { part: 'claims', name: 'claims', key: 'c' },
  { part: 'patterns', name: 'patterns', key: 'm' },
] as const;

/** Views that draw no nodes: the others ask for all of them at once, not only when the overview is there. */
const withoutPoints: readonly string[] = ['literature', 'agents', 'claims', 'patterns'];

const places = [
  { parts: [], name: 'searches', key: 'h' },
  { parts: ['studies'], name: 'studies', key: 's' },
  { parts: ['workers'], name: 'workers', key: 'w' },
] as const;

export function App() {
  const { parts } = usePlace();
  const lab = parts[0] === 'labs' ? (parts[1] ?? null) : null;
  const scope = useMemo(() => scopeOf(lab), [lab]);
  const token = accessToken();
  // A new token is a new chance after a refusal.
  useEffect(() => followEvents(`${scope.api}events`), [scope, token]);
  return (
    <ScopeContext.Provider value={scope}>
      <Page parts={lab === null ? parts : parts.slice(2)} />
    </ScopeContext.Provider>
  );
}

function Page({ parts }: { parts: readonly string[] }) {
  const scope = useScope();
  const { link } = scope;
  const [room = '', id = '', view = '', item = ''] = parts;
  const search = room === 'searches' && id ? id : null;
  const overview = useOverview(scope, search);
  usePoints(search === null || withoutPoints.includes(view) ? null : searchPath(scope, search), id, null);
  const live = useLiveState();
  const main = useRef<HTMLElement>(null);
  const path = parts.join('/');
  // Another page begins at its top, and its heading is what a screen reader reads next.
  useEffect(() => {
    scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
    document.title = [...parts].reverse().concat('Aira').join(' · ');
  }, [path]);
  const tabBar = useRef<HTMLElement>(null);
  // On a telephone not all tabs fit.
  useEffect(() => {
    const present = tabBar.current?.querySelector<HTMLElement>('[aria-current]');
    if (tabBar.current && present) tabBar.current.scrollLeft = present.offsetLeft - tabBar.current.clientWidth / 2;
  }, [search, view]);
  const [help, setHelp] = useState(false);
  useKeys(search, () => setHelp(true));
  // Programs have no layers to vote on.
  const hasLayers = overview.value?.goal.space !== 'program';
  const ended = overview.value !== null && !['running', 'paused'].includes(overview.value.search.status);
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        to the content
      </button>
      <header class="top">
        <nav class="bar" aria-label="lab">
          <a class="brand" href={link([])}>
            Aira
          </a>
          {search !== null && (
            <a class="where" href={link(['searches', search])}>
              {search}
            </a>
          )}
          <LabChoice />
          <span class="right">
            {places.map(({ parts: to, name }) => (
              <a key={name} href={link(to)} {...((to[0] ?? '') === room && { 'aria-current': 'page' })}>
                {name}
              </a>
            ))}
            <State live={live} ended={search !== null && ended} />
            <button type="button" class="plain" aria-label="keys" onClick={() => setHelp(true)}>
              ?
            </button>
          </span>
        </nav>
        {search !== null && (
          <nav class="tabs" aria-label="search" ref={tabBar}>
            {tabs
              .filter(({ part }) => part !== 'patterns' || hasLayers)
              .map(({ part, name }) => (
                <a
                  key={name}
                  href={link(['searches', search, ...(part ? [part] : [])])}
                  {...(part === view && { 'aria-current': 'page' })}
                >
                  {name}
                </a>
              ))}
          </nav>
        )}
      </header>
      <main ref={main} tabIndex={-1}>
        {search === null ? (
          <LabPage room={room} id={id} />
        ) : (
          <>
            {overview.error && <Failure error={overview.error} />}
            {overview.value ? (
              <ColoursContext.Provider value={coloursOf(overview.value)}>
                <SearchPage
                  id={search}
                  path={searchPath(scope, search)}
                  overview={overview.value}
                  view={view}
                  item={item}
                />
              </ColoursContext.Provider>
            ) : (
              !overview.error && <Ghost lines={14} />
            )}
          </>
        )}
      </main>
      {help && <Help onClose={() => setHelp(false)} />}
    </>
  );
}

function LabPage({ room, id }: { room: string; id: string }) {
  if (room === '' || room === 'searches') return <HomeView />;
  if (room === 'studies') return id ? <StudyView key={id} study={id} /> : <StudiesView />;
  if (room === 'scales' && id) return <ScaleView key={id} scale={id} />;
  if (room === 'workers') return <WorkersView />;
  if (room === 'compare') return <CompareView />;
  return <Nowhere />;
}

function SearchPage({ view, item, ...search }: SearchView & { view: string; item: string }) {
  const { id } = search;
  if (view === '') return <OverviewView key={id} {...search} />;
  if (view === 'progress') return <ProgressView key={id} {...search} />;
  if (view === 'nodes')
    return item ? <NodeView key={`${id}/${item}`} node={item} {...search} /> : <NodesView key={id} {...search} />;
  if (view === 'tree') return <TreeView key={id} {...search} />;
  if (view === 'scatter') return <ScatterView key={id} {...search} />;
  if (view === 'agents')
    return item ? <AgentView key={`${id}/${item}`} agent={item} {...search} /> : <AgentsView key={id} {...search} />;
  if (view === 'literature') return <LiteratureView key={id} {...search} />;
  if (view === 'claims') return <ClaimsView key={id} {...search} />;
  if (view === 'patterns') return <PatternsView key={id} {...search} />;
  return <Nowhere />;
}

/** Colours of a user's own layer kinds. */
const coloursOf = ({ goal }: SearchView['overview']): Readonly<Record<string, string>> =>
  Object.fromEntries(goal.primitives.flatMap(({ name, colour }) => (colour === null ? [] : [[name, colour]])));

function Nowhere() {
  const { link } = useScope();
  return (
    <Empty title="There is no such page.">
      Go to <a href={link([])}>the searches</a>.
    </Empty>
  );
}

const liveWords: Readonly<Record<LiveState, string>> = {
  connecting: 'connecting',
  live: 'live',
  reconnecting: 'reconnecting',
  refused: 'no access: open the printed address',
};

function State({ live, ended }: { live: LiveState; ended: boolean }) {
  const over = ended && live === 'live';
  return (
    <span class={`state ${over ? 'ended' : live}`} role="status">
      {over ? 'ended' : liveWords[live]}
    </span>
  );
}

/** `g` and a letter go to a place, `/` to the filter, `?` shows the keys. Fields and dialogs keep their keys. */
function useKeys(search: string | null, showHelp: () => void): void {
  const { link } = useScope();
  useEffect(() => {
    // When `g` was pressed; a page that has just loaded has had no leader.
    let leader = Number.NEGATIVE_INFINITY;
    const press = (event: KeyboardEvent) => {
      const { target } = event;
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
      if (target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) {
        if (event.key === 'Escape') target.blur();
        return;
      }
      if (event.timeStamp - leader < 1200) {
        leader = Number.NEGATIVE_INFINITY;
        const tab = tabs.find(({ key }) => key === event.key);
        const place = places.find(({ key }) => key === event.key);
        if (tab && search !== null) location.hash = link(['searches', search, ...(tab.part ? [tab.part] : [])]);
        else if (place) location.hash = link(place.parts);
        else return;
        event.preventDefault();
      } else if (event.key === 'g') leader = event.timeStamp;
      else if (event.key === '?') showHelp();
      else if (event.key === '/') {
        const field = document.querySelector<HTMLInputElement>('[data-search]');
        if (!field) return;
        event.preventDefault();
        field.focus();
        field.select();
      }
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, [search, link]);
}

function Help({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const rows: readonly (readonly [string, string])[] = [
    ['?', 'these keys'],
    ['/', 'to the filter'],
    ['j  k', 'next, previous row or node'],
    ['Enter', 'open the selected row'],
    ...places.map(({ key, name }) => [`g ${key}`, name] as const),
    ...tabs.map(({ key, name }) => [`g ${key}`, `${name} of the search`] as const),
    ['+ − 0 arrows', 'zoom and move a plot that has the focus'],
    ['Esc', 'leave a field, close this'],
  ];
  return (
    <dialog ref={dialog} onClose={onClose} aria-label="keys">
      <h2>Keys</h2>
      <dl class="facts">
        {rows.map(([key, what]) => [
          <dt key={key}>
            <kbd>{key}</kbd>
          </dt>,
          <dd key={what}>{what}</dd>,
        ])}
      </dl>
      <div class="controls">
        <button type="button" onClick={() => dialog.current?.close()}>
          close
        </button>
      </div>
    </dialog>
  );
}
