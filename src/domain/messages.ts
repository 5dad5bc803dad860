import * as z from 'zod';
import { agentSpecSchema, callReservationSchema, callSettlementSchema, spendSchema } from './agent.ts';
import { ownPrimitiveSchema } from './architecture.ts';
import { spaceSchema } from './candidate.ts';
import { agentEndCodeSchema, agentEndSchema, endingSchema } from './ending.ts';
import { failureReasonSchema, outcomeStatuses } from './evaluation.ts';
import { ideaRequests, statedInsightSchema } from './ideas.ts';
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
import { rehearsalReservationSchema, rehearsalSettlementSchema, stageSchema } from './rehearsal.ts';
import { checkpointSchema } from './scale.ts';
import {
  budgetSchema,
  experimentSchema,
  phaseSchema,
  rulingIdSchema,
  rulingKinds,
  rulingRequestSchema,
  searchSpecSchema,
} from './search.ts';
import { rungSchema } from './task.ts';

/**
 * Messages between components. Requests go to the archivist, which replies and announces events. All requests are
 * idempotent, so that a lost reply can be requested again.
 */

/** Purposes for which test scores may be read. */
export const testPurposes = ['report', 'nodes --with-test', 'export --with-test'] as const;
const testPurposeSchema = z.enum(testPurposes);
export type TestPurpose = z.infer<typeof testPurposeSchema>;

/** Maximum number of nodes per request. */
export const maxNodes = 1_000;

const accepted = z.strictObject({
  verdict: z.literal('accepted'),
  node: nodeIdSchema,
  /** Cache hit: nothing is trained. */
  saved: z.boolean(),
});
const refused = z.strictObject({
  verdict: z.literal('refused'),
  node: nodeIdSchema.nullable(),
  /** `invalid`: not a candidate of the task; `duplicate`: too close to one in the agent's memory; `budget`, `closed`: no more proposals. */
  reason: z.enum(['invalid', 'duplicate', 'budget', 'closed']),
  message: z.string(),
});

const scored = z.strictObject({
  node: nodeIdSchema,
  origin: originSchema,
  /** Mean validation over the scored seeds of the rung, higher is better. */
  validation: z.number(),
});

const leading = scored.extend({
  /** Short form of the candidate. */
  short: z.string(),
});

const ranked = scored.extend({
  /** Canonical text, if requested. */
  candidate: z.string().optional(),
  /** Validation by seed. */
  seeds: z.array(z.strictObject({ seed: z.int(), score: z.number() })),
});

const requestedEvaluation = z.strictObject({
  node: nodeIdSchema,
  key: evaluationKeySchema,
  seed: z.int(),
  status: z.enum(outcomeStatuses),
  validation: z.number().nullable(),
  reason: failureReasonSchema.nullable(),
  message: z.string().nullable(),
  seconds: z.number().nullable(),
});

const agentStatus = proposalCountsSchema.extend({
  agent: agentNameSchema,
  best: z.number().nullable(),
  /** Its budget is used: it may not propose. */
  done: z.boolean(),
  /** Null while it may still propose. */
  end: agentEndSchema.nullable(),
  /** LLM calls. */
  spend: spendSchema,
});

const byRungSchema = z.strictObject({ screen: z.int(), confirm: z.int(), final: z.int() });

/** Status of a search, for people and for the search machine. */
export const searchStatusSchema = z.strictObject({
  phase: phaseSchema,
  /** Over all agents. */
  proposals: proposalCountsSchema,
  /** Trainings over all rungs, seeds and kinds of nodes. */
  trainings: z.strictObject({
    pending: z.int(),
    /** With a score. */
    done: z.int(),
    failed: z.int(),
    /** Of all these: cache hits, or already running for another node. */
    cached: z.int(),
  }),
  /** Pending evaluations by rung. */
  pendingOn: byRungSchema,
  /** Evaluations with an outcome, by rung. */
  doneOn: byRungSchema,
  /** Scored trainings by rung. */
  timedOn: byRungSchema,
  /** Pending evaluations that a worker has claimed. */
  training: z.int(),
  /** Training seconds charged to this search. */
  deviceSeconds: z.number(),
  /** Mean seconds per training on each rung, measured in this search, else from cached results. */
  meanSeconds: z.partialRecord(rungSchema, z.number()),
  /** Wall time over all sessions, in milliseconds. */
  elapsedMs: z.number(),
  /** The limits of the search where a person has raised one. */
  raised: budgetSchema.optional(),
  /** Why the search is paused; absent while it is not. */
  paused: z.string().max(1000).optional(),
  /** On the highest rung with scores. */
  best: leading.extend({ rung: rungSchema }).nullable(),
  /** LLM calls. */
  spend: spendSchema,
  agents: z.array(agentStatus),
});
export type SearchStatus = z.infer<typeof searchStatusSchema>;

/** All requests to the archivist, by verb. */
export const requests = {
  /** Records a search, or reopens it. */
  'search-open': {
    request: z.strictObject({ spec: searchSpecSchema, source: z.string().max(100_000) }),
    reply: z.strictObject({ resumed: z.boolean(), phase: phaseSchema }),
  },
  /** The first unused name of a family: `quickstart-1`, `quickstart-2`, ... */
  'search-name': {
    request: z.strictObject({ family: agentNameSchema }),
    reply: z.strictObject({ search: searchIdSchema }),
  },
  /** The specification of a search, to resume it. */
  'search-spec': {
    request: z.strictObject({ search: searchIdSchema }),
    reply: z.strictObject({ spec: searchSpecSchema, source: z.string(), phase: phaseSchema }),
  },
  'search-status': {
    request: z.strictObject({ search: searchIdSchema }),
    reply: searchStatusSchema,
  },
  'search-phase': {
    /** With an ending if the previous phase ends early: both are recorded together (I13). */
    request: z.strictObject({ search: searchIdSchema, phase: phaseSchema, ending: endingSchema.optional() }),
    reply: z.strictObject({ phase: phaseSchema }),
  },
  /** Nodes with a score on a rung, best first, in pages: `more` says that another page follows. */
  'search-ranking': {
    request: z.strictObject({
      search: searchIdSchema,
      rung: rungSchema,
      candidates: z.boolean().optional(),
      /** Number of nodes already received. */
      from: z.int().nonnegative().optional(),
    }),
    reply: z.strictObject({ nodes: z.array(ranked), more: z.boolean() }),
  },
  /** Requested evaluations of a search with their outcomes, in the order of the requests, in pages. No test scores (I4). */
  'search-evaluations': {
    request: z.strictObject({ search: searchIdSchema, from: z.int().nonnegative() }),
    reply: z.strictObject({ evaluations: z.array(requestedEvaluation), more: z.boolean() }),
  },
  /** Hidden scores, in pages. Refused until the search has ended; each access is recorded (I4). */
  'search-tests': {
    request: z.strictObject({
      search: searchIdSchema,
      purpose: testPurposeSchema,
      /** Number of scores already received. */
      from: z.int().nonnegative().optional(),
    }),
    reply: z.strictObject({
      scores: z.array(
        z.strictObject({
          node: nodeIdSchema,
          seed: z.int(),
          score: z.number(),
          /** Floors of the same rows, in the metric; see `floorsIn`. */
          floors: z.record(z.string(), z.number()),
        }),
      ),
      more: z.boolean(),
    }),
  },
  /** Adds a reference or the aggregate. */
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
  /** Requests evaluations of nodes on a rung with its first `seeds` seeds; split many nodes over several requests. */
  'node-evaluate': {
    request: z.strictObject({
      search: searchIdSchema,
      nodes: z.array(nodeIdSchema).max(maxNodes),
      rung: rungSchema,
      seeds: z.int().positive(),
      /** Cache hits only: nothing is trained. */
      known: z.literal(true).optional(),
    }),
    reply: z.strictObject({ asked: z.int(), saved: z.int(), refused: z.int() }),
  },
  /** A person vetoes, pauses, resumes or raises a budget; refused once the search has ended. */
  'search-rule': {
    request: rulingRequestSchema,
    reply: z.strictObject({ id: rulingIdSchema, sentence: z.string() }),
  },
  /** What an agent needs to start or restart. */
  'agent-join': {
    request: z.strictObject({ search: searchIdSchema, agent: agentNameSchema }),
    reply: z.strictObject({
      spec: agentSpecSchema,
      space: spaceSchema,
      seed: z.int().nonnegative(),
      task: z.string(),
      metric: z.string(),
      lowerIsBetter: z.boolean(),
      primitives: z.array(ownPrimitiveSchema).optional(),
      brief: briefSchema.optional(),
      experiment: experimentSchema.optional(),
      /** For multi-turn agents. */
      stage: stageSchema.optional(),
      /** The next attempt to decide, from 1. */
      next: z.int().positive(),
    }),
  },
  /** The tree as decision `ordinal` may see it, in pages; not ready while a result that it must know is pending. */
  'agent-view': {
    request: z.strictObject({
      search: searchIdSchema,
      agent: agentNameSchema,
      ordinal: z.int().positive(),
      /** The caller has the view of this earlier attempt: return only nodes that differ. */
      since: z.int().positive().optional(),
      /** Number of nodes already received. */
      from: z.int().nonnegative().optional(),
    }),
    reply: z.discriminatedUnion('state', [
      /** `more`: another page follows. */
      z.strictObject({ state: z.literal('ready'), view: viewSchema, more: z.boolean() }),
      /** Waiting for outcomes of nodes (some are listed), for attempts of other agents, or for a person to resume it. */
      z.strictObject({
        state: z.literal('waiting'),
        nodes: z.array(nodeIdSchema),
        agents: z.array(agentNameSchema),
        paused: z.string().max(1000).optional(),
      }),
      z.strictObject({
        state: z.literal('closed'),
        code: agentEndCodeSchema.extract(['budget-used', 'attempts-used', 'search-closed']),
        reason: z.string(),
      }),
    ]),
  },
  /** The agent ends for this reason; agents with ensemble memory no longer wait for it. It may rejoin. */
  'agent-retire': {
    request: agentEndSchema.extend({ search: searchIdSchema, agent: agentNameSchema }),
    reply: z.strictObject({}),
  },
  /** The agent cannot propose for now, because its provider is away: agents with ensemble memory do not wait for it. */
  'agent-away': {
    request: z.strictObject({ search: searchIdSchema, agent: agentNameSchema, reason: z.string().max(500) }),
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
      /** Lessons of earlier results, recorded with the proposal. */
      lessons: z.array(lessonSchema).max(256).optional(),
      /** What the agent concluded from results. */
      insights: z.array(statedInsightSchema).max(16).optional(),
    }),
    reply: z.discriminatedUnion('verdict', [accepted, refused]),
  },
  /** Sent before each LLM call: may it cost this much (I9)? */
  'call-reserve': {
    request: callReservationSchema,
    reply: z.discriminatedUnion('state', [
      z.strictObject({ state: z.literal('granted') }),
      /** Running calls reserve the rest of the budget; some may be released when they settle. */
      z.strictObject({ state: z.literal('waiting'), reason: z.string() }),
      z.strictObject({ state: z.literal('spent'), reason: z.string() }),
      /** Closed for proposals; a resume may reopen the search. */
      z.strictObject({ state: z.literal('closed'), reason: z.string() }),
    ]),
  },
  /** Sent before each rehearsal: may it take this much device time (I9)? */
  'rehearsal-reserve': {
    request: rehearsalReservationSchema,
    reply: z.discriminatedUnion('state', [
      z.strictObject({ state: z.literal('granted') }),
      z.strictObject({ state: z.literal('spent'), reason: z.string() }),
      z.strictObject({ state: z.literal('closed'), reason: z.string() }),
    ]),
  },
  'rehearsal-settle': { request: rehearsalSettlementSchema, reply: z.strictObject({ recorded: z.boolean() }) },
  'call-settle': { request: callSettlementSchema, reply: z.strictObject({ recorded: z.boolean() }) },
  /** Sent by a worker before it trains: is the job still needed? Records the attempt. */
  'job-claim': {
    request: z.strictObject({ key: evaluationKeySchema, worker: workerIdSchema, attempt: z.int().positive() }),
    reply: z.strictObject({
      go: z.boolean(),
      reason: z.enum(['wanted', 'done', 'unknown', 'withdrawn']),
      /** The archive's public key for hidden scores (I4): 32 bytes of X25519 as base64url. With `go`. */
      seal: z
        .string()
        .regex(/^[\w-]{43}$/)
        .optional(),
    }),
  },
  /** Sent by a worker that trains: a checkpoint is on the user's storage. Counts only with the token of the claim. */
  'job-checkpoint': {
    request: z.strictObject({
      key: evaluationKeySchema,
      worker: workerIdSchema,
      attempt: z.int().positive(),
      checkpoint: checkpointSchema,
    }),
    reply: z.strictObject({ recorded: z.boolean() }),
  },
  /** Sent by a worker that has to leave: it returns the job unfinished. Counts only with the token of the claim. */
  'job-release': {
    request: z.strictObject({ key: evaluationKeySchema, worker: workerIdSchema, attempt: z.int().positive() }),
    reply: z.strictObject({}),
  },
  /** Asked by a machine that may become a worker: the archive's time, and the evaluators that open jobs need. */
  'worker-hello': {
    request: z.strictObject({}),
    reply: z.strictObject({ at: z.int().nonnegative(), evaluators: z.array(z.string()).max(64) }),
  },
  ...ideaRequests,
} as const;
export type Verb = keyof typeof requests;
export type RequestOf<V extends Verb> = z.infer<(typeof requests)[V]['request']>;
export type ReplyOf<V extends Verb> = z.infer<(typeof requests)[V]['reply']>;

/** Events, in the archive's order. Contain no test scores (I4). */
export const eventSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('node-submitted'),
    search: searchIdSchema,
    node: nodeIdSchema,
    agent: agentNameSchema,
    operator: originSchema,
    parents: z.array(nodeIdSchema),
    /** Short form of the candidate. */
    short: z.string(),
  }),
  z.strictObject({
    kind: z.literal('node-refused'),
    search: searchIdSchema,
    /** Absent in announcements of earlier versions. */
    node: nodeIdSchema.optional(),
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
  /** Its `results` scored results since `best` were not better. */
  z.strictObject({
    kind: z.literal('agent-plateaued'),
    search: searchIdSchema,
    agent: agentNameSchema,
    best: nodeIdSchema,
    results: z.int(),
  }),
  endingSchema.omit({ occurrence: true }).extend({ kind: z.literal('ended-early'), search: searchIdSchema }),
  z.strictObject({
    kind: z.literal('ruled'),
    search: searchIdSchema,
    ruling: z.enum(rulingKinds),
    /** Node of a veto, agent of a pause; absent for the search. */
    subject: z.string().max(100).optional(),
    sentence: z.string().max(1000),
  }),
]);
export type LabEvent = z.infer<typeof eventSchema>;

/** A worker's heartbeat. Not stored. */
export const workerStateSchema = z.strictObject({
  worker: workerIdSchema,
  device: z.string(),
  deviceName: z.string(),
  /** One per kind of candidate that it trains. */
  evaluators: z.array(z.string()),
  state: z.enum(['starting', 'idle', 'training', 'draining', 'stopped']),
  key: evaluationKeySchema.nullable(),
  /** Fraction of the training, 0 to 1. */
  progress: z.number().min(0).max(1).nullable(),
});
export type WorkerState = z.infer<typeof workerStateSchema>;

/** An agent's heartbeat. Not stored. */
export const agentStateSchema = z.strictObject({
  search: searchIdSchema,
  agent: agentNameSchema,
  state: z.enum(['joining', 'looking', 'waiting', 'thinking', 'submitting', 'finished', 'failed']),
  /** A few words for the live display. */
  note: z.string().max(200),
});
export type AgentState = z.infer<typeof agentStateSchema>;
