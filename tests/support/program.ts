import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { inject, onTestFinished } from 'vitest';

/** A line of `--json`. */
export interface EventLine {
  readonly event: string;
  readonly v: number;
  readonly [key: string]: unknown;
}

/** How a process ended, and all that it said. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Words before the command, such as those that move it to another network namespace. */
  readonly within?: readonly string[];
  /** The installation to run; the one that was built for this run, unless a test has altered a copy. */
  readonly installation?: string;
}

/** A wait that is over before this is a defect of the program, not of the machine's speed. */
const patienceMs = 90_000;

/** One run of `aira`, seen from outside. */
export class Program {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** Every line of `--json` so far. */
  readonly events: EventLine[] = [];
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();
  #over = false;
  #stdout = '';
  #stderr = '';

  constructor(
    args: readonly string[],
    { env = {}, cwd, within = [], installation = inject('installation') }: RunOptions,
  ) {
    const { PATH, HOME, AIRA_PYTHON, AIRA_NATS_SERVER } = process.env;
    const kept = Object.entries({ PATH, HOME, AIRA_PYTHON, AIRA_NATS_SERVER }).filter(
      ([, value]) => value !== undefined,
    );
    const [command = process.execPath, ...rest] = [...within, process.execPath, join(installation, 'dist/cli/main.js')];
    this.#child = spawn(command, [...rest, ...args], {
      env: { ...Object.fromEntries(kept), NO_COLOR: '1', AIRA_ACK_WAIT_SECONDS: '3', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(cwd !== undefined && { cwd }),
    });
    this.pid = this.#child.pid as number;
    const { stdout, stderr } = this.#child;
    if (!stdout || !stderr) throw new Error('the program was started without pipes');
    createInterface({ input: stdout }).on('line', (line) => {
      this.#stdout += `${line}\n`;
      if (line.startsWith('{"event"')) this.events.push(JSON.parse(line) as EventLine);
      this.#tell();
    });
    stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      this.#tell();
    });
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.#over = true;
        this.#tell();
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
  }

  get isOver(): boolean {
    return this.#over;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves with the first true answer; asked again after everything that the program says. */
  async until<T>(question: () => T | undefined | false, what: string): Promise<T> {
    let stopWaiting = () => {};
    try {
      return await new Promise<T>((resolve, reject) => {
        const ask = () => {
          const answer = question();
          if (answer !== undefined && answer !== false) resolve(answer);
          else if (this.#over) reject(new Error(`ended before ${what}: ${this.#stderr}${this.#stdout}`));
        };
        const late = () => reject(new Error(`no ${what}: ${this.#stderr}${this.#stdout}`));
        const timer = setTimeout(late, patienceMs);
        stopWaiting = () => {
          clearTimeout(timer);
          this.#waiting.delete(ask);
        };
        this.#waiting.add(ask);
        ask();
      });
    } finally {
      stopWaiting();
    }
  }

  /** The first line of `--json` of which this is true. */
  event(matches: (line: EventLine) => boolean, what = 'the event'): Promise<EventLine> {
    return this.until(() => this.events.find(matches), what);
  }

  #tell(): void {
    for (const ask of [...this.#waiting]) ask();
  }
}

/** Starts `aira`; it ends with the test at the latest. */
export function start(args: readonly string[], options: RunOptions = {}): Program {
  const program = new Program(args, options);
  onTestFinished(() => end(program));
  return program;
}

/** Ends a program with all that it has started. */
export async function end(program: Program): Promise<void> {
  // Gently first: what it started is then gone when it is.
  program.kill('SIGTERM');
  const impatient = setTimeout(() => program.kill('SIGKILL'), 10_000);
  await program.ended;
  clearTimeout(impatient);
}

/** Runs `aira` to its end. */
export function aira(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return start(args, options).ended;
}

/** The lines of a program's stdout as JSON. */
export function jsonLines<T = Record<string, unknown>>(stdout: string): T[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}
