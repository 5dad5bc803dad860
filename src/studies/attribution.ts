import { PrerequisiteError } from '../domain/errors.ts';
import {
  type AgentName,
  agentNameSchema,
  type NodeId,
  referenceNode,
  type SearchId,
  searchIdSchema,
} from '../domain/ids.ts';
import { contentHash, type Json } from '../domain/json.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { ArchiveReader, NodeRecord } from '../memory/index.ts';
import { type Comparison, comparePaired, pairedNoise, type SeedScore } from '../statistics/index.ts';
import { elementaryChanges } from './difference.ts';

/**
 * Attribution of a node's gain over another: each change is undone alone, and all variants are trained on the same fresh
 * seeds, as an ordinary search without agents whose references are the node, the other one, and the variants. So every
 * training is an ordinary job: counted once, budgeted, resumable, audited.
 */

export interface AttributionRequest {
  readonly node: NodeId;
  /** Compare with this node; default: the first parent. */
  readonly against: NodeId | null;
  /** Paired seeds of the final rung, which selected nothing. */
  readonly seeds: number;
  /** Beyond this, adjacent changes are merged. */
  readonly mostChanges: number;
  readonly minutes: number | null;
}

export interface AttributionPlan {
  readonly search: SearchId;
  readonly node: NodeId;
  readonly base: NodeId;
  readonly seeds: number;
  /** The reference of each change. */
  readonly changes: readonly { readonly label: string; readonly reference: AgentName }[];
  /** The search that trains them. */
  readonly spec: SearchSpec;
  readonly source: string;
}

const whole = agentNameSchema.parse('whole');
const basis = agentNameSchema.parse('base');

function recordOf(records: readonly NodeRecord[], id: NodeId): NodeRecord {
  const found = records.find((record) => record.id === id);
  if (!found) throw new PrerequisiteError('unknown-node', `there is no node "${id}"`, 'list them with: aira nodes');
  return found;
}

/**
 * Plans the trainings. Equal requests give the same search, so a repetition costs nothing.
 *
 * @throws PrerequisiteError for a node that does not exist, was rejected, has no parent, or does not differ.
 */
export function planAttribution(reader: ArchiveReader, search: SearchId, request: AttributionRequest): AttributionPlan {
  const spec = reader.searches.spec(search);
  if (spec.scale) {
    throw new PrerequisiteError(
      'scale-plan',
      `"${search}" is a scale plan: its nodes have no changes`,
      'name a search',
    );
  }
  const records = reader.records.nodes(search);
  const node = recordOf(records, request.node);
  const other = request.against ?? node.parents[0];
  if (other === undefined) {
    const remedy = 'name a node to compare with: --against <node>';
    throw new PrerequisiteError('no-parent', `${node.id} is a draft without a parent`, remedy);
  }
  const base = recordOf(records, other);
  const refused = [node, base].find(({ verdict }) => verdict === 'rejected');
  if (refused) throw new PrerequisiteError('rejected', `${refused.id} is not a candidate`, 'choose another node');
  const differences = elementaryChanges(spec.space.kind, base.candidate, node.candidate, request.mostChanges);
  if (differences.length === 0) {
    throw new PrerequisiteError('no-change', `${node.id} does not differ from ${base.id}`, 'choose another --against');
  }
  const changes = differences.map(({ label, without }, index) => ({
    label,
    without,
    // With a single change, the node without it is the base.
    reference: without === base.candidate ? basis : agentNameSchema.parse(`without-${index + 1}`),
  }));
  const variants = changes.filter(({ reference }) => reference !== basis);
  const { corpus: _, ...rest } = spec;
  const budget = {
    evaluations: spec.budget.evaluations,
    ...(request.minutes === null ? {} : { minutes: request.minutes }),
  };
  const draft = {
    ...rest,
    agents: [],
    budget,
    ladder: { ...spec.ladder, finalSeeds: request.seeds },
    references: [
      { name: whole, candidate: node.candidate },
      { name: basis, candidate: base.candidate },
      ...variants.map(({ reference, without }) => ({ name: reference, candidate: without })),
    ],
  };
  const { id: __, ...identity } = draft;
  const tag = contentHash(identity as unknown as Json).slice(0, 8);
  const id = searchIdSchema.parse(`why-${node.id.slice(0, 40)}-${tag}`);
  const source = [
    `# Attribution of ${node.id} of ${search} against ${base.id}: each change undone alone.`,
    ...changes.map(({ label, reference }) => `# ${reference}: ${label}`),
  ].join('\n');
  return {
    search,
    node: node.id,
    base: base.id,
    seeds: request.seeds,
    source: `${source}\n`,
    changes: changes.map(({ label, reference }) => ({ label, reference })),
    spec: { ...draft, id },
  };
}

/** Contribution of one change: fitness of the node minus that of the node without it. */
export interface ChangeEffect {
  readonly label: string;
  readonly comparison: Comparison;
  /** Why the node without the change has no score; null if it has one. */
  readonly failed: string | null;
}

export interface Attribution {
  readonly search: SearchId;
  readonly node: NodeId;
  readonly base: NodeId;
  readonly seeds: number;
  readonly rung: 'final';
  /** The node against the other one. */
  readonly gain: Comparison;
  readonly changes: readonly ChangeEffect[];
  /** Gain minus the sum of the contributions: interaction and noise. Null if a contribution is missing. */
  readonly interplay: number | null;
  /** The search that trained them. */
  readonly trainedAs: SearchId;
}

/** Coverage of each interval before the correction for their number. */
const level = 0.95;

function scoresOf(records: readonly NodeRecord[], reference: AgentName) {
  const id = referenceNode(reference);
  const record = records.find((each) => each.id === id);
  const evaluations = record?.evaluations.filter(({ rung }) => rung === 'final') ?? [];
  const scores: SeedScore[] = evaluations.flatMap(({ seed, validation }) =>
    validation === null ? [] : [{ seed, score: validation }],
  );
  const failure = record?.evaluations.find(({ status }) => status === 'failed');
  return { scores, failed: failure ? `${failure.reason}: ${failure.message ?? ''}` : null };
}

/**
 * Concludes from the trainings. The noise is pooled over all candidates (seeds as blocks); the intervals of the changes have
 * simultaneous 95 % coverage (Bonferroni).
 */
export function conclude(plan: AttributionPlan, records: readonly NodeRecord[]): Attribution {
  const of = (reference: AgentName) => scoresOf(records, reference);
  const node = of(whole);
  const base = of(basis);
  const undone = plan.changes.map(({ label, reference }) => ({ label, ...of(reference) }));
  const noise = pairedNoise([node, base, ...undone].map(({ scores }) => scores).filter(({ length }) => length > 0));
  const together = 1 - (1 - level) / plan.changes.length;
  const changes = undone.map(({ label, scores, failed }) => ({
    label,
    failed,
    comparison: comparePaired(node.scores, scores, noise, together),
  }));
  const gain = comparePaired(node.scores, base.scores, noise, level);
  const differences = changes.flatMap(({ comparison }) =>
    comparison.kind === 'measured' ? [comparison.difference] : [],
  );
  const sum = differences.reduce((total, each) => total + each, 0);
  return {
    search: plan.search,
    node: plan.node,
    base: plan.base,
    seeds: plan.seeds,
    rung: 'final',
    gain,
    changes,
    interplay: gain.kind === 'measured' && differences.length === changes.length ? gain.difference - sum : null,
    trainedAs: plan.spec.id,
  };
}
