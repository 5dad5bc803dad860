export { openThoughts, type Thoughts } from './graph/graph.ts';
export type { PythonOptions } from './models/bayesHelper.ts';
export { type ForecastLine, forecast } from './models/forecast.ts';
export { createModel } from './models/index.ts';
export type { AnyModel, LocalModel, Proposal, ProposalInput } from './models/model.ts';
export { type Decision, type Scaffold, scaffoldFor } from './scaffolds/scaffold.ts';
export {
  type ChatThinking,
  type TaskDescription,
  type ThinkDeps,
  type Thought,
  think,
} from './think.ts';
