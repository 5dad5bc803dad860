// Runs the Python tests with the newest torch on this machine, in a virtual environment that is made where there is none:
// `npm run test:torch [-- pytest arguments]`. `--scores` measures instead how scores differ from those of the Python that
// set-up chose (gpu-workers/scripts/torch_scores.py).
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError } from './setup/errors.mjs';
import { currentHost } from './setup/host.mjs';
import { newestTorch } from './setup/newestTorch.mjs';
import { runPytest } from './setup/runPytest.mjs';
import { readToolchain } from './setup/toolchain.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const host = currentHost(root, true);
const args = process.argv.slice(2);

try {
  const { python, torch } = await newestTorch(host);
  host.say(`torch ${torch} (${python})`);
  if (args[0] === '--scores') {
    const recorded = readToolchain(host)?.python;
    if (!recorded) throw new SetupError('no Python has been set up: run `npm run setup` first.', { exitCode: 2 });
    const script = join(root, 'gpu-workers/scripts/torch_scores.py');
    const command = [script, recorded, python, ...args.slice(1)];
    const env = { ...process.env, OMP_NUM_THREADS: '1' };
    process.exitCode = spawnSync(python, command, { stdio: 'inherit', env }).status ?? 1;
  } else {
    process.exitCode = await runPytest(root, python, args);
  }
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  for (const line of [error.message, ...error.details]) host.say(line);
  process.exitCode = error.exitCode;
}
