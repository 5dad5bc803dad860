import * as z from 'zod';
import { agentNameSchema, searchIdSchema } from './ids.ts';
import { chatModelSchema } from './model.ts';
import { operatorSchema } from './node.ts';

/** What a call of a language model is for: an operator's proposal, or the lesson of a result. */
export const purposeSchema = z.enum([...operatorSchema.options, 'analyze']);
export type Purpose = z.infer<typeof purposeSchema>;

const tokens = z.int().nonnegative();

/** Tokens of one call. `input` counts all of the prompt, of which `cached` were read from and `written` to the cache. */
export const usageSchema = z.strictObject({ input: tokens, cached: tokens, written: tokens, output: tokens });
export type Usage = z.infer<typeof usageSchema>;

/** How a call ended. The first five were answered; the others gave nothing to read. */
export const callOutcomes = [
  'complete',
  'malformed', // not what the schema asks for
  'truncated', // stopped at the limit of output tokens
  'refused', // the model or a filter declined
  'empty', // an answer without text
  'rejected', // the request or the key was turned down: 400, 401, 403, 404, a spend limit
  'busy', // 429, 529
  'unavailable', // 5xx, or no connection
  'timeout', // no first or no next byte in time
  'dropped', // the stream broke off
  'lost', // nothing is known: the caller died
] as const;
export const callOutcomeSchema = z.enum(callOutcomes);
export type CallOutcome = z.infer<typeof callOutcomeSchema>;

/** A call that is about to be made, with the most that it can cost. */
export const callReservationSchema = z.strictObject({
  search: searchIdSchema,
  agent: agentNameSchema,
  /** Unique per physical request; asking again with it changes nothing. */
  call: z.string().min(1).max(64),
  ordinal: z.int().positive(),
  purpose: purposeSchema,
  model: chatModelSchema,
  /** SHA-256 of the request: equal for the tries of one request. */
  request: z.string().regex(/^[0-9a-f]{64}$/),
  dollars: z.number().nonnegative(),
  tokens,
});
export type CallReservation = z.infer<typeof callReservationSchema>;

/** What became of a call and what it cost. */
export const callSettlementSchema = z.strictObject({
  search: searchIdSchema,
  call: z.string().min(1).max(64),
  outcome: callOutcomeSchema,
  /** The model that the provider says has answered, or null where it did not say. */
  served: z.string().max(200).nullable(),
  usage: usageSchema,
  dollars: z.number().nonnegative(),
  /** The provider stated no usage, so that the figures are the reservation's. */
  estimated: z.boolean(),
  latencyMs: z.number().nonnegative(),
  message: z.string().max(500).nullable(),
});
export type CallSettlement = z.infer<typeof callSettlementSchema>;

/** What calls have cost so far. */
export const spendSchema = z.strictObject({ calls: tokens, tokens, dollars: z.number().nonnegative() });
export type Spend = z.infer<typeof spendSchema>;
