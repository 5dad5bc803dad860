import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';

/** @typedef {import('./host.mjs').Host} Host */
/**
 * Absolute paths of the programs Aira starts; no Python where none is to train.
 *
 * @typedef {{ python?: string, natsServer: string }} Toolchain
 */

/** @param {Host} host */
function toolchainPath(host) {
  return join(host.root, 'dist', 'toolchain.json');
}

/**
 * The written toolchain, or null when there is none that can be used.
 *
 * @param {Host} host
 * @returns {Toolchain | null}
 */
export function readToolchain(host) {
  try {
    const { python, natsServer } = JSON.parse(readFileSync(toolchainPath(host), 'utf8'));
    const isPath = (/** @type {unknown} */ path) => typeof path === 'string' && isAbsolute(path);
    if (!isPath(natsServer) || (python !== undefined && !isPath(python))) return null;
    return { natsServer, ...(python === undefined ? {} : { python }) };
  } catch {
    return null;
  }
}

/** @param {Host} host @param {Toolchain} toolchain */
export function isRecorded(host, toolchain) {
  const written = readToolchain(host);
  return written !== null && written.python === toolchain.python && written.natsServer === toolchain.natsServer;
}

/** @param {Host} host @param {Toolchain} toolchain */
export function recordToolchain(host, { python, natsServer }) {
  writeWhole(toolchainPath(host), `${JSON.stringify({ python, natsServer }, null, 2)}\n`);
}

/**
 * Writes a file so that a reader sees the old text or the new, never a part.
 *
 * @param {string} path
 * @param {string} text
 */
export function writeWhole(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, text);
  renameSync(temporary, path);
}
