import { join } from 'node:path';
import { build, isBuilt } from './build.mjs';
import { signalRunning } from './command.mjs';
import { isEngineTried, tryEngine } from './engine.mjs';
import { SetupError } from './errors.mjs';
import { currentHost, stateFolder } from './host.mjs';
import { releaseAllLocks, withLock } from './lock.mjs';
import { inspectPackages, installNpmPackages } from './npmPackages.mjs';
import { isSandboxTried, trySandbox } from './sandbox.mjs';
import { inspectSystem, installSystem, isSystemReady, prepareInstallation } from './system.mjs';
import { isRecorded, recordToolchain } from './toolchain.mjs';

/** @typedef {import('./host.mjs').Host} Host */

/**
 * Provides everything `npm start` needs (`npm test`, when `host.dev`), installing only what is missing. Silent when
 * that is nothing.
 *
 * @param {Host} host
 * @returns {Promise<void>}
 * @throws {SetupError}
 */
export async function setUp(host) {
  const found = await inspect(host);
  if (found.isComplete) return;
  await withLock(join(stateFolder(host), 'lock'), host.say, () => complete(host));
}

/** What is there and what is missing; changes nothing but the memory of interpreters. @param {Host} host */
async function inspect(host) {
  const system = await inspectSystem(host);
  const packages = inspectPackages(host);
  const { python, natsServer } = system;
  const recorded = python !== null && natsServer !== null && isRecorded(host, { python, natsServer });
  const ready = isSystemReady(system) && packages.action === 'none' && isBuilt(host);
  const isComplete = ready && recorded && isEngineTried(host, python) && isSandboxTried(host);
  return { system, packages, isComplete };
}

/**
 * Under the lock: looks again, since another set-up may have finished while this one waited, and does what is left.
 *
 * @param {Host} host
 */
async function complete(host) {
  const found = await inspect(host);
  if (found.isComplete) return;
  const prefix = await prepareInstallation(host, found.system);

  // The two long steps wait mostly for different things (disk and network, compiler): together they take as long as
  // one.
  const system = isSystemReady(found.system)
    ? Promise.resolve(found.system)
    : installSystem(host, prefix, found.system);
  const [installed, packages] = await Promise.allSettled([system, installNpmPackages(host, found.packages)]);
  if (installed.status === 'rejected') throw installed.reason;
  if (packages.status === 'rejected') throw packages.reason;

  if (!isBuilt(host)) await build(host);
  const { python, natsServer } = installed.value;
  if (python === null || natsServer === null) throw new Error('a ready system has both programs');
  recordToolchain(host, { python, natsServer });
  if (!isEngineTried(host, python)) await tryEngine(host, python);
  if (!isSandboxTried(host)) await trySandbox(host);
}

/**
 * The command line: `setup.mjs [--dev]`. Resolves to the exit code.
 *
 * @param {string} root
 * @param {string[]} args
 * @returns {Promise<number>}
 */
export async function main(root, args) {
  const unknown = args.find((arg) => arg !== '--dev');
  if (unknown !== undefined) {
    process.stderr.write(`setup: unknown option ${unknown}: the only one is --dev.\n`);
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
  return reportingErrors(currentHost(root, args.includes('--dev')));
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
