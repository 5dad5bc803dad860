import { AiraError, PrerequisiteError } from '../domain/errors.ts';
import { type SearchId, searchIdSchema } from '../domain/ids.ts';
import { rungs } from '../domain/task.ts';
import { type ArchiveReader, readArchive } from '../memory/index.ts';
import { agentDetailOf, literatureOf } from './agentDetail.ts';
import type {
  AgentDetail,
  Changed,
  Literature,
  NodeDetail,
  Nodes,
  Overview,
  Points,
  Ruling,
  ScaleDetail,
  Searches,
  SearchRow,
  Sections,
  Workers,
} from './api.ts';
import { sectionGroups } from './apiDetail.ts';
import { apiVersion } from './apiSearch.ts';
import {
  Dictionary,
  type IsVetoed,
  type NodesRequest,
  nodesPage,
  operators,
  SearchColumns,
  statuses,
} from './columns.ts';
import { type Heard, searchRow, WrittenReports, workersOf, zeroShotScores } from './homeLists.ts';
import { nodeDetailOf, Recording, rawText } from './nodeDetail.ts';
import { overviewOf, pausedSubjects, type SearchContext } from './overview.ts';
import { sectionsOf } from './report/page.ts';
import { scaleOf } from './scale.ts';
import { line } from './texts.ts';

/** Searches whose columns stay in memory; one of 1e5 nodes takes about 50 MB. */
const mostColumns = 8;
/** Answers that stay until the archive changes; those of a finished search would otherwise add up. */
const mostAnswers = 100;
/** Announcements that are read at once. */
const eventPage = 5_000;
/** Nodes named in one change. */
const mostNodes = 500;

const kindOf: Readonly<Record<string, string>> = {
  'node-submitted': 'node',
  'node-refused': 'node',
  'node-evaluated': 'score',
  'node-failed': 'score',
  'phase-changed': 'phase',
  'ended-early': 'ending',
  ruled: 'ruling',
};

/**
 * Everything that a dashboard shows of one home.
 *
 * Role: one read-only connection, the columns of the searches that were asked for, and answers that stay until the archive
 * changes. Non-role: HTTP, heartbeats (the caller hears them), writing.
 *
 * HOM-1  Each answer is read in one snapshot, and says at which sequence.
 * HOM-2  An answer is computed once per state of the archive: many browsers cost what one does.
 * HOM-3  Test scores are not read (I4); sentences that rest on them come from the report that was written.
 */
export class HomeViews {
  readonly home: string;
  readonly #reader: ArchiveReader;
  readonly #now: () => number;
  readonly #reports: WrittenReports;
  /** In order of use. */
  readonly #columns = new Map<SearchId, SearchColumns>();
  readonly #recordings = new Map<SearchId, Recording>();
  /** Rows of finished searches, which do not change. */
  readonly #finished = new Map<SearchId, SearchRow>();
  readonly #answers = new Map<string, unknown>();
  #version = -1;

  private constructor(home: string, reader: ArchiveReader, now: () => number) {
    this.home = home;
    this.#reader = reader;
    this.#now = now;
    this.#reports = new WrittenReports(home);
  }

  /** @throws PrerequisiteError `archive-missing` and others of `readArchive`. */
  static open(home: string, now: () => number): HomeViews {
    return new HomeViews(home, readArchive(home), now);
  }

  close(): void {
    this.#reader.close();
  }

  /** Increases whenever another process has changed the archive. */
  version(): number {
    return this.#reader.browse.version();
  }

  sequence(): number {
    return this.#reader.browse.sequence();
  }

  /** An answer of this state of the archive. */
  #once<T>(key: string, compute: () => T): T {
    const version = this.version();
    if (version !== this.#version || this.#answers.size >= mostAnswers) {
      this.#answers.clear();
      this.#version = version;
    }
    if (this.#answers.has(key)) return this.#answers.get(key) as T;
    const answer = this.#reader.browse.snapshot(compute);
    this.#answers.set(key, answer);
    return answer;
  }

  /** @throws PrerequisiteError `unknown-search` */
  #search(id: string): SearchId {
    const parsed = searchIdSchema.safeParse(id);
    if (parsed.success && this.#reader.searches.exists(parsed.data)) return parsed.data;
    throw new PrerequisiteError('unknown-search', `there is no search "${line(id, 60)}" in this lab`, 'see: aira ls');
  }

  #columnsOf(search: SearchId): SearchColumns {
    const columns = this.#columns.get(search) ?? new SearchColumns(this.#reader, search);
    this.#columns.delete(search);
    this.#columns.set(search, columns);
    const [oldest] = this.#columns.keys();
    if (this.#columns.size > mostColumns && oldest !== undefined) this.#columns.delete(oldest);
    columns.refresh();
    return columns;
  }

  #recordingOf(search: SearchId): Recording {
    const recording = this.#recordings.get(search) ?? new Recording(this.home, search);
    this.#recordings.set(search, recording);
    return recording;
  }

  #rulingsOf(search: SearchId): Ruling[] {
    return this.#reader.rulings.of(search).map(({ id, kind, subject, sentence, at }) => ({
      id,
      kind,
      subject,
      sentence: line(sentence, 1000),
      at,
    }));
  }

  #isVetoed(search: SearchId): IsVetoed {
    const vetoed = this.#reader.rulings.vetoedNodes(search);
    return (node) => vetoed.has(node);
  }

  #row(search: SearchId): SearchRow {
    const known = this.#finished.get(search);
    if (known) return known;
    const paused = pausedSubjects(this.#rulingsOf(search)).has(null);
    const searchStatus = this.#reader.searchStatus.of(search);
    const nodes = this.#reader.browse.countNodes(search);
    const row = searchRow(this.#reader, search, searchStatus, { now: this.#now(), nodes, isPaused: paused });
    if (row.phase === 'finished') this.#finished.set(search, row);
    return row;
  }

  #context(search: SearchId, heard: Heard): SearchContext {
    return {
      reader: this.#reader,
      search,
      columns: this.#columnsOf(search),
      searchStatus: this.#reader.searchStatus.of(search),
      row: this.#row(search),
      rulings: this.#rulingsOf(search),
      heard,
      now: this.#now(),
      written: () => this.#reports.claims(search),
    };
  }

  /** The searches of the home, newest first. */
  searches(): Searches {
    return this.#reader.browse.snapshot(() => ({
      version: apiVersion,
      searches: this.#reader.searches
        .list()
        .map(({ id }) => this.#row(id))
        .reverse(),
    }));
  }

  /** Reads the nodes of the newest search in advance: the first page of a large one would otherwise wait for them. */
  warm(): void {
    const newest = this.#reader.searches.list().at(-1);
    if (newest) this.#reader.browse.snapshot(() => this.#columnsOf(newest.id));
  }

  countSearches(): number {
    return this.#reader.searches.list().length;
  }

  /** Not cached: heartbeats and the clock change it too. Sums behind it are. */
  overview(id: string, heard: Heard): Overview {
    const search = this.#search(id);
    return this.#reader.browse.snapshot(() => overviewOf(this.#context(search, heard)));
  }

  nodes(id: string, query: NodesRequest): Nodes {
    const search = this.#search(id);
    return this.#once(`nodes ${search} ${JSON.stringify(query)}`, () =>
      nodesPage(this.#reader, search, this.#columnsOf(search), query, this.#isVetoed(search)),
    );
  }

  /** The answer as JSON text, because the arrays behind it change with the archive. */
  points(id: string, after: number | undefined): string {
    const search = this.#search(id);
    return this.#once(`points ${search} ${after}`, () => {
      const startedAt = this.#reader.searches.phaseTimes(search)[0]?.at ?? 0;
      const points: Points = pointsOf(this.#columnsOf(search), { startedAt, after });
      return JSON.stringify(points);
    });
  }

  node(id: string, node: string, heard: Heard): NodeDetail {
    const search = this.#search(id);
    return this.#reader.browse.snapshot(() =>
      nodeDetailOf(this.#context(search, heard), node, this.#recordingOf(search), this.#isVetoed(search)),
    );
  }

  /** The whole of a text of a node, as it was recorded. @throws PrerequisiteError `unknown-part` */
  raw(id: string, node: string, part: readonly string[], heard: Heard): string {
    const search = this.#search(id);
    return this.#reader.browse.snapshot(() =>
      rawText(this.#context(search, heard), node, part, this.#recordingOf(search)),
    );
  }

  agent(id: string, agent: string, heard: Heard): AgentDetail {
    const search = this.#search(id);
    return this.#reader.browse.snapshot(() => agentDetailOf(this.#context(search, heard), agent));
  }

  literature(id: string, heard: Heard): Literature {
    const search = this.#search(id);
    return this.#once(`literature ${search}`, () => literatureOf(this.#context(search, heard)));
  }

  /**
   * Sections of the report, from the archive as it is: patterns, or claims with their evidence.
   *
   * @throws PrerequisiteError `unknown-part`
   */
  sections(id: string, group: string, heard: Heard): Sections {
    const search = this.#search(id);
    const known = sectionGroups.find((each) => each === group);
    if (known === undefined) {
      const choice = sectionGroups.join(', ');
      throw new PrerequisiteError(
        'unknown-part',
        `there is no group of sections "${line(group, 60)}"`,
        `use ${choice}`,
      );
    }
    const compute = () => sectionsOf(this.#context(search, heard), known);
    // Claims change with the written report too; patterns are a vote of all nodes.
    return known === 'patterns' ? this.#once(`patterns ${search}`, compute) : this.#reader.browse.snapshot(compute);
  }

  scale(id: string): ScaleDetail {
    const search = this.#search(id);
    const scores = zeroShotScores(this.home, search);
    return this.#once(`scale ${search} ${scores.length}`, () => scaleOf(this.#reader, search, scores));
  }

  workers(heard: Heard): Workers {
    return this.#reader.browse.snapshot(() => workersOf(this.#reader, heard, this.#now()));
  }

  /**
   * What the archive has announced after a sequence, oldest first: one change for announcements of one search that follow each
   * other, so that a reader who has seen a change has seen all before it.
   */
  changesSince(after: number): { changes: Changed[]; more: boolean } {
    const events = this.#reader.browse.events(after, eventPage);
    const changes: Changed[] = [];
    for (const { seq, body } of events) {
      const event = JSON.parse(body) as { search: string; kind: string; node?: string };
      const kind = kindOf[event.kind] ?? event.kind;
      const last = changes.at(-1);
      const change =
        last?.search === event.search
          ? last
          : { search: event.search, kinds: [] as string[], nodes: [] as string[], all: false, sequence: seq };
      if (change !== last) changes.push(change);
      change.sequence = seq;
      if (!change.kinds.includes(kind)) change.kinds.push(kind);
      if (event.node === undefined || change.nodes.at(-1) === event.node) continue;
      if (change.nodes.length < mostNodes) change.nodes.push(event.node);
      else change.all = true;
    }
    return { changes, more: events.length === eventPage };
  }
}

/** Why a home cannot be shown, in one sentence. */
export const problemOf = (thrown: unknown): string => {
  if (thrown instanceof AiraError) return line(thrown.message);
  throw thrown;
};

interface PointsOptions {
  readonly startedAt: number;
  /** Only what changed after this sequence; all nodes without it. */
  readonly after: number | undefined;
}

/**
 * All nodes of a search as columns, or those that changed after a sequence. Arrays of the whole search are those of `columns`,
 * not copies: they are for serialising at once.
 */
function pointsOf(columns: SearchColumns, { startedAt, after }: PointsOptions): Points {
  const index = after === undefined ? null : columns.changedSince(after);
  const of = <T>(column: readonly T[]): T[] =>
    index === null ? (column as T[]) : index.map((place) => column[place] as T);
  const patterns = index === null ? columns.patterns : new Dictionary();
  const place = (pattern: number): number =>
    pattern < 0 ? -1 : patterns.place(columns.patterns.values[pattern] as string);
  const since = (time: number | null): number | null => (time === null ? null : time - startedAt);
  const pattern = index === null ? columns.pattern : of(columns.pattern).map(place);
  return {
    version: apiVersion,
    sequence: columns.sequence,
    total: columns.length,
    index,
    agents: columns.agents.values,
    statuses: [...statuses],
    operators: [...operators],
    rungs: [...rungs],
    patterns: patterns.values,
    agent: of(columns.agent),
    attempt: of(columns.attempt),
    status: of(columns.status),
    operator: of(columns.operator),
    parent: of(columns.parent),
    secondParent: of(columns.secondParent),
    score: of(columns.scores.screen),
    rung: of(columns.rung),
    rungScore: of(columns.rungScore),
    parameters: of(columns.parameters),
    flops: of(columns.flops),
    costUsd: of(columns.dollars),
    startedAt,
    proposedAt: of(columns.proposedAt).map((time) => time - startedAt),
    evaluatedAt: of(columns.evaluatedAt).map(since),
    pattern,
  };
}
