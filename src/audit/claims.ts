import { ZodError } from 'zod';
import type { ClaimRecord, WrittenClaims } from '../domain/claim.ts';
import { AiraError } from '../domain/errors.ts';
import { storedTestScores, type TestScore } from '../memory/index.ts';
import { CheckReport, counted, type Finding, type Subject } from './subject.ts';

/** The claims of a search's report: as its page says, and as the archive gives them now. */
export interface ClaimsNow {
  readonly written: WrittenClaims;
  readonly derived: ClaimRecord;
}
/** Reads the page of a search and makes its record of claims from the archive and these test scores; null without a page. */
export type ClaimsOf = (tests: readonly TestScore[]) => ClaimsNow | null;

/** Phases after which no score is added. */
const ended = ['finished', 'stopped'];

const quote = (text: string): string => `"${text}"`;

/** The texts of one list beyond those of the other, each as often as it is missing there. */
function beyond(texts: readonly string[], others: readonly string[]): string[] {
  const rest = [...others];
  return texts.filter((text) => {
    const at = rest.indexOf(text);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
}

/** Texts of a page that are not those of its record, both ways. */
function compareTexts(what: string, seen: readonly string[], recorded: readonly string[], report: CheckReport): void {
  for (const each of beyond(seen, recorded))
    report.violation(`the page shows ${what} ${quote(each)}, which its record of claims lacks`);
  for (const each of beyond(recorded, seen))
    report.violation(`the record claims ${quote(each)}, which the page does not show`);
}

type Comparison = ClaimRecord['comparisons'][number];
const nameOf = ({ contender, reference, basis }: Comparison): string => `${contender} against ${reference} on ${basis}`;

/** Verdict, seeds and figures of each claim, as numbers: independent of the wording of a version. */
function compareFigures(written: ClaimRecord, derived: ClaimRecord, report: CheckReport): void {
  const now = new Map(derived.comparisons.map((each) => [nameOf(each), each]));
  const said = new Set(written.comparisons.map(nameOf));
  for (const claim of written.comparisons) {
    const again = now.get(nameOf(claim));
    if (!again) {
      report.violation(`the report compares ${nameOf(claim)}; the archive gives no such comparison`);
      continue;
    }
    const figures = ({ verdict, difference, interval, level, seeds, noise }: Comparison) =>
      JSON.stringify({ verdict, difference, interval, level, seeds, noise });
    if (figures(claim) !== figures(again))
      report.violation(`the report says of ${nameOf(claim)} ${figures(claim)}; the archive gives ${figures(again)}`);
  }
  for (const name of now.keys()) if (!said.has(name)) report.violation(`the report leaves out ${name}`);
  if (said.size !== written.comparisons.length) report.violation('the report lists a comparison twice');
}

/**
 * I11: each claim of the report (sentence, verdict, interval) follows from the archive, and the page shows what its record
 * says.
 */
export function claims(subject: Subject, given: ClaimsOf): Finding {
  const report = new CheckReport('I11');
  let now: ClaimsNow | null;
  try {
    now = given(storedTestScores(subject.reader.db, subject.search));
  } catch (thrown) {
    // Damaged records end a report, not the audit (AUD-3).
    if (!(thrown instanceof AiraError || thrown instanceof RangeError || thrown instanceof ZodError)) throw thrown;
    report.violation(`the archive gives no report: ${thrown.message}`);
    return report.finding();
  }
  if (now === null) {
    report.pass('no report has been written, so nothing is claimed');
    return report.finding();
  }
  const { written, derived } = now;
  const { record } = written;
  if (record === null) {
    report.skipped(`the report has no readable record of its claims: write it again with \`${derived.command}\``);
    return report.finding();
  }
  if (record.search !== derived.search) report.violation(`the page is the report of ${record.search}`);
  compareTexts('the sentence', written.sentences, record.sentences, report);
  compareTexts(
    'the comparison',
    written.rows,
    record.comparisons.map(({ shown }) => shown),
    report,
  );
  if (!ended.includes(record.phase) || record.phase !== derived.phase) {
    report.skipped(
      `the report was written while the search was ${record.phase}, and it is ${derived.phase} now: write it again with ` +
        `\`${derived.command}\``,
    );
    return report.finding();
  }
  compareFigures(record, derived, report);
  if (record.version === derived.version) {
    const wording = ({ sentences, comparisons }: ClaimRecord) => [
      ...sentences,
      ...comparisons.map(({ shown }) => shown),
    ];
    for (const each of beyond(wording(record), wording(derived)))
      report.violation(`the report says ${quote(each)}, which does not follow from the archive`);
  } else report.skipped(`its wording is that of version ${record.version}; verdicts and figures were compared`);
  report.pass(
    `${counted(record.sentences.length, 'sentence')} and ${counted(record.comparisons.length, 'comparison')} of the report, ` +
      'each derived again from the archive',
  );
  return report.finding();
}
