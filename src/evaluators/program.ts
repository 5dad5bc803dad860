import { type ExecFileException, execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The only variables of our own that a child may see: keys stay in the process that calls the model (I7). */
const inherited = [
  ...['PATH', 'HOME', 'LANG', 'CUDA_VISIBLE_DEVICES', 'LD_LIBRARY_PATH'],
  // Where the compiled engine is kept, and by which compiler.
  ...['XDG_CACHE_HOME', 'CXX'],
];

/** What a child's environment starts from. */
export function childEnvironment(env: Environment): Record<string, string> {
  return Object.fromEntries(
    inherited.flatMap((name) => {
      const value = env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The executables called `name` on PATH, in order. */
export function allOnPath(name: string, env: Environment): string[] {
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => isAbsolute(folder));
  return folders.map((folder) => join(folder, name)).filter(isExecutable);
}

/** The end of a program that ran for what it prints. */
export interface Printed {
  /** Exited with 0, in time. */
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** What is said of a failed program that said nothing itself; Node's own message would repeat its whole command line. */
function failure({ killed, signal, code, message }: ExecFileException, timeoutMs: number): string {
  // A program that could not be started, or said too much: Node's sentence is about that alone.
  if (typeof code === 'string') return message;
  if (killed) return `it did not end within ${timeoutMs / 1000} s`;
  if (signal) return `it was killed by ${signal}`;
  return `it exited with ${code}`;
}

/** Runs a program in a child's environment and gathers what it prints. Never rejects. */
export function print(program: string, args: readonly string[], env: Environment, timeoutMs: number): Promise<Printed> {
  const options = { env: childEnvironment(env), timeout: timeoutMs, killSignal: 'SIGKILL', encoding: 'utf8' } as const;
  return new Promise((resolve) => {
    try {
      const child = execFile(program, [...args], options, (error, stdout, stderr) =>
        resolve({ ok: error === null, stdout, stderr: stderr === '' && error ? failure(error, timeoutMs) : stderr }),
      );
      child.stdin?.end();
    } catch (thrown) {
      // Refused before anything ran, for instance a NUL in a path.
      resolve({ ok: false, stdout: '', stderr: String(thrown) });
    }
  });
}
