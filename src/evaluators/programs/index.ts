export { prepareTask } from './commands.ts';
export { ProgramEvaluator, type ProgramEvaluatorOptions } from './programEvaluator.ts';
export { designVersion } from './version.ts';
