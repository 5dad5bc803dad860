import { evaluationKey, identityOf, identitySchema, jobSchema } from '../domain/evaluation.ts';
import { contentHash, type Json } from '../domain/json.ts';
import type { SearchSpec } from '../domain/search.ts';
import { CheckReport, counted, type Finding, rowsOf, type Subject, short } from './subject.ts';

/** A search's files compared with this machine's, as sentences. */
export interface FilesNow {
  /** Data sets and task directory that are unchanged. */
  readonly same: readonly string[];
  /** Changed or missing since: a reason to retrain, not a fault of the scores. */
  readonly changed: readonly string[];
}
/** Compares the files of a search, given its specification and search file. */
export type FilesOf = (spec: SearchSpec, source: string) => Promise<FilesNow>;

interface IdentityRow {
  key: string;
  body: string;
  identity: string | null;
  components: string | null;
}

/** For every evaluation of the search: the recorded components, their digest, and the key derived from it. */
function checkIdentities(subject: Subject, report: CheckReport): void {
  const rows = rowsOf<IdentityRow>(
    subject,
    `SELECT DISTINCT e.key, j.body, j.identity, i.components FROM evaluation_requests w
     JOIN evaluations e ON e.key = w.key JOIN jobs j ON j.key = e.key LEFT JOIN identities i ON i.digest = j.identity
     WHERE w.search = ?`,
    subject.search,
  );
  let [verified, unknown, wrong] = [0, 0, 0];
  const fail = (problem: string): void => {
    wrong++;
    report.violation(problem);
  };
  for (const { key, body, identity, components } of rows) {
    const what = `evaluation ${short(key)}`;
    const job = jobSchema.safeParse(JSON.parse(body));
    if (!job.success) {
      fail(`${what} has an unreadable job`);
      continue;
    }
    const expected = identityOf(job.data);
    if (identity === null) {
      if (expected) fail(`${what} has no identity, although its job has data and a task directory`);
      else unknown++;
      continue;
    }
    const recorded = components === null ? null : identitySchema.safeParse(JSON.parse(components));
    if (!recorded?.success) fail(`${what} has identity ${short(identity)}, whose components are not recorded`);
    else if (contentHash(recorded.data as Json) !== identity) {
      fail(`identity ${short(identity)} of ${what} is not the digest of its recorded components`);
    } else if (!expected || contentHash(expected) !== identity) {
      fail(`${what} has identity ${short(identity)}, but its job has other components`);
    } else if (evaluationKey(job.data) !== key) fail(`${what} does not have the key derived from its identity`);
    else verified++;
  }
  if (wrong === 0) {
    report.pass(`${counted(verified, 'evaluation')} of this search, each key recomputed from its recorded components`);
  }
  if (unknown > 0) {
    report.skipped(`${counted(unknown, 'evaluation')} older than the record of data and task directories`);
  }
}

/** I10: each key is derived from recorded components: data, task directory, profile, evaluator, device class. */
export async function namedContent(subject: Subject, files: FilesOf): Promise<Finding> {
  const report = new CheckReport('I10');
  checkIdentities(subject, report);
  if (subject.spec.content) {
    const { same, changed } = await files(subject.spec, subject.reader.searches.source(subject.search));
    for (const each of same) report.pass(each);
    for (const each of changed) report.pass(`on this machine, since the search started: ${each}`);
  }
  return report.finding();
}
