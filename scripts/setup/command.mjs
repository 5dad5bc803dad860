import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';

/** @typedef {import('./host.mjs').Host} Host */
/** @typedef {{ code: number | null, signal: NodeJS.Signals | null, stdout: string, tail: string[] }} Finished */

const PROGRESS_EVERY_MS = 8_000;
const TAIL_LINES = 25;

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();

/** @param {string} path */
export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Every executable called `name` on PATH, in order. @param {Host} host @param {string} name @returns {string[]} */
export function allOnPath(host, name) {
  const folders = (host.env.PATH ?? '').split(delimiter).filter((folder) => isAbsolute(folder));
  return folders.map((folder) => join(folder, name)).filter(isExecutable);
}

/**
 * A program named by the user: a path (relative to the repository) or a bare name on PATH.
 *
 * @param {Host} host
 * @param {string} given
 */
export function findProgram(host, given) {
  if (!given.includes('/')) return allOnPath(host, given)[0] ?? null;
  const path = resolve(host.root, given);
  return isExecutable(path) ? path : null;
}

/**
 * Runs a program to its end with its output kept back: `stdout` whole, `tail` the last lines of both streams. While it
 * runs, `label`, the seconds gone by and what `progress` made of its latest lines are said every eight seconds. Resolves
 * whatever the exit status is; a program that cannot be started has code 127.
 *
 * @param {Host} host
 * @param {string} label
 * @param {string} program
 * @param {string[]} args
 * @param {object} [options]
 * @param {Record<string, string>} [options.env]
 * @param {number} [options.timeoutMs]
 * @param {(line: string) => string | null} [options.progress]  what a line of output says of the progress, if anything
 * @returns {Promise<Finished>}
 */
export function run(host, label, program, args, { env = {}, timeoutMs, progress = () => null } = {}) {
  return new Promise((done) => {
    const child = spawn(program, args, {
      cwd: host.root,
      env: { ...host.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    running.add(child);
    const started = process.hrtime.bigint();
    /** @type {string | null} */
    let latest = null;
    const ticker = setInterval(() => {
      const seconds = Number((process.hrtime.bigint() - started) / 1_000_000_000n);
      host.say(`${label}: ${seconds} s so far${latest === null ? '' : ` (${latest})`}`);
    }, PROGRESS_EVERY_MS);

    let stdout = '';
    let recent = '';
    let unfinished = '';
    /** @param {string} text */
    const remember = (text) => {
      recent = (recent + text).slice(-20_000);
      const lines = (unfinished + text).split(/\r?\n|\r/);
      unfinished = lines.pop() ?? '';
      for (const line of lines) latest = progress(line) ?? latest;
    };
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
      remember(text);
    });
    child.stderr.setEncoding('utf8').on('data', remember);

    /** @param {number | null} code @param {NodeJS.Signals | null} signal */
    const finish = (code, signal) => {
      clearInterval(ticker);
      running.delete(child);
      const lines = recent.split(/\r?\n/).filter((line) => line.trim() !== '');
      done({ code, signal, stdout, tail: lines.slice(-TAIL_LINES) });
    };
    child.on('error', (error) => {
      remember(`${error.message}\n`);
      finish(127, null);
    });
    child.on('close', finish);
  });
}

/** Passes a signal on to every program still running. @param {NodeJS.Signals} signal */
export function signalRunning(signal) {
  for (const child of running) child.kill(signal);
}
