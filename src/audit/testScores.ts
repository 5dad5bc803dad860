import {
  counted,
  countOf,
  type Finding,
  Inquiry,
  isOwnNode,
  rowsOf,
  type Subject,
  screeningClosedAt,
  short,
} from './subject.ts';
import { checkTexts } from './testTexts.ts';

/** Every purpose for which a person may look at test figures, none of which leads back into a search. */
const allowedPurposes = ['report', 'nodes --with-test'];

/** Test figures exist for final trainings alone, and in one table alone. */
function checkPlace(subject: Subject, inquiry: Inquiry): void {
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
    `SELECT DISTINCT w.key, w.rung FROM wants w JOIN jobs j ON j.key = w.key
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
function checkOrder(subject: Subject, inquiry: Inquiry): void {
  const closed = screeningClosedAt(subject);
  const { search } = subject;
  const finals = rowsOf<{ node: string; at: number }>(
    subject,
    `SELECT DISTINCT w.node, w.at FROM wants w JOIN nodes n ON n.search = w.search AND n.id = w.node
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
function checkReads(subject: Subject, inquiry: Inquiry): void {
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
      `SELECT count(*) FROM wants w JOIN test_scores t ON t.key = w.key JOIN evaluations e ON e.key = w.key
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
  const inquiry = new Inquiry('I4');
  checkPlace(subject, inquiry);
  checkOrder(subject, inquiry);
  checkReads(subject, inquiry);
  checkTexts(subject, inquiry);
  return inquiry.finding();
}
