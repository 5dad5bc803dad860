import { closeSync, type Dirent, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join, relative } from 'node:path';
import { errorMessage } from '../domain/errors.ts';
import { CheckReport, counted, type Finding, rowsOf, type Subject } from './subject.ts';

const pieceBytes = 4 * 1024 * 1024;

/** Where a lab keeps its own keys, by path below its home. They belong there and nowhere else. */
const keyFile = /^credentials\/(?:[a-z]+\.nk|sealing\.pem|agents\.secret)$/;

/** The lab's own keys, which must stand in no other file. */
function ownKeys(home: string): Secret[] {
  const paths = filesBelow(home).files.map((path) => relative(home, path));
  return paths
    .filter((path) => keyFile.test(path))
    .flatMap((path) => {
      try {
        const lines = readFileSync(join(home, path), 'utf8').split('\n');
        const value = lines.find((line) => line !== '' && !line.startsWith('-----'))?.trim();
        return value ? [{ name: path, value }] : [];
      } catch {
        // One that cannot be read is told of where all files are read.
        return [];
      }
    });
}

/** Reads a file piece by piece, so that its size does not matter. Bytes are read as characters 0 to 255. */
function scanFile(path: string, secrets: readonly Secret[]): Set<string> {
  // Secrets beyond ASCII stand in files as UTF-8.
  const asBytes = secrets.map(({ name, value }) => ({ name, value: Buffer.from(value).toString('latin1') }));
  const found = new Set<string>();
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(pieceBytes);
    for (let rest = ''; ; ) {
      const length = readSync(file, buffer, 0, pieceBytes, null);
      if (length === 0) return found;
      const text = rest + buffer.toString('latin1', 0, length);
      for (const name of givenAway(text, asBytes)) found.add(name);
      rest = text.slice(-longestSecret);
    }
  } finally {
    closeSync(file);
  }
}

function filesBelow(folder: string): { files: string[]; skipped: string[] } {
  const files: string[] = [];
  const skipped: string[] = [];
  const visit = (at: string): void => {
    let entries: Dirent[];
    try {
      entries = readdirSync(at, { withFileTypes: true });
    } catch {
      skipped.push(at);
      return;
    }
    for (const entry of entries) {
      const path = join(at, entry.name);
      if (entry.isDirectory()) visit(path);
      else if (entry.isFile()) files.push(path);
      else skipped.push(path);
    }
  };
  visit(folder);
  return { files, skipped };
}

function scanArchive(subject: Subject, secrets: readonly Secret[], inquiry: CheckReport): void {
  const { db } = subject.reader;
  const columns = rowsOf<{ tableName: string; columnName: string }>(
    subject,
    `SELECT s.name AS tableName, c.name AS columnName FROM sqlite_schema s, pragma_table_info(s.name) c
     WHERE s.type = 'table' AND c.type = 'TEXT'`,
  );
  let values = 0;
  const hits = new Map<string, number>();
  for (const { tableName, columnName } of columns) {
    const texts = db
      .prepare<[], string>(`SELECT "${columnName}" FROM "${tableName}" WHERE "${columnName}" IS NOT NULL`)
      .pluck();
    for (const text of texts.iterate()) {
      values++;
      for (const name of givenAway(text, secrets)) {
        const hit = `${name} stands in ${tableName}.${columnName}`;
        hits.set(hit, (hits.get(hit) ?? 0) + 1);
      }
    }
  }
  for (const [hit, count] of hits) inquiry.broken(`${hit}, in ${counted(count, 'row')}`);
  inquiry.saw(`${counted(values, 'text')} in ${counted(columns.length, 'column')} of the archive read`);
}

function scanHome(home: string, secrets: readonly Secret[], inquiry: CheckReport): void {
  const { files, skipped } = filesBelow(home);
  for (const path of files) {
    const place = relative(home, path);
    try {
      if (keyFile.test(place)) continue;
      for (const name of scanFile(path, secrets)) inquiry.broken(`${name} stands in the file ${place}`);
    } catch (thrown) {
      // A file of a running lab may go while the home is read.
      if ((thrown as { code?: string }).code === 'ENOENT') continue;
      inquiry.unchecked(`the file ${place} cannot be read: ${errorMessage(thrown)}`);
    }
  }
  for (const path of skipped)
    inquiry.unchecked(`${relative(home, path) || home} is no file, or a folder that cannot be read`);
  inquiry.saw(`${counted(files.length, 'file')} of the home read: archive, streams, reports, logs`);
}

/** I7: keys live in the process that calls a model, and leave no trace in archive or home. */
export function secretsContained(subject: Subject, home: string, secrets: readonly Secret[]): Finding {
  const inquiry = new CheckReport('I7');
  const names = secrets.map(({ name }) => name);
  inquiry.saw(
    `looked for ${counted(shapes.length, 'known form')} of keys, and for the values of ` +
      (names.length === 0 ? 'no variable, because none here looks like a key' : names.join(', ')),
  );
  const all = [...secrets, ...ownKeys(home)];
  scanArchive(subject, all, inquiry);
  scanHome(home, all, inquiry);
  return inquiry.finding();
}

/** Something that must not be found, and what it may be called. Its value is never printed. */
export interface Secret {
  readonly name: string;
  readonly value: string;
}

/** Shorter values are words that stand everywhere. */
const shortestSecret = 12;

const secretName = /(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$/i;

/** The variables of an environment that look like keys. */
export function secretsOf(env: Readonly<Record<string, string | undefined>>): Secret[] {
  return Object.entries(env).flatMap(([name, value]) =>
    secretName.test(name) && value !== undefined && value.length >= shortestSecret ? [{ name, value }] : [],
  );
}

/** Forms that providers give their keys, so that a key is found whose variable is not set here. */
export const shapes: readonly { readonly name: string; readonly pattern: RegExp }[] = [
  { name: 'an Anthropic key', pattern: /(?<![A-Za-z0-9])sk-ant-[A-Za-z0-9_-]{16,}/ },
  // A digit and a capital tell it from words joined by hyphens. Looked for within a key's length: a text of nothing but
  // beginnings of keys would otherwise take the square of its length.
  {
    name: 'a key of the form sk-...',
    pattern: /(?<![A-Za-z0-9])sk-(?!ant-)(?=[\w-]{0,100}\d)(?=[\w-]{0,100}[A-Z])[\w-]{20,}/,
  },
  { name: 'a GitHub token', pattern: /(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})/ },
  { name: 'an AWS access key', pattern: /(?<![A-Za-z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z])/ },
  { name: 'a Google key', pattern: /(?<![A-Za-z0-9])AIza[0-9A-Za-z_-]{35}/ },
  { name: 'a Hugging Face token', pattern: /(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,}/ },
  { name: 'the seed of an nkey', pattern: /(?<![A-Za-z0-9])S[UAO][A-Z2-7]{56}(?![A-Za-z0-9])/ },
  { name: 'a private key', pattern: /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/ },
];

/** No shape and hardly any key is longer. Texts that are read in pieces overlap by so much. */
export const longestSecret = 4096;

/** The names of what a text gives away. */
export function givenAway(text: string, secrets: readonly Secret[]): string[] {
  const values = secrets.filter(({ value }) => text.includes(value)).map(({ name }) => `the value of ${name}`);
  const found = shapes.filter(({ pattern }) => pattern.test(text)).map(({ name }) => name);
  return [...values, ...found];
}
