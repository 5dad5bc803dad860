// Checks everything that trains on a GPU on this machine's first device, in under four minutes, and writes its section of
// BENCHMARKS.md: `npm run check:gpu`. Exit status 2 where torch shows no CUDA device.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { currentHost } from './setup/host.mjs';
import { readToolchain } from './setup/toolchain.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const python = process.env.AIRA_PYTHON ?? readToolchain(currentHost(root, false))?.python;
if (!python) {
  process.stderr.write('check:gpu: no Python has been set up: run `npm run setup` first.\n');
  process.exitCode = 2;
} else {
  const script = join(root, 'gpu-workers', 'scripts', 'check_gpu.py');
  const { status, error } = spawnSync(python, [script, ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' });
  if (error) process.stderr.write(`check:gpu: ${python}: ${error.message}\n`);
  process.exitCode = status ?? 1;
}
