/**
 * Tasks: task directories of AIRS-Bench's layout, shipped or by others, and imported data.
 *
 * Role: the catalogue, the check (`airs`), the import (`data`), content hashes (`content.ts`), scripts of others in the
 * sandbox. Non-role: training, search policy.
 *
 * - What decides a score is hashed (I10): the imported data that a profile's settings name, as they are on disk, and the
 *   task's directory: every file of a directory by others, all but `*.md` of a shipped one, whose trainers read none.
 * - The digests are recorded in the search and in every job. A resume with other data is refused; a launch without workers
 *   needs the data too. A later request for a training that the lab failed at gets a new key (`again`).
 * - Scripts of others never run outside the sandbox unless `--unsafe` is given.
 */

export { checkTask } from './airs/check.ts';
export type { TaskFinding } from './airs/scoreChecks.ts';
export { listTasks, loadTask, profileOf, registeredTasks, registerTask } from './catalogue.ts';
export {
  changesSince,
  contentOf,
  dataOf,
  digestOfData,
  digestTaskDirectory,
  directoryDigest,
  type FilesRead,
  filesRead,
  readingOf,
  requireSameContent,
} from './content.ts';
export { changedData, dataFolder, importData, importTokens } from './dataImport.ts';
export { type DataRecord, dataSetNames, importedData } from './dataSets.ts';
export {
  type DesignPackage,
  pythonStart,
  runTrustedModule,
  scriptMemoryBytes,
  type TrustedOptions,
} from './taskScripts.ts';
