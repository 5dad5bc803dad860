/**
 * Platform: what the machine provides and tests replace.
 *
 * Role: clock, timers, log, failpoints, child processes, processes and devices, the toolchain, text files, YAML, secrets, and
 * the one function that makes foreign text printable. Non-role: anything that knows a search, a task or a message.
 *
 * - A child process gets an allow-list of environment variables (I7).
 * - Code that decides reads time from `Clock` and waits by `Timers`, never by itself (I5).
 */

export {
  chooseDevices,
  type Device,
  deviceClassOf,
  driverVersion,
  gpuMemoryBytes,
  gpuOf,
  inspectMachine,
  listedGpus,
  type Machine,
} from './devices.ts';
export { asPrerequisite, freeBytes, leastFreeBytes, makeFolder, readTextFile, watchDisk, whyNot } from './files.ts';
export {
  findNatsServer,
  findPython,
  isCheckout,
  machinePaths,
  packageRoot,
  preparedFolder,
  secretFile,
  setupRemedy,
  type ToolchainPaths,
  taskRoots,
  trainersDirectory,
} from './installation.ts';
export {
  allOnPath,
  childEnvironment,
  type Environment,
  type ExecEnd,
  exec,
  type Failpoint,
  failpoint,
  identify,
  isAlive,
  isExecutable,
  LineReader,
  type MemoryProbe,
  OutputLog,
  type ProcessIdentity,
  processSchema,
  procMemory,
  runProgram,
} from './processes.ts';
export {
  derivedToken,
  isToken,
  keptSecret,
  newSealingKey,
  newToken,
  publicSealingKey,
  readSecret,
  seal,
  tokenDigest,
  unseal,
} from './secrets.ts';
export {
  type Colours,
  coloursFor,
  createLogger,
  cut,
  hunksOf,
  jsonLine,
  type Logger,
  normalised,
  printable,
} from './text.ts';
export { type Clock, type Deferred, deferred, pause, retry, systemClock, systemTimers, type Timers } from './timers.ts';
export { parseYaml, YamlError, yamlBounds, yamlText } from './yaml.ts';
