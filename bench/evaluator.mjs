// The evaluator's benchmark: what a candidate takes, with the Python that set-up chose, and then how long devices wait
// between two candidates (idle.mjs). Both write their sections of BENCHMARKS.md.
// Run: npm run bench:evaluator [-- options of bench_evaluator.py]
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
  const wait = () => undefined;
  const pass = () => child.kill('SIGTERM');
  process.on('SIGINT', wait);
  process.on('SIGTERM', pass);
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (signal ? constants.signals[signal] : 0);
    process.off('SIGINT', wait);
    process.off('SIGTERM', pass);
    if (process.exitCode === 0) void import('./idle.mjs');
  });
}
