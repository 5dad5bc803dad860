export { ProgramEvaluator, type ProgramEvaluatorOptions } from './programEvaluator.ts';
export { prepareTask } from './taskData.ts';
export { designVersion } from './version.ts';
