// Runs the Python tests with the Python that set-up chose: `node scripts/pytest.mjs [pytest arguments]`.
// Prints nothing of its own when they run: pytest's closing line is the last line of `npm test`.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError } from './setup/errors.mjs';
import { currentHost } from './setup/host.mjs';
import { NO_NVIDIA } from './setup/nvidia.mjs';
import { choosePytestPython, choosePython } from './setup/python.mjs';
import { PythonProbes } from './setup/pythonProbe.mjs';
import { runPytest } from './setup/runPytest.mjs';
import { readToolchain } from './setup/toolchain.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const host = currentHost(root, true);

/** @returns {Promise<string>} */
async function findPython() {
  const probes = new PythonProbes(host);
  const recorded = readToolchain(host);
  const preferred = recorded?.python ? await probes.get(recorded.python) : await choosePython(host, probes, NO_NVIDIA);
  const chosen = await choosePytestPython(host, probes, preferred);
  if (chosen) return chosen.python;
  throw new SetupError(
    'no Python with torch, numpy, scikit-learn and pytest was found: run `node scripts/setup.mjs --dev`.',
    { exitCode: 2 },
  );
}

try {
  process.exitCode = await runPytest(root, await findPython(), process.argv.slice(2));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  for (const line of [error.message, ...error.details]) host.say(line);
  process.exitCode = error.exitCode;
}
