import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { canonicalCandidate, type Space } from '../../domain/candidate.ts';
import { errorMessage, PrerequisiteError, TerminalError } from '../../domain/errors.ts';
import type { StatedInsight } from '../../domain/ideas.ts';
import type { NodeId } from '../../domain/ids.ts';
import { isOnline } from '../../domain/literature.ts';
import {
  type Lesson,
  type Operator,
  type Rationale,
  rationaleSchema,
  type SharedThought,
  unusableText,
} from '../../domain/node.ts';
import { makeFolder } from '../../platform/index.ts';
import type { Decision } from '../scaffolds/decision.ts';
import type { ReadingState } from '../tools/toolbox.ts';
import type { FinalResult, Problem, Proposer, SingleResult } from './proposers.ts';

/**
 * Thoughts: the attempts that a finished one submits, and where the checkpoints of unfinished ones are stored. Non-role: thinking
 * (steps.ts), writing checkpoints (graph.ts).
 */

/** An attempt, ready for submission. */
export interface Attempt {
  readonly operator: Operator;
  readonly parents: NodeId[];
  /** Canonical text in the space; without a usable answer, the answer itself, to be stored as rejected. */
  readonly candidate: string;
  readonly rationale: Rationale;
  readonly lessons?: Lesson[];
  readonly insights?: StatedInsight[];
}

/** What a thought came to: an attempt, and those of its further candidates. */
export interface Thought extends Attempt {
  readonly further?: readonly Pick<Attempt, 'candidate' | 'rationale'>[];
}

/** The attempts of a thought in the order of their numbers. Lessons and insights go with the first. */
export function attemptsOf({ further = [], ...first }: Thought): Attempt[] {
  const { operator, parents } = first;
  return [first, ...further.map((each) => ({ operator, parents, ...each }))];
}

/** What was read, in the form of the node's rationale. */
export function readOf({ retrieved, readings }: Pick<Rationale, 'readings'> & Pick<ReadingState, 'retrieved'>) {
  const works = retrieved.filter(({ source }) => isOnline(source));
  const known = new Map(
    works.map(({ id, url, retrievedAt, licence, title }) => [id, { id, url, retrievedAt, licence, title }]),
  );
  return {
    retrieved: [...new Set(retrieved.map(({ id }) => id))].slice(0, 64),
    ...(readings?.length ? { readings: readings.slice(0, 40) } : {}),
    ...(known.size > 0 ? { works: [...known.values()].slice(0, 64) } : {}),
  };
}

function checkedRationale(rationale: Rationale, proposer: Proposer): Rationale {
  const checked = rationaleSchema.safeParse(rationale);
  if (checked.success) return checked.data;
  throw new TerminalError(
    'proposal',
    `${proposer.name} returned an invalid rationale: ${checked.error.issues[0]?.message}`,
  );
}

/** A finished thought. */
interface Finished {
  /** The attempt that thought. */
  readonly ordinal: number;
  readonly decision: Decision;
  readonly offer: FinalResult;
  readonly reading: ReadingState;
  readonly lessons: Lesson[] | undefined;
  readonly insights: StatedInsight[] | undefined;
  readonly problems: readonly Problem[];
}

interface ConclusionDeps {
  readonly space: Space;
  readonly proposer: Proposer;
}

/** Why there is no candidate. Of several, only what is wrong with this one counts: the answer was not asked for again. */
function failureText({ kind, message }: Problem, asked: number, shared: SharedThought | null): string {
  const tries = asked === 1 ? 'one try' : `${asked} tries`;
  const what = shared ? `candidate ${shared.place} of ${shared.of} is not usable` : `no usable answer after ${tries}`;
  return `${what} (${kind}): ${message}`.slice(0, 2000);
}

/** The candidate and reasons of one result; `shared` is null for the only one. */
function attemptOf(
  single: SingleResult,
  shared: SharedThought | null,
  { decision, offer, reading, problems }: Finished,
  { space, proposer }: ConclusionDeps,
): Pick<Attempt, 'candidate' | 'rationale'> {
  const { tried = [] } = reading;
  const all = readOf({ retrieved: reading.retrieved, readings: [...reading.readings] });
  // What the thought read and tried is counted once; its further candidates may cite what was shown.
  const isFirst = shared === null || shared.place === 1;
  const read = isFirst
    ? { ...all, ...(tried.length > 0 ? { tried: tried.slice(0, 40) } : {}) }
    : { retrieved: all.retrieved };
  const { made } = offer;
  const choice = made ? `${decision.reason}; ${made.reason}` : decision.reason;
  const maker = made ? { model: made.model, dollars: made.dollars / (shared?.of ?? 1) } : {};
  const sharing = shared ? { thought: shared } : {};
  if ('problem' in single) {
    const { problem } = single;
    // A list that was read adds no problem of its own.
    const change = failureText(problem, problems.length + ('several' in offer ? 1 : 0), shared);
    const rationale = { choice, change, expected: null, ...read, evidence: [], ...maker, ...sharing };
    // A repeated candidate is stored as a duplicate; anything else gets a prefix, so that it never parses as a candidate.
    return { candidate: problem.candidate ?? unusableText(problem.kind, problem.text.slice(0, 4000)), rationale };
  }
  const { candidate, change, expected, hypothesis, retrieved, readings, evidence = [] } = single.proposal;
  const statement = {
    ...(hypothesis === undefined ? {} : { hypothesis }),
    ...read,
    // Local models that read do so by themselves.
    ...(retrieved ? { retrieved: [...retrieved], ...(isFirst ? { readings: [...(readings ?? [])] } : {}) } : {}),
    evidence: [...evidence],
    ...maker,
    ...sharing,
  };
  return {
    candidate: canonicalCandidate(candidate, space),
    rationale: checkedRationale({ choice, change, expected, ...statement }, proposer),
  };
}

/** The attempts that a finished thought submits. */
export function conclusion(finished: Finished, deps: ConclusionDeps): Thought {
  const { ordinal, decision, offer, lessons, insights } = finished;
  const singles = 'several' in offer ? offer.several : [offer];
  const [first, ...further] = singles.map((single, index) => {
    const shared = singles.length > 1 ? { first: ordinal, place: index + 1, of: singles.length } : null;
    return attemptOf(single, shared, finished, deps);
  });
  if (!first) throw new TerminalError('proposal', `${deps.proposer.name} proposed nothing`);
  return {
    operator: decision.operator,
    parents: [...decision.parents],
    ...first,
    ...(further.length > 0 ? { further } : {}),
    ...(lessons?.length ? { lessons } : {}),
    ...(insights?.length ? { insights } : {}),
  };
}

/** Increment when the graph changes: a thought checkpointed by another version restarts and finds its answers recorded. */
const graphVersion = 3;

/** Checkpoints of unfinished thoughts. In a separate file that can be deleted without loss: answers are recorded elsewhere. */
export interface Thoughts {
  readonly db: Database.Database;
  /** Thread id of one attempt's checkpoints. */
  thread(search: string, agent: string, ordinal: number): string;
  close(): void;
}

/** @throws PrerequisiteError when the file cannot be used. */
export function openThoughts(path: string): Thoughts {
  let db: Database.Database;
  try {
    makeFolder(dirname(path), 0o700);
    // Holds prompts and answers: create it readable by this user only; SQLite would apply the umask.
    closeSync(openSync(path, 'a', 0o600));
    db = new Database(path, { timeout: 5000 });
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = NORMAL');
  } catch (cause) {
    const remedy = 'delete the file; no results are lost';
    throw new PrerequisiteError('thoughts', `cannot use ${path}: ${errorMessage(cause)}`, remedy, { cause });
  }
  return {
    db,
    thread: (search, agent, ordinal) => `${search}/${agent}/${ordinal}/v${graphVersion}`,
    close: () => db.close(),
  };
}
