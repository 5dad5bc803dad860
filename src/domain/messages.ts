import * as z from 'zod';
import { agentSpecSchema } from './agent.ts';
import { callReservationSchema, callSettlementSchema, spendSchema } from './call.ts';
import { spaceSchema } from './candidate.ts';
import { agentEndCodeSchema, agentEndSchema, endingSchema } from './ending.ts';
import { failureReasonSchema } from './evaluation.ts';
import { agentNameSchema, evaluationKeySchema, nodeIdSchema, searchIdSchema, workerIdSchema } from './ids.ts';
import {
  lessonSchema,
  operatorSchema,
  originSchema,
  proposalCountsSchema,
  rationaleSchema,
  viewSchema,
} from './node.ts';
import { briefSchema } from './program.ts';
import { phaseSchema, searchSpecSchema } from './search.ts';
import { rungSchema } from './task.ts';

/**
 * What the parts say to each other. Requests go to the archivist and are answered; events are announced by it. All
 * requests are idempotent, because an answer that was lost on the way is asked for again.
 */

/** What test figures may be looked at for. */
const testPurposeSchema = z.enum(['report', 'nodes --with-test']);
export type TestPurpose = z.infer<typeof testPurposeSchema>;

/** So many nodes are named in one request. */
export const maxNodes = 1_000;

const accepted = z.strictObject({
  verdict: z.literal('accepted'),
  node: nodeIdSchema,
  /** The result was known already: nothing is trained. */
  saved: z.boolean(),
});
const refused = z.strictObject({
  verdict: z.literal('refused'),
  node: nodeIdSchema.nullable(),
  /** `invalid`: not a candidate of the task; `duplicate`: too close to a candidate in the agent's memory; `budget`, `closed`: no more. */
  reason: z.enum(['invalid', 'duplicate', 'budget', 'closed']),
  message: z.string(),
});

const scored = z.strictObject({
  node: nodeIdSchema,
  origin: originSchema,
  /** Mean validation over the seeds known on that rung, higher is better. */
  validation: z.number(),
});

const leading = scored.extend({
  /** The candidate in the form for people. */
  short: z.string(),
});

const ranked = scored.extend({
  /** Its text, where it was asked for. */
  candidate: z.string().optional(),
  /** Validation by seed. */
  seeds: z.array(z.strictObject({ seed: z.int(), score: z.number() })),
});

const agentStanding = proposalCountsSchema.extend({
  agent: agentNameSchema,
  best: z.number().nullable(),
  /** It may propose no more: its budget is used. */
  done: z.boolean(),
  /** Null while it may still propose. */
  end: agentEndSchema.nullable(),
  /** Calls of language models. */
  spend: spendSchema,
});

const byRungSchema = z.strictObject({ screen: z.int(), confirm: z.int(), final: z.int() });

/** What a person, or the search's own life cycle, wants to know at a glance. */
export const searchStatusSchema = z.strictObject({
  phase: phaseSchema,
  /** Of all agents. */
  proposals: proposalCountsSchema,
  /** Trainings of this search, over all rungs, seeds and kinds of nodes. */
  trainings: z.strictObject({
    pending: z.int(),
    /** Ended with a score. */
    done: z.int(),
    failed: z.int(),
    /** Of all of these: the result was known, or on its way for another node. */
    cached: z.int(),
  }),
  /** Pending evaluations by rung. */
  pendingOn: byRungSchema,
  /** Evaluations with an outcome, by rung. */
  doneOn: byRungSchema,
  /** Trainings of this search that ended with a score, by rung. */
  timedOn: byRungSchema,
  /** Pending evaluations that a worker has begun. */
  training: z.int(),
  /** Training seconds paid by this search. */
  deviceSeconds: z.number(),
  /** Mean seconds of a training on each rung, where one has ended; else of the earlier results that this search was given. */
  meanSeconds: z.partialRecord(rungSchema, z.number()),
  /** Wall time spent so far, over all sessions, in milliseconds. */
  elapsedMs: z.number(),
  /** By the highest rung on which anything was scored. */
  best: leading.extend({ rung: rungSchema }).nullable(),
  /** Calls of language models. */
  spend: spendSchema,
  agents: z.array(agentStanding),
});
export type SearchStatus = z.infer<typeof searchStatusSchema>;

/** Every question the archivist answers, by verb. */
export const requests = {
  /** Records a search, or finds it as it was left. */
  'search-open': {
    request: z.strictObject({ spec: searchSpecSchema, source: z.string().max(100_000) }),
    reply: z.strictObject({ resumed: z.boolean(), phase: phaseSchema }),
  },
  /** The first free name of a family: `quickstart-1`, `quickstart-2`, ... */
  'search-name': {
    request: z.strictObject({ family: agentNameSchema }),
    reply: z.strictObject({ search: searchIdSchema }),
  },
  /** The specification of a search, for whoever takes it up again. */
  'search-spec': {
    request: z.strictObject({ search: searchIdSchema }),
    reply: z.strictObject({ spec: searchSpecSchema, source: z.string(), phase: phaseSchema }),
  },
  'search-status': {
    request: z.strictObject({ search: searchIdSchema }),
    reply: searchStatusSchema,
  },
  'search-phase': {
    /** With an ending where the phase before ends before its work is done: both are recorded together (I13). */
    request: z.strictObject({ search: searchIdSchema, phase: phaseSchema, ending: endingSchema.optional() }),
    reply: z.strictObject({ phase: phaseSchema }),
  },
  /** Nodes with a score on a rung, best first. A long ranking comes in pieces: with `more`, the next one is to be asked for. */
  'search-ranking': {
    request: z.strictObject({
      search: searchIdSchema,
      rung: rungSchema,
      candidates: z.boolean().optional(),
      /** So many nodes of this ranking have been received. */
      from: z.int().nonnegative().optional(),
    }),
    reply: z.strictObject({ nodes: z.array(ranked), more: z.boolean() }),
  },
  /** Hidden figures, in pieces. Refused while anything of the search is undecided; each look is recorded (I4). */
  'search-tests': {
    request: z.strictObject({
      search: searchIdSchema,
      purpose: testPurposeSchema,
      /** So many figures have been received. */
      from: z.int().nonnegative().optional(),
    }),
    reply: z.strictObject({
      scores: z.array(z.strictObject({ node: nodeIdSchema, seed: z.int(), score: z.number() })),
      more: z.boolean(),
    }),
  },
  /** Adds a node of the laboratory's own: a reference or the aggregate. */
  'node-add': {
    request: z.strictObject({
      search: searchIdSchema,
      node: nodeIdSchema,
      origin: z.enum(['reference', 'aggregate']),
      candidate: z.string(),
      rationale: rationaleSchema,
    }),
    reply: z.strictObject({ node: nodeIdSchema }),
  },
  /** Asks for nodes to be evaluated on a rung with its first `seeds` seeds; many nodes in several requests. */
  'node-evaluate': {
    request: z.strictObject({
      search: searchIdSchema,
      nodes: z.array(nodeIdSchema).max(maxNodes),
      rung: rungSchema,
      seeds: z.int().positive(),
      /** Only evaluations whose outcome is known: nothing is trained. */
      known: z.literal(true).optional(),
    }),
    reply: z.strictObject({ asked: z.int(), saved: z.int(), refused: z.int() }),
  },
  /** What an agent needs to begin, or to go on after a restart. */
  'agent-join': {
    request: z.strictObject({ search: searchIdSchema, agent: agentNameSchema }),
    reply: z.strictObject({
      spec: agentSpecSchema,
      space: spaceSchema,
      seed: z.int().nonnegative(),
      task: z.string(),
      metric: z.string(),
      lowerIsBetter: z.boolean(),
      brief: briefSchema.optional(),
      /** The attempt to decide next, counted from 1. */
      next: z.int().positive(),
    }),
  },
  /**
   * The tree as the decision `ordinal` may see it; not ready while a result that it must know is still out. A long one comes
   * in pieces.
   */
  'agent-view': {
    request: z.strictObject({
      search: searchIdSchema,
      agent: agentNameSchema,
      ordinal: z.int().positive(),
      /** The view of this earlier attempt is at hand: only nodes that differ from it are wanted. */
      since: z.int().positive().optional(),
      /** So many nodes of this view have been received. */
      from: z.int().nonnegative().optional(),
    }),
    reply: z.discriminatedUnion('state', [
      /** With `more`, the next piece is to be asked for. */
      z.strictObject({ state: z.literal('ready'), view: viewSchema, more: z.boolean() }),
      /** For the outcomes of nodes, some of them named, and for attempts that other agents have not made yet. */
      z.strictObject({ state: z.literal('waiting'), nodes: z.array(nodeIdSchema), agents: z.array(agentNameSchema) }),
      z.strictObject({
        state: z.literal('closed'),
        code: agentEndCodeSchema.extract(['budget-used', 'attempts-used', 'search-closed']),
        reason: z.string(),
      }),
    ]),
  },
  /** The agent ends, for this reason; agents that remember it no longer wait for its attempts. It may come back. */
  'agent-retire': {
    request: agentEndSchema.extend({ search: searchIdSchema, agent: agentNameSchema }),
    reply: z.strictObject({}),
  },
  'agent-submit': {
    request: z.strictObject({
      search: searchIdSchema,
      agent: agentNameSchema,
      ordinal: z.int().positive(),
      operator: operatorSchema,
      parents: z.array(nodeIdSchema).max(2),
      candidate: z.string().max(400_000),
      rationale: rationaleSchema,
      /** What earlier results taught; recorded with the proposal that was made after them. */
      lessons: z.array(lessonSchema).max(256).optional(),
    }),
    reply: z.discriminatedUnion('verdict', [accepted, refused]),
  },
  /** Asked before each call of a language model: may it cost as much as that (I9)? */
  'call-reserve': {
    request: callReservationSchema,
    reply: z.discriminatedUnion('state', [
      z.strictObject({ state: z.literal('granted') }),
      /** Calls under way hold what is left; when they are settled some of it may be free again. */
      z.strictObject({ state: z.literal('held'), reason: z.string() }),
      z.strictObject({ state: z.literal('spent'), reason: z.string() }),
      /** No proposals are taken any more, at least for now: it may be otherwise when the search is resumed. */
      z.strictObject({ state: z.literal('closed'), reason: z.string() }),
    ]),
  },
  'call-settle': { request: callSettlementSchema, reply: z.strictObject({ recorded: z.boolean() }) },
  /** Asked by a worker before it trains: is this still wanted? Records the attempt. */
  'job-claim': {
    request: z.strictObject({ key: evaluationKeySchema, worker: workerIdSchema, attempt: z.int().positive() }),
    reply: z.strictObject({
      go: z.boolean(),
      reason: z.enum(['wanted', 'done', 'unknown', 'withdrawn']),
      /** The archive's public key, for hidden figures (I4): 32 bytes of X25519 as base64url. With `go`. */
      seal: z
        .string()
        .regex(/^[\w-]{43}$/)
        .optional(),
    }),
  },
} as const;
export type Verb = keyof typeof requests;
export type RequestOf<V extends Verb> = z.infer<(typeof requests)[V]['request']>;
export type ReplyOf<V extends Verb> = z.infer<(typeof requests)[V]['reply']>;

/** What happened, in the order in which the archive recorded it. Carries no test figure (I4). */
export const eventSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('node-submitted'),
    search: searchIdSchema,
    node: nodeIdSchema,
    agent: agentNameSchema,
    operator: originSchema,
    parents: z.array(nodeIdSchema),
    /** The candidate in the form for people. */
    short: z.string(),
  }),
  z.strictObject({
    kind: z.literal('node-refused'),
    search: searchIdSchema,
    agent: agentNameSchema,
    reason: z.string(),
    message: z.string(),
  }),
  z.strictObject({
    kind: z.literal('node-evaluated'),
    search: searchIdSchema,
    node: nodeIdSchema,
    agent: agentNameSchema,
    rung: rungSchema,
    seed: z.int(),
    validation: z.number().nullable(),
    seconds: z.number(),
    saved: z.boolean(),
  }),
  z.strictObject({
    kind: z.literal('node-failed'),
    search: searchIdSchema,
    node: nodeIdSchema,
    agent: agentNameSchema,
    rung: rungSchema,
    seed: z.int(),
    reason: failureReasonSchema,
    message: z.string(),
  }),
  z.strictObject({ kind: z.literal('phase-changed'), search: searchIdSchema, phase: phaseSchema }),
  endingSchema.omit({ occurrence: true }).extend({ kind: z.literal('ended-early'), search: searchIdSchema }),
]);
export type LabEvent = z.infer<typeof eventSchema>;

/** A worker's sign of life: what it is, what it does, how far it is. Not kept. */
export const workerStateSchema = z.strictObject({
  worker: workerIdSchema,
  device: z.string(),
  deviceName: z.string(),
  /** One per kind of candidate that it judges. */
  evaluators: z.array(z.string()),
  state: z.enum(['starting', 'idle', 'training', 'draining', 'stopped']),
  key: evaluationKeySchema.nullable(),
  /** Share of the training that is done, 0 to 1. */
  progress: z.number().min(0).max(1).nullable(),
});
export type WorkerState = z.infer<typeof workerStateSchema>;

/** An agent's sign of life. Not kept. */
export const agentStateSchema = z.strictObject({
  search: searchIdSchema,
  agent: agentNameSchema,
  state: z.enum(['joining', 'looking', 'waiting', 'thinking', 'submitting', 'finished', 'failed']),
  /** A few words for the live display. */
  note: z.string().max(200),
});
export type AgentState = z.infer<typeof agentStateSchema>;
