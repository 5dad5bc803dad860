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
