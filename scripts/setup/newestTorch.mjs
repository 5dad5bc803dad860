import { SetupError } from './errors.mjs';
import { NO_NVIDIA } from './nvidia.mjs';
import { noVenvBase, pythonCandidates, venvBase } from './python.mjs';
import { has, PythonProbes } from './pythonProbe.mjs';
import { locksFor, makeVenv, venvPython } from './venv.mjs';

/** @typedef {import('./host.mjs').Host} Host */
/** @typedef {import('./pythonProbe.mjs').Module} Module */
/** @typedef {import('./pythonProbe.mjs').Probe} Probe */

/** @type {readonly Module[]} */
const NEEDED = ['torch', 'numpy', 'sklearn', 'yaml', 'pytest', 'xdist'];

/** Of a probe that can run the Python tests: its torch as a number that grows with the version, if that is 2 or later. @param {Probe | null} probe */
function torchOf(probe) {
  if (!probe || !NEEDED.every((module) => has(probe, module))) return 0;
  const [, major = 0, minor = 0] = (/^(\d+)\.(\d+)/.exec(probe.torch?.version ?? '') ?? []).map(Number);
  return major < 2 ? 0 : 1000 * major + minor;
}

/**
 * The Python with the newest torch of version 2 or later and all that the Python tests need: AIRA_TEST_PYTHON, which is
 * never replaced, else the best of the candidates; where there is none, the project's `.venv` is made from the locks.
 *
 * @param {Host} host with `dev`
 * @returns {Promise<{ python: string, torch: string }>}
 * @throws {SetupError}
 */
export async function newestTorch(host) {
  const probes = new PythonProbes(host);
  const explicit = host.env.AIRA_TEST_PYTHON;
  /** @type {Probe | null} */
  let best = null;
  for (const candidate of explicit ? [explicit] : pythonCandidates(host)) {
    const probe = await probes.get(candidate);
    if (torchOf(probe) > torchOf(best)) best = probe;
  }
  if (explicit && !best) {
    const remedy = 'choose another, or unset it for an environment that is made here';
    throw new SetupError(
      `AIRA_TEST_PYTHON is ${explicit}, which lacks torch 2 or ${NEEDED.slice(1).join(', ')}: ${remedy}.`,
      {
        exitCode: 2,
      },
    );
  }
  if (!best) {
    const base = await venvBase(host, probes);
    if (base === undefined) throw noVenvBase();
    await makeVenv(host, { base, locks: locksFor(host, NO_NVIDIA), why: 'no Python has torch 2 and pytest' });
    best = await new PythonProbes(host).get(venvPython(host));
  }
  return { python: best?.python ?? venvPython(host), torch: best?.torch?.version ?? 'unknown' };
}
