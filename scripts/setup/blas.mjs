import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { systemPath } from './host.mjs';

/** @typedef {import('./host.mjs').Host} Host */

/** Debian's name of each processor's library folder; the alternatives system appends it to the link's name. */
const TRIPLETS = /** @type {Record<string, string>} */ ({
  x64: 'x86_64-linux-gnu',
  arm64: 'aarch64-linux-gnu',
  arm: 'arm-linux-gnueabihf',
  ppc64: 'powerpc64le-linux-gnu',
  riscv64: 'riscv64-linux-gnu',
  s390x: 's390x-linux-gnu',
});

export const BLAS_PACKAGE = 'libopenblas0-pthread';

/**
 * What Debian's torch needs to multiply matrices at full speed. It links to libblas.so.3, which the alternatives system
 * points to one of several libraries; with the reference library (folder `blas`) training is about ten times slower.
 * Any other choice, such as MKL or BLIS, is an administrator's and is left alone.
 *
 * `package`: OpenBLAS must be installed, which also makes it the automatic choice. `alternative`: it is installed, but
 * the reference library was selected by hand, so the link must be set.
 *
 * @param {Host} host
 * @param {string} [arch]
 * @returns {{ kind: 'fast' } | { kind: 'package' } | { kind: 'alternative', link: string, target: string }}
 */
export function inspectBlas(host, arch = process.arch) {
  const folder = systemPath(host, 'etc/alternatives');
  const triplet = TRIPLETS[arch];
  const link = triplet ? `libblas.so.3-${triplet}` : readNames(folder).find((name) => name.startsWith('libblas.so.3-'));
  if (!link) return { kind: 'package' };

  const current = realpathOrNull(join(folder, link));
  const target = systemPath(host, 'usr/lib', link.slice('libblas.so.3-'.length), 'openblas-pthread/libblas.so.3');
  const isFast = current !== null && basename(dirname(current)) !== 'blas';
  if (isFast) return { kind: 'fast' };
  return existsSync(target) ? { kind: 'alternative', link, target } : { kind: 'package' };
}

/** @param {string} folder */
function readNames(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** @param {string} path */
function realpathOrNull(path) {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}
