import { SqliteError } from 'better-sqlite3';
import * as z from 'zod';
import { TerminalError } from '../domain/errors.ts';
import type { SearchId } from '../domain/ids.ts';
import type { ArchiveReader } from '../memory/index.ts';
import { budgets } from './budgets.ts';
import { type Secret, secretsContained, testScores } from './leaks.ts';
import { ledgerFirst } from './ledgerFirst.ts';
import { type ClaimsOf, claims, type ReplayDeps, replayable } from './recomputed.ts';
import { completeness, uniqueness } from './records.ts';
import { batchIndependence, type FilesOf, namedContent, type Retraining, scoreProvenance } from './scores.ts';
import { type Finding, type Invariant, invariants, type Subject } from './subject.ts';

/**
 * Audit: does the archive of a search keep the invariants?
 *
 * Role: one check per invariant, I1 to I11, each with its evidence, on one snapshot of the archive. Non-role: repair.
 *
 *   AUD-1  Nothing is written, neither to the archive nor to the home.
 *   AUD-2  All queries see the archive as it was at the start, also of a running search. I6, which may retrain, runs
 *          afterwards, on rows that never change.
 *   AUD-3  Damage does not end an audit: unreadable records violate the invariant that needs them.
 *
 * Every attempt is executed again (I5); with `--retrain`, candidates are trained again, alone (I6). What cannot be checked, because
 * notes or data have changed or were not recorded, is reported as not checked.
 */

export { type Secret, secretsOf } from './leaks.ts';
export type { ClaimsNow } from './recomputed.ts';
export type { FilesNow, TrainAlone } from './scores.ts';
export type { Finding } from './subject.ts';

export interface AuditOptions extends ReplayDeps {
  readonly reader: ArchiveReader;
  readonly search: SearchId;
  readonly home: string;
  /** Values that must not occur anywhere. */
  readonly secrets: readonly Secret[];
  /** Candidates to retrain alone; null for none. */
  readonly retraining: Retraining | null;
  /** Compares a search's files with those on this machine. */
  readonly files: FilesOf;
  /** The claims of the search's report, written and derived. */
  readonly claims: ClaimsOf;
}

/** @throws TerminalError `unknown-search`; `search-unreadable` without a specification to audit against. */
function subjectOf({ reader, search }: AuditOptions): Subject {
  try {
    return { reader, search, spec: reader.searches.spec(search) };
  } catch (thrown) {
    if (!(thrown instanceof z.ZodError) && !(thrown instanceof SqliteError)) throw thrown;
    throw new TerminalError('search-unreadable', `the specification of "${search}" cannot be read: ${thrown.message}`, {
      cause: thrown,
    });
  }
}

async function runCheck(invariant: Invariant, check: () => Finding | Promise<Finding>): Promise<Finding> {
  try {
    return await check();
  } catch (thrown) {
    const damaged = thrown instanceof SqliteError || thrown instanceof z.ZodError || thrown instanceof SyntaxError;
    if (!damaged) throw thrown;
    const violation = `its records cannot be read: ${thrown.message.split('\n').join(' ')}`;
    return { invariant, title: invariants[invariant], holds: false, evidence: [], violations: [violation] };
  }
}

/** One finding per invariant, in order. */
export async function audit(options: AuditOptions): Promise<Finding[]> {
  const { reader, home, secrets, retraining } = options;
  const subject = subjectOf(options);
  const findings: Finding[] = [];
  reader.db.exec('BEGIN');
  try {
    findings.push(await runCheck('I1', () => ledgerFirst(subject)));
    findings.push(await runCheck('I2', () => uniqueness(subject)));
    findings.push(await runCheck('I3', () => scoreProvenance(subject)));
    findings.push(await runCheck('I4', () => testScores(subject)));
    findings.push(await runCheck('I5', () => replayable(subject, options)));
    findings.push(await runCheck('I7', () => secretsContained(subject, home, secrets)));
    findings.push(await runCheck('I8', () => completeness(subject)));
    findings.push(await runCheck('I9', () => budgets(subject)));
    findings.push(await runCheck('I10', () => namedContent(subject, options.files)));
    findings.push(await runCheck('I11', () => claims(subject, options.claims)));
  } finally {
    // An open read transaction would keep a running lab from checkpointing its write-ahead log.
    if (reader.db.inTransaction) reader.db.exec('ROLLBACK');
  }
  findings.push(await runCheck('I6', () => batchIndependence(subject, retraining)));
  const order = Object.keys(invariants);
  return findings.sort((a, b) => order.indexOf(a.invariant) - order.indexOf(b.invariant));
}
