export { Cassette } from '../llm/cassette.ts';
export { type CallLedger, Gateway, replayedGateway } from '../llm/gateway.ts';
export { chatModels, checkModels, type Keyring, keyring, providersOf } from '../llm/keys.ts';
export { loadPrices, type Prices } from '../llm/prices.ts';
export { usualRetries } from '../llm/retry.ts';
export { usualPatience } from '../llm/stream.ts';
export { openThoughts, type Thoughts } from './graph/graph.ts';
export { type ForecastLine, forecast } from './models/forecast.ts';
export {
  type AnyModel,
  createModel,
  type LocalModel,
  type Proposal,
  type ProposalInput,
  type PythonSetting,
} from './models/index.ts';
export { type Decision, type Scaffold, scaffoldFor } from './scaffolds/scaffold.ts';
export { type ChatThinking, type Thinker, type Thought, type Topic, think } from './think.ts';
