import * as z from 'zod';
import { ownPrimitiveSchema } from '../../domain/architecture.ts';
import { spaceSchema } from '../../domain/candidate.ts';
import { agentNameSchema, nodeIdSchema, searchIdSchema } from '../../domain/ids.ts';
import { memorySchema } from '../../domain/nearDuplicates.ts';
import { lessonSchema, operatorSchema, viewNodeSchema } from '../../domain/node.ts';
import { briefSchema, fileNameSchema } from '../../domain/program.ts';

/**
 * The searcher protocol: one JSON object per line, to the program on stdin and from it on stdout. Published as
 * `schemas/searcher.schema.json` and explained in docs/searchers.md.
 */

/** Increment when a program written for the protocol before could not follow this one. */
export const searcherProtocol = 1;

/** Longest line of a program in characters: sixteen programs of a task with large files. */
export const maxReplyCharacters = 8 * 1024 * 1024;

/** Seconds for one reply unless the search file says otherwise. */
export const defaultReplySeconds = 60;

/** Alternatives of one reply; the first that is new is submitted. */
export const maxProposals = 16;

const words = z.string().min(1).max(2000);

/** First line: what is searched, and with which budget. */
export const openMessageSchema = z.strictObject({
  kind: z.literal('open'),
  protocol: z.literal(searcherProtocol),
  search: searchIdSchema.optional().describe('absent where a study simulates searches on a table'),
  agent: agentNameSchema,
  task: z.string(),
  metric: z.string().describe('what scores measure; `fitness` is more is better, whatever the metric'),
  lowerIsBetter: z.boolean(),
  space: spaceSchema.describe('what a candidate is: an order of layers, or a program of files'),
  primitives: z.array(ownPrimitiveSchema).optional().describe('manifest entries of the user’s own layers'),
  brief: briefSchema.optional().describe('contract, baseline and example programs, for program spaces'),
  description: z.string().optional().describe('the task as published, for stack spaces'),
  evaluations: z.int().nonnegative().describe('candidates that this agent may have evaluated in the search'),
  pending: z.int().positive().describe('an attempt knows outcomes of attempts this many back'),
  memory: memorySchema.describe('own: its own attempts; ensemble: those of all agents'),
});
export type OpenMessage = z.infer<typeof openMessageSchema>;

/** A question: the view of one attempt. It needs no earlier one to be answered, so a program may be stateless. */
export const proposeMessageSchema = z.strictObject({
  kind: z.literal('propose'),
  id: z.int().positive().describe('to be repeated in the reply'),
  attempt: z.int().positive().describe('the attempt to decide, from 1'),
  remaining: z.int().nonnegative().describe('evaluations left in the budget of the agent, this one included'),
  left: z
    .strictObject({ minutes: z.number().optional(), dollars: z.number().optional() })
    .describe('what is left of limits of the whole search; differs from run to run'),
  seed: z.int().nonnegative().describe('a number below 2^31 for the random choices of this attempt'),
  ended: z
    .array(nodeIdSchema)
    .describe('own attempts whose outcome this process has not seen before; they are in `nodes`'),
  nodes: z.array(viewNodeSchema).describe('every attempt that this decision may know, with its outcome; in order'),
});
export type ProposeMessage = z.infer<typeof proposeMessageSchema>;

/** Last line; stdin is closed behind it. */
export const closeMessageSchema = z.strictObject({ kind: z.literal('close') });

/** First line of the program. */
export const readyMessageSchema = z.strictObject({
  kind: z.literal('ready'),
  protocol: z.literal(searcherProtocol),
  name: z.string().min(1).max(200).describe('for messages about the program'),
});

/** One candidate and the reasons for it. */
export const searcherProposalSchema = z.strictObject({
  operator: operatorSchema.describe(
    'draft: no parent; improve: one with a score; crossover: two with scores; debug: one that failed or was rejected',
  ),
  parents: z.array(nodeIdSchema).max(2).default([]),
  candidate: z
    .union([z.string().min(1).max(400_000), z.record(fileNameSchema, z.string())])
    .describe('layers separated by blanks, or an object of file names and texts'),
  change: words.describe('what is different from the parents, or how the draft arose'),
  choice: words.optional().describe('why this operator and these parents'),
  hypothesis: words.optional().describe('why it should work'),
  expected: z.number().nullable().default(null).describe('the expected fitness'),
  evidence: z.array(z.string().max(200)).max(32).default([]).describe('ids of nodes that the proposal rests on'),
});
export type SearcherProposal = z.infer<typeof searcherProposalSchema>;

/** A reply: alternatives in order of preference. The first that is a new candidate is submitted, the others are dropped. */
export const proposalsMessageSchema = z.strictObject({
  kind: z.literal('proposals'),
  id: z.int().positive().describe('of the question'),
  proposals: z.array(searcherProposalSchema).min(1).max(maxProposals),
  lessons: z
    .array(lessonSchema)
    .max(64)
    .default([])
    .describe('what outcomes of own attempts taught, for the trace and for agents that share its memory'),
});
export type ProposalsMessage = z.infer<typeof proposalsMessageSchema>;

const toProgram = z.discriminatedUnion('kind', [openMessageSchema, proposeMessageSchema, closeMessageSchema]);
const fromProgram = z.discriminatedUnion('kind', [readyMessageSchema, proposalsMessageSchema]);

/** The JSON Schema of both directions. */
export function searcherJsonSchema(): object {
  const both = z.strictObject({
    toProgram: toProgram.describe('a line on the program’s stdin'),
    fromProgram: fromProgram.describe('a line on the program’s stdout'),
  });
  const json = z.toJSONSchema(both, { io: 'input', unrepresentable: 'any' });
  return { title: `The searcher protocol of Aira, version ${searcherProtocol}`, ...json };
}

/** Why a program gave no usable reply. `crashed`: it ended; `silent`: it took too long; `malformed`: not a line of the protocol. */
export interface SearcherFailure {
  readonly kind: 'failure';
  readonly problem: 'crashed' | 'silent' | 'malformed';
  readonly message: string;
}

/** What an attempt got from its program. Plain JSON, because it is recorded. */
export type SearcherReply = Omit<ProposalsMessage, 'id'> | SearcherFailure;
