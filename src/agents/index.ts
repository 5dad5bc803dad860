export { openThoughts, type Thoughts } from './graph/graph.ts';
export type { PythonOptions as PythonSetting } from './models/bayesHelper.ts';
export { type ForecastLine, forecast } from './models/forecast.ts';
export { createModel } from './models/index.ts';
export type { AnyModel, LocalModel, Proposal, ProposalInput } from './models/model.ts';
export { type Decision, type Scaffold, scaffoldFor } from './scaffolds/scaffold.ts';
export {
  type ChatThinking,
  type ThinkDeps as Thinker,
  type Thought,
  type ThoughtTopic as Topic,
  think,
} from './think.ts';
