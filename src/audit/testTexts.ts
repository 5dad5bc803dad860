import { counted, type Inquiry, rowsOf, type Subject } from './subject.ts';

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
export function checkTexts(subject: Subject, inquiry: Inquiry): void {
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
