import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, isBuilt } from './build.mjs';
import { signalRunning } from './command.mjs';
import { describeTraining, isEngineTried, tryEngine } from './engine.mjs';
import { SetupError } from './errors.mjs';
import { currentHost, isPackage, stateFolder } from './host.mjs';
import { releaseAllLocks, withLock } from './lock.mjs';
import { inspectPackages, installNpmPackages } from './npmPackages.mjs';
import { COMPILER, isTried, SANDBOX, tryOptional } from './optional.mjs';
import { inspectSystem, installSystem, isSystemReady, prepareInstallation } from './system.mjs';
import { isRecorded, recordToolchain, writeWhole } from './toolchain.mjs';

/** @typedef {import('./host.mjs').Host} Host */
/** @typedef {import('./host.mjs').PythonChoice} PythonChoice */

/** @type {readonly PythonChoice[]} */
const CHOICES = ['auto', 'venv', 'debian', 'none'];

/** The Python asked for at this call, else at the last one that succeeded. @param {Host} host @returns {PythonChoice} */
function pythonChoice(host) {
  const path = join(stateFolder(host), 'python-choice');
  const before = existsSync(path) ? readFileSync(path, 'utf8').trim() : 'auto';
  return host.python ?? CHOICES.find((choice) => choice === before) ?? 'auto';
}

/**
 * Provides everything `npm start` needs (`npm test`, when `host.dev`), installing only what is missing. Silent when
 * that is nothing.
 *
 * @param {Host} host
 * @returns {Promise<void>}
 * @throws {SetupError}
 */
export async function setUp(host) {
  const choice = pythonChoice(host);
  const found = await inspect(host, choice);
  if (!found.isComplete) await withLock(join(stateFolder(host), 'lock'), host.say, () => complete(host, choice));
  // Only now: a choice that could not be carried out must not decide the next start.
  if (host.python) writeWhole(join(stateFolder(host), 'python-choice'), `${choice}\n`);
}

/**
 * What is there and what is missing; changes nothing but the memory of interpreters.
 *
 * @param {Host} host @param {PythonChoice} choice
 */
async function inspect(host, choice) {
  const system = await inspectSystem(host, choice);
  const packages = isPackage(host) ? /** @type {const} */ ({ action: 'none' }) : inspectPackages(host);
  const { natsServer } = system;
  const python = system.python?.python;
  const hasPython = python !== undefined || !system.wantsPython;
  const recorded = hasPython && natsServer !== null && isRecorded(host, toolchainOf(python, natsServer));
  const ready = isSystemReady(system) && packages.action === 'none' && (isPackage(host) || isBuilt(host));
  const isEngineReady = python === undefined || isEngineTried(host, python);
  const isComplete = ready && recorded && isEngineReady && isTried(host, COMPILER) && isTried(host, SANDBOX);
  return { system, packages, isComplete };
}

/** @param {string | undefined} python @param {string} natsServer */
function toolchainOf(python, natsServer) {
  return python === undefined ? { natsServer } : { python, natsServer };
}

/**
 * Under the lock: looks again, since another set-up may have finished while this one waited, and does what is left.
 *
 * @param {Host} host @param {PythonChoice} choice
 */
async function complete(host, choice) {
  const found = await inspect(host, choice);
  if (found.isComplete) return;
  const prefix = await prepareInstallation(host, found.system);
  // Before npm, which may have to compile.
  if (!isTried(host, COMPILER)) await tryOptional(host, COMPILER);

  // The two long steps wait mostly for different things (disk and network, compiler): together they take as long as
  // one.
  const system = isSystemReady(found.system)
    ? Promise.resolve(found.system)
    : installSystem(host, choice, prefix, found.system);
  const [installed, packages] = await Promise.allSettled([system, installNpmPackages(host, found.packages)]);
  if (installed.status === 'rejected') throw installed.reason;
  if (packages.status === 'rejected') throw packages.reason;

  if (!isPackage(host) && !isBuilt(host)) await build(host);
  const { python: probe, natsServer, nvidia } = installed.value;
  const python = probe?.python;
  if (natsServer === null || (python === undefined && installed.value.wantsPython))
    throw new Error('a ready system has both programs');
  recordToolchain(host, toolchainOf(python, natsServer));
  if (python !== undefined && !isEngineTried(host, python)) await tryEngine(host, python);
  if (!isTried(host, SANDBOX)) await tryOptional(host, SANDBOX);
  sayIfNew(host, describeTraining(host, probe, nvidia));
}

/** Says a line unless it was the last one said: a build of changed sources is no news about the machine. @param {Host} host @param {string} line */
function sayIfNew(host, line) {
  const path = join(stateFolder(host), 'training');
  if (existsSync(path) && readFileSync(path, 'utf8') === line) return;
  host.say(line);
  writeWhole(path, line);
}

/**
 * The command line: `setup.mjs [--dev] [--python auto|venv|debian|none]`. Resolves to the exit code.
 *
 * @param {string} root
 * @param {string[]} args
 * @returns {Promise<number>}
 */
export async function main(root, args) {
  const parsed = parseArguments(args);
  if ('fault' in parsed) {
    process.stderr.write(`setup: ${parsed.fault}\n`);
    return 2;
  }
  const signals = /** @type {const} */ ([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ]);
  for (const [signal, code] of signals) {
    process.on(signal, () => {
      signalRunning(signal);
      releaseAllLocks();
      process.exit(code);
    });
  }
  return reportingErrors(currentHost(root, parsed.dev, parsed.python));
}

/** @param {string[]} args @returns {{ dev: boolean, python?: PythonChoice } | { fault: string }} */
function parseArguments(args) {
  let dev = false;
  /** @type {PythonChoice | undefined} */
  let python;
  for (let at = 0; at < args.length; at += 1) {
    const [name, inline] = (args[at] ?? '').split('=', 2);
    if (name === '--dev' && inline === undefined) {
      dev = true;
      continue;
    }
    if (name !== '--python') return { fault: `unknown option ${args[at]}: there are --dev and --python.` };
    const value = inline ?? args[at + 1];
    if (inline === undefined) at += 1;
    python = CHOICES.find((choice) => choice === value);
    if (python === undefined) return { fault: `--python takes ${CHOICES.join(', ')}, not ${value ?? 'nothing'}.` };
  }
  return python === undefined ? { dev } : { dev, python };
}

/** @param {Host} host @returns {Promise<number>} */
export async function reportingErrors(host) {
  try {
    await setUp(host);
    return 0;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    host.say(error.message);
    for (const line of error.details) host.say(line);
    return error.exitCode;
  }
}
