import { closeSync, type Dirent, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join, relative } from 'node:path';
import { errorMessage } from '../domain/errors.ts';
import { CheckReport, counted, type Finding, rowsOf, type Subject } from './subject.ts';

/** Files are read in pieces of this size. */
const pieceBytes = 4 * 1024 * 1024;

/** The lab's own key files, relative to its home. Their contents must not occur in any other file. */
const keyFile = /^credentials\/(?:[a-z]+\.nk|sealing\.pem|agents\.secret|tls\/server\.key|issued\/[^/]+\/[a-z]+\.nk)$/;

/** The lab's own keys. */
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
        // The scan of all files reports an unreadable file.
        return [];
      }
    });
}

/** Scans a file in pieces, so that its size does not matter. Bytes are decoded as latin1, characters 0 to 255. */
function scanFile(path: string, secrets: readonly Secret[]): Set<string> {
  // Files contain secrets beyond ASCII as UTF-8.
  const asBytes = secrets.map(({ name, value }) => ({ name, value: Buffer.from(value).toString('latin1') }));
  const found = new Set<string>();
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(pieceBytes);
    for (let rest = ''; ; ) {
      const length = readSync(file, buffer, 0, pieceBytes, null);
      if (length === 0) return found;
      const text = rest + buffer.toString('latin1', 0, length);
      for (const name of leaked(text, asBytes)) found.add(name);
      rest = text.slice(-maxSecretChars);
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

function scanArchive(subject: Subject, secrets: readonly Secret[], report: CheckReport): void {
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
      for (const name of leaked(text, secrets)) {
        const hit = `${name} occurs in ${tableName}.${columnName}`;
        hits.set(hit, (hits.get(hit) ?? 0) + 1);
      }
    }
  }
  for (const [hit, count] of hits) report.violation(`${hit}, in ${counted(count, 'row')}`);
  report.pass(`${counted(values, 'text')} in ${counted(columns.length, 'column')} of the archive scanned`);
}

function scanHome(home: string, secrets: readonly Secret[], report: CheckReport): void {
  const { files, skipped } = filesBelow(home);
  for (const path of files) {
    const name = relative(home, path);
    try {
      if (keyFile.test(name)) continue;
      for (const secret of scanFile(path, secrets)) report.violation(`${secret} occurs in the file ${name}`);
    } catch (thrown) {
      // A running lab may delete a file during the scan.
      if ((thrown as { code?: string }).code === 'ENOENT') continue;
      report.skipped(`the file ${name} cannot be read: ${errorMessage(thrown)}`);
    }
  }
  for (const path of skipped)
    report.skipped(`${relative(home, path) || home} is not a file, or a folder that cannot be read`);
  report.pass(`${counted(files.length, 'file')} of the home scanned: archive, streams, reports, logs`);
}

/** I7: keys exist only in the process that calls a model, and occur neither in the archive nor in the home. */
export function secretsContained(subject: Subject, home: string, secrets: readonly Secret[]): Finding {
  const report = new CheckReport('I7');
  const names = secrets.map(({ name }) => name);
  report.pass(
    `searched for ${counted(shapes.length, 'known form')} of keys, and the values of ` +
      (names.length === 0 ? 'no variable (none is named like a key)' : names.join(', ')),
  );
  const all = [...secrets, ...ownKeys(home)];
  scanArchive(subject, all, report);
  scanHome(home, all, report);
  return report.finding();
}

/** A value that must not occur, and a name for it. The value is never printed. */
export interface Secret {
  readonly name: string;
  readonly value: string;
}

/** Shorter values are ordinary words. */
const minSecretChars = 12;

const secretName = /(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$/i;

/** The variables of an environment that are named like keys. */
export function secretsOf(env: Readonly<Record<string, string | undefined>>): Secret[] {
  return Object.entries(env).flatMap(([name, value]) =>
    secretName.test(name) && value !== undefined && value.length >= minSecretChars ? [{ name, value }] : [],
  );
}

/** Key formats of providers, which find keys that are not set in this environment. */
export const shapes: readonly { readonly name: string; readonly pattern: RegExp }[] = [
  { name: 'an Anthropic key', pattern: /(?<![A-Za-z0-9])sk-ant-[A-Za-z0-9_-]{16,}/ },
  // A digit and a capital distinguish a key from words joined by hyphens. The lookaheads are bounded: a text of repeated
  // key prefixes would otherwise take quadratic time.
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

/** Upper bound on the length of a key; pieces of a file overlap by it. */
export const maxSecretChars = 4096;

/** Names of the secrets that occur in a text. */
export function leaked(text: string, secrets: readonly Secret[]): string[] {
  const values = secrets.filter(({ value }) => text.includes(value)).map(({ name }) => `the value of ${name}`);
  const formats = shapes.filter(({ pattern }) => pattern.test(text)).map(({ name }) => name);
  return [...values, ...formats];
}
