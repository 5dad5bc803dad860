export { Cassette, type Scope } from './cassette.ts';
export {
  type AnswerSchema,
  answerSchema,
  type ChatMessage,
  type ChatRequest,
  defaultMaxTokens as usualMaxTokens,
  type ProviderState as Carried,
  readAnswer,
  type ToolCall,
  type ToolForm,
  type ToolResult,
} from './chat.ts';
export {
  type Answer,
  BudgetExhaustedError as SpentError,
  Gateway,
  type LlmClient as Interlocutor,
  ProviderUnavailableError as AwayError,
  RequestRejectedError as TurnedDownError,
  replayedGateway,
} from './gateway.ts';
export { chatModels, checkModels, type Keyring, keyring, providersOf } from './keys.ts';
export { cost, loadPrices, mostUsage, type Prices } from './prices.ts';
export { defaultRetries as usualRetries } from './retry.ts';
export { defaultTimeouts as usualPatience } from './stream.ts';
