export { type CheckOrder, checkTask, type TaskFinding } from './check.ts';
export { type AirsMetadata, readAirsMetadata, requireAirsMetadata } from './metadata.ts';
export { missingRequirements, scorerRequirements } from './requirements.ts';
export { parseResult, type ScriptHost } from './scripts.ts';
