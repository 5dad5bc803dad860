import { type ExecFileException, execFile } from 'node:child_process';

export interface ExecOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly cwd?: string;
  /** Longest output that is read, of each stream; 1 MiB otherwise. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
  /** Called with each piece of its standard output, while it runs. */
  readonly onOutput?: (text: string) => void;
}

/** The end of a program that ran for what it prints. */
export interface ExecEnd {
  /** Null where it did not exit by itself, or was not started. */
  readonly code: number | null;
  readonly stdout: string;
  /** What it said, or why it ended where it said nothing. */
  readonly stderr: string;
}

/** Why a program failed that said nothing itself; Node's own message would repeat its whole command line. */
function failure({ killed, signal, code, message }: ExecFileException, timeoutMs: number): string {
  // A program that could not be started, or said too much: Node's sentence is about that alone.
  if (typeof code === 'string') return message;
  if (killed) return `it did not end within ${timeoutMs / 1000} s`;
  if (signal) return `it was killed by ${signal}`;
  return `it exited with ${code}`;
}

/** Runs a program without input and gathers what it prints. Never rejects. */
export function exec(program: string, args: readonly string[], options: ExecOptions): Promise<ExecEnd> {
  const { env, timeoutMs, cwd, signal, onOutput, maxBytes = 2 ** 20 } = options;
  const given = {
    env,
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    encoding: 'utf8',
    maxBuffer: maxBytes,
    ...(cwd === undefined ? {} : { cwd }),
    ...(signal === undefined ? {} : { signal }),
  } as const;
  return new Promise((resolve) => {
    try {
      const child = execFile(program, [...args], given, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
        resolve({ code, stdout, stderr: stderr === '' && error ? failure(error, timeoutMs) : stderr });
      });
      if (onOutput) child.stdout?.on('data', onOutput);
      child.stdin?.end();
    } catch (thrown) {
      // Refused before anything ran, for instance a NUL in a path.
      resolve({ code: null, stdout: '', stderr: String(thrown) });
    }
  });
}
