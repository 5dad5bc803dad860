export { openThoughts, type Thoughts } from './graph/thoughts.ts';
export {
  type AnyModel,
  createModel,
  type LocalModel,
  type Proposal,
  type ProposalInput,
  type PythonSetting,
} from './models/index.ts';
export { Cassette } from './models/llm/cassette.ts';
export { type ForecastLine, forecast } from './models/llm/forecast.ts';
export { type CallLedger, Gateway } from './models/llm/gateway.ts';
export { type Keyring, keyring } from './models/llm/keys.ts';
export { loadPrices, type Prices } from './models/llm/prices.ts';
export { chatModels, checkModels, providersOf } from './models/llm/providers.ts';
export { replayedGateway } from './models/llm/replayed.ts';
export { usualRetries } from './models/llm/retry.ts';
export { usualPatience } from './models/llm/stream.ts';
export { type Decision, type Scaffold, scaffoldFor } from './scaffolds/scaffold.ts';
export { type ChatThinking, type Thinker, type Thought, type Topic, think } from './think.ts';
