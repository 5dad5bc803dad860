import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { allOnPath, run } from './command.mjs';
import { systemPath } from './host.mjs';

/** @typedef {import('./host.mjs').Host} Host */
/**
 * NVIDIA devices of this machine.
 *
 * @typedef {object} Nvidia
 * @property {string[]} names      product names, one per device
 * @property {string | null} driver  version of the driver, such as 580.65.06
 * @property {boolean} hidden      CUDA_VISIBLE_DEVICES hides all of them
 */

/** @type {Nvidia} */
export const NO_NVIDIA = { names: [], driver: null, hidden: false };

/**
 * Reads what the kernel module publishes below /proc, which costs no process; asks nvidia-smi only where there is no
 * such folder (WSL).
 *
 * @param {Host} host
 * @returns {Promise<Nvidia>}
 */
export async function inspectNvidia(host) {
  const found = fromKernel(host) ?? (await fromProgram(host));
  return { ...found, hidden: found.names.length > 0 && hidesAll(host.env.CUDA_VISIBLE_DEVICES) };
}

/** CUDA stops at the first entry that names no device: an empty list and one that begins with -1 hide all. @param {string | undefined} visible */
function hidesAll(visible) {
  if (visible === undefined) return false;
  const first = visible.split(',')[0]?.trim() ?? '';
  return first === '' || first.startsWith('-') || first === 'NoDevFiles';
}

/** @param {Host} host @returns {Nvidia | null} */
function fromKernel(host) {
  const folder = systemPath(host, 'proc/driver/nvidia');
  if (!existsSync(join(folder, 'gpus'))) return null;
  const names = readdirSync(join(folder, 'gpus')).map((slot) => {
    const text = readText(join(folder, 'gpus', slot, 'information'));
    return /^Model:\s*(.+)$/m.exec(text)?.[1]?.trim() ?? 'NVIDIA GPU';
  });
  const driver = /\b(\d{3,}\.\d+(?:\.\d+)?)\b/.exec(readText(join(folder, 'version')))?.[1] ?? null;
  return { names, driver, hidden: false };
}

/** @param {Host} host @returns {Promise<Nvidia>} */
async function fromProgram(host) {
  const program = allOnPath(host, 'nvidia-smi')[0];
  if (!program) return NO_NVIDIA;
  const args = ['--query-gpu=name,driver_version', '--format=csv,noheader'];
  const { code, stdout } = await run(host, 'asking nvidia-smi', program, args, { timeoutMs: 30_000 });
  if (code !== 0) return NO_NVIDIA;
  const rows = stdout
    .split('\n')
    .map((line) => line.split(',').map((cell) => cell.trim()))
    .filter(([name, driver]) => name && driver);
  return { names: rows.map(([name]) => name ?? ''), driver: rows[0]?.[1] ?? null, hidden: false };
}

/** @param {string} path */
function readText(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** `2 x NVIDIA H200`, or the names where they differ. @param {Nvidia} nvidia */
export function describeNvidia({ names }) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => (count === 1 ? name : `${count} x ${name}`)).join(', ');
}
