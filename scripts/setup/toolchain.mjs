import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';

/** @typedef {import('./host.mjs').Host} Host */
/** @typedef {{ python: string, natsServer: string }} Toolchain  absolute paths of the programs Aira starts */

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
    const valid = [python, natsServer].every((path) => typeof path === 'string' && isAbsolute(path));
    return valid ? { python, natsServer } : null;
  } catch {
    return null;
  }
}

/** @param {Host} host @param {Toolchain} toolchain */
export function isRecorded(host, toolchain) {
  const written = readToolchain(host);
  return written?.python === toolchain.python && written.natsServer === toolchain.natsServer;
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
