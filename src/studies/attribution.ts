import { contentHash, type Json } from '../domain/canonical.ts';
import { PrerequisiteError } from '../domain/errors.ts';
import { type AgentName, agentNameSchema, type NodeId, nodeId, type SearchId, searchIdSchema } from '../domain/ids.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { ArchiveReader, NodeRecord } from '../memory/index.ts';
import { type Comparison, comparePaired, pairedNoise, type SeedScore } from '../statistics/index.ts';
import { elementaryChanges } from './difference.ts';

/**
 * Which change earned the gain of a node over another: each change is undone alone, and everything is trained on the same
 * fresh seeds, as an ordinary search without agents whose references are the node, the other, and the undone ones. So every
 * training is a job like any other: counted once, within a budget, resumable, audited.
 */

export interface AttributionRequest {
  readonly node: NodeId;
  /** Relative to this node; without it to its first parent. */
  readonly against: NodeId | null;
  /** Paired seeds of the final rung, on which nothing was selected. */
  readonly seeds: number;
  /** Neighbouring changes are taken together where there are more. */
  readonly mostChanges: number;
  readonly minutes: number | null;
}

export interface AttributionPlan {
  readonly search: SearchId;
  readonly node: NodeId;
  readonly base: NodeId;
  readonly seeds: number;
  /** Which reference stands for which change. */
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
 * What has to be trained. The same wish is the same search, so that asked again it costs nothing.
 *
 * @throws PrerequisiteError for a node that is not there, was refused, has no parent, or does not differ.
 */
export function planAttribution(reader: ArchiveReader, search: SearchId, wish: AttributionRequest): AttributionPlan {
  const spec = reader.searches.spec(search);
  const records = reader.records.nodes(search);
  const node = recordOf(records, wish.node);
  const other = wish.against ?? node.parents[0];
  if (other === undefined) {
    const remedy = 'say what to compare it with: --against <node>';
    throw new PrerequisiteError('no-parent', `${node.id} was drafted and has no parent`, remedy);
  }
  const base = recordOf(records, other);
  const refused = [node, base].find(({ verdict }) => verdict === 'rejected');
  if (refused) throw new PrerequisiteError('rejected', `${refused.id} was no candidate`, 'choose another node');
  const found = elementaryChanges(spec.space.kind, base.candidate, node.candidate, wish.mostChanges);
  if (found.length === 0) {
    throw new PrerequisiteError('no-change', `${node.id} does not differ from ${base.id}`, 'choose another --against');
  }
  const changes = found.map(({ label, without }, index) => ({
    label,
    without,
    // Where there is but one change, the node without it is the other.
    reference: without === base.candidate ? basis : agentNameSchema.parse(`without-${index + 1}`),
  }));
  const variants = changes.filter(({ reference }) => reference !== basis);
  const { corpus: _, ...rest } = spec;
  const budget = { evaluations: spec.budget.evaluations, ...(wish.minutes === null ? {} : { minutes: wish.minutes }) };
  const decided = {
    ...rest,
    agents: [],
    budget,
    ladder: { ...spec.ladder, finalSeeds: wish.seeds },
    references: [
      { name: whole, candidate: node.candidate },
      { name: basis, candidate: base.candidate },
      ...variants.map(({ reference, without }) => ({ name: reference, candidate: without })),
    ],
  };
  const { id: __, ...identity } = decided;
  const tag = contentHash(identity as unknown as Json).slice(0, 8);
  const id = searchIdSchema.parse(`why-${node.id.slice(0, 40)}-${tag}`);
  const source = [
    `# Which change of ${node.id} of ${search}, relative to ${base.id}, earned its gain: each undone alone.`,
    ...changes.map(({ label, reference }) => `# ${reference}: ${label}`),
  ].join('\n');
  return {
    search, node: node.id, base: base.id, seeds: wish.seeds, source: `${source}\n`,
    changes: changes.map(({ label, reference }) => ({ label, reference })),
    spec: { ...decided, id },
  };
}

/** What one change is worth: the fitness of the node above that of the node without it. */
export interface ChangeEffect {
  readonly label: string;
  readonly comparison: Comparison;
  /** Why the node without the change gave no score, where it gave none. */
  readonly failed: string | null;
}

export interface Attribution {
  readonly search: SearchId;
  readonly node: NodeId;
  readonly base: NodeId;
  readonly seeds: number;
  readonly rung: 'final';
  /** The node above the other. */
  readonly gain: Comparison;
  readonly changes: readonly ChangeEffect[];
  /** What the gain is more, or less, than the sum of the changes: their interplay, and noise. Null where one has no figure. */
  readonly interplay: number | null;
  /** The search that trained them. */
  readonly trainedAs: SearchId;
}

/** Coverage of each interval before it is widened for their number. */
const level = 0.95;

function scoresOf(records: readonly NodeRecord[], reference: AgentName) {
  const id = nodeId(agentNameSchema.parse(`reference-${reference}`), 1);
  const record = records.find((each) => each.id === id);
  const evaluations = record?.evaluations.filter(({ rung }) => rung === 'final') ?? [];
  const scores: SeedScore[] = evaluations.flatMap(({ seed, validation }) =>
    validation === null ? [] : [{ seed, score: validation }],
  );
  const failure = record?.evaluations.find(({ status }) => status === 'failed');
  return { scores, failed: failure ? `${failure.reason}: ${failure.message ?? ''}` : null };
}

/**
 * What the trainings say. The noise is estimated from all candidates together (seeds as blocks), and the intervals of the
 * changes are widened so that all of them hold together with 95 % (Bonferroni).
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
  const known = changes.flatMap(({ comparison }) => (comparison.kind === 'measured' ? [comparison.difference] : []));
  const sum = known.reduce((total, each) => total + each, 0);
  return {
    search: plan.search, node: plan.node, base: plan.base, seeds: plan.seeds, rung: 'final', gain, changes,
    interplay: gain.kind === 'measured' && known.length === changes.length ? gain.difference - sum : null,
    trainedAs: plan.spec.id,
  };
}
