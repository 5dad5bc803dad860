export { Cassette, type Scope } from './cassette.ts';
export {
  type AnswerSchema,
  answerSchema,
  type ChatMessage,
  type ChatRequest,
  defaultMaxTokens,
  type ProviderState,
  readAnswer,
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
export { defaultTimeouts } from './stream.ts';
