/** The tables of a search: their columns, the rows from the archive, and the formats that they are written in. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BasicType } from 'hyparquet-writer';
import type { SearchId } from '../domain/ids.ts';
import { metricValue } from '../domain/task.ts';
import { type ArchiveReader, statusOf, type TestScore } from '../memory/index.ts';
import { makeFolder } from '../platform/index.ts';

/** Increment when a column changes its meaning, its unit or its name, or goes. New columns may be appended. */
export const tablesVersion = 1;

/** `time` is milliseconds since 1970: a Parquet timestamp, ISO 8601 in CSV and JSON. `json` is text that holds JSON. */
export type ColumnType = 'text' | 'integer' | 'number' | 'boolean' | 'time' | 'json';

/** A value of a column; null where nothing was recorded. */
export type Cell = string | number | boolean | null;
export type Row = Readonly<Record<string, Cell>>;

export interface Column {
  readonly type: ColumnType;
  /** Meaning and unit. */
  readonly is: string;
}

export interface Table {
  readonly name: string;
  readonly is: string;
  readonly columns: Readonly<Record<string, Column>>;
}

const column = (type: ColumnType, is: string): Column => ({ type, is });
const search = column('text', 'name of the search');
const node = column('text', 'id of the node');
const agent = column('text', 'name of the agent');

/** The tables of an export, one file each. */
export const tables = {
  searches: {
    name: 'searches',
    is: 'one row: the search',
    columns: {
      search,
      task: column('text', 'name of the task'),
      profile: column('text', 'profile of the task'),
      metric: column('text', 'name of the metric'),
      lower_is_better: column('boolean', 'whether less is better in the metric'),
      seed: column('integer', 'seed of every random decision'),
      evaluator: column('text', 'version of the evaluator'),
      device_class: column('text', 'kind of devices that trained'),
      phase: column('text', 'phase that was reached'),
      created_at: column('time', 'start'),
      elapsed_s: column('number', 'running time over all sessions, seconds'),
      spec: column(
        'json',
        'the specification that was run: space, budget, ladder, agents, references, settings of the rungs',
      ),
    },
  },
  nodes: {
    name: 'nodes',
    is: 'one row per node: proposals of agents, references and aggregates',
    columns: {
      search,
      node,
      agent,
      attempt: column('integer', "the agent's attempt, from 1"),
      operator: column('text', 'draft, improve, crossover or debug; reference or aggregate for nodes of the lab'),
      parents: column('json', 'ids of the parents'),
      candidate: column('text', 'canonical text: an architecture, or the files of a program as JSON'),
      status: column('text', 'pending, evaluated, failed, rejected or duplicate, after screening'),
      reason: column('text', 'why it has no score'),
      message: column('text', 'the same in a sentence'),
      score: column('number', 'validation score on the screen rung, in the metric'),
      cached: column('boolean', 'whether its screening was a cache hit'),
      choice: column('text', 'why this operator and these parents'),
      change: column('text', 'change relative to the parents'),
      hypothesis: column('text', 'why it should work'),
      expected: column('number', 'expected score, in the metric'),
      retrieved: column('json', 'ids of items shown to the agent'),
      evidence: column('json', 'ids that the agent cites'),
      lesson: column('text', 'what the agent concluded from the result'),
      created_at: column('time', 'when it was submitted'),
      thought: column(
        'integer',
        'attempt whose thought gave the candidate, which has its calls and readings; the own one, unless a thought gave several',
      ),
    },
  },
  evaluations: {
    name: 'evaluations',
    is: 'one row per requested training of a node',
    columns: {
      search,
      node,
      key: column('text', 'content hash of the training; equal keys are one training'),
      rung: column('text', 'screen, confirm or final'),
      seed: column('integer', 'seed of data and start values'),
      status: column('text', 'pending, ok or failed'),
      reason: column('text', 'why it failed'),
      message: column('text', 'the same in a sentence'),
      score: column('number', 'validation score, in the metric'),
      test_score: column('number', 'hidden score, in the metric; only if asked for, and of a finished search'),
      task_scores: column('json', 'validation figures per sub-task, in the metric'),
      curve: column('json', 'pairs of step and validation score during the training'),
      cached: column('boolean', 'whether it was a cache hit'),
      attempts: column('integer', 'trainings that were started for it'),
      seconds: column('number', 'duration of the training, seconds'),
      parameters: column('integer', 'parameters of the model'),
      flops: column('number', 'floating-point operations of the training'),
      peak_memory_bytes: column('integer', 'largest memory of the training, bytes'),
      worker: column('text', 'name of the worker'),
      device: column('text', 'device of the worker'),
      unsafe: column('boolean', 'whether the program ran without a sandbox'),
      requested_at: column('time', 'request'),
      finished_at: column('time', 'end of the training'),
    },
  },
  calls: {
    name: 'calls',
    is: 'one row per request to a language model',
    columns: {
      search,
      agent,
      attempt: column('integer', "the agent's attempt that it served"),
      purpose: column('text', 'operator, or analyze'),
      model: column('text', 'model that was asked'),
      served: column('text', 'model that answered, as its provider says'),
      outcome: column('text', 'how it ended; null while it runs'),
      message: column('text', 'error in a sentence'),
      input_tokens: column('integer', 'tokens of the prompt, cached ones included'),
      cached_tokens: column('integer', 'tokens of the prompt read from the cache'),
      written_tokens: column('integer', 'tokens of the prompt written to the cache'),
      output_tokens: column('integer', 'tokens of the answer, thinking included'),
      dollars: column('number', 'cost, US dollars'),
      estimated: column('boolean', 'whether the cost is the reservation, for want of a count'),
      latency_s: column('number', 'seconds to the end of the answer'),
      at: column('time', 'reservation'),
    },
  },
  readings: {
    name: 'readings',
    is: 'one row per query of an agent to literature, code or the archive',
    columns: {
      search,
      node,
      agent,
      position: column('integer', 'order within the attempt, from 1'),
      how: column('text', 'search-literature, search-code, search-archive or read'),
      query: column('text', 'the query, or the id that was read'),
      found: column('json', 'ids of the items that were shown'),
      failed: column('text', 'failure in a sentence'),
    },
  },
} as const satisfies Record<string, Table>;

export type TableName = keyof typeof tables;

interface Measured {
  readonly tasks: string | null;
  readonly curve: string | null;
  readonly flops: number | null;
}

/** Figures of a measurement that no other page needs. */
function measuredBy(reader: ArchiveReader): (key: string) => Measured {
  const row = reader.db.prepare<[string], Measured>(
    `SELECT json_extract(measurement, '$.tasks') AS tasks, json_extract(measurement, '$.curve') AS curve,
       json_extract(measurement, '$.flops') AS flops FROM evaluations WHERE key = ?`,
  );
  return (key) => row.get(key) ?? { tasks: null, curve: null, flops: null };
}

/**
 * The rows of every table for one search, in recorded order.
 *
 * @param tests hidden scores, if they were asked for; the access is the caller's to record (I4).
 */
export function rowsOf(reader: ArchiveReader, id: SearchId, tests: readonly TestScore[]): Record<TableName, Row[]> {
  const spec = reader.searches.spec(id);
  const metric = (fitness: number | null) => (fitness === null ? null : metricValue(fitness, spec.lowerIsBetter));
  const times = reader.searches.phaseTimes(id);
  const measured = measuredBy(reader);
  const lessons = new Map(reader.records.lessons(id).map(({ node, text }) => [node, text]));
  const hidden = new Map(tests.map(({ node, seed, score }) => [`${node} ${seed}`, score]));
  const rows: Record<TableName, Row[]> = { searches: [], nodes: [], evaluations: [], calls: [], readings: [] };
  rows.searches.push({
    search: id,
    task: spec.task,
    profile: spec.profile,
    metric: spec.metric,
    lower_is_better: spec.lowerIsBetter,
    seed: spec.seed,
    evaluator: spec.evaluator,
    device_class: spec.deviceClass,
    phase: reader.searches.phase(id),
    created_at: times[0]?.at ?? null,
    elapsed_s: reader.searches.elapsedMs(id) / 1000,
    spec: JSON.stringify(spec),
  });
  for (const record of reader.records.nodes(id)) {
    const { rationale } = record;
    const screen = record.evaluations.find(({ rung }) => rung === 'screen');
    rows.nodes.push({
      search: id,
      node: record.id,
      agent: record.agent,
      attempt: record.ordinal,
      operator: record.origin,
      parents: JSON.stringify(record.parents),
      candidate: record.candidate,
      status: statusOf(record),
      reason: screen?.reason ?? (record.verdict === 'accepted' ? null : record.verdict),
      message: screen?.message ?? record.message,
      score: metric(screen?.validation ?? null),
      cached: screen?.saved ?? null,
      choice: rationale.choice,
      change: rationale.change,
      hypothesis: rationale.hypothesis ?? null,
      expected: metric(rationale.expected),
      retrieved: JSON.stringify(rationale.retrieved),
      evidence: JSON.stringify(rationale.evidence),
      lesson: lessons.get(record.id) ?? null,
      created_at: record.createdAt,
      thought: rationale.thought?.first ?? record.ordinal,
    });
    for (const each of record.evaluations) {
      const { tasks, curve, flops } = measured(each.key);
      rows.evaluations.push({
        search: id,
        node: record.id,
        key: each.key,
        rung: each.rung,
        seed: each.seed,
        status: each.status,
        reason: each.reason,
        message: each.message,
        score: metric(each.validation),
        test_score: each.rung === 'final' ? metric(hidden.get(`${record.id} ${each.seed}`) ?? null) : null,
        task_scores: tasks,
        curve,
        cached: each.saved,
        attempts: each.attempts,
        seconds: each.seconds,
        parameters: each.params,
        flops,
        peak_memory_bytes: each.peakMemoryBytes,
        worker: each.worker,
        device: each.device,
        unsafe: each.unsafe,
        requested_at: each.askedAt,
        finished_at: each.finishedAt,
      });
    }
    for (const [index, reading] of (rationale.readings ?? []).entries()) {
      rows.readings.push({
        search: id,
        node: record.id,
        agent: record.agent,
        position: index + 1,
        how: reading.how,
        query: reading.query,
        found: JSON.stringify(reading.found),
        failed: reading.failed ?? null,
      });
    }
  }
  for (const call of reader.calls.of(id)) {
    rows.calls.push({
      search: id,
      agent: call.agent,
      attempt: call.ordinal,
      purpose: call.purpose,
      model: call.model,
      served: call.served,
      outcome: call.outcome,
      message: call.message,
      input_tokens: call.input,
      cached_tokens: call.cached,
      written_tokens: call.written,
      output_tokens: call.output,
      dollars: call.dollars,
      estimated: call.estimated === null ? null : call.estimated === 1,
      latency_s: call.latencyMs === null ? null : call.latencyMs / 1000,
      at: call.at,
    });
  }
  return rows;
}

export const tableFormats = ['csv', 'jsonl', 'parquet'] as const;
export type TableFormat = (typeof tableFormats)[number];

const parquetTypes: Readonly<Record<ColumnType, BasicType>> = {
  text: 'STRING',
  integer: 'INT64',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  time: 'TIMESTAMP',
  // Text, not Parquet's JSON type: pandas reads that as bytes.
  json: 'STRING',
};

const timeText = (ms: number): string => new Date(ms).toISOString();

/** RFC 4180: a field with a comma, a quote or a line break is quoted. Nothing else is changed. */
const csvField = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function csvCell(cell: Cell, type: ColumnType): string {
  if (cell === null) return '';
  if (type === 'time') return timeText(cell as number);
  // Quoted even when empty, so that a reader can tell an empty text from a missing one.
  return cell === '' ? '""' : csvField(String(cell));
}

/** RFC 4180, with a header. */
export function csv(table: Table, rows: readonly Row[]): string {
  const columns = Object.entries(table.columns);
  const lines = rows.map((row) => columns.map(([name, { type }]) => csvCell(row[name] ?? null, type)).join(','));
  return [columns.map(([name]) => name).join(','), ...lines, ''].join('\r\n');
}

/** One object per line; `json` columns are values, not text. */
function jsonLines(table: Table, rows: readonly Row[]): string {
  const value = (cell: Cell, type: ColumnType): unknown => {
    if (cell === null) return null;
    if (type === 'time') return timeText(cell as number);
    return type === 'json' ? JSON.parse(cell as string) : cell;
  };
  const columns = Object.entries(table.columns);
  return rows
    .map((row) =>
      JSON.stringify(Object.fromEntries(columns.map(([name, { type }]) => [name, value(row[name] ?? null, type)]))),
    )
    .map((line) => `${line}\n`)
    .join('');
}

async function parquet(table: Table, rows: readonly Row[]): Promise<Uint8Array> {
  const { parquetWriteBuffer } = await import('hyparquet-writer');
  const cell = (value: Cell, type: ColumnType): unknown => {
    if (value === null) return null;
    if (type === 'time') return new Date(value as number);
    return type === 'integer' ? BigInt(value as number) : value;
  };
  const columnData = Object.entries(table.columns).map(([name, { type }]) => ({
    name,
    type: parquetTypes[type],
    nullable: true,
    data: rows.map((row) => cell(row[name] ?? null, type)),
  }));
  const kvMetadata = [
    { key: 'aira.tables', value: String(tablesVersion) },
    { key: 'aira.columns', value: JSON.stringify(table.columns) },
  ];
  return new Uint8Array(parquetWriteBuffer({ columnData, kvMetadata, createdBy: 'aira' }));
}

type Encoder = (table: Table, rows: readonly Row[]) => string | Promise<Uint8Array>;
const encode: Readonly<Record<TableFormat, Encoder>> = {
  csv,
  jsonl: jsonLines,
  parquet,
};

/** What was written: the file and its number of rows. */
interface WrittenTable {
  readonly name: TableName;
  readonly path: string;
  readonly rows: number;
}

/**
 * Writes the tables of a search into a folder, `<table>.<format>` each, replacing earlier ones.
 *
 * @throws the errors of the file system.
 */
export async function writeTables(
  reader: ArchiveReader,
  search: SearchId,
  options: { readonly format: TableFormat; readonly folder: string; readonly tests: readonly TestScore[] },
): Promise<WrittenTable[]> {
  const { format, folder, tests } = options;
  const rows = rowsOf(reader, search, tests);
  makeFolder(folder);
  const written: WrittenTable[] = [];
  for (const name of Object.keys(tables) as TableName[]) {
    const path = join(folder, `${name}.${format}`);
    writeFileSync(`${path}.part`, await encode[format](tables[name], rows[name]));
    renameSync(`${path}.part`, path);
    written.push({ name, path, rows: rows[name].length });
  }
  return written;
}

/** The page that describes the tables, from their definition. */
export function tablesPage(): string {
  const parts = Object.values(tables).map((table: Table) =>
    [
      `## ${table.name}`,
      '',
      `${table.is[0]?.toUpperCase()}${table.is.slice(1)}.`,
      '',
      '| column | type | meaning |',
      '| --- | --- | --- |',
      ...Object.entries(table.columns).map(([name, { type, is }]) => `| \`${name}\` | ${type} | ${is} |`),
      '',
    ].join('\n'),
  );
  return [
    '# Tables of a search',
    '',
    '`aira export SEARCH --format csv|jsonl|parquet --out DIR` writes one file per table. A new version may append columns; a',
    `column that changes or goes raises the version, now ${tablesVersion}, which Parquet files carry as \`aira.tables\`. Made by`,
    '`node scripts/tables.mjs`.',
    '',
    '- `time`: a UTC timestamp in Parquet, ISO 8601 in CSV and JSON lines.',
    '- `json`: JSON in a text column; values in JSON lines.',
    '- A missing value is null, in CSV an empty field; an empty text is `""`.',
    '- Scores are in the metric of the task, whichever way is better.',
    '- Texts are what agents and programs wrote, unchanged: a spreadsheet may take one for a formula.',
    '',
    ...parts,
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}
