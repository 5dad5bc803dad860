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

/** Every purpose for which a person may look at test figures, none of which leads back into a search. */
const allowedPurposes = ['report', 'nodes --with-test'];

/** Test figures exist for final trainings alone, and in one table alone. */
function checkPlace(subject: Subject, inquiry: CheckReport): void {
  const misplaced = rowsOf<{ key: string; rung: string | null; measure: string | null }>(
    subject,
    `SELECT t.key, json_extract(j.body, '$.rung') AS rung, json_extract(j.body, '$.measure') AS measure
     FROM test_scores t LEFT JOIN jobs j ON j.key = t.key WHERE rung IS NOT 'final' OR measure IS NOT 'test'`,
  );
  inquiry.none(
    misplaced,
    ({ key, rung }) => `there is a test figure for ${short(key)}, a training of the ${rung ?? 'unknown'} rung`,
    `${counted(countOf(subject, 'SELECT count(*) FROM test_scores'), 'test figure')}, all of final trainings`,
  );
  const early = rowsOf<{ key: string; rung: string }>(
    subject,
    `SELECT DISTINCT w.key, w.rung FROM evaluation_requests w JOIN jobs j ON j.key = w.key
     WHERE (json_extract(j.body, '$.measure') = 'test') <> (w.rung = 'final')`,
  );
  for (const { key, rung } of early)
    inquiry.broken(`training ${short(key)} of the ${rung} rung measures the wrong set`);
  const open = rowsOf<{ key: string }>(
    subject,
    `SELECT DISTINCT e.key FROM evaluations e, json_tree(e.measurement) t WHERE t.key LIKE 'test%'`,
  );
  inquiry.none(
    open,
    ({ key }) => `the open measurement of ${short(key)} has a test figure in it`,
    `${counted(countOf(subject, 'SELECT count(*) FROM evaluations'), 'open measurement')}, none with a test figure`,
  );
}

/** Finals of agents' candidates are asked for, and proposals taken, on different sides of the end of screening. */
function checkOrder(subject: Subject, inquiry: CheckReport): void {
  const closed = screeningClosedAt(subject);
  const { search } = subject;
  const finals = rowsOf<{ node: string; at: number }>(
    subject,
    `SELECT DISTINCT w.node, w.at FROM evaluation_requests w JOIN nodes n ON n.search = w.search AND n.id = w.node
     WHERE w.search = ? AND w.rung = 'final' AND n.origin <> 'reference'`,
    search,
  );
  const premature = finals.filter(({ at }) => closed === null || at < closed);
  inquiry.none(
    premature,
    ({ node }) => `a final training of ${node} was asked for before the screening was over`,
    closed === null
      ? 'the screening goes on; no candidate has been asked for a final training'
      : `${counted(finals.length, 'final training')} of candidates, all asked for after the screening was over`,
  );
  if (closed === null) return;
  const late = rowsOf<{ id: string }>(
    subject,
    `SELECT id FROM nodes n WHERE search = ? AND NOT ${isOwnNode('n')} AND created_at > ?`,
    search,
    closed,
  );
  inquiry.none(
    late,
    ({ id }) => `${id} was proposed after the screening was over`,
    'no candidate was proposed after the screening was over',
  );
}

/** Looks are recorded; none may lie where it could have steered. */
function checkReads(subject: Subject, inquiry: CheckReport): void {
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
    if (!ended) inquiry.broken(`test figures were looked at while the search was ${phase ?? 'not yet begun'}`);
    if (!allowedPurposes.includes(purpose)) inquiry.broken(`test figures were looked at for "${purpose}"`);
    if (!ended || !allowedPurposes.includes(purpose)) wrong++;
    if (phases.length > entered.length) resumed++;
    const shown = countOf(
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
    if (shown > 0 && after > 0) {
      inquiry.broken(`${counted(after, 'candidate')} came after a look at ${counted(shown, 'test figure')}`);
    }
  }
  if (wrong > 0) return;
  const purposes = [...new Set(reads.map(({ purpose }) => purpose))].join(', ');
  const before = resumed === 0 ? '' : `; ${resumed} of them while it was stopped, before it was resumed`;
  inquiry.saw(
    reads.length === 0
      ? 'nobody has looked at a test figure of this search'
      : `${counted(reads.length, 'look')} at test figures (${purposes}), all after the search had ended${before}`,
  );
}

/** I4: validation steers; the test set is recorded apart, and nothing that steers can have read it. */
export function testScores(subject: Subject): Finding {
  const inquiry = new CheckReport('I4');
  checkPlace(subject, inquiry);
  checkOrder(subject, inquiry);
  checkReads(subject, inquiry);
  checkTexts(subject, inquiry);
  return inquiry.finding();
}

/** A figure with fewer significant digits says nothing: 0.5 stands for a thousand other things. */
const tellingDigits = 6;
/** Beyond these, two prints of one float differ by rounding. */
const mostDigits = 15;

/** Every place in which a test figure could have reached an agent, or a person while the search went on. */
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

/** How many significant digits a number was written with. */
function significantDigits(written: string): number {
  const [mantissa = ''] = written.split(/[eE]/);
  return mantissa.replace('.', '').replace(/^0+/, '').length;
}

/**
 * Figures that stand for themselves at the precision they were written with. A number of n digits is the figure if it is
 * the figure rounded, or cut off, to n digits.
 */
function matcher(figures: readonly number[]): (written: string) => boolean {
  const known = new Set(figures.flatMap(precisions));
  return (written) => {
    const digits = Math.min(significantDigits(written), mostDigits);
    return digits >= tellingDigits && known.has(Number(written).toPrecision(digits));
  };
}

/** The figure at each telling precision, rounded and cut off. Figures that end early are not telling. */
function precisions(figure: number): string[] {
  if (significantDigits(String(figure)) < tellingDigits) return [];
  const all: string[] = [];
  for (let digits = tellingDigits; digits <= mostDigits; digits++) {
    all.push(figure.toPrecision(digits));
    const exponent = Math.floor(Math.log10(Math.abs(figure)));
    const step = 10 ** (digits - 1 - exponent);
    all.push((Math.trunc(figure * step) / step).toPrecision(digits));
  }
  return all;
}

/**
 * No test figure stands in a text that anybody could have read before the end. A number that is also a validation score
 * of the archive is no evidence: trainings on few samples have few possible scores.
 */
export function checkTexts(subject: Subject, inquiry: CheckReport): void {
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
      // Which figure it is stays unsaid: an audit is read by those who must not know it.
      inquiry.broken(`a test figure stands in ${place}`);
    }
  }
  if (hits > 0) return;
  const telling = figures.filter((figure) => significantDigits(String(figure)) >= tellingDigits).length;
  const same = shared === 0 ? '' : `; ${counted(shared, 'number')} are validation scores or durations as well`;
  inquiry.saw(
    `${counted(telling, 'test figure')} of ${tellingDigits} and more digits looked for in ${counted(read, 'text')} ` +
      `(rationales, candidates, messages, jobs, announcements): none was found${same}`,
  );
}
