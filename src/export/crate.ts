/**
 * A search as one file: a zip that is a RO-Crate 1.1, with all that a stranger needs to check its claims.
 *
 * Role: writes the file, and opens one that came from anywhere. Non-role: rows of the archive (`memory`), the report.
 *
 * - CRT-1 The rows in `ledger` decide; report, tables and programs are for people and are not read back.
 * - CRT-2 The manifest has size and digest of every other file; a file that it does not name, or that differs, refuses the whole.
 * - CRT-3 No name in the file becomes a path. No more is unpacked than the manifest states, which is bounded.
 * - CRT-4 Equal contents give equal bytes: files have the time at which the search ended.
 */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync, readSync, renameSync, writeFileSync } from 'node:fs';
import { type UnzipFileInfo, unzipSync, type Zippable, zipSync } from 'fflate';
import * as z from 'zod';
import { PrerequisiteError, TerminalError } from '../domain/errors.ts';
import { type SearchId, searchIdSchema } from '../domain/ids.ts';
import { parseProgram } from '../domain/program.ts';
import type { SearchSpec } from '../domain/search.ts';
import {
  type ArchiveReader,
  type LedgerRow,
  type LedgerTable,
  ledgerOf,
  schemaVersion,
  type TestScore,
} from '../memory/index.ts';
import { whyNot } from '../platform/index.ts';
import { csv, rowsOf, type TableName, tables } from './tables.ts';

/** Name of the list of files in a crate, and version of that list. */
const crateManifestName = 'manifest.json';
const crateMetadataName = 'ro-crate-metadata.json';
const crateVersion = 1;

/** Files of a crate. No other name is read, and none is used as a path. */
const crateFileName = z
  .string()
  .max(300)
  .regex(
    /^(README\.md|search\.yaml|specification\.json|claims\.json|report\.html|calls\.jsonl|ro-crate-metadata\.json|tables\/[a-z]+\.csv|ledger\/[a-z_]+\.jsonl|programs\/[a-z0-9-]+\/[A-Za-z0-9_-][A-Za-z0-9._-]*)$/,
  );

const crateManifestSchema = z.strictObject({
  format: z.literal('aira-crate'),
  version: z.literal(crateVersion),
  search: searchIdSchema,
  /** Version of the archive's schema, of which the rows in `ledger` are. */
  archive: z.int().positive(),
  aira: z.string().max(200),
  files: z
    .array(z.strictObject({ name: crateFileName, bytes: z.int().nonnegative(), sha256: z.string().length(64) }))
    .max(10_000),
});
type CrateManifest = z.infer<typeof crateManifestSchema>;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const largestFile = 1024 ** 3;
const mostUnpacked = 2 * 1024 ** 3;
const largestManifest = 8 * 1024 ** 2;

/** Facts and pages that only the command line knows. */
export interface CrateContents {
  readonly tests: readonly TestScore[];
  /** The report as a page, and its claims. */
  readonly report: string;
  readonly claims: object;
  /** Path of the recorded answers of language models, if there are any. */
  readonly recording: string | null;
  /** Version and commit of Aira. */
  readonly aira: string;
}

const readme = (search: SearchId, aira: string): string => `# Search ${search}

Written by ${aira}. To check it, install that version and run, with the name of this file:

    aira import FILE --home lab
    aira audit ${search} --home lab
    aira report ${search} --home lab

\`import\` compares every file with its digest. \`audit\` recomputes keys, budgets, decisions and claims from the rows in \`ledger\`, and
asks local models and the recorded answers in \`calls.jsonl\` for every attempt again. \`audit --retrain 5\` trains five candidates
again. \`report\` writes \`report.html\` from the rows.

- \`search.yaml\`: the search file; \`specification.json\`: every setting, seeds and versions included
- \`claims.json\`: the claims with their estimates and intervals
- \`tables\`: nodes, evaluations, calls and readings as CSV
- \`programs\`: the files of programs of the final rung
- \`manifest.json\`, \`ro-crate-metadata.json\`: sizes, digests and descriptions
`;

function programsOf(reader: ArchiveReader, search: SearchId): [string, string][] {
  const final = reader.records
    .nodes(search)
    .filter(({ evaluations }) => evaluations.some(({ rung }) => rung === 'final'));
  return final
    .filter(({ candidate }) => candidate.startsWith('{'))
    .flatMap(({ id, candidate }) =>
      Object.entries(parseProgram(candidate)).map(([name, text]): [string, string] => [`programs/${id}/${name}`, text]),
    );
}

function jsonLines(rows: Iterable<LedgerRow>): Buffer {
  const parts: Buffer[] = [];
  for (const row of rows) parts.push(Buffer.from(`${JSON.stringify(row)}\n`));
  return Buffer.concat(parts);
}

/**
 * Writes a finished search to a file that must not exist. Returns its digest and number of files.
 *
 * @throws PrerequisiteError `search-open` for a search that has not finished, `file-exists`.
 */
export function writeCrate(
  reader: ArchiveReader,
  search: SearchId,
  path: string,
  contents: CrateContents,
): { readonly path: string; readonly sha256: string; readonly bytes: number; readonly files: number } {
  if (reader.searches.phase(search) !== 'finished') {
    throw new PrerequisiteError(
      'search-open',
      `"${search}" has not finished`,
      `resume it with: aira launch --resume ${search}`,
    );
  }
  const spec = reader.searches.spec(search);
  const pretty = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  const rows = rowsOf(reader, search, contents.tests);
  const files = new Map<string, Uint8Array>();
  const add = (name: string, content: string | Uint8Array) =>
    files.set(crateFileName.parse(name), typeof content === 'string' ? Buffer.from(content) : content);
  add('README.md', readme(search, contents.aira));
  add('search.yaml', reader.searches.source(search));
  add('specification.json', pretty(spec));
  add('claims.json', pretty(contents.claims));
  add('report.html', contents.report);
  for (const name of Object.keys(tables) as TableName[]) add(`tables/${name}.csv`, csv(tables[name], rows[name]));
  for (const [name, text] of programsOf(reader, search)) {
    // A task of others may name files as no crate does; the rows have them.
    if (crateFileName.safeParse(name).success) add(name, text);
  }
  reader.db.transaction(() => {
    for (const { table, rows } of ledgerOf(reader.db, search)) add(`ledger/${table}.jsonl`, jsonLines(rows));
  })();
  if (contents.recording !== null) add('calls.jsonl', readFileSync(contents.recording));
  const listed = (): CrateManifest['files'] =>
    [...files].map(([name, bytes]) => ({ name, bytes: bytes.length, sha256: sha256(bytes) }));
  const times = reader.searches.phaseTimes(search);
  const [startedAt, endedAt] = [times[0]?.at ?? 0, times.at(-1)?.at ?? 0];
  add(crateMetadataName, pretty(crateMetadata(spec, listed(), { aira: contents.aira, startedAt, endedAt })));
  const manifest: CrateManifest = {
    ...{ format: 'aira-crate', version: crateVersion, search, archive: schemaVersion, aira: contents.aira },
    files: listed(),
  };
  const zippable: Zippable = Object.fromEntries([...files, [crateManifestName, Buffer.from(pretty(manifest))]]);
  // A zip has no time before 1980.
  const zipped = zipSync(zippable, { level: 6, mtime: Math.max(endedAt, Date.UTC(1980, 0, 2)) });
  try {
    writeFileSync(`${path}.part`, zipped, { flag: 'wx' });
    renameSync(`${path}.part`, path);
  } catch (thrown) {
    throw new PrerequisiteError('file-unwritable', `${path} ${whyNot(thrown)}`, 'choose another --out', {
      cause: thrown,
    });
  }
  return { path, sha256: sha256(zipped), bytes: zipped.length, files: files.size + 1 };
}

/** A file that was opened: everything in it agrees with its manifest. */
export interface OpenCrate {
  readonly manifest: CrateManifest;
  /** SHA-256 of the file. */
  readonly digest: string;
  /** Rows of the archive, parsed as they are read. @throws PrerequisiteError `crate-invalid`. */
  readonly ledger: readonly LedgerTable[];
  /** The recorded answers of language models; null without any. */
  readonly recording: Uint8Array | null;
}

const remedy = 'ask for the file again, or compare its SHA-256 with that of the sender';

const invalid = (path: string, why: string, cause?: unknown) =>
  new PrerequisiteError('crate-invalid', `${path} cannot be imported: ${why}`, remedy, { cause });

function readAll(path: string): Uint8Array {
  try {
    const file = openSync(path, 'r');
    try {
      const status = fstatSync(file);
      if (!status.isFile()) throw invalid(path, 'it is not a file');
      if (status.size > largestFile) throw invalid(path, `it has ${status.size} bytes; the limit is ${largestFile}`);
      const bytes = Buffer.alloc(status.size);
      let length = 0;
      for (let count = -1; count !== 0 && length < bytes.length; length += count) {
        count = readSync(file, bytes, length, bytes.length - length, null);
      }
      return bytes.subarray(0, length);
    } finally {
      closeSync(file);
    }
  } catch (thrown) {
    if (thrown instanceof TerminalError) throw thrown;
    throw invalid(path, `it ${whyNot(thrown)}`, thrown);
  }
}

/** Unpacks what `accepts` lets pass. @throws PrerequisiteError `crate-invalid`. */
function unpack(
  path: string,
  bytes: Uint8Array,
  accepts: (file: UnzipFileInfo) => boolean,
): Record<string, Uint8Array> {
  try {
    return unzipSync(bytes, { filter: accepts });
  } catch (thrown) {
    if (thrown instanceof TerminalError) throw thrown;
    throw invalid(path, 'it is not a zip, or damaged', thrown);
  }
}

function* parsedLines(path: string, table: string, bytes: Uint8Array): Generator<LedgerRow> {
  let number = 0;
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(10, from);
    const stop = end < 0 ? bytes.length : end;
    number += 1;
    let row: unknown;
    try {
      row = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + from, stop - from).toString('utf8'));
    } catch {
      row = null;
    }
    if (row === null || typeof row !== 'object' || Array.isArray(row)) {
      throw invalid(path, `line ${number} of ${table} is not a row`);
    }
    yield row as LedgerRow;
    from = stop + 1;
  }
}

/**
 * Opens a crate that may come from anyone.
 *
 * @throws PrerequisiteError `crate-invalid` for anything but the bytes that {@link writeCrate} wrote.
 */
export function openCrate(path: string): OpenCrate {
  const bytes = readAll(path);
  const seen = new Set<string>();
  let unpackedBytes = 0;
  const manifestOnly = unpack(path, bytes, ({ name, originalSize }) => {
    if (seen.has(name)) throw invalid(path, 'a name occurs twice in it');
    seen.add(name);
    unpackedBytes += originalSize;
    if (name !== crateManifestName) return false;
    if (originalSize > largestManifest) throw invalid(path, 'its manifest is too large');
    return true;
  });
  if (unpackedBytes > mostUnpacked) {
    throw invalid(path, `it unpacks to ${unpackedBytes} bytes; the limit is ${mostUnpacked}`);
  }
  const text = manifestOnly[crateManifestName];
  if (!text) throw invalid(path, 'it has no manifest of an exported search');
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(text).toString('utf8'));
  } catch (thrown) {
    throw invalid(path, 'its manifest is not JSON', thrown);
  }
  const parsed = crateManifestSchema.safeParse(json);
  if (!parsed.success)
    throw invalid(path, 'its manifest is not one of an exported search, or names files outside of it');
  const manifest = parsed.data;
  const stated = new Map(manifest.files.map((file) => [file.name, file]));
  const stray = [...seen].find((name) => name !== crateManifestName && !stated.has(name));
  if (stray !== undefined) throw invalid(path, 'it has a file that its manifest does not name');
  const files = unpack(path, bytes, ({ name, originalSize }) => {
    const file = stated.get(name);
    if (file && file.bytes !== originalSize)
      throw invalid(path, `${name} has ${originalSize} bytes instead of ${file.bytes}`);
    return file !== undefined;
  });
  for (const { name, sha256: expected } of manifest.files) {
    const content = files[name];
    if (!content) throw invalid(path, `${name} is missing`);
    if (sha256(content) !== expected) throw invalid(path, `${name} has another digest than its manifest states`);
  }
  const ledger = manifest.files.flatMap(({ name }) => {
    const table = /^ledger\/([a-z_]+)\.jsonl$/.exec(name)?.[1];
    const content = files[name];
    if (table === undefined || !content) return [];
    return [{ table, rows: { [Symbol.iterator]: () => parsedLines(path, table, content) } }];
  });
  return { manifest, digest: sha256(bytes), ledger, recording: files['calls.jsonl'] ?? null };
}

/** What a file is, by its name. */
function descriptionOf(name: string): readonly [encodingFormat: string, description: string] {
  if (name === 'README.md') return ['text/markdown', 'How to check the claims'];
  if (name === 'search.yaml') return ['application/yaml', 'The search file, as it was launched'];
  if (name === 'specification.json')
    return ['application/json', 'Every setting of the search, with seeds and versions'];
  if (name === 'claims.json') return ['application/json', 'The claims of the report, with estimates and intervals'];
  if (name === 'report.html') return ['text/html', 'The report'];
  if (name === 'calls.jsonl') return ['application/jsonl', 'Recorded answers of language models'];
  if (name === crateManifestName) return ['application/json', 'Sizes and SHA-256 digests of all other files'];
  if (name.startsWith('tables/')) return ['text/csv', 'A table for people; the rows in ledger decide'];
  if (name.startsWith('ledger/')) return ['application/jsonl', 'All rows of a table of the archive'];
  return ['text/plain', 'A file of a program of the final rung'];
}

/**
 * The description of a crate as RO-Crate 1.1 (https://w3id.org/ro/crate/1.1): JSON-LD with one entity per file, and the search
 * as the action that made them.
 */
function crateMetadata(
  spec: SearchSpec,
  files: CrateManifest['files'],
  facts: { readonly aira: string; readonly startedAt: number; readonly endedAt: number },
): object {
  const iso = (ms: number) => new Date(ms).toISOString();
  const entities = [...files, { name: crateManifestName, bytes: undefined, sha256: undefined }].map(
    ({ name, bytes, sha256 }) => {
      const [encodingFormat, description] = descriptionOf(name);
      return {
        '@id': name,
        '@type': 'File',
        name,
        description,
        encodingFormat,
        ...(bytes === undefined ? {} : { contentSize: String(bytes), sha256 }),
      };
    },
  );
  const refer = (id: string) => ({ '@id': id });
  const measured = `${spec.metric}, ${spec.lowerIsBetter ? 'lower' : 'higher'} is better`;
  return {
    '@context': 'https://w3id.org/ro/crate/1.1/context',
    '@graph': [
      {
        '@id': crateMetadataName,
        '@type': 'CreativeWork',
        conformsTo: refer('https://w3id.org/ro/crate/1.1'),
        about: refer('./'),
      },
      {
        '@id': './',
        '@type': 'Dataset',
        name: `Search ${spec.id} on ${spec.task}`,
        description: `A search for neural architectures on the task ${spec.task}, profile ${spec.profile} (${measured}), with all that its claims follow from`,
        datePublished: iso(facts.endedAt),
        license: refer('#license'),
        mentions: refer('#search'),
        hasPart: entities.map((entity) => refer(entity['@id'])),
      },
      {
        '@id': '#license',
        '@type': 'CreativeWork',
        name: 'Not stated',
        description: 'The terms are those of the person who published this file',
      },
      {
        '@id': '#search',
        '@type': 'CreateAction',
        name: `aira launch, seed ${spec.seed}`,
        startTime: iso(facts.startedAt),
        endTime: iso(facts.endedAt),
        instrument: [refer('#aira'), refer('#evaluator')],
        object: refer('search.yaml'),
        result: files.filter(({ name }) => name.startsWith('ledger/')).map(({ name }) => refer(name)),
      },
      { '@id': '#aira', '@type': 'SoftwareApplication', name: 'Aira', softwareVersion: facts.aira },
      { '@id': '#evaluator', '@type': 'SoftwareApplication', name: 'Aira evaluator', softwareVersion: spec.evaluator },
      ...entities,
    ],
  };
}
