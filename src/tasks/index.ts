export { checkTask, type TaskFinding } from './airs/check.ts';
export { listTasks, loadTask, profileOf, registeredTasks, registerTask } from './catalogue.ts';
export { changesSince, contentOf, dataOf, directoryDigest, type FilesRead, filesRead, readingOf } from './content.ts';
export { digestTaskDirectory } from './data/digests.ts';
export { changedData, dataFolder, importData } from './data/import.ts';
export { dataSetNames } from './data/inspect.ts';
export { type DataRecord, importedData } from './data/records.ts';
export { scriptMemoryBytes } from './taskScripts.ts';
export { type DesignPackage, pythonStart, runTrustedModule, type TrustedOptions } from './trustedModule.ts';
