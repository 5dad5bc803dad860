import { contentHash, type Json } from '../domain/canonical.ts';
import { evaluationKey, identityOf, identitySchema, jobSchema } from '../domain/evaluation.ts';
import type { SearchSpec } from '../domain/search.ts';
import { CheckReport, counted, type Finding, rowsOf, type Subject, short } from './subject.ts';

/** What the files of a search are on this machine now, as sentences. */
export interface FilesNow {
  /** Imported data and task directory that are as the search recorded them. */
  readonly same: readonly string[];
  /** What has been changed or is gone since: a reason to train anew, not a fault of the scores. */
  readonly changed: readonly string[];
}
/** Answers for a search, given its specification and its file. */
export type FilesOf = (spec: SearchSpec, source: string) => Promise<FilesNow>;

interface Judged {
  key: string;
  body: string;
  identity: string | null;
  components: string | null;
}

/** Of every evaluation the search has: the parts recorded, their digest, and the key that is made of it. */
function checkIdentities(subject: Subject, inquiry: CheckReport): void {
  const rows = rowsOf<Judged>(
    subject,
    `SELECT DISTINCT e.key, j.body, j.identity, i.components FROM evaluation_requests w
     JOIN evaluations e ON e.key = w.key JOIN jobs j ON j.key = e.key LEFT JOIN identities i ON i.digest = j.identity
     WHERE w.search = ?`,
    subject.search,
  );
  let [named, unknown, wrong] = [0, 0, 0];
  const broken = (problem: string): void => {
    wrong++;
    inquiry.broken(problem);
  };
  for (const { key, body, identity, components } of rows) {
    const what = `evaluation ${short(key)}`;
    const job = jobSchema.safeParse(JSON.parse(body));
    if (!job.success) {
      broken(`${what} is of a job that cannot be read`);
      continue;
    }
    const expected = identityOf(job.data);
    if (identity === null) {
      if (expected) broken(`${what} names no identity, although its job names data and task directory`);
      else unknown++;
      continue;
    }
    const recorded = components === null ? null : identitySchema.safeParse(JSON.parse(components));
    if (!recorded?.success) broken(`${what} names identity ${short(identity)}, whose parts are not recorded`);
    else if (contentHash(recorded.data as Json) !== identity) {
      broken(`identity ${short(identity)} of ${what} is not the digest of the parts recorded for it`);
    } else if (!expected || contentHash(expected) !== identity) {
      broken(`${what} names identity ${short(identity)}, and its job is decided by other parts`);
    } else if (evaluationKey(job.data) !== key) broken(`${what} does not have the key that its identity gives`);
    else named++;
  }
  if (wrong === 0) {
    inquiry.saw(`${counted(named, 'evaluation')} of this search, each with a key derived again from recorded parts`);
  }
  if (unknown > 0) {
    inquiry.unchecked(
      `${counted(unknown, 'evaluation')} made before data and task directories were recorded: what they were is unknown`,
    );
  }
}

/** I10: each score's key is made of recorded parts: data, task directory, profile, evaluator, device class. */
export async function namedContent(subject: Subject, files: FilesOf): Promise<Finding> {
  const inquiry = new CheckReport('I10');
  checkIdentities(subject, inquiry);
  if (subject.spec.content) {
    const { same, changed } = await files(subject.spec, subject.reader.searches.source(subject.search));
    for (const each of same) inquiry.saw(each);
    for (const each of changed) inquiry.saw(`on this machine, since the search was begun: ${each}`);
  }
  return inquiry.finding();
}
