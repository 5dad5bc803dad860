import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BasicType } from 'hyparquet-writer';
import type { SearchId } from '../domain/ids.ts';
import type { ArchiveReader, TestScore } from '../memory/index.ts';
import { makeFolder } from '../platform/index.ts';
import {
  type Cell,
  type ColumnType,
  type Row,
  rowsOf,
  type Table,
  type TableName,
  tables,
  tablesVersion,
} from './tables.ts';

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
export interface WrittenTable {
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
