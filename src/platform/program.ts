import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { exec } from './childProcess.ts';

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

/** Runs a program in a child's environment and gathers what it prints. Never rejects. */
export async function print(
  program: string,
  args: readonly string[],
  env: Environment,
  timeoutMs: number,
): Promise<Printed> {
  const { code, stdout, stderr } = await exec(program, args, { env: childEnvironment(env), timeoutMs });
  return { ok: code === 0, stdout, stderr };
}
