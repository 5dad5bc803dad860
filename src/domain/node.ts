import * as z from 'zod';
import { failureReasonSchema } from './evaluation.ts';
import { insightSchema } from './ideas.ts';
import { agentNameSchema, type NodeId, nodeIdSchema } from './ids.ts';
import { evidenceIdSchema, provenanceSchema, readingSchema } from './literature.ts';
import { soleModelSchema } from './model.ts';
import { triedSchema } from './rehearsal.ts';

/**
 * How an agent obtained a candidate. `improve` varies one scored parent, `crossover` combines two, `debug` repairs a
 * candidate without a score.
 */
export const operators = ['draft', 'improve', 'crossover', 'debug'] as const;
export const operatorSchema = z.enum(operators);
export type Operator = z.infer<typeof operatorSchema>;

/** Candidates that one thought may give. */
export const mostProposals = 8;

/** Which of the candidates of one thought an attempt submits. Such attempts are numbered in a row. */
export const sharedThoughtSchema = z
  .strictObject({
    /** The attempt that thought: it has the calls, their cost and what was read. */
    first: z.int().positive(),
    /** From 1. */
    place: z.int().positive(),
    of: z.int().min(2).max(mostProposals),
  })
  .refine(({ place, of }) => place <= of, { error: 'place is beyond the candidates of the thought' });
export type SharedThought = z.infer<typeof sharedThoughtSchema>;

/** Operators, and the nodes that Aira adds itself. */
export const originSchema = z.enum([...operators, 'reference', 'aggregate']);
export type Origin = z.infer<typeof originSchema>;

/** Why a candidate was proposed, for the trace and for later agents. */
export const rationaleSchema = z.strictObject({
  /** Why this operator and these parents. */
  choice: z.string().max(2000),
  /** Change relative to the parents, or how the draft arose. */
  change: z.string().max(2000),
  /** Expected fitness; null if the proposer states none. */
  expected: z.number().nullable(),
  /** Why it should work. */
  hypothesis: z.string().max(2000).optional(),
  /** Items shown to the agent during the thought. Empty in older nodes. */
  retrieved: z.array(evidenceIdSchema).max(64).default([]),
  /** Queries for these items, in order. */
  readings: z.array(readingSchema).max(40).optional(),
  /** What was tried out before the proposal, in order. */
  tried: z.array(triedSchema).max(40).optional(),
  /** Works among these items that are not in the corpus: what they are and where they were found. */
  works: z
    .array(provenanceSchema.omit({ source: true }).extend({ title: z.string().max(1000) }))
    .max(64)
    .optional(),
  /** Evidence for the proposal: ids of nodes and of shown items. */
  evidence: z.array(z.string().max(200)).max(32).default([]),
  /** Absent for the only candidate of a thought. */
  thought: sharedThoughtSchema.optional(),
  /** Model and cost of the proposal, if the agent chooses among several models. */
  model: soleModelSchema.optional(),
  /** Of candidates that share a thought, each has an equal part. */
  dollars: z.number().nonnegative().optional(),
});
export type Rationale = z.infer<typeof rationaleSchema>;

/** Why the answer of a language model or of a user's program was no candidate. */
export const answerProblems = [
  'malformed',
  'truncated',
  'refused',
  'empty',
  'invalid',
  'duplicate',
  // Of programs of the user.
  'crashed',
  'silent',
] as const;
export type AnswerProblem = (typeof answerProblems)[number];

const unusable = new RegExp(`^\\((${answerProblems.join('|')})\\) `);
/** The text that stands for a candidate where an attempt had no usable answer: its kind first, so that it never parses. */
export const unusableText = (kind: AnswerProblem, answer: string): string => `(${kind}) ${answer}`;
/** Whether a submitted candidate is such a text. */
export const unusableAnswer = (candidate: string): boolean => unusable.test(candidate);

/** A `duplicate` repeats a candidate in its agent's memory and is never evaluated. */
export const nodeStatusSchema = z.enum(['pending', 'evaluated', 'failed', 'rejected', 'duplicate']);
export type NodeStatus = z.infer<typeof nodeStatusSchema>;

/**
 * Proposals by status: these words mean the same in reports, summaries, displays and JSON. Each proposal has exactly one
 * status, decided by its screening, so `proposed` is the sum of the five after it. References and the aggregate are not
 * proposals.
 */
export const proposalCountsSchema = z.strictObject({
  proposed: z.int(),
  /** Has a screening score. */
  evaluated: z.int(),
  /** Trained or attempted, without a score. */
  failed: z.int(),
  /** Not a candidate of the task. */
  rejected: z.int(),
  /** Equal or too close to a candidate in the agent's memory. */
  duplicate: z.int(),
  pending: z.int(),
  /** Cache hits among `evaluated` and `failed`: nothing was trained. */
  cached: z.int(),
});
export type ProposalCounts = z.infer<typeof proposalCountsSchema>;

const noProposals: ProposalCounts = {
  proposed: 0,
  evaluated: 0,
  failed: 0,
  rejected: 0,
  duplicate: 0,
  pending: 0,
  cached: 0,
};

export function countProposals(
  nodes: readonly { readonly status: NodeStatus; readonly saved: boolean }[],
): ProposalCounts {
  const counts = { ...noProposals, proposed: nodes.length };
  for (const { status, saved } of nodes) {
    counts[status] += 1;
    if (saved && (status === 'evaluated' || status === 'failed')) counts.cached += 1;
  }
  return counts;
}

export function sumProposals(each: readonly ProposalCounts[]): ProposalCounts {
  const counts = { ...noProposals };
  for (const one of each) for (const key of Object.keys(counts) as (keyof ProposalCounts)[]) counts[key] += one[key];
  return counts;
}

/** A node as agents and scaffolds see it: never with a test score (I4). */
export const viewNodeSchema = z.strictObject({
  id: nodeIdSchema,
  agent: agentNameSchema,
  /** By another agent than the viewer. */
  foreign: z.literal(true).optional(),
  /** A person vetoed its branch: nothing is built on it. */
  vetoed: z.literal(true).optional(),
  /** The agent's attempt number, from 1. */
  ordinal: z.int().positive(),
  /** The earlier attempt whose thought gave this candidate too; absent if its own did. */
  thought: z.int().positive().optional(),
  operator: operatorSchema,
  parents: z.array(nodeIdSchema),
  /** Canonical text of the candidate. */
  candidate: z.string(),
  status: nodeStatusSchema,
  reason: failureReasonSchema.or(z.literal('duplicate')).or(z.literal('budget')).nullable(),
  /** Screening score, higher is better; null until evaluated. */
  fitness: z.number().nullable(),
  /** The change, from its rationale. */
  change: z.string().max(2000).optional(),
  /** Why it was rejected or failed; absent while pending. */
  message: z.string().max(2000).optional(),
  /** Lesson of its result, once the agent has analysed it. */
  lesson: z.string().max(2000).optional(),
  /** The fitness that its author expected, and why it should work. */
  expected: z.number().optional(),
  hypothesis: z.string().max(600).optional(),
  /** Of its training, once known: parameters, scores by sub-task, score by step. No seconds: a replay could not repeat them. */
  params: z.int().optional(),
  tasks: z.record(z.string(), z.record(z.string(), z.number())).optional(),
  curve: z
    .array(z.tuple([z.number(), z.number()]))
    .max(6)
    .optional(),
  /** Model and cost, if the agent chooses among several models. */
  model: soleModelSchema.optional(),
  dollars: z.number().nonnegative().optional(),
});
export type ViewNode = z.infer<typeof viewNodeSchema>;

/** An attempt as far as its number and its thought go. */
interface Numbered {
  readonly ordinal: number;
  readonly thought?: number | null | undefined;
}

/** The attempt whose thought gave the candidate of this one. */
const thoughtOf = ({ thought, ordinal }: Numbered): number => thought ?? ordinal;

/** Whether an attempt gave no new candidate: an unusable answer, or a repetition. */
export const isRefused = (status: string): boolean => status === 'rejected' || status === 'duplicate';

/**
 * The latest thoughts in a row that gave no new candidate. All candidates of a thought are one question to the model, so they count
 * once.
 *
 * @param attempts of one agent, newest first.
 */
export function refusedThoughts(attempts: Iterable<Numbered & { readonly status: string }>): number {
  const thoughts = new Set<number>();
  for (const attempt of attempts) {
    if (!isRefused(attempt.status)) {
      thoughts.delete(thoughtOf(attempt));
      break;
    }
    thoughts.add(thoughtOf(attempt));
  }
  return thoughts.size;
}

/** What an agent learned from the result of one of its nodes. */
export const lessonSchema = z.strictObject({ node: nodeIdSchema, text: z.string().min(1).max(2000) });
export type Lesson = z.infer<typeof lessonSchema>;

/**
 * The tree as one decision sees it. Results that arrived before the decision may know them are shown as pending, so that
 * decisions depend on the seed only, not on the speed of workers (I5).
 */
export const viewSchema = z.strictObject({
  /** The attempt to decide, from 1. */
  ordinal: z.int().positive(),
  /** Attempts left in the agent's budget, including this one. */
  remaining: z.int().nonnegative(),
  nodes: z.array(viewNodeSchema),
  /** What agents concluded before, latest first; only for agents with `insights`. */
  insights: z.array(insightSchema).optional(),
  /** What is left of the search's limits at the time of the request; shown to models, used by no decision. */
  left: z.strictObject({ minutes: z.number().optional(), dollars: z.number().optional() }).optional(),
});
export type View = z.infer<typeof viewSchema>;

/** Order of a view: by attempt, then by agent. A parent precedes its children. */
export function byAge(a: ViewNode, b: ViewNode): number {
  return a.ordinal - b.ordinal || (a.agent < b.agent ? -1 : a.agent > b.agent ? 1 : 0);
}

/** Merges an earlier view with the nodes that have changed. */
export function mergeNodes(before: readonly ViewNode[], changed: readonly ViewNode[]): ViewNode[] {
  const nodes = new Map(before.map((node) => [node.id, node]));
  for (const node of changed) nodes.set(node.id, node);
  return [...nodes.values()].sort(byAge);
}

const parentsOf: Readonly<Record<Operator, number>> = { draft: 0, improve: 1, debug: 1, crossover: 2 };

/** Why these parents do not fit the operator, or are not among the nodes that the attempt knows; null if they do. */
export function parentsObjection(
  operator: Operator,
  parents: readonly NodeId[],
  nodes: readonly Pick<ViewNode, 'id' | 'status'>[],
): string | null {
  const wanted = parentsOf[operator];
  if (new Set(parents).size !== wanted || parents.length !== wanted) {
    return `${operator} takes ${wanted === 0 ? 'no parents' : wanted === 1 ? '1 parent' : `${wanted} different parents`}`;
  }
  for (const parent of parents) {
    const status = nodes.find(({ id }) => id === parent)?.status;
    if (status === undefined) return `the parent ${parent} is not in the view`;
    const fits = operator === 'debug' ? status === 'failed' || status === 'rejected' : status === 'evaluated';
    if (fits) continue;
    const needs = operator === 'debug' ? 'failed or was rejected' : 'has a score';
    return `${operator} takes a parent that ${needs}; ${parent} is ${status}`;
  }
  return null;
}

/** An evaluated node with a score that was not vetoed: the only kind that may become a parent or train a surrogate. */
export type ScoredNode = ViewNode & { readonly fitness: number };

export function isScored(node: ViewNode): node is ScoredNode {
  return node.status === 'evaluated' && node.fitness !== null && node.vetoed === undefined;
}

/** Best first; ties go to the earlier node, so that a repeated score never displaces the first one. */
export function ranked(nodes: readonly ViewNode[]): ScoredNode[] {
  return nodes.filter(isScored).sort((a, b) => b.fitness - a.fitness || byAge(a, b));
}
