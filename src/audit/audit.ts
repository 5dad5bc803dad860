/**
 * The audit of a search: does its archive keep the invariants?
 *
 * Role: asks each check for its finding, on one unchanging state of the archive. Non-role: mending anything, deciding what
 * a person does with the findings.
 *
 *   A1  Nothing is written: neither archive nor home.
 *   A2  All queries see the archive as it was at the start, even while a search goes on. I6, for which trainings
 *       may be repeated, comes after, because it compares rows that never change.
 *   A3  Damage never ends an audit: what cannot be read is a violation of the invariant that needed it.
 */

import { SqliteError } from 'better-sqlite3';
import * as z from 'zod';
import { TerminalError } from '../domain/errors.ts';
import type { SearchId } from '../domain/ids.ts';
import type { ArchiveReader } from '../memory/index.ts';
import { batchIndependence, type Retraining } from './batchIndependence.ts';
import { budgets } from './budgets.ts';
import { completeness } from './completeness.ts';
import { ledgerFirst } from './ledgerFirst.ts';
import { type FilesOf, namedContent } from './namedContent.ts';
import { type Again, replayable } from './replay.ts';
import { scoreProvenance } from './scoreProvenance.ts';
import { type Secret, secretsContained } from './secrets.ts';
import { type Finding, type Invariant, invariants, type Subject } from './subject.ts';
import { testScores } from './testScores.ts';
import { uniqueness } from './uniqueness.ts';

export interface AuditOptions extends Again {
  readonly reader: ArchiveReader;
  readonly search: SearchId;
  readonly home: string;
  /** Values that must be found nowhere. */
  readonly secrets: readonly Secret[];
  /** Candidates to train again, alone; null for none. */
  readonly retraining: Retraining | null;
  /** What the files of a search are on this machine now. */
  readonly files: FilesOf;
}

/** @throws TerminalError `unknown-search`, `search-unreadable` when there is no specification to audit against. */
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

async function sound(invariant: Invariant, check: () => Finding | Promise<Finding>): Promise<Finding> {
  try {
    return await check();
  } catch (thrown) {
    const damaged = thrown instanceof SqliteError || thrown instanceof z.ZodError || thrown instanceof SyntaxError;
    if (!damaged) throw thrown;
    const violation = `its records cannot be read: ${thrown.message.split('\n').join(' ')}`;
    return { invariant, title: invariants[invariant], holds: false, evidence: [], violations: [violation] };
  }
}

/** One finding per invariant, in their order. */
export async function audit(setting: AuditOptions): Promise<Finding[]> {
  const { reader, home, secrets, retraining } = setting;
  const subject = subjectOf(setting);
  const found: Finding[] = [];
  reader.db.exec('BEGIN');
  try {
    found.push(await sound('I1', () => ledgerFirst(subject)));
    found.push(await sound('I2', () => uniqueness(subject)));
    found.push(await sound('I3', () => scoreProvenance(subject)));
    found.push(await sound('I4', () => testScores(subject)));
    found.push(await sound('I5', () => replayable(subject, setting)));
    found.push(await sound('I7', () => secretsContained(subject, home, secrets)));
    found.push(await sound('I8', () => completeness(subject)));
    found.push(await sound('I9', () => budgets(subject)));
    found.push(await sound('I10', () => namedContent(subject, setting.files)));
  } finally {
    // A reader that stayed would keep a running lab from tidying up its write-ahead log.
    if (reader.db.inTransaction) reader.db.exec('ROLLBACK');
  }
  found.push(await sound('I6', () => batchIndependence(subject, retraining)));
  const order = Object.keys(invariants);
  return found.sort((a, b) => order.indexOf(a.invariant) - order.indexOf(b.invariant));
}
