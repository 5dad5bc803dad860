export { Cassette, type Scope } from './cassette.ts';
export {
  type AnswerSchema,
  answerSchema,
  type Carried,
  type ChatMessage,
  type ChatRequest,
  readAnswer,
  type ToolCall,
  type ToolForm,
  type ToolResult,
  usualMaxTokens,
} from './chat.ts';
export {
  type Answer,
  AwayError,
  Gateway,
  type Interlocutor,
  replayedGateway,
  SpentError,
  TurnedDownError,
} from './gateway.ts';
export { chatModels, checkModels, type Keyring, keyring, providersOf } from './keys.ts';
export { cost, loadPrices, mostUsage, type Prices } from './prices.ts';
export { usualRetries } from './retry.ts';
export { usualPatience } from './stream.ts';
