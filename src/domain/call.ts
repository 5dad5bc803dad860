import * as z from 'zod';
import { agentNameSchema, searchIdSchema } from './ids.ts';
import { chatModelSchema } from './model.ts';
import { operatorSchema } from './node.ts';

/** Purpose of an LLM call: an operator's proposal, or the lesson of a result. */
export const purposeSchema = z.enum([...operatorSchema.options, 'analyze']);
export type Purpose = z.infer<typeof purposeSchema>;

const tokens = z.int().nonnegative();

/** Tokens of one call. `input` is the whole prompt; `cached` of these were read from and `written` to the cache. */
export const usageSchema = z.strictObject({ input: tokens, cached: tokens, written: tokens, output: tokens });
export type Usage = z.infer<typeof usageSchema>;

/** How a call ended. The first five had a reply; the others had none. */
export const callOutcomes = [
  'complete',
  'malformed', // does not match the schema
  'truncated', // hit the limit of output tokens
  'refused', // the model or a filter declined
  'empty', // a reply without text
  'rejected', // the provider rejected the request or the key: 400, 401, 403, 404, a spend limit
  'busy', // 429, 529
  'unavailable', // 5xx, or no connection
  'timeout', // the first or next byte was late
  'dropped', // the stream broke
  'lost', // unknown: the caller died
] as const;
export const callOutcomeSchema = z.enum(callOutcomes);
export type CallOutcome = z.infer<typeof callOutcomeSchema>;

/** A call about to be made, with its maximum cost. */
export const callReservationSchema = z.strictObject({
  search: searchIdSchema,
  agent: agentNameSchema,
  /** Unique per physical request; repeating the reservation changes nothing. */
  call: z.string().min(1).max(64),
  ordinal: z.int().positive(),
  purpose: purposeSchema,
  model: chatModelSchema,
  /** SHA-256 of the request: equal for all retries of a request. */
  request: z.string().regex(/^[0-9a-f]{64}$/),
  dollars: z.number().nonnegative(),
  tokens,
});
export type CallReservation = z.infer<typeof callReservationSchema>;

/** Outcome and cost of a call. */
export const callSettlementSchema = z.strictObject({
  search: searchIdSchema,
  call: z.string().min(1).max(64),
  outcome: callOutcomeSchema,
  /** The model that the provider reports; null if it reports none. */
  served: z.string().max(200).nullable(),
  usage: usageSchema,
  dollars: z.number().nonnegative(),
  /** The provider reported no usage, so the reservation is charged. */
  estimated: z.boolean(),
  latencyMs: z.number().nonnegative(),
  message: z.string().max(500).nullable(),
});
export type CallSettlement = z.infer<typeof callSettlementSchema>;

/** Cost of calls so far. */
export const spendSchema = z.strictObject({ calls: tokens, tokens, dollars: z.number().nonnegative() });
export type Spend = z.infer<typeof spendSchema>;
