import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';

/**
 * Runs the Python tests with one interpreter in two processes, a file in one of them, and this process's streams. Resolves to the exit status.
 *
 * @param {string} root the repository
 * @param {string} python
 * @param {string[]} args further arguments of pytest
 * @returns {Promise<number>}
 */
export function runPytest(root, python, args) {
  const path = [join(root, 'gpu-workers'), process.env.PYTHONPATH].filter(Boolean).join(delimiter);
  const env = { ...process.env, PYTHONPATH: path, OMP_NUM_THREADS: '1' };
  const command = ['-m', 'pytest', 'gpu-workers/tests', '-q', '-n', '2', '--dist', 'loadfile', ...args];
  const child = spawn(python, command, { cwd: root, env, stdio: 'inherit' });
  // A terminal interrupts the whole group: pytest says where it was, and its exit status decides.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('exit', (code, signal) => done(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
}
