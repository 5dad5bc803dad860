export { type CheckOrder, checkTask, type TaskFinding } from './check.ts';
export { type AirsMetadata, readAirsMetadata, requireAirsMetadata } from './metadata.ts';
export { missingRequirements, parseResult, type ScriptHost, scorerRequirements } from './scripts.ts';
