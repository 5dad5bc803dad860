import { closeSync, type Dirent, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join, relative } from 'node:path';
import { errorMessage } from '../domain/errors.ts';
import { testPurposes } from '../domain/messages.ts';
import {
  CheckReport,
  counted,
  countOf,
  type Finding,
  isOwnNode,
  rowsOf,
  type Subject,
  screeningClosedAt,
  short,
} from './subject.ts';

/** What must not be readable: test scores by anything that decides or before the end (I4), and secrets anywhere (I7). */

/** Purposes for which people may read test scores; none leads back into a search. */
const allowedPurposes: readonly string[] = testPurposes;

/** Test scores exist for final trainings only, and in one table only. */
function checkPlace(subject: Subject, report: CheckReport): void {
  const misplaced = rowsOf<{ key: string; rung: string | null; measure: string | null }>(
    subject,
    `SELECT t.key, json_extract(j.body, '$.rung') AS rung, json_extract(j.body, '$.measure') AS measure
     FROM test_scores t LEFT JOIN jobs j ON j.key = t.key WHERE rung IS NOT 'final' OR measure IS NOT 'test'`,
  );
  report.none(
    misplaced,
    ({ key, rung }) => `${short(key)}, a training of the ${rung ?? 'unknown'} rung, has a test score`,
    `${counted(countOf(subject, 'SELECT count(*) FROM test_scores'), 'test score')}, all of final trainings`,
  );
  const early = rowsOf<{ key: string; rung: string }>(
    subject,
    `SELECT DISTINCT w.key, w.rung FROM evaluation_requests w JOIN jobs j ON j.key = w.key
     WHERE (json_extract(j.body, '$.measure') = 'test') <> (w.rung = 'final')`,
  );
  for (const { key, rung } of early)
    report.violation(`training ${short(key)} of the ${rung} rung measures the wrong set`);
  const exposed = rowsOf<{ key: string }>(
    subject,
    `SELECT DISTINCT e.key FROM evaluations e, json_tree(e.measurement) t WHERE t.key LIKE 'test%'`,
  );
  report.none(
    exposed,
    ({ key }) => `the public measurement of ${short(key)} contains a test score`,
    `${counted(countOf(subject, 'SELECT count(*) FROM evaluations'), 'public measurement')}, none with a test score`,
  );
}

/** Proposals are accepted before the end of screening, and final trainings of candidates requested after it. */
function checkOrder(subject: Subject, report: CheckReport): void {
  const closed = screeningClosedAt(subject);
  const { search } = subject;
  const finals = rowsOf<{ node: string; at: number }>(
    subject,
    `SELECT DISTINCT w.node, w.at FROM evaluation_requests w JOIN nodes n ON n.search = w.search AND n.id = w.node
     WHERE w.search = ? AND w.rung = 'final' AND n.origin <> 'reference'`,
    search,
  );
  const premature = finals.filter(({ at }) => closed === null || at < closed);
  report.none(
    premature,
    ({ node }) => `a final training of ${node} was requested before the end of screening`,
    closed === null
      ? 'screening is not over, and no final training was requested'
      : `${counted(finals.length, 'final training')} of candidates, all requested after the end of screening`,
  );
  if (closed === null) return;
  const late = rowsOf<{ id: string }>(
    subject,
    `SELECT id FROM nodes n WHERE search = ? AND NOT ${isOwnNode('n')} AND created_at > ?`,
    search,
    closed,
  );
  report.none(
    late,
    ({ id }) => `${id} was proposed after the end of screening`,
    'no candidate was proposed after the end of screening',
  );
}

/** Accesses are recorded; none may precede a decision. */
function checkReads(subject: Subject, report: CheckReport): void {
  const { reader, search } = subject;
  const phases = reader.searches.phaseTimes(search);
  const reads = rowsOf<{ purpose: string; at: number }>(
    subject,
    'SELECT purpose, at FROM test_reads WHERE search = ? ORDER BY seq',
    search,
  );
  let wrong = 0;
  let resumed = 0;
  for (const { purpose, at } of reads) {
    const entered = phases.filter((phase) => phase.at <= at);
    const phase = entered.at(-1)?.phase;
    const ended = phase === 'finished' || phase === 'stopped';
    if (!ended) report.violation(`test scores were read while the search was ${phase ?? 'not yet started'}`);
    if (!allowedPurposes.includes(purpose)) report.violation(`test scores were read for "${purpose}"`);
    if (!ended || !allowedPurposes.includes(purpose)) wrong++;
    if (phases.length > entered.length) resumed++;
    const readable = countOf(
      subject,
      `SELECT count(*) FROM evaluation_requests w JOIN test_scores t ON t.key = w.key JOIN evaluations e ON e.key = w.key
       WHERE w.search = ? AND e.finished_at <= ?`,
      search,
      at,
    );
    const after = countOf(
      subject,
      `SELECT count(*) FROM nodes n WHERE search = ? AND created_at > ? AND NOT ${isOwnNode('n')}`,
      search,
      at,
    );
    if (readable > 0 && after > 0) {
      report.violation(`${counted(after, 'candidate')} followed an access to ${counted(readable, 'test score')}`);
    }
  }
  if (wrong > 0) return;
  const purposes = [...new Set(reads.map(({ purpose }) => purpose))].join(', ');
  const before = resumed === 0 ? '' : `; ${resumed} of them while it was stopped, before a resume`;
  report.pass(
    reads.length === 0
      ? 'no test score of this search was read'
      : `${counted(reads.length, 'access', 'accesses')} to test scores (${purposes}), all after the search had ended${before}`,
  );
}

/** I4: validation steers; test scores are stored separately, and no decision can have used them. */
export function testScores(subject: Subject): Finding {
  const report = new CheckReport('I4');
  checkPlace(subject, report);
  checkOrder(subject, report);
  checkReads(subject, report);
  checkTexts(subject, report);
  return report.finding();
}

/** Numbers with fewer significant digits, such as 0.5, occur by chance. */
const minDigits = 6;
/** Beyond this, two texts of one float may differ by rounding. */
const maxDigits = 15;

/** Every text that could have carried a test score to an agent, or to a person during the search. */
const texts = `
  SELECT 'the rationale of ' || id AS place, rationale AS text FROM nodes WHERE search = @search
  UNION ALL SELECT 'the candidate of ' || id, candidate FROM nodes WHERE search = @search
  UNION ALL SELECT 'the message about ' || id, message FROM nodes WHERE search = @search AND message IS NOT NULL
  UNION ALL SELECT 'the lesson of ' || node, text FROM lessons WHERE search = @search
  UNION ALL SELECT 'call ' || call, message FROM settlements WHERE search = @search AND message IS NOT NULL
  UNION ALL SELECT 'job ' || substr(key, 1, 12), body FROM jobs
  UNION ALL SELECT 'outbox row ' || seq || ' (' || kind || ')', body FROM outbox
  UNION ALL SELECT 'a delivery of ' || substr(key, 1, 12), message FROM deliveries WHERE message IS NOT NULL
  UNION ALL SELECT 'the failure of ' || substr(key, 1, 12), message FROM evaluations WHERE message IS NOT NULL`;

const number = /(?<![\w.])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]\d)/g;

/** Number of significant digits of a number as written. */
function significantDigits(written: string): number {
  const [mantissa = ''] = written.split(/[eE]/);
  return mantissa.replace('.', '').replace(/^0+/, '').length;
}

/** Matches a number of n digits that equals a score rounded or truncated to n digits. */
function matcher(figures: readonly number[]): (written: string) => boolean {
  const allTexts = new Set(figures.flatMap(precisions));
  return (written) => {
    const digits = Math.min(significantDigits(written), maxDigits);
    return digits >= minDigits && allTexts.has(Number(written).toPrecision(digits));
  };
}

/** The score at each precision, rounded and truncated. Scores with few digits are skipped. */
function precisions(figure: number): string[] {
  if (significantDigits(String(figure)) < minDigits) return [];
  const all: string[] = [];
  for (let digits = minDigits; digits <= maxDigits; digits++) {
    all.push(figure.toPrecision(digits));
    const exponent = Math.floor(Math.log10(Math.abs(figure)));
    const step = 10 ** (digits - 1 - exponent);
    all.push((Math.trunc(figure * step) / step).toPrecision(digits));
  }
  return all;
}

/**
 * No test score occurs in a text readable before the end. A number that is also a validation score of the archive is no
 * evidence: trainings on few samples have few possible scores.
 */
function checkTexts(subject: Subject, report: CheckReport): void {
  const { db } = subject.reader;
  const figures = rowsOf<{ figure: number }>(
    subject,
    `SELECT score AS figure FROM test_scores
     UNION SELECT t.value FROM test_scores s, json_each(s.tasks) t WHERE t.type = 'real'`,
  ).map(({ figure }) => figure);
  const validations = rowsOf<{ figure: number }>(
    subject,
    'SELECT validation AS figure FROM evaluations WHERE validation IS NOT NULL UNION SELECT seconds FROM evaluations',
  ).map(({ figure }) => figure);
  const isTest = matcher(figures);
  const isValidation = new Set(validations);
  let read = 0;
  let hits = 0;
  let shared = 0;
  const rows = db
    .prepare<{ search: string }, { place: string; text: string }>(texts)
    .iterate({ search: subject.search });
  for (const { place, text } of rows) {
    read++;
    for (const [written] of text.matchAll(number)) {
      if (!isTest(written)) continue;
      if (isValidation.has(Number(written))) {
        shared++;
        continue;
      }
      hits++;
      // The score is not printed: an audit may be read by people who must not know it.
      report.violation(`a test score occurs in ${place}`);
    }
  }
  if (hits > 0) return;
  const searched = figures.filter((figure) => significantDigits(String(figure)) >= minDigits).length;
  const same = shared === 0 ? '' : `; ${counted(shared, 'number')} are also validation scores or durations`;
  report.pass(
    `searched ${counted(read, 'text')} (rationales, candidates, messages, jobs, announcements) for ` +
      `${counted(searched, 'test score')} of ${minDigits} or more digits: none found${same}`,
  );
}

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
const shapes: readonly { readonly name: string; readonly pattern: RegExp }[] = [
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
const maxSecretChars = 4096;

/** Names of the secrets that occur in a text. */
export function leaked(text: string, secrets: readonly Secret[]): string[] {
  const values = secrets.filter(({ value }) => text.includes(value)).map(({ name }) => `the value of ${name}`);
  const formats = shapes.filter(({ pattern }) => pattern.test(text)).map(({ name }) => name);
  return [...values, ...formats];
}
