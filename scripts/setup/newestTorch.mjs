import { pythonCandidates } from './python.mjs';
import { has, PythonProbes } from './pythonProbe.mjs';
import { locksFor, makeVenv, venvPython } from './venv.mjs';

/** @typedef {import('./host.mjs').Host} Host */
/** @typedef {import('./pythonProbe.mjs').Module} Module */

/** @type {readonly Module[]} */
const NEEDED = ['torch', 'numpy', 'sklearn', 'yaml', 'pytest'];

/** @param {string | null | undefined} version @returns {[number, number]} */
function parsed(version) {
  const [, major = '0', minor = '0'] = /^(\d+)\.(\d+)/.exec(version ?? '') ?? [];
  return [Number(major), Number(minor)];
}

/**
 * The Python with the newest torch of version 2 or later and all that the Python tests need: AIRA_TEST_PYTHON, else the
 * best of the candidates; where there is none, the project's `.venv` is made from the locks.
 *
 * @param {Host} host with `dev`
 * @returns {Promise<{ python: string, torch: string }>}
 */
export async function newestTorch(host) {
  const probes = new PythonProbes(host);
  const explicit = host.env.AIRA_TEST_PYTHON;
  const candidates = explicit ? [explicit] : pythonCandidates(host);
  /** @type {{ python: string, torch: string } | null} */
  let best = null;
  for (const candidate of candidates) {
    const probe = await probes.get(candidate);
    if (!probe || !NEEDED.every((module) => has(probe, module))) continue;
    const torch = probe.torch?.version ?? '0';
    const [major, minor] = parsed(torch);
    const [bestMajor, bestMinor] = parsed(best?.torch);
    if (major >= 2 && (major > bestMajor || minor > bestMinor)) best = { python: probe.python, torch };
  }
  if (best) return best;
  await makeVenv(host, {
    base: candidates.find((path) => path !== venvPython(host)) ?? null,
    locks: locksFor(host, { names: [], driver: null, hidden: false }),
    why: 'no Python has torch 2 and pytest',
  });
  const probe = await new PythonProbes(host).get(venvPython(host));
  return { python: venvPython(host), torch: probe?.torch?.version ?? 'unknown' };
}
