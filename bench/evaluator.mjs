// The evaluator's benchmark, with the Python that set-up chose: writes its section of BENCHMARKS.md.
// Run: npm run bench:evaluator
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { currentHost } from '../scripts/setup/host.mjs';
import { readToolchain } from '../scripts/setup/toolchain.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const toolchain = readToolchain(currentHost(root, false));
if (!toolchain) {
  process.stderr.write('bench:evaluator: no Python has been set up: run `npm run setup` first.\n');
  process.exitCode = 2;
} else {
  const script = join(root, 'gpu-workers', 'scripts', 'bench_evaluator.py');
  const child = spawn(toolchain.python, [script, ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' });
  // A terminal interrupts the whole group; the child says how it ended.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (signal ? constants.signals[signal] : 0);
  });
}
