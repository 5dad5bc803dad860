import { ZodError } from 'zod';
import { type AnyModel, type Attempt, attemptsOf, type ChatThinking, type ThinkDeps, think } from '../agents/index.ts';
import { type AgentSpec, usesCorpus } from '../domain/agent.ts';
import type { ClaimRecord, WrittenClaims } from '../domain/claim.ts';
import { AiraError, errorMessage, PrerequisiteError, TerminalError } from '../domain/errors.ts';
import { nodeId } from '../domain/ids.ts';
import { armsOf, chatArms, isLocal, isOutside, isProgram, type LocalModelName } from '../domain/model.ts';
import { scaffoldLabel } from '../domain/scaffold.ts';
import { experimentOf, stageOf } from '../domain/search.ts';
import { loadCorpus } from '../literature/index.ts';
import { type NodeRecord, storedTestScores, type TestScore } from '../memory/index.ts';
import { CheckReport, counted, type Finding, type Subject } from './subject.ts';

/** What is made again from the archive and compared with what was recorded: every attempt (I5), and the claims of the report (I11). */

/** Fits of one surrogate may differ in the last bits between library versions. */
const expectationTolerance = 1e-6;

/** Opens a local model. @throws PrerequisiteError if it is unavailable on this machine. */
type OpenModel = (name: LocalModelName) => Promise<AnyModel>;

/** Opens the recorded model replies. @throws PrerequisiteError without a usable recording. */
type OpenRecording = () => ChatThinking;

/** What replayed agents need. */
export interface ReplayDeps {
  readonly openModel: OpenModel;
  readonly openRecording: OpenRecording;
  /** Scaffolds of the user. */
  readonly scaffolds?: ThinkDeps['scaffolds'];
}

type ThinkerDeps = Pick<ThinkDeps, 'models' | 'chat' | 'openRetriever' | 'scaffolds'>;

/** The recording contains what language models were shown; an audit does no retrieval. */
const recordingOnly = (): never => {
  throw new TerminalError('replay-only', 'the recording has no retrieved texts');
};

async function openDeps(
  { model, operators }: AgentSpec,
  { openModel, openRecording, scaffolds }: ReplayDeps,
): Promise<ThinkerDeps> {
  const models: Partial<Record<LocalModelName, AnyModel>> = {};
  for (const arm of armsOf(model)) if (isLocal(arm)) models[arm] = await openModel(arm);
  const recorded = chatArms(model).length > 0 || isProgram(model) || operators !== undefined;
  const chat = recorded ? { chat: openRecording(), openRetriever: recordingOnly } : {};
  return { models, scaffolds, ...chat };
}

function sameExpectation(recorded: number | null, replayed: number | null): boolean {
  if (recorded === null || replayed === null) return recorded === replayed;
  return Math.abs(recorded - replayed) <= expectationTolerance;
}

/** The first difference between a replayed attempt and the recorded one; null if they are equal. */
function difference(recorded: NodeRecord, replayed: Attempt | undefined): string | null {
  if (!replayed) return `a candidate ${recorded.rationale.thought?.place ?? 1} of its thought, now there is none`;
  if (recorded.origin !== replayed.operator) return `operator ${recorded.origin}, now ${replayed.operator}`;
  if (recorded.parents.join() !== replayed.parents.join()) {
    return `parents ${recorded.parents.join(', ') || 'none'}, now ${replayed.parents.join(', ') || 'none'}`;
  }
  const shared = JSON.stringify(recorded.rationale.thought ?? null);
  const now = JSON.stringify(replayed.rationale.thought ?? null);
  if (shared !== now) return `the shared thought ${shared}, now ${now}`;
  if (recorded.candidate !== replayed.candidate) return `candidate ${recorded.candidate}, now ${replayed.candidate}`;
  const { expected, retrieved, evidence, model } = recorded.rationale;
  if (model !== replayed.rationale.model) return `proposed by ${model}, now by ${replayed.rationale.model}`;
  const was = [retrieved.join(), evidence.join()];
  const is = [replayed.rationale.retrieved.join(), replayed.rationale.evidence.join()];
  if (was[0] !== is[0]) return `retrieved  ${was[0] || 'nothing'}, now ${is[0] || 'nothing'}`;
  if (was[1] !== is[1]) return `evidence ${was[1] || 'none'}, now ${is[1] || 'none'}`;
  if (!sameExpectation(expected, replayed.rationale.expected)) {
    return `expectation ${expected}, now ${replayed.rationale.expected}`;
  }
  return null;
}

/** What an attempt is checked for whether or not it can be re-executed: its id, and parents that it could know. */
function pastView({ reader, search }: Subject, self: AgentSpec, recorded: NodeRecord, report: CheckReport) {
  const { id, ordinal, parents, rationale } = recorded;
  if (id !== nodeId(self.name, ordinal)) report.violation(`attempt ${ordinal} of ${self.name} has the id ${id}`);
  const view = reader.views.past(search, self.name, rationale.thought?.first ?? ordinal);
  const unknown = parents.filter((parent) => !view.nodes.some((node) => node.id === parent));
  if (unknown.length > 0) report.violation(`${id} has parents outside its view: ${unknown.join(', ')}`);
  return view;
}

/** The decisions of a client from outside are facts, not functions of a seed. */
function checkOutside(subject: Subject, self: AgentSpec, attempts: readonly NodeRecord[], report: CheckReport): void {
  for (const recorded of attempts) pastView(subject, self, recorded, report);
  report.skipped(`${self.name}: ${counted(attempts.length, 'attempt')} came from outside and cannot be re-executed`);
}

async function replayAgent(
  subject: Subject,
  self: AgentSpec,
  attempts: readonly NodeRecord[],
  deps: ThinkerDeps,
  report: CheckReport,
): Promise<void> {
  const { spec } = subject;
  const { space, seed, task, metric, lowerIsBetter, primitives, brief } = spec;
  const stage = self.operators ? { stage: stageOf(spec) } : {};
  const topic = { task, metric, lowerIsBetter, primitives, brief, experiment: experimentOf(spec, self), ...stage };
  let same = 0;
  let replayed: readonly Attempt[] = [];
  for (const recorded of attempts) {
    const { id, ordinal } = recorded;
    const { first, place } = recorded.rationale.thought ?? { first: ordinal, place: 1 };
    try {
      const view = pastView(subject, self, recorded, report);
      const claim: ThinkDeps['claim'] = async (candidate) => {
        const reply = subject.reader.ideas.replyOf(subject.search, self.name, first, candidate);
        if (reply) return reply;
        throw new TerminalError('replay-miss', `no claim of ${candidate.slice(0, 200)} is recorded`);
      };
      // The further candidates of a thought follow its first one.
      if (place === 1) {
        replayed = [];
        replayed = attemptsOf(await think({ spec: self, view, space, seed, topic, claim, ...deps }));
      }
      const mismatch = difference(recorded, replayed[place - 1]);
      if (mismatch === null) same++;
      else report.violation(`${id} was recorded with ${mismatch}`);
    } catch (thrown) {
      if (thrown instanceof PrerequisiteError || !(thrown instanceof AiraError)) throw thrown;
      report.violation(`${id} cannot be re-executed: ${errorMessage(thrown)}`);
    }
  }
  const { name, scaffold, pending } = self;
  report.pass(
    `${name}: ${same} of ${counted(attempts.length, 'attempt')} re-executed with ${self.model}, ${scaffoldLabel(scaffold)}, ` +
      `${pending} pending and seed ${spec.seed} had the same operator, parents and candidate`,
  );
}

/**
 * I5: equal specification and seed give equal nodes. Every attempt of every agent is re-executed on the view it had; the
 * references are compared with the specification.
 */
export async function replayable(subject: Subject, deps: ReplayDeps): Promise<Finding> {
  const report = new CheckReport('I5');
  const { reader, search, spec } = subject;
  const nodes = reader.records.nodes(search);
  // The recording has the language models' replies and what they were shown; local models read the corpus again.
  const corpus = spec.corpus === undefined ? undefined : loadCorpus().version;
  if (corpus !== undefined && corpus === spec.corpus) report.pass(`the corpus has version ${corpus}, as in the search`);
  for (const self of spec.agents) {
    const attempts = nodes.filter((node) => node.agent === self.name);
    if (attempts.length === 0) {
      report.pass(`${self.name}: no attempts`);
      continue;
    }
    if (isOutside(self.model)) {
      checkOutside(subject, self, attempts, report);
      continue;
    }
    if (corpus !== spec.corpus && armsOf(self.model).some(isLocal) && usesCorpus(self)) {
      report.skipped(`${self.name} read corpus ${spec.corpus}, but this version has ${corpus}`);
      continue;
    }
    try {
      await replayAgent(subject, self, attempts, await openDeps(self, deps), report);
    } catch (thrown) {
      if (!(thrown instanceof PrerequisiteError)) throw thrown;
      report.skipped(`${self.name} with ${self.model}: ${thrown.message}`);
    }
  }
  const specified = new Map(spec.references.map(({ name, candidate }) => [`reference-${name}-1`, candidate]));
  const references = nodes.filter(({ origin }) => origin === 'reference');
  const altered = references.filter(({ id, candidate }) => specified.get(id) !== candidate);
  report.none(
    altered,
    ({ id }) => `${id} is not the reference in the specification`,
    `${counted(references.length, 'reference')} as specified`,
  );
  return report.finding();
}

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
