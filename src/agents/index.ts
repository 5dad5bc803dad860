export { openThoughts } from './graph/graph.ts';
export type { PythonOptions } from './models/bayesHelper.ts';
export { forecast } from './models/forecast.ts';
export { createModel } from './models/index.ts';
export type { AnyModel, LocalModel } from './models/model.ts';

export {
  type ChatThinking,
  type ThinkDeps,
  type Thought,
  type ThoughtTopic,
  think,
} from './think.ts';
