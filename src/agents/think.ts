import type { AgentSpec, ModelName } from '../domain/agent.ts';
import { ArchitectureError, canonicalText, parseInSpace, type Space } from '../domain/architecture.ts';
import { TerminalError } from '../domain/errors.ts';
import type { NodeId } from '../domain/ids.ts';
import { type Operator, type Rationale, rationaleSchema, type View, type ViewNode } from '../domain/node.ts';
import { rngFor } from '../domain/rng.ts';
import type { LocalModel, Proposal } from './models/model.ts';
import { scaffoldFor } from './scaffolds/scaffold.ts';

export interface Thinker {
  readonly spec: AgentSpec;
  /** The agent's own nodes as the attempt `view.ordinal` may know them. */
  readonly view: View;
  readonly space: Space;
  /** The search's seed. */
  readonly seed: number;
  /** The models that are at hand; they belong to the caller, who closes them. */
  readonly models: Readonly<Partial<Record<ModelName, LocalModel>>>;
  readonly signal?: AbortSignal | undefined;
}

/** An attempt, ready to be submitted. */
export interface Thought {
  readonly operator: Operator;
  readonly parents: NodeId[];
  /** Canonical text, of the space. */
  readonly candidate: string;
  readonly rationale: Rationale;
}

/**
 * One thought of one agent: decide, propose, check. A function of its input alone (I5), as far as the model is one: every
 * chance is drawn from the seed, the agent's name and the number of the attempt.
 *
 * @throws TerminalError when the view is not this agent's, the model is not at hand, or the model breaks its contract; and
 * whatever the model throws.
 */
export async function think({ spec, view, space, seed, models, signal }: Thinker): Promise<Thought> {
  const stranger = view.nodes.find((node) => node.agent !== spec.name);
  if (stranger)
    throw new TerminalError('view', `the view of ${spec.name} holds ${stranger.id}, made by ${stranger.agent}`);
  const model = models[spec.model];
  if (!model) throw new TerminalError('model', `${spec.name} thinks with ${spec.model}, which was not opened`);

  const decision = scaffoldFor(spec.scaffold)(view, rngFor(seed, spec.name, view.ordinal, 'scaffold'));
  const byId = new Map(view.nodes.map((node) => [node.id, node]));
  const parents = decision.parents.map((id) => byId.get(id) as ViewNode);
  const rng = rngFor(seed, spec.name, view.ordinal, 'model');
  const proposal = await model.propose({ operator: decision.operator, parents, view, space, rng, signal });
  return {
    operator: decision.operator,
    parents: [...decision.parents],
    candidate: checkedCandidate(proposal, space, model),
    rationale: checkedRationale(
      {
        choice: decision.reason,
        change: proposal.change,
        expected: proposal.expected,
        retrieved: [...(proposal.retrieved ?? [])],
        evidence: [...(proposal.evidence ?? [])],
      },
      model,
    ),
  };
}

function checkedCandidate(proposal: Proposal, space: Space, model: LocalModel): string {
  try {
    return canonicalText(parseInSpace(proposal.candidate, space));
  } catch (error) {
    if (!(error instanceof ArchitectureError)) throw error;
    throw new TerminalError('proposal', `${model.name} left the space: ${error.message}`, { cause: error });
  }
}

function checkedRationale(rationale: Rationale, model: LocalModel): Rationale {
  const checked = rationaleSchema.safeParse(rationale);
  if (checked.success) return checked.data;
  throw new TerminalError('proposal', `${model.name} gave no proper rationale: ${checked.error.issues[0]?.message}`);
}
