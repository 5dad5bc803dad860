import { type AnyModel, type ChatThinking, type ThinkDeps, type Thought, think } from '../agents/index.ts';
import { type AgentSpec, usesCorpus } from '../domain/agent.ts';
import { AiraError, errorMessage, PrerequisiteError, TerminalError } from '../domain/errors.ts';
import { nodeId } from '../domain/ids.ts';
import { armsOf, chatArms, isLocal, type LocalModelName } from '../domain/model.ts';
import { loadCorpus } from '../literature/index.ts';
import type { NodeRecord } from '../memory/index.ts';
import { CheckReport, counted, type Finding, type Subject } from './subject.ts';

/** Two fits of one surrogate may differ in the last bits where their libraries do. */
const expectationTolerance = 1e-6;

/** Gives the model of that name. @throws PrerequisiteError when it cannot be had on this machine. */
export type OpenModel = (name: LocalModelName) => Promise<AnyModel>;

/** Gives the recorded answers of language models. @throws PrerequisiteError when there is no usable recording. */
export type OpenRecording = () => ChatThinking;

/** What agents are thought again with. */
export interface Again {
  readonly openModel: OpenModel;
  readonly openRecording: OpenRecording;
}

type Equipment = Pick<ThinkDeps, 'models' | 'chat' | 'openRetriever'>;

/** What language models were shown is in the recording; an audit looks nothing up. */
const recordingOnly = (): never => {
  throw new TerminalError('replay-only', 'what was read is not in the recording');
};

async function equip({ model }: AgentSpec, { openModel, openRecording }: Again): Promise<Equipment> {
  const models: Partial<Record<LocalModelName, AnyModel>> = {};
  for (const arm of armsOf(model)) if (isLocal(arm)) models[arm] = await openModel(arm);
  return chatArms(model).length > 0 ? { models, chat: openRecording(), openRetriever: recordingOnly } : { models };
}

function sameExpectation(recorded: number | null, thought: number | null): boolean {
  if (recorded === null || thought === null) return recorded === thought;
  return Math.abs(recorded - thought) <= expectationTolerance;
}

/** In what the attempt that was thought again differs from the recorded one; null where in nothing. */
function difference(recorded: NodeRecord, thought: Thought): string | null {
  if (recorded.origin !== thought.operator) return `operator ${recorded.origin}, now ${thought.operator}`;
  if (recorded.parents.join() !== thought.parents.join()) {
    return `parents ${recorded.parents.join(', ') || 'none'}, now ${thought.parents.join(', ') || 'none'}`;
  }
  if (recorded.candidate !== thought.candidate) return `candidate ${recorded.candidate}, now ${thought.candidate}`;
  const { expected, retrieved, evidence, model } = recorded.rationale;
  if (model !== thought.rationale.model) return `proposed by ${model}, now by ${thought.rationale.model}`;
  const read = [retrieved.join(), evidence.join()];
  const now = [thought.rationale.retrieved.join(), thought.rationale.evidence.join()];
  if (read[0] !== now[0]) return `what it was shown: ${read[0] || 'nothing'}, now ${now[0] || 'nothing'}`;
  if (read[1] !== now[1]) return `evidence ${read[1] || 'none'}, now ${now[1] || 'none'}`;
  if (!sameExpectation(expected, thought.rationale.expected)) {
    return `an expectation of ${expected}, now ${thought.rationale.expected}`;
  }
  return null;
}

async function replayAgent(
  { reader, search, spec }: Subject,
  self: AgentSpec,
  attempts: readonly NodeRecord[],
  equipment: Equipment,
  inquiry: CheckReport,
): Promise<void> {
  const { space, seed, task, metric, lowerIsBetter, brief } = spec;
  const topic = { task, metric, lowerIsBetter, brief };
  let same = 0;
  for (const recorded of attempts) {
    const { id, ordinal } = recorded;
    if (id !== nodeId(self.name, ordinal)) inquiry.broken(`attempt ${ordinal} of ${self.name} is called ${id}`);
    try {
      const view = reader.views.past(search, self.name, ordinal);
      const strangers = recorded.parents.filter((parent) => !view.nodes.some((node) => node.id === parent));
      if (strangers.length > 0) inquiry.broken(`${id} has parents that it could not know: ${strangers.join(', ')}`);
      const thought = await think({ spec: self, view, space, seed, topic, ...equipment });
      const found = difference(recorded, thought);
      if (found === null) same++;
      else inquiry.broken(`${id} was recorded with ${found}`);
    } catch (thrown) {
      if (thrown instanceof PrerequisiteError || !(thrown instanceof AiraError)) throw thrown;
      inquiry.broken(`${id} cannot be thought again: ${errorMessage(thrown)}`);
    }
  }
  const { name, scaffold, pending } = self;
  inquiry.saw(
    `${name}: ${same} of ${counted(attempts.length, 'attempt')} thought again with ${self.model}, ${scaffold.kind}, ` +
      `${pending} pending and seed ${spec.seed} gave the same operator, parents and candidate`,
  );
}

/**
 * I5: equal specification and seed, equal nodes. Every attempt of every agent is thought again on the view that it had;
 * the laboratory's own references are compared with the specification.
 */
export async function replayable(subject: Subject, again: Again): Promise<Finding> {
  const inquiry = new CheckReport('I5');
  const { reader, search, spec } = subject;
  const nodes = reader.records.nodes(search);
  // Answers of language models, and what they were shown, are in the recording; local models read the notes again.
  const notes = spec.corpus === undefined ? undefined : loadCorpus().version;
  if (notes !== undefined && notes === spec.corpus)
    inquiry.saw(`the notes are of version ${notes}, as the agents read them`);
  for (const self of spec.agents) {
    const attempts = nodes.filter((node) => node.agent === self.name);
    if (attempts.length === 0) {
      inquiry.saw(`${self.name}: no attempt`);
      continue;
    }
    if (notes !== spec.corpus && armsOf(self.model).some(isLocal) && usesCorpus(self)) {
      inquiry.unchecked(`${self.name} read version ${spec.corpus} of the notes, and those here are ${notes}`);
      continue;
    }
    try {
      await replayAgent(subject, self, attempts, await equip(self, again), inquiry);
    } catch (thrown) {
      if (!(thrown instanceof PrerequisiteError)) throw thrown;
      inquiry.unchecked(`${self.name} with ${self.model}: ${thrown.message}`);
    }
  }
  const stated = new Map(spec.references.map(({ name, candidate }) => [`reference-${name}-1`, candidate]));
  const references = nodes.filter(({ origin }) => origin === 'reference');
  const altered = references.filter(({ id, candidate }) => stated.get(id) !== candidate);
  inquiry.none(
    altered,
    ({ id }) => `${id} is not the reference that the specification names`,
    `${counted(references.length, 'reference')} as the specification names them`,
  );
  return inquiry.finding();
}
