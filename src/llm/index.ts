/**
 * Language models: the one way to reach them.
 *
 * Role: the gateway, adapters of the providers, retry and circuit breaker, the recording, prices. Non-role: prompts (agents).
 *
 * - A request is identified by the hash of (agent, attempt, purpose, round, request). A recorded answer is used again.
 *   Otherwise the most that the request can cost is reserved in the archive (a token is at least one byte; the answer at most
 *   `maxTokens`), the request is sent, the answer is written to the recording and synced, and the call is settled (I9).
 * - Each try is a call of its own. One that timed out or broke off is charged its input, as stated or counted, and the output
 *   that arrived. A cost that the provider states replaces the price list.
 * - Faults: rejected (other 4xx, spend limits; not repeated), busy (429, 529; `Retry-After` up to two minutes), unavailable,
 *   timeout, dropped (up to five tries, full jitter). Five failures within a minute open a provider's circuit for this
 *   process; one probe passes every half minute. The SDKs' own retries are off.
 * - Silence is measured on raw bytes: five minutes, ten at the highest effort (`wire.ts`).
 * - What a server refuses is left out from then on: enforcement of the schema, single fields, the system role (`ladder.ts`).
 * - The remaining budget comes last, behind the marks of the prompt cache, and is not part of the identity, since a replay
 *   could not repeat it.
 * - Keys are masked in every text that leaves the gateway (I7). A `compatible/` address comes from local files and arguments
 *   (I12).
 * - While tools may be called, Chat Completions servers get no schema: a grammar would admit nothing but the answer.
 */

export { Cassette, type Entry, readRecording, type Scope } from './cassette.ts';
export {
  type AnswerSchema,
  answerSchema,
  type ChatMessage,
  type ChatRequest,
  type ProviderState,
  readAnswer,
  readLeniently,
  type ToolCall,
  type ToolForm,
  type ToolResult,
} from './chat.ts';
export {
  type Answer,
  BudgetExhaustedError,
  Gateway,
  type LlmClient,
  ProviderUnavailableError,
  RequestRejectedError,
  replayedGateway,
} from './gateway.ts';
export { chatModels, checkModels, type Keyring, keyring, providersOf } from './keys.ts';
export { cost, loadPrices, mostUsage, type Prices } from './prices.ts';
export { defaultRetries } from './retry.ts';
export { defaultTimeouts } from './wire.ts';
